"""The streams of whole blocks of neurons."""

import numpy as np

from stochsim_kernels._jit import helper
from stochsim_kernels.neuron.simd import LANES, QUADS
from stochsim_kernels.random.counter_rng import stream, stream_of_quad


@helper
def block_streams(address, s, first, neurons):
    """`counter_rng.stream_of_quad` of whole blocks of neurons of stimulus s of a call, from read
    `first` of the call on: (2, quad) uint64, seeds and increments.
    """
    out = np.empty((2, (neurons + LANES - 1) // LANES * QUADS), np.uint64)
    stimulus = address.first_stimulus + s
    whole = stream(address.key, np.int64(0), stimulus, address.event, address.layer)
    seed = out[0]
    gamma = out[1]
    for i in range(seed.size):
        seed[i], gamma[i] = stream_of_quad(whole[0], whole[1], i, address.first_read + first)
    return out
