"""Drive -> codes, many reads at once: one 31-bit random integer u per code, compared with the
thresholds of its drive.

There are five ways to the same codes, chosen by bits, noise family and activation alone:

- drives that hold for all reads, up to 5 bits: thresholds once, then u compared with them in
  registers (`simd_thresholds`);
- from 6 bits on: thresholds once, then a guided search among them;
- from 6 bits on under Gaussian noise, with identity or ReLU, and then at any width where the drive
  differs from read to read: the place of a + sigma t(u) among the edges, settled by thresholds
  where it is near one (`nearest_edge`);
- drives that differ from read to read, under Gaussian noise otherwise: that place among even edges,
  and bisection of the few true ones in its cell (`guided_place`);
- drives that differ from read to read, otherwise, and so few reads that a table of thresholds costs
  more: bisection, computing b thresholds per code.

Without noise, tanh and sigmoid are NumPy's, whose vector functions are several times faster; codes
that are near an edge go the ways above.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numba
import numpy as np

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.neuron.channel import (
    GAUSSIAN,
    LOGISTIC,
    RESPONSES,
    SIGMOID,
    TANH,
    TRIANGULAR,
    UNIFORM,
    NeuronLaw,
    fill_row,
    fill_thresholds,
    is_placed,
)
from stochsim_kernels.neuron.guided_place import guide_of, place_guided_rows
from stochsim_kernels.neuron.guided_search import search_rows
from stochsim_kernels.neuron.nearest_edge import bisect_rows, place_rows, spread
from stochsim_kernels.neuron.simd_thresholds import WIDTHS, count_rows
from stochsim_kernels.neuron.streams import block_streams
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.counter_rng import MOST_NEURONS, MOST_READS
from stochsim_kernels.tasks import run_tasks

_CHUNK = 256  # reads per task
_LONG_CHUNK = 1024  # where every task makes its thresholds, and stimuli alone are tasks enough
_FEW_STIMULI = 16
_THRESHOLDS_AT_ONCE = 2**20  # 4 MiB of thresholds at a time, or one stimulus's where these are more
_NS_PER_THRESHOLD = {GAUSSIAN: 10, UNIFORM: 100, TRIANGULAR: 150, LOGISTIC: 3000}
"""Beside Gaussian noise, by noise family; within a factor of two or so."""
_CALL_NS = 5e8  # of every thread in one call of a kernel, which no Ctrl-C interrupts
_BISECTED = 4096  # codes per task under noise that is not Gaussian
_MOST_COUNTED = (
    2 ** max(WIDTHS) - 1
)  # thresholds, 2^b - 1 of them, that are counted in registers; others are searched
_SMOOTH = {TANH: RESPONSES["tanh"], SIGMOID: RESPONSES["sigmoid"]}
_IN_DOUBT = 1e-6  # steps from an edge, where responses of two libraries may be on two sides of it


@inline
def _is_counted(edges):
    """Whether so many thresholds are counted in registers."""
    return 0 < edges <= _MOST_COUNTED and edges & (edges + 1) == 0


@inline
def _part_of(task, reads, chunk):
    """(stimulus, first read, the read behind the last) of a task of `chunk` reads."""
    chunks = (reads + chunk - 1) // chunk
    first = (task % chunks) * chunk
    return task // chunks, first, min(reads, first + chunk)


@helper
def _draw_chunk(task, thresholds, c_min, address, out):
    s, first, last = _part_of(task, out.shape[1], _CHUNK)
    streams = block_streams(address, s, first, out.shape[2])
    if _is_counted(thresholds.shape[1]):
        count_rows(thresholds[s], c_min, streams, out[s, first:last])
    else:
        search_rows(thresholds[s], c_min, streams, out[s, first:last])


@kernel
def draw_codes(thresholds, c_min, address, out):
    """Write codes c_min + #{k : u >= threshold_k} to out (stimulus, read, neuron), int8.

    thresholds: (stimulus, levels - 1, neuron) uint32, ascending in level, 256 levels at most. u of
    (stimulus, read, neuron) is a pure function of the address and the absolute indices, so any
    split in stimuli or reads, and any thread count, gives the same codes.
    """
    tasks = out.shape[0] * ((out.shape[1] + _CHUNK - 1) // _CHUNK)
    run_tasks(_draw_chunk, tasks, (thresholds, c_min, address, out))


@helper
def row_of(values, s, neurons):
    """Row s of values, which may be one row for all stimuli, one column for all neurons, or
    both.
    """
    row = values[min(s, values.shape[0] - 1)]
    out = np.empty(neurons)
    if row.size == neurons:
        out[:] = row
    else:
        out[:] = row[0]
    return out


class _Noise(NamedTuple):
    """sigma, other: (1 or stimulus, 1 or neuron); common: `spread` of all stimuli's neurons, where
    all have the same noise.
    """

    sigma: np.ndarray
    other: np.ndarray
    common: np.ndarray


@helper
def _count_chunk(task, drive, noise, law, address, chunk, out):
    neurons = out.shape[2]
    s, first, last = _part_of(task, out.shape[1], chunk)
    thresholds = np.empty((law.edges.size, neurons), np.uint32)
    sigmas = row_of(noise[0], s, neurons)
    others = row_of(noise[1], s, neurons)
    fill_row(drive[s], sigmas, others, law, thresholds)
    streams = block_streams(address, s, first, neurons)
    count_rows(thresholds, law.c_min, streams, out[s, first:last])


@kernel
def _draw_counted(drive, sigma, other, law, address, chunk, out):
    """Codes of thresholds that stay in the cache of the thread that makes them, anew for every
    `chunk` reads of a stimulus.
    """
    tasks = out.shape[0] * ((out.shape[1] + chunk - 1) // chunk)
    run_tasks(_count_chunk, tasks, (drive, (sigma, other), law, address, chunk, out))


@inline
def _reads_of_task(law, neurons):
    """Reads that a thread takes together without thresholds: few where codes take long."""
    return _CHUNK if law.family == GAUSSIAN else max(1, min(_CHUNK, _BISECTED // max(1, neurons)))


@helper
def _place_chunk(task, drive, noise, law, guide, address, out):
    neurons = out.shape[2]
    s, first, last = _part_of(task, out.shape[1], _reads_of_task(law, neurons))
    streams = block_streams(address, s, first, neurons)
    drives = drive[s] if drive.shape[1] == 1 else drive[s, first:last]
    sigmas = row_of(noise.sigma, s, neurons)
    others = row_of(noise.other, s, neurons)
    if is_placed(law):
        alike = noise.sigma.shape[0] == 1 and noise.other.shape[0] == 1
        known = noise.common if alike else spread(sigmas, others, law)
        place_rows(drives, sigmas, others, known, law, streams, out[s, first:last])
    elif law.family == GAUSSIAN:
        place_guided_rows(drives, sigmas, others, law, guide, streams, out[s, first:last])
    else:
        bisect_rows(drives, sigmas, others, law, streams, out[s, first:last])


@kernel
def _draw_without_thresholds(drive, sigma, other, law, guide, address, out):
    """As `draw_each`; or, with one row of drives per stimulus, drive (stimulus, 1, neuron), the
    same drives at every read.
    """
    stimuli, reads, neurons = out.shape
    common = spread(row_of(sigma, 0, neurons), row_of(other, 0, neurons), law)
    chunk = _reads_of_task(law, neurons)
    tasks = stimuli * ((reads + chunk - 1) // chunk)
    noise = _Noise(sigma, other, common)
    run_tasks(_place_chunk, tasks, (drive, noise, law, guide, address, out))


def as_float64(*arrays):
    """The one type that kernels are compiled for: float64, C-contiguous, writeable."""
    return (np.require(array, np.float64, ("C", "W")) for array in arrays)


def _thresholds_of_thread(law: NeuronLaw) -> float:
    """Thresholds that every thread computes in one call of a kernel, at most."""
    return _CALL_NS / _NS_PER_THRESHOLD[law.family]


def codes_at_once(law: NeuronLaw) -> int:
    """How many codes one call draws without a table of thresholds, so that it takes about half a
    second: as many for every thread.
    """
    bits = max(1, law.edges.size.bit_length())
    return max(1, int(_thresholds_of_thread(law) // bits)) * numba.get_num_threads()


def stimuli_at_once(law: NeuronLaw, neurons: int) -> int:
    """How many stimuli of so many neurons one call makes thresholds for, so that it takes about
    half a second: as many for every thread, at least one.
    """
    each = int(_thresholds_of_thread(law) // max(1, law.edges.size * neurons))
    return max(1, each) * numba.get_num_threads()


def _draw_in_calls(
    drive: np.ndarray,
    sigma: np.ndarray,
    other: np.ndarray,
    law: NeuronLaw,
    address: DrawAddress,
    out: np.ndarray,
) -> None:
    """`_draw_without_thresholds` in calls of about half a second each."""
    drive, sigma, other = as_float64(drive, sigma, other)
    rows = max(1, codes_at_once(law) // max(1, out.shape[2]))
    guide = guide_of(law)
    for stimuli, reads in _parts(out.shape[0], out.shape[1], rows):
        own = drive[stimuli] if drive.shape[1] != out.shape[1] else drive[stimuli, reads]
        noise = (one if len(one) == 1 else one[stimuli] for one in (sigma, other))
        here = address._replace(
            first_stimulus=address.first_stimulus + stimuli.start,
            first_read=address.first_read + reads.start,
        )
        part = out[stimuli, reads]
        _draw_without_thresholds(own, *noise, law, guide, here, part)


def _parts(stimuli: int, reads: int, rows: int) -> Iterator[tuple[slice, slice]]:
    """All stimuli and reads in parts of at most `rows` reads: whole stimuli, or some reads of
    one.
    """
    some = max(1, rows // max(1, reads))
    each = max(1, reads if some > 1 else min(reads, rows))
    for first in range(0, stimuli, some):
        for begin in range(0, reads, each):
            part = slice(first, min(stimuli, first + some))
            yield part, slice(begin, min(reads, begin + each))


def _check_room(address: DrawAddress, out: np.ndarray) -> None:
    """Raise ValueError for neurons or reads of which two would have random bits in common."""
    _, reads, neurons = out.shape
    if neurons > MOST_NEURONS:
        raise ValueError(f"'out' has {neurons} neurons: should be at most {MOST_NEURONS}")
    if address.first_read + reads > MOST_READS:
        raise ValueError(
            f"'address' and 'out' end at read {address.first_read + reads}: should be at most "
            f"{MOST_READS}"
        )


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
    `channel.fill_thresholds` and `draw_codes`. Raises ValueError beyond MOST_NEURONS and
    MOST_READS of `counter_rng`. Working memory beyond a few rows of neurons per thread: under
    Gaussian noise one stimulus's thresholds per thread, and none from 6 bits on where the
    activation is identity or ReLU; otherwise 4 MiB, or one stimulus's where these are more.
    """
    _check_room(address, out)
    if _is_smooth_and_noiseless(sigma, other, law):
        _draw_noiseless(drive[:, None], law, address, out)
        return
    few_reads = out.shape[1] * law.edges.size.bit_length() < law.edges.size
    if law.edges.size > _MOST_COUNTED and (is_placed.py_func(law) or few_reads):
        _draw_in_calls(drive[:, None], sigma, other, law, address, out)
        return
    if law.family == GAUSSIAN and _is_counted.py_func(law.edges.size):
        drive, sigma, other = as_float64(drive, sigma, other)
        chunk = _CHUNK if len(drive) < _FEW_STIMULI else _LONG_CHUNK
        _draw_counted(drive, sigma, other, law, address, chunk, out)
        return
    drive, sigma, other = as_float64(
        drive, *(np.broadcast_to(one, drive.shape) for one in (sigma, other))
    )
    stimuli, _, neurons = out.shape
    most = min(stimuli, _THRESHOLDS_AT_ONCE // max(1, law.edges.size * neurons))
    at_once = max(1, min(most, stimuli_at_once(law, neurons)))
    buffer = np.empty((at_once, law.edges.size, neurons), np.uint32)
    for first in range(0, stimuli, at_once):
        part = slice(first, min(stimuli, first + at_once))
        thresholds = buffer[: part.stop - first]
        fill_thresholds(drive[part], sigma[part], other[part], law, thresholds)
        here = address._replace(first_stimulus=address.first_stimulus + first)
        draw_codes(thresholds, law.c_min, here, out[part])


def _is_smooth_and_noiseless(sigma: np.ndarray, other: np.ndarray, law: NeuronLaw) -> bool:
    is_even = law.uneven.shape[1] == 0
    return is_even and law.activation in _SMOOTH and not np.any(sigma) and not np.any(other)


def _draw_noiseless(
    drive: np.ndarray, law: NeuronLaw, address: DrawAddress, out: np.ndarray
) -> None:
    """Codes of tanh or sigmoid without noise; drive: (stimulus, 1 or read, neuron)."""
    place = (_SMOOTH[law.activation](drive) - law.z) / law.step - law.c_min
    nearest = np.rint(place)
    codes = (nearest.clip(0, law.edges.size) + law.c_min).astype(np.int8)
    in_doubt = np.abs(place - nearest) > 0.5 - _IN_DOUBT
    if in_doubt.any():
        values, zero = drive[in_doubt][None, None], np.zeros((1, 1))
        settled = np.empty(values.shape, np.int8)
        _draw_in_calls(values, zero, zero, law, address, settled)
        codes[in_doubt] = settled[0, 0]
    out[...] = codes


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
    another shape of `drive` than that of `out`, and as `draw` does.
    """
    _check_room(address, out)
    if drive.shape != out.shape:
        raise ValueError(
            f"'drive' has the shape {drive.shape}: {out.shape} is needed, that of 'out'"
        )
    if _is_smooth_and_noiseless(sigma, other, law):
        _draw_noiseless(drive, law, address, out)
        return
    _draw_in_calls(drive, sigma, other, law, address, out)


@helper
def _count(s, thresholds, u, c_min, out):
    """Codes of one stimulus."""
    _, reads, neurons = out.shape
    for r in range(reads):
        out[s, r] = c_min
        for k in range(thresholds.shape[1]):
            for n in range(neurons):
                out[s, r, n] += np.int8(u[s, r, n] >= thresholds[s, k, n])


@kernel
def count_thresholds(thresholds, u, c_min, out):
    """Write codes c_min + #{k : u >= threshold_k} to out (stimulus, read, neuron), int8, from given
    u of that shape, uint32.

    thresholds: (stimulus, levels - 1, neuron) uint32, ascending in level.
    """
    run_tasks(_count, out.shape[0], (thresholds, u, c_min, out))
