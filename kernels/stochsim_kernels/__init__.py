"""Numba kernels of stochsim: arrays in, arrays out. Import the file you need; `reference` holds the NumPy twins."""
