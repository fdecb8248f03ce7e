"""Counting bits."""

import numpy as np

from stochsim_kernels._jit import inline


@inline
def popcount64(v):
    """Number of ones in 64 bits, in the form that compilers recognise and replace by one
    instruction.
    """
    v = v - ((v >> np.uint64(1)) & np.uint64(0x5555555555555555))
    v = (v & np.uint64(0x3333333333333333)) + ((v >> np.uint64(2)) & np.uint64(0x3333333333333333))
    v = (v + (v >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (v * np.uint64(0x0101010101010101)) >> np.uint64(56)
