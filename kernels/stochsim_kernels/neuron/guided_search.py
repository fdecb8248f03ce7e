"""Many thresholds, coarse to fine: the upper bits of u name a place in a guide, from which few
thresholds are left to pass.
"""

import numpy as np

from stochsim_kernels._jit import helper
from stochsim_kernels.random.counter_rng import integer31, lower_word, word

_NEVER = np.uint32(0xFFFFFFFF)  # above every u
_GUIDE_SHIFT = 24  # the upper 8 bits of u index the guide


@helper
def _build_guide(edge, ascending, guide):
    """Copy the thresholds of one neuron and note where to begin: guide[j] of them lie at or below j
    2^_GUIDE_SHIFT.
    """
    for k in range(edge.size):
        ascending[k] = edge[k]
    ascending[edge.size] = _NEVER
    k = 0
    for j in range(guide.size):
        while ascending[k] <= np.uint32(j << _GUIDE_SHIFT):
            k += 1
        guide[j] = k


@helper
def search_rows(edge, c_min, streams, out):
    """Write c_min + #{k : u >= threshold_k} to out (read, neuron), int8; edge: thresholds (levels -
    1, neuron), streams as in `simd_thresholds.count_rows`.
    """
    edges, neurons = edge.shape
    reads = out.shape[0]
    ascending = np.empty(edges + 1, np.uint32)
    guide = np.empty(1 << (31 - _GUIDE_SHIFT), np.uint8)
    upper = np.empty(reads, np.uint64)
    lower = np.empty(reads, np.uint64)
    for n in range(neurons):
        if n % 4 == 0:
            seed = streams[0, n // 4]
            gamma = streams[1, n // 4]
            for r in range(reads):
                upper[r] = word(seed, gamma, r)
                lower[r] = lower_word(seed, gamma, r)
        _build_guide(edge[:, n], ascending, guide)
        for r in range(reads):
            u = np.uint32(integer31(upper[r], lower[r], n))
            k = np.int64(guide[u >> np.uint32(_GUIDE_SHIFT)])
            k += np.int64(
                ascending[k] <= u
            )  # mostly all there is to do, without a branch to be guessed
            while ascending[k] <= u:
                k += 1
            out[r, n] = c_min + k
