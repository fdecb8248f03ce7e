"""Drive -> codes, many reads at once: one 31-bit random integer per code, compared with the thresholds of its drive."""

import numpy as np
from numba import prange

from stochsim_kernels._jit import helper, kernel
from stochsim_kernels.counter_rng import mix64, stream, word

_CHUNK = 256  # reads per task: setting up the streams costs as much as a dozen reads

_SEARCH_FROM = 63  # thresholds (6 bits) from which a guided search beats comparing with all of them
_NEVER = np.uint32(0xFFFFFFFF)  # above every u
_GUIDE_SHIFT = 24  # the upper 8 bits of u index the guide


@helper
def _streams(key, layer, event, stimulus, first_read, seed, gamma):
    """Streams of all neuron pairs, moved to just before `first_read`: from here on a running sum, word() without its product."""
    for i in range(seed.size):
        seed[i], gamma[i] = stream(key, i, stimulus, event, layer)
        seed[i] += gamma[i] * np.uint64(first_read)


@helper
def _count_all(edge, c_min, seed, gamma, out):
    """Codes of one stimulus by comparing u with every threshold; edge (levels - 1, neuron), out (read, neuron)."""
    edges, neurons = edge.shape
    in_threes = edges - edges % 3
    bits = np.empty(seed.size, np.uint64)
    halves = bits.view(np.uint32)  # neurons 2i and 2i + 1 own the low and the high half of word i
    for r in range(out.shape[0]):
        for i in range(seed.size):
            seed[i] += gamma[i]
            bits[i] = mix64(seed[i])
        code = out[r]
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


@helper
def _build_guide(edge, ascending, guide):
    """Copy the thresholds of one neuron and note where to begin: guide[j] of them lie at or below j 2^_GUIDE_SHIFT."""
    for k in range(edge.size):
        ascending[k] = edge[k]
    ascending[edge.size] = _NEVER
    k = 0
    for j in range(guide.size):
        while ascending[k] <= np.uint32(j << _GUIDE_SHIFT):
            k += 1
        guide[j] = k


@helper
def _search(edge, c_min, seed, gamma, out):
    """The same codes, coarse to fine: the upper bits of u name a place in a guide, from which few thresholds are left to pass."""
    edges, neurons = edge.shape
    reads = out.shape[0]
    ascending, guide = np.empty(edges + 1, np.uint32), np.empty(1 << (31 - _GUIDE_SHIFT), np.uint8)
    bits = np.empty(reads, np.uint64)
    halves = bits.view(np.uint32)
    for n in range(neurons):
        if n % 2 == 0:
            for r in range(reads):
                bits[r] = word(seed[n // 2], gamma[n // 2], r)
        _build_guide(edge[:, n], ascending, guide)
        for r in range(reads):
            u = halves[2 * r + n % 2] >> np.uint32(1)
            k = np.int64(guide[u >> np.uint32(_GUIDE_SHIFT)])
            k += np.int64(ascending[k] <= u)  # mostly all there is to do, without a branch to be guessed
            while ascending[k] <= u:
                k += 1
            out[r, n] = c_min + k


@kernel
def draw_codes(thresholds, c_min, key, layer, event, first_stimulus, first_read, out):
    """Write codes c_min + #{k : u >= threshold_k} to out (stimulus, read, neuron), int8.

    thresholds: (stimulus, levels - 1, neuron) uint32, ascending in level. u of (stimulus, read, neuron) is a pure function of key, layer,
    event and the absolute indices, so any split in stimuli or reads, and any thread count, gives the same codes. From 6 bits on a search
    takes the place of the full count: same u, same thresholds, same codes.
    """
    stimuli, reads, neurons = out.shape
    chunks = (reads + _CHUNK - 1) // _CHUNK
    for task in prange(stimuli * chunks):
        s = task // chunks
        first = (task % chunks) * _CHUNK
        last = min(reads, first + _CHUNK)
        seed = np.empty((neurons + 1) // 2, np.uint64)
        gamma = np.empty((neurons + 1) // 2, np.uint64)
        _streams(key, layer, event, first_stimulus + s, first_read + first, seed, gamma)
        if thresholds.shape[1] < _SEARCH_FROM:
            _count_all(thresholds[s], c_min, seed, gamma, out[s, first:last])
        else:
            _search(thresholds[s], c_min, seed, gamma, out[s, first:last])


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
