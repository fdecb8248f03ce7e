"""Numba kernels of stochsim: arrays in, arrays out.

Import the file you need; `reference` holds the NumPy reference implementations.
"""

KERNEL_VERSION = 1
"""Raised when the same key may give other codes; part of the seed promise in ARCHITECTURE.md."""
