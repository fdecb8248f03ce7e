"""Drive -> codes, many reads at once: one 31-bit random integer u per code, compared with the
thresholds of its drive.

There are four ways to the same codes, chosen by bits, noise family and activation alone:

- drives that hold for all reads, up to 5 bits: thresholds once, then u compared with them in
  registers (`simd_thresholds`);
- from 6 bits on: thresholds once, then a guided search among them;
- from 6 bits on under Gaussian noise, with identity or ReLU, and then at any width where the drive
  differs from read to read: the place of a + sigma t(u) among the edges, settled by thresholds
  where it is near one (`nearest_edge`);
- drives that differ from read to read, otherwise: bisection, computing b thresholds per code.
"""

import numpy as np
from numba import prange

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.neuron.channel import (
    GAUSSIAN,
    IDENTITY,
    RELU,
    NeuronLaw,
    fill_thresholds,
)
from stochsim_kernels.neuron.nearest_edge import bisect_rows, place_rows, spread
from stochsim_kernels.neuron.simd_thresholds import LANES, WIDTHS, count_block
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.counter_rng import philox4x32, word
from stochsim_kernels.random.popcount import popcount64

_CHUNK = 256  # reads per task
_THRESHOLDS_AT_ONCE = 2**20  # 4 MiB of thresholds at a time, or one stimulus's where these are more
_MOST_COUNTED = (
    2 ** max(WIDTHS) - 1
)  # thresholds, 2^b - 1 of them, that are counted in registers; others are searched
_NEVER = np.uint32(0xFFFFFFFF)  # above every u
_GUIDE_SHIFT = 24  # the upper 8 bits of u index the guide

_philox = inline(philox4x32.py_func)  # inside the loop over pairs, which then runs on vectors
_ALTERNATING = np.uint64(0xAAAAAAAAAAAAAAAA)


