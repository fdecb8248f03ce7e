"""Drive -> codes, many reads at once: one 31-bit random integer per code, compared with the thresholds of its drive."""

import numpy as np
from numba import prange

from stochsim_kernels._jit import kernel
from stochsim_kernels.counter_rng import mix64, stream, word

_CHUNK = 256  # reads per task: setting up the streams costs as much as a dozen reads


@kernel
def draw_codes(thresholds, c_min, key, layer, event, first_stimulus, first_read, out):
    """Write codes c_min + #{k : u >= threshold_k} to out (stimulus, read, neuron), int8.

    thresholds: (stimulus, levels - 1, neuron) uint32. u of (stimulus, read, neuron) is a pure function of key, layer, event and the
    absolute indices, so any split in stimuli or reads, and any thread count, gives the same codes.
    """
    stimuli, reads, neurons = out.shape
    edges = thresholds.shape[1]
    in_threes = edges - edges % 3
    pairs = (neurons + 1) // 2
    chunks = (reads + _CHUNK - 1) // _CHUNK
    for task in prange(stimuli * chunks):
        s = task // chunks
        first = (task % chunks) * _CHUNK
        seed = np.empty(pairs, np.uint64)
        gamma = np.empty(pairs, np.uint64)
        for i in range(pairs):
            seed[i], gamma[i] = stream(key, i, first_stimulus + s, event, layer)
            seed[i] += gamma[i] * np.uint64(first_read + first)  # from here on a running sum: word() without its product
        bits = np.empty(pairs, np.uint64)
        halves = bits.view(np.uint32)  # neurons 2i and 2i + 1 own the low and the high half of word i
        edge = thresholds[s]
        for r in range(first, min(reads, first + _CHUNK)):
            for i in range(pairs):
                seed[i] += gamma[i]
                bits[i] = mix64(seed[i])
            code = out[s, r]
            for n in range(neurons):
                code[n] = c_min
            for k in range(0, in_threes, 3):  # 3 divides 2^b - 1 at even b; fewer passes over the codes are 10 to 15 % faster
                low, middle, high = edge[k], edge[k + 1], edge[k + 2]
                for n in range(neurons):
                    u = halves[n] >> np.uint32(1)
                    code[n] += np.int8(u >= low[n]) + np.int8(u >= middle[n]) + np.int8(u >= high[n])
            for k in range(in_threes, edges):
                for n in range(neurons):
                    code[n] += np.int8((halves[n] >> np.uint32(1)) >= edge[k, n])


@kernel
def draw_integers(key, layer, event, first_stimulus, first_read, out):
    """Write the 31-bit integers u themselves to out (stimulus, read, neuron), uint32: the same ones that `draw_codes` compares."""
    stimuli, reads, neurons = out.shape
    for s in prange(stimuli):
        for i in range((neurons + 1) // 2):
            seed, gamma = stream(key, i, first_stimulus + s, event, layer)
            for r in range(reads):
                bits = word(seed, gamma, first_read + r)
                out[s, r, 2 * i] = (bits & np.uint64(0xFFFFFFFF)) >> np.uint64(1)
                if 2 * i + 1 < neurons:
                    out[s, r, 2 * i + 1] = bits >> np.uint64(33)
