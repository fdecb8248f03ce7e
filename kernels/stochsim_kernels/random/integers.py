"""The 31-bit integers u that codes are drawn from, themselves."""

import numpy as np

from stochsim_kernels._jit import helper
from stochsim_kernels.random.counter_rng import (
    integer31,
    lower_word,
    stream,
    stream_of_quad,
    word,
)


@helper
def draw_integers(address, out):
    """Write the integers u of an address to out (stimulus, read, neuron), uint32: the same ones
    that codes are drawn from.
    """
    stimuli, reads, neurons = out.shape
    for s in range(stimuli):
        stimulus = address.first_stimulus + s
        whole = stream(address.key, np.int64(0), stimulus, address.event, address.layer)
        for quad in range((neurons + 3) // 4):
            seed, gamma = stream_of_quad(whole[0], whole[1], quad, address.first_read)
            first = 4 * quad
            for r in range(reads):
                upper = word(seed, gamma, r)
                lower = lower_word(seed, gamma, r)
                for n in range(first, min(first + 4, neurons)):
                    out[s, r, n] = np.uint32(integer31(upper, lower, n))
