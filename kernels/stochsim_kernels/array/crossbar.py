"""A bit-sliced analog array with a noisy converter on every column, in integers only.

    out[stimulus, read, column] += Σ over events (tile, slice, cycle) of factor[slice, cycle] × code
    code ~ P(code | position of the partial sum, variance class), an `adc.Channel`

The partial sum of a tile is Σ ± 2^(a + b) popcount(weight plane a & input plane b), or is handed in
(`convert_partials`). The converter of a column sees it at

    position = partial - p_min                                    exactly, one state per partial sum, or
    position = (gain × partial + offset) >> shift  (+ move)       on a grid, with gain and offset per (tile, slice, column), and with a
                                                                  Gaussian move shared by the columns of one reference,

clamped to the channel's positions. Streams belong to (key, layer, event word; stimulus, pair of
columns), those of references are numbered from 2^31 on; the place inside a stream is read × events
+ event. So threads, batch splits and read splits change no code. Memory beyond inputs, weights and
output: under half a megabyte per thread.
"""

from typing import NamedTuple

import numpy as np

from stochsim_kernels.array.adc import Channel, shared_noise
from stochsim_kernels.array.crossbar_kernel import BLOCK, fill_crossbar, fill_streams

_CHUNK = 256  # reads per task and event, and at most: its totals fit the second-level cache
_LEAST_CHUNK = 16


class Readout(NamedTuple):
    """How the partial sums of an array become codes; built by `readout`."""

    channel: Channel
    shared: Channel  # moves of the references
    factor: np.ndarray  # (slice, cycle) int32: the digital weight of a code
    tiles: int
    grid: np.ndarray  # gain and offset, (2, tile, slice, column) int64, or without columns
    group: np.ndarray  # (column,) int32: the reference of a column, or empty
    entries: np.ndarray  # of the channel, then of the moves
    rule: (
        np.ndarray
    )  # (number,) int64: the first numbers of a plan, in the order that crossbar_kernel names


def accumulator_bound(channel: Channel, factor: np.ndarray, tiles: int) -> int:
    """The largest |accumulator| that an output can reach."""
    largest = max(abs(channel.code_min), abs(channel.code_max))
    return int(tiles) * largest * int(np.abs(np.asarray(factor, np.int64)).sum())


def readout(
    channel: Channel,
    factor: np.ndarray,
    tiles: int,
    p_min: int = 0,
    gain: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    shift: int = 0,
    group: np.ndarray | None = None,
    shared: Channel | None = None,
) -> Readout:
    """Check and gather what the kernel needs to turn partial sums into accumulators.

    factor: (slice, cycle) integers. Without `gain`, position = partial - p_min; with gain and
    offset (tile, slice, column), position = (gain × partial + offset) >> shift. group: (column,),
    the reference of each column, whose moves `shared` draws. Raises ValueError where shapes differ,
    where a group lacks its noise, or where an output could leave 32 bits.
    """
    factor = np.ascontiguousarray(factor, np.int32)
    if (bound := accumulator_bound(channel, factor, tiles)) >= 2**31:
        raise ValueError(
            f"outputs could reach {bound}, beyond 32 bits: fewer tiles, or smaller factors"
        )
    if (gain is None) != (offset is None) or (group is None) != (shared is None):
        raise ValueError("gain comes with offset, and group with shared")
    if gain is not None and p_min:
        raise ValueError("p_min is for positions without gain: put it into the offset")
    gain, offset = (np.zeros((tiles, len(factor), 0)) if a is None else a for a in (gain, offset))
    gain, offset = np.ascontiguousarray(gain, np.int64), np.ascontiguousarray(offset, np.int64)
    if gain.shape != offset.shape or gain.shape[:2] != (tiles, len(factor)):
        raise ValueError(
            f"gain and offset must be ({tiles}, {len(factor)}, column); got {gain.shape} and "
            f"{offset.shape}"
        )
    group = np.ascontiguousarray([] if group is None else group, np.int32)
    if group.size and group.min() < 0:
        raise ValueError(f"references are numbered from 0; got {group.min()}")
    shared = shared_noise(0.0) if shared is None else shared
    line = (
        channel.bits,
        channel.positions,
        channel.slope,
        channel.intercept,
        channel.shift,
        channel.base_last,
    )
    moves = shared.bits, channel.entries.size, shared.code_min + shared.base_last
    rule = np.array([*line, channel.code_min, channel.certain, p_min, shift, *moves], np.int64)
    entries = np.concatenate([channel.entries, shared.entries])
    return Readout(
        channel, shared, factor, int(tiles), np.stack([gain, offset]), group, entries, rule
    )


