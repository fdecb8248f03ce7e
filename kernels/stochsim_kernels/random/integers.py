"""The 31-bit integers u that codes are drawn from, themselves."""

import numpy as np

from stochsim_kernels._jit import helper
from stochsim_kernels.random.counter_rng import stream, word


@helper
def draw_integers(address, out):
    """Write the integers u of an address to out (stimulus, read, neuron), uint32: the same ones
    that codes are drawn from.
    """
    stimuli, reads, neurons = out.shape
    for s in range(stimuli):
        for i in range((neurons + 1) // 2):
            stimulus = address.first_stimulus + s
            seed, gamma = stream(address.key, i, stimulus, address.event, address.layer)
            for r in range(reads):
                bits = word(seed, gamma, address.first_read + r)
                out[s, r, 2 * i] = (bits & np.uint64(0xFFFFFFFF)) >> np.uint64(1)
                if 2 * i + 1 < neurons:
                    out[s, r, 2 * i + 1] = bits >> np.uint64(33)
