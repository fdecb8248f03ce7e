"""The kernels in plain NumPy, slow and obvious: the reference implementations of every test."""