def grid_map(
    lsb_per_unit: np.ndarray,
    offset_lsb: np.ndarray,
    guard_lsb: float,
    fraction_bits: int,
    shift: int = 16,
) -> tuple[np.ndarray, np.ndarray]:
    """(gain, offset) that put a partial sum p on the position nearest to (value + guard)
    2^fraction_bits.

    Its value is lsb_per_unit × p + offset_lsb in converter steps from the centre of the first code,
    as the channel's values are.
    """
    scale = 2.0 ** (fraction_bits + shift)
    offset = np.rint((np.asarray(offset_lsb) + guard_lsb) * scale) + 2.0**shift / 2
    return np.rint(np.asarray(lsb_per_unit) * scale).astype(np.int64), offset.astype(np.int64)


def draw_crossbar(
    x_words, w_words, readout, key, layer, event, first_stimulus, first_read, out, variance=None
):
    """Add factor × code of every tile, slice and cycle to out (stimulus, read, column), int32.

    x_words (stimulus, tile, cycle, plane, word) and w_words (tile, slice, sign, plane, word,
    column) from crossbar_bits; variance (stimulus, tile, cycle): the channel's variance class, 0 if
    not given. Raises ValueError where shapes do not fit.
    """
    stimuli, tiles, cycles = x_words.shape[:3]
    slices, columns = w_words.shape[1], w_words.shape[5]
    variance = np.zeros((stimuli, 0, 0), np.int32) if variance is None else _own(variance, np.int32)
    if (tiles, x_words.shape[4]) != (w_words.shape[0], w_words.shape[4]):
        raise ValueError(f"inputs {x_words.shape} and cells {w_words.shape} do not fit")
    if readout.factor.shape != (slices, cycles) or readout.tiles != tiles:
        raise ValueError(
            f"the readout is for {readout.tiles} tiles and factors {readout.factor.shape}, not "
            f"{tiles} and {(slices, cycles)}"
        )
    if variance.size and variance.shape != (stimuli, tiles, cycles):
        raise ValueError(f"variance {variance.shape} must be {(stimuli, tiles, cycles)}")
    _check(readout, variance, out, (stimuli, columns))
    variance = variance.reshape(stimuli, -1, 1) if variance.size else variance
    plan = _plan(
        readout, out, (key, layer, event, first_stimulus, first_read), 0, tiles * slices * cycles
    )
    streams, partials, groups = (
        np.empty((2, 0, 0), np.uint64),
        np.empty((0, 0), np.int32),
        _groups(readout.group),
    )
    x_words, w_words = _own(x_words, np.uint64), _own(w_words, np.uint64)
    fill_crossbar(
        x_words,
        w_words,
        partials,
        variance,
        streams,
        readout.entries,
        plan,
        readout.factor,
        readout.grid,
        groups,
        out,
    )


def draw_streams(key, layer, event, first_stimulus, stimuli, readout, columns):
    """The streams of a layer call for `convert_partials`: (2, stimulus, pair), uint64; pairs of
    columns, then pairs of references.
    """
    pairs, references = (columns + 1) // 2, (int(readout.group.max(initial=-1)) + 2) // 2
    streams = np.empty((2, stimuli, pairs + references), np.uint64)
    for s in range(stimuli):
        fill_streams(
            np.uint64(key),
            layer,
            event,
            first_stimulus + s,
            0,
            0,
            pairs,
            streams[0, s],
            streams[1, s],
        )
    return streams


