"""Numba kernels of stochsim: arrays and NamedTuples of them in, arrays out.

Import the module you need from its subpackage, `from stochsim_kernels.neuron import channel`;
`reference` holds the NumPy reference implementations.
"""

KERNEL_VERSION = 2
"""Raised when the same key may give other codes; part of the seed promise in ARCHITECTURE.md."""
