"""Codes without a table of thresholds: by the place of drive plus noise among the edges, or by
bisection.

Both give the codes of `channel.fill_thresholds`: a place so near to an edge that the error of
`quantile` could matter is settled by the threshold itself, computed by the same expressions. The
clamp of t to +-6.4 there changes nothing, for |t(u)| < 6.24. Thresholds are off by up to 1e-15 in
probability, which moves an edge by 7e-7 sigma where it moves it most, at the last u of a tail:
T_ERROR leaves room.
"""

import math
from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper
from stochsim_kernels.neuron.channel import (
    _NEGLIGIBLE,
    GAUSSIAN,
    RELU,
    NeuronLaw,
    noise_cdf,
    noiseless_index,
)
from stochsim_kernels.neuron.normal_cdf import as_threshold, normal_threshold
from stochsim_kernels.neuron.quantile import T_ERROR, EdgeGrid, place_block
from stochsim_kernels.neuron.simd import LANES, Block
from stochsim_kernels.random.counter_rng import read_integer

# more noise than this has an infinite margin, so that all its codes are settled by thresholds
_MOST_STEPS = 1e20
# of drives that differ from read to read: the order of their memory (8 at once take 1.3 times as
# long)
_READS_AT_ONCE = 1
_NOTE = 1 + LANES // 8  # words about a read at which codes of a block are in doubt


@helper
def threshold(edge, a, sigma, other, family):
    """round(2^31 P(a + noise < edge)) by the expressions of `channel.fill_thresholds`; at least one
    of the two sigmas positive.
    """
    if family != GAUSSIAN and other > _NEGLIGIBLE * sigma:
        return as_threshold(noise_cdf(edge - a, sigma, other, family))
    rate = 1.0 / math.hypot(sigma, other)
    return normal_threshold(edge, a, rate)


@helper
def locate(high, doubtful, u, a, sigma, other, law):
    """Edges passed: high at most, the last `doubtful` of which are in doubt; by bisection."""
    edges = law.edges
    if sigma == 0.0 and other == 0.0:
        return noiseless_index(a, law)
    low = high - doubtful
    while low < high:
        k = (low + high) // 2
        if u >= threshold(edges[k], a, sigma, other, law.family):
            low = k + 1
        else:
            high = k
    return low


@helper
def bisect_rows(drive, sigma, other, law, streams, out):
    """Codes (read, neuron) of one stimulus, for any noise and activation. drive: (read, neuron), or
    (1, neuron) for all reads; sigma, other: (neuron,); streams as in `simd_thresholds.count_rows`.
    """
    most = law.edges.size
    for r in range(out.shape[0]):
        a = drive[min(r, drive.shape[0] - 1)]
        for n in range(out.shape[1]):
            u = read_integer(streams, r, n)
            out[r, n] = law.c_min + locate(most, most, u, a[n], sigma[n], other[n], law)


@helper
def spread(sigma, other, law):
    """What `place_rows` needs to know of the neurons of a stimulus: (4, neuron) float32, whole
    blocks wide, for sigma, other (neuron,).

    Noise in steps; the margin of error in steps; the smallest place; the smallest drive. The margin
    covers T_ERROR, the rounding of places in float32 (all sums below 2 levels + 19 scale, three
    roundings each, beyond which no edge is near) and of edges in float64. With noise, edges at
    -infinity are passed at any place; without, a drive below 0 is 0 where the activation is ReLU.
    """
    edges = law.edges
    step = law.step
    out = np.zeros((4, (sigma.size + LANES - 1) // LANES * LANES), np.float32)
    rounding = 3e-7 * (edges.size + 2) + 2e-15 * (abs(law.z / step) + abs(law.c_min))
    passed = 0.5
    for k in range(edges.size):
        passed += 1.0 if edges[k] == -np.inf else 0.0
    rate = 1.0 / step
    steps = out[0]
    for n in range(sigma.size):
        both = math.sqrt(sigma[n] * sigma[n] + other[n] * other[n])
        steps[n] = min(both * rate, _MOST_STEPS)
    margin = out[1]
    for n in range(sigma.size):
        found = (T_ERROR + 2e-6) * np.float64(steps[n]) + rounding
        margin[n] = found if steps[n] < _MOST_STEPS else np.inf
    least_place = out[2]
    least_drive = out[3]
    silent_least = 0.0 if law.activation == RELU else -np.inf
    for n in range(sigma.size):
        silent = sigma[n] == 0.0 and other[n] == 0.0
        least_place[n] = 0.5 if silent else passed
        least_drive[n] = silent_least if silent else -np.inf
    return out


class _Noise(NamedTuple):
    """What is added to the drives of a stimulus: sigma, other (neuron,), and the law."""

    sigma: np.ndarray
    other: np.ndarray
    law: NeuronLaw


@helper
def _settle(note, first, drive, noise, streams, out):
    """Correct the codes of a block at a read: those that may have passed more edges.

    note (_NOTE,): the read + 1, then how many more, one byte for each neuron. drive: (read,
    neuron), or (1, neuron) for all reads.
    """
    sigma, other, law = noise
    c_min = law.c_min
    r = np.int64(note[0]) - 1
    a = drive[min(r, drive.shape[0] - 1)]
    for n in range(first, min(first + LANES, out.shape[1])):
        lane = n - first
        more = np.int64((note[1 + lane // 8] >> np.uint64(lane % 8 * 8)) & np.uint64(255))
        if more > 0:
            high = ((np.int64(out[r, n]) - c_min) & 255) + more
            u = read_integer(streams, r, n)
            out[r, n] = c_min + locate(high, more, u, a[n], sigma[n], other[n], law)


@helper
def place_rows(drive, sigma, other, spread, law, streams, out):
    """Codes (read, neuron) of one stimulus under Gaussian noise, identity or ReLU; drive: (read,
    neuron), or (1, neuron) for all reads.

    sigma, other: (neuron,); spread: (4, neuron), from `spread`; streams as in
    `simd_thresholds.count_rows`.
    """
    reads, neurons = out.shape
    at_once = reads if drive.shape[0] == 1 else _READS_AT_ONCE
    doubt = np.empty(_NOTE * at_once + 1, np.uint64)
    c_min = law.c_min
    origin = law.z + (c_min - 0.5) * law.step
    most = np.float32(law.edges.size + 0.5)
    grid = EdgeGrid(origin, 1.0 / law.step, most, np.int8(c_min))
    noise = _Noise(sigma, other, law)
    for start in range(0, reads, at_once):
        stop = min(start + at_once, reads)
        for first in range(0, neurons, LANES):
            place_block(Block(first, start, stop), drive, spread, grid, streams, doubt, out)
            i = 0
            while doubt[i] != np.uint64(0):
                _settle(doubt[i : i + _NOTE], first, drive, noise, streams, out)
                i += _NOTE