def convert_partials(partial, readout, streams, tile, piece, cycle, first_read, out, variance=None):
    """Add factor × code of one (tile, slice, cycle) to out (stimulus, read, column), int32, for
    partial sums computed elsewhere.

    partial (stimulus, column), integers of 32 bits; streams from `draw_streams`; variance
    (stimulus, column), 0 if not given. The same partial sums give the same codes as
    `draw_crossbar`. Raises ValueError where shapes do not fit.
    """
    partial = _own(partial, np.int32)
    variance = (
        np.zeros((partial.shape[0], 0), np.int32) if variance is None else _own(variance, np.int32)
    )
    slices, cycles = readout.factor.shape
    if variance.size and variance.shape != partial.shape:
        raise ValueError(f"variance {variance.shape} must be {partial.shape}, as the partial sums")
    if not (0 <= tile < readout.tiles and 0 <= piece < slices and 0 <= cycle < cycles):
        raise ValueError(
            f"tile, slice and cycle {(tile, piece, cycle)} must be within "
            f"{(readout.tiles, slices, cycles)}"
        )
    _check(readout, variance, out, partial.shape)
    e = (tile * slices + piece) * cycles + cycle
    plan, groups = _plan(readout, out, (0, 0, 0, 0, first_read), e, e + 1), _groups(readout.group)
    x_words, w_words, streams = (
        np.empty((0,) * 5, np.uint64),
        np.empty((0,) * 6, np.uint64),
        _own(streams, np.uint64),
    )
    fill_crossbar(
        x_words,
        w_words,
        partial,
        variance[:, None],
        streams,
        readout.entries,
        plan,
        readout.factor,
        readout.grid,
        groups,
        out,
    )


def _own(array, dtype):
    """The array itself where it is contiguous and writable, else a copy: another kind of array
    would compile the kernel once more.
    """
    return np.require(array, dtype, ["C", "W"])


def _check(readout, variance, out, shape):
    if out.dtype != np.int32 or (out.shape[0], out.shape[2]) != shape or not out.flags.c_contiguous:
        raise ValueError(
            f"out must be int32 ({shape[0]}, read, {shape[1]}), contiguous; got {out.dtype} "
            f"{out.shape}"
        )
    if any(a.size and a.shape[-1] != shape[1] for a in (readout.grid, readout.group)):
        raise ValueError(
            f"gain {readout.grid.shape[1:]} and group {readout.group.shape} must have {shape[1]} "
            f"columns"
        )
    classes = readout.channel.entries.size // (readout.channel.positions << readout.channel.bits)
    if variance.size and not 0 <= variance.min() <= variance.max() < classes:
        raise ValueError(
            f"variance classes run from 0 to {classes - 1}; got {variance.min()} to "
            f"{variance.max()}"
        )


def _plan(readout, out, where, first_event, last_event):
    """The readout's numbers and those of a call.

    Reads per task: all where nothing is drawn; else so many that totals stay in the cache.
    """
    some = max(_LEAST_CHUNK, _CHUNK // max(1, last_event - first_event))
    if readout.channel.certain and not readout.group.size:
        some = out.shape[1]
    key, *rest = where
    numbers = [*rest, first_event, last_event, max(1, min(out.shape[1], some))]
    return np.concatenate(
        [readout.rule, np.array([key], np.uint64).view(np.int64), np.array(numbers, np.int64)]
    )


def _groups(group):
    """(3, column): the reference of a column, counted from the first one of its block, an even one;
    that first one; how many from it on.
    """
    out = np.zeros((3, group.size), np.int32)
    for start in range(0, group.size, BLOCK):
        own = group[start : start + BLOCK]
        first = own.min() // 2 * 2
        out[0, start : start + BLOCK] = own - first
        out[1:, start : start + BLOCK] = [[first], [(own.max() - first) // 2 * 2 + 2]]
    return out