@helper
def block_streams(address, s, first, neurons):
    """`counter_rng.stream` of whole blocks of neurons of stimulus s of a call, (2, pair) uint64:
    seeds moved to just before read `first` of the call, and increments.
    """
    out = np.empty((2, (neurons + LANES - 1) // LANES * (LANES // 2)), np.uint64)
    key = address.key
    layer = address.layer
    event = address.event
    stimulus = address.first_stimulus + s
    read = np.uint64(address.first_read + first)
    seed = out[0]
    gamma = out[1]
    for i in range(seed.size):
        w0, w1, w2, w3 = _philox(key, i, stimulus, event, layer)
        odd = (w2 | (w3 << np.uint64(32))) | np.uint64(1)
        weak = popcount64(odd ^ (odd >> np.uint64(1))) < np.uint64(24)
        gamma[i] = odd ^ (_ALTERNATING if weak else np.uint64(0))
        seed[i] = (w0 | (w1 << np.uint64(32))) + gamma[i] * read
    return out


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
def _search(edge, c_min, streams, out):
    """The same codes, coarse to fine: the upper bits of u name a place in a guide, from which few
    thresholds are left to pass.
    """
    edges, neurons = edge.shape
    reads = out.shape[0]
    ascending = np.empty(edges + 1, np.uint32)
    guide = np.empty(1 << (31 - _GUIDE_SHIFT), np.uint8)
    bits = np.empty(reads, np.uint64)
    halves = bits.view(np.uint32)
    for n in range(neurons):
        if n % 2 == 0:
            for r in range(reads):
                bits[r] = word(streams[0, n // 2], streams[1, n // 2], r)
        _build_guide(edge[:, n], ascending, guide)
        for r in range(reads):
            u = halves[2 * r + n % 2] >> np.uint32(1)
            k = np.int64(guide[u >> np.uint32(_GUIDE_SHIFT)])
            k += np.int64(
                ascending[k] <= u
            )  # mostly all there is to do, without a branch to be guessed
            while ascending[k] <= u:
                k += 1
            out[r, n] = c_min + k


@kernel
def draw_codes(thresholds, c_min, address, out):
    """Write codes c_min + #{k : u >= threshold_k} to out (stimulus, read, neuron), int8.

    thresholds: (stimulus, levels - 1, neuron) uint32, ascending in level, 256 levels at most. u of
    (stimulus, read, neuron) is a pure function of the address and the absolute indices, so any
    split in stimuli or reads, and any thread count, gives the same codes.
    """
    stimuli, reads, neurons = out.shape
    edges = thresholds.shape[1]
    counted = 0 < edges <= _MOST_COUNTED and edges & (edges + 1) == 0
    chunks = (reads + _CHUNK - 1) // _CHUNK
    for task in prange(stimuli * chunks):
        s = task // chunks
        first = (task % chunks) * _CHUNK
        last = min(reads, first + _CHUNK)
        streams = block_streams(address, s, first, neurons)
        if counted:
            for n in range(0, neurons, LANES):
                count_block(n, thresholds[s], streams, np.int8(c_min), out[s, first:last])
        else:
            _search(thresholds[s], c_min, streams, out[s, first:last])


@helper
def row_of(values, s, neurons):
    """Row s of values, which may be one row for all stimuli, one column for all neurons, or
    both.
    """
    out = np.empty(neurons)
    for n in range(neurons):
        out[n] = values[min(s, values.shape[0] - 1), min(n, values.shape[1] - 1)]
    return out


@kernel
def _draw_without_thresholds(drive, sigma, other, law, address, out):
    """As `draw_each`; or, with one row of drives per stimulus, drive (stimulus, 1, neuron), the
    same drives at every read.
    """
    stimuli, reads, neurons = out.shape
    chunks = (reads + _CHUNK - 1) // _CHUNK
    for task in prange(stimuli * chunks):
        s = task // chunks
        first = (task % chunks) * _CHUNK
        last = min(reads, first + _CHUNK)
        streams = block_streams(address, s, first, neurons)
        drives = drive[s] if drive.shape[1] == 1 else drive[s, first:last]
        sigmas = row_of(sigma, s, neurons)
        others = row_of(other, s, neurons)
        if law.family == GAUSSIAN and law.activation in (IDENTITY, RELU):
            known = spread(sigmas, others, law)
            place_rows(drives, sigmas, others, known, law, streams, out[s, first:last])
        else:
            bisect_rows(drives, sigmas, others, law, streams, out[s, first:last])


def as_float64(*arrays):
    """The one type that kernels are compiled for: float64, C-contiguous, writeable."""
    return (np.require(array, np.float64, ("C", "W")) for array in arrays)


def draw(
    drive: np.ndarray,
    sigma: np.ndarray,
    other: np.ndarray,
    law: NeuronLaw,
    address: DrawAddress,
    out: np.ndarray,
) -> None:
    """Write the codes of noisy neurons to out (stimulus, read, neuron), int8, C-contiguous: drives
    that hold for all reads.

    drive, sigma, other: (stimulus, neuron) float64, in units of the drive; sigma and other may each
    be one row for all stimuli or one column for all neurons. The codes are those of
    `channel.fill_thresholds` and `draw_codes`. Working memory beyond a few rows of neurons per
    thread: 4 MiB of thresholds, or one stimulus's where these are more.
    """
    if law.edges.size > _MOST_COUNTED and _is_placed(law):
        drive, sigma, other = as_float64(drive[:, None], sigma, other)
        _draw_without_thresholds(drive, sigma, other, law, address, out)
        return
    drive, sigma, other = as_float64(
        drive, *(np.broadcast_to(one, drive.shape) for one in (sigma, other))
    )
    stimuli, _, neurons = out.shape
    at_once = max(1, min(stimuli, _THRESHOLDS_AT_ONCE // max(1, law.edges.size * neurons)))
    buffer = np.empty((at_once, law.edges.size, neurons), np.uint32)
    for first in range(0, stimuli, at_once):
        part = slice(first, min(stimuli, first + at_once))
        thresholds = buffer[: part.stop - first]
        fill_thresholds(drive[part], sigma[part], other[part], law, thresholds)
        here = address._replace(first_stimulus=address.first_stimulus + first)
        draw_codes(thresholds, law.c_min, here, out[part])


def _is_placed(law: NeuronLaw) -> bool:
    """Whether codes are found by the place of drive plus noise among the edges."""
    return law.family == GAUSSIAN and law.activation in (IDENTITY, RELU)


def draw_each(
    drive: np.ndarray,
    sigma: np.ndarray,
    other: np.ndarray,
    law: NeuronLaw,
    address: DrawAddress,
    out: np.ndarray,
) -> None:
    """Write the codes of noisy neurons whose drive differs from read to read: c_min + #{k : u >=
    threshold_k(drive)}.

    drive: (stimulus, read, neuron), float64, or copied to it; everything else as in `draw`, and the
    same codes where the drives of all reads are equal. Gaussian noise with identity or ReLU is
    fast; otherwise every code computes as many thresholds as it has bits. Raises ValueError for
    another shape of `drive` than that of `out`.
    """
    if drive.shape != out.shape:
        raise ValueError(
            f"'drive' has the shape {drive.shape}: {out.shape} is needed, that of 'out'"
        )
    drive, sigma, other = as_float64(drive, sigma, other)
    _draw_without_thresholds(drive, sigma, other, law, address, out)


@helper
def _count(edge, u, c_min, out):
    """Codes of one stimulus; edge (levels - 1, neuron), u and out (read, neuron)."""
    for r in range(out.shape[0]):
        out[r] = c_min
        for k in range(edge.shape[0]):
            for n in range(out.shape[1]):
                out[r, n] += np.int8(u[r, n] >= edge[k, n])


@kernel
def count_thresholds(thresholds, u, c_min, out):
    """Write codes c_min + #{k : u >= threshold_k} to out (stimulus, read, neuron), int8, from given
    u of that shape, uint32.

    thresholds: (stimulus, levels - 1, neuron) uint32, ascending in level.
    """
    for s in prange(out.shape[0]):
        _count(thresholds[s], u[s], c_min, out[s])
