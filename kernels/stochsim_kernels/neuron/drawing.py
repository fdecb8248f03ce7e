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
from stochsim_kernels.neuron.channel import GAUSSIAN, IDENTITY, RELU, fill_thresholds
from stochsim_kernels.neuron.nearest_edge import bisect_rows, place_rows, spread
from stochsim_kernels.neuron.simd_thresholds import LANES, WIDTHS, count_block
from stochsim_kernels.random.counter_rng import philox4x32, stream, word
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
def _streams(key, layer, event, stimulus, first_read, neurons):
    """`counter_rng.stream` of whole blocks of neurons, (2, pair): seeds moved to just before
    `first_read`, and increments.
    """
    out = np.empty((2, (neurons + LANES - 1) // LANES * (LANES // 2)), np.uint64)
    seed, gamma = out[0], out[1]
    for i in range(seed.size):
        w0, w1, w2, w3 = _philox(key, i, stimulus, event, layer)
        odd = (w2 | (w3 << np.uint64(32))) | np.uint64(1)
        weak = popcount64(odd ^ (odd >> np.uint64(1))) < np.uint64(24)
        gamma[i] = odd ^ (_ALTERNATING if weak else np.uint64(0))
        seed[i] = (w0 | (w1 << np.uint64(32))) + gamma[i] * np.uint64(first_read)
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
    ascending, guide = np.empty(edges + 1, np.uint32), np.empty(1 << (31 - _GUIDE_SHIFT), np.uint8)
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
def draw_codes(thresholds, c_min, key, layer, event, first_stimulus, first_read, out):
    """Write codes c_min + #{k : u >= threshold_k} to out (stimulus, read, neuron), int8.

    thresholds: (stimulus, levels - 1, neuron) uint32, ascending in level, 256 levels at most. u of
    (stimulus, read, neuron) is a pure function of key, layer, event and the absolute indices, so
    any split in stimuli or reads, and any thread count, gives the same codes.
    """
    stimuli, reads, neurons = out.shape
    edges = thresholds.shape[1]
    counted = 0 < edges <= _MOST_COUNTED and edges & (edges + 1) == 0
    chunks = (reads + _CHUNK - 1) // _CHUNK
    for task in prange(stimuli * chunks):
        s = task // chunks
        first = (task % chunks) * _CHUNK
        last = min(reads, first + _CHUNK)
        streams = _streams(key, layer, event, first_stimulus + s, first_read + first, neurons)
        if counted:
            for n in range(0, neurons, LANES):
                count_block(n, thresholds[s], streams, np.int8(c_min), out[s, first:last])
        else:
            _search(thresholds[s], c_min, streams, out[s, first:last])


@helper
def _row(values, s, neurons):
    """Row s of values, which may be one row for all stimuli, one column for all neurons, or
    both.
    """
    out = np.empty(neurons)
    for n in range(neurons):
        out[n] = values[min(s, values.shape[0] - 1), min(n, values.shape[1] - 1)]
    return out


@kernel
def _draw_without_thresholds(
    drive,
    sigma,
    other,
    family,
    activation,
    edges,
    z,
    step,
    c_min,
    key,
    layer,
    event,
    first_stimulus,
    first_read,
    out,
):
    """As `draw_each`; or, with one row of drives per stimulus, drive (stimulus, 1, neuron), the
    same drives at every read.
    """
    stimuli, reads, neurons = out.shape
    chunks = (reads + _CHUNK - 1) // _CHUNK
    for task in prange(stimuli * chunks):
        s = task // chunks
        first = (task % chunks) * _CHUNK
        last = min(reads, first + _CHUNK)
        streams = _streams(key, layer, event, first_stimulus + s, first_read + first, neurons)
        own = drive[s] if drive.shape[1] == 1 else drive[s, first:last]
        own_sigma, own_other = _row(sigma, s, neurons), _row(other, s, neurons)
        if family == GAUSSIAN and activation in (IDENTITY, RELU):
            known = spread(own_sigma, own_other, activation, edges, z, step, c_min)
            place_rows(
                own,
                own_sigma,
                own_other,
                known,
                family,
                activation,
                edges,
                z,
                step,
                c_min,
                streams,
                out[s, first:last],
            )
        else:
            bisect_rows(
                own,
                own_sigma,
                own_other,
                family,
                activation,
                edges,
                z,
                step,
                c_min,
                streams,
                out[s, first:last],
            )


def _coerced(*arrays):
    """The one type that kernels are compiled for: float64, C-contiguous, writeable."""
    return (np.require(array, np.float64, ("C", "W")) for array in arrays)


def _by_drives(
    drive,
    sigma,
    other,
    family,
    activation,
    edges,
    z,
    step,
    c_min,
    key,
    layer,
    event,
    first_stimulus,
    first_read,
    out,
):
    drive, sigma, other = _coerced(drive, sigma, other)
    channel = (family, activation, edges, float(z), float(step), int(c_min))
    where = (np.uint64(key), int(layer), int(event), int(first_stimulus), int(first_read))
    _draw_without_thresholds(drive, sigma, other, *channel, *where, out)


def draw(
    drive,
    sigma,
    other,
    family,
    activation,
    edges,
    z,
    step,
    c_min,
    key,
    layer,
    event,
    first_stimulus,
    first_read,
    out,
):
    """Write the codes of noisy neurons to out (stimulus, read, neuron), int8, C-contiguous: drives
    that hold for all reads.

    drive, sigma, other: (stimulus, neuron) float64, in units of the drive; sigma and other may each
    be one row for all stimuli or one column for all neurons. edges: (levels - 1,) from
    `channel.inverse_edges`, 256 levels at most. The codes are those of `channel.fill_thresholds`
    and `draw_codes`. Working memory beyond a few rows of neurons per thread: 4 MiB of thresholds,
    or one stimulus's where these are more.
    """
    channel = (family, activation, edges, float(z), float(step), int(c_min))
    if edges.size > _MOST_COUNTED and family == GAUSSIAN and activation in (IDENTITY, RELU):
        _by_drives(
            drive[:, None],
            sigma,
            other,
            *channel,
            key,
            layer,
            event,
            first_stimulus,
            first_read,
            out,
        )
        return
    drive, sigma, other = _coerced(
        drive, *(np.broadcast_to(one, drive.shape) for one in (sigma, other))
    )
    stimuli, _, neurons = out.shape
    at_once = max(1, min(stimuli, _THRESHOLDS_AT_ONCE // max(1, edges.size * neurons)))
    buffer = np.empty((at_once, edges.size, neurons), np.uint32)
    where = (np.uint64(key), int(layer), int(event))
    for first in range(0, stimuli, at_once):
        part = slice(first, min(stimuli, first + at_once))
        thresholds = buffer[: part.stop - first]
        fill_thresholds(drive[part], sigma[part], other[part], *channel, thresholds)
        draw_codes(
            thresholds, int(c_min), *where, int(first_stimulus) + first, int(first_read), out[part]
        )


def draw_each(
    drive,
    sigma,
    other,
    family,
    activation,
    edges,
    z,
    step,
    c_min,
    key,
    layer,
    event,
    first_stimulus,
    first_read,
    out,
):
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
    channel = (family, activation, edges, z, step, c_min)
    _by_drives(drive, sigma, other, *channel, key, layer, event, first_stimulus, first_read, out)


@helper
def draw_integers(key, layer, event, first_stimulus, first_read, out):
    """Write the 31-bit integers u themselves to out (stimulus, read, neuron), uint32: the same ones
    that codes are drawn from.
    """
    stimuli, reads, neurons = out.shape
    for s in range(stimuli):
        for i in range((neurons + 1) // 2):
            seed, gamma = stream(key, i, first_stimulus + s, event, layer)
            for r in range(reads):
                bits = word(seed, gamma, first_read + r)
                out[s, r, 2 * i] = (bits & np.uint64(0xFFFFFFFF)) >> np.uint64(1)
                if 2 * i + 1 < neurons:
                    out[s, r, 2 * i + 1] = bits >> np.uint64(33)
