"""A bit-sliced analog array with a noisy ADC on every column, in integers only.

    out[stimulus, read, column] += Σ over events (tile, slice, cycle) of factor[slice, cycle] × code
    code ~ P(code | position of the partial sum, variance class), an `adc.Channel`

The partial sum of a tile is Σ ± 2^(a + b) popcount(weight plane a & input plane b), or is handed in
(`convert_partials`). The ADC of a column sees it at

    position = partial - p_min                                 exactly, one state per sum, or
    position = (gain × partial + offset) >> shift  (+ move)    on a grid,

with gain and offset per (tile, slice, column), and with a Gaussian move shared by the columns of
one reference, clamped to the channel's positions. Streams belong to (key, layer, event word;
stimulus, pair of columns), those of references are numbered from 2^31 on; the place inside a stream
is read × events + event. So threads, batch splits and read splits change no code. Memory beyond
inputs, weights and output: under half a megabyte per thread.
"""

from typing import NamedTuple

import numpy as np

from stochsim_kernels.array.adc_channel import AdcChannel, shared_noise
from stochsim_kernels.array.crossbar_call import check, own, span_of, tables
from stochsim_kernels.array.crossbar_kernel import (
    Numbers,
    Rule,
    Sums,
    fill_crossbar,
    fill_streams_of_stimuli,
)
from stochsim_kernels.random.address import DrawAddress


class GridMap(NamedTuple):
    """Partial sums to grid positions, (gain × partial + offset) >> shift; gain, offset: (tile,
    slice, column), integers.
    """

    gain: np.ndarray
    offset: np.ndarray
    shift: int = 0


class References(NamedTuple):
    """References shared by columns: group (column,), the reference of each, and what moves them."""

    group: np.ndarray
    noise: AdcChannel


class Event(NamedTuple):
    """One conversion of every column: its tile, slice and cycle; events follow one another by
    cycles, then by slices, then by tiles.
    """

    tile: int
    piece: int
    cycle: int


class Readout(NamedTuple):
    """How the partial sums of an array become codes; built by `readout`.

    shared: moves of the references. factor (slice, cycle) int32: the digital weight of a code.
    grid: gain and offset, (2, tile, slice, column) int64, or without columns. group (column,)
    int32: the reference of a column, or empty. entries: of the channel, then of the moves.
    """

    channel: AdcChannel
    shared: AdcChannel
    factor: np.ndarray
    tiles: int
    grid: np.ndarray
    group: np.ndarray
    entries: np.ndarray
    rule: Rule


def accumulator_bound(channel: AdcChannel, factor: np.ndarray, tiles: int) -> int:
    """The largest |accumulator| that an output can reach, with factor (slice, cycle)."""
    largest = max(abs(channel.code_min), abs(channel.code_max))
    return int(tiles) * largest * int(np.abs(np.asarray(factor, np.int64)).sum())


def readout(
    channel: AdcChannel,
    factor: np.ndarray,
    tiles: int,
    p_min: int = 0,
    grid: GridMap | None = None,
    references: References | None = None,
) -> Readout:
    """Check and gather what the kernel needs to turn partial sums into accumulators.

    factor: (slice, cycle) integers. Without a grid, position = partial - p_min. Raises ValueError
    where shapes differ, where p_min is given beside a grid, where references are numbered below 0,
    or where an output could leave 32 bits.
    """
    factor = np.ascontiguousarray(factor, np.int32)
    if (bound := accumulator_bound(channel, factor, tiles)) >= 2**31:
        raise ValueError(
            f"outputs could reach {bound}, beyond 32 bits: fewer tiles, or smaller factors"
        )
    if grid is not None and p_min:
        raise ValueError("p_min is for positions without gain: put it into the offset")
    nothing = np.zeros((tiles, len(factor), 0), np.int64)
    gain, offset, grid_shift = GridMap(nothing, nothing) if grid is None else grid
    gain = np.ascontiguousarray(gain, np.int64)
    offset = np.ascontiguousarray(offset, np.int64)
    if gain.shape != offset.shape or gain.shape[:2] != (tiles, len(factor)):
        raise ValueError(
            f"gain and offset must be ({tiles}, {len(factor)}, column); got {gain.shape} and "
            f"{offset.shape}"
        )
    group = np.ascontiguousarray([] if references is None else references.group, np.int32)
    if group.size and group.min() < 0:
        raise ValueError(f"references are numbered from 0; got {group.min()}")
    shared = shared_noise(0.0) if references is None else references.noise
    entries = np.concatenate([channel.entries, shared.entries])
    rule = _rule(channel, shared, p_min, grid_shift)
    grids = np.stack([gain, offset])
    return Readout(channel, shared, factor, int(tiles), grids, group, entries, rule)


def _rule(channel: AdcChannel, shared: AdcChannel, p_min: int, grid_shift: int) -> Rule:
    """The numbers of a readout, as Python integers."""
    numbers = Rule(
        bits=channel.bits,
        positions=channel.positions,
        slope=channel.slope,
        intercept=channel.intercept,
        shift=channel.shift,
        base_last=channel.base_last,
        code_min=channel.code_min,
        certain=channel.certain,
        p_min=p_min,
        grid_shift=grid_shift,
        shared_bits=shared.bits,
        shared_entry=channel.entries.size,
        first_move=shared.code_min + shared.base_last,
    )
    return Rule(*(int(number) for number in numbers))


def grid_map(
    lsb_per_unit: np.ndarray,
    offset_lsb: np.ndarray,
    guard_lsb: float,
    fraction_bits: int,
    shift: int = 16,
) -> tuple[np.ndarray, np.ndarray]:
    """(gain, offset) that put a partial sum p on the position nearest to (value + guard)
    2^fraction_bits.

    Its value is lsb_per_unit × p + offset_lsb in ADC steps from the centre of the first code,
    as the channel's values are.
    """
    scale = 2.0 ** (fraction_bits + shift)
    offset = np.rint((np.asarray(offset_lsb) + guard_lsb) * scale) + 2.0**shift / 2
    return np.rint(np.asarray(lsb_per_unit) * scale).astype(np.int64), offset.astype(np.int64)


def draw_crossbar(
    x_words: np.ndarray,
    w_words: np.ndarray,
    readout: Readout,
    address: DrawAddress,
    out: np.ndarray,
    variance: np.ndarray | None = None,
) -> None:
    """Add factor × code of every tile, slice and cycle to out (stimulus, read, column), int32.

    x_words (stimulus, tile, cycle, plane, word) and w_words (tile, slice, sign, plane, word,
    column) from crossbar_bits; variance (stimulus, tile, cycle): the channel's variance class, 0 if
    not given. Raises ValueError where shapes do not fit.
    """
    stimuli, tiles, cycles = x_words.shape[:3]
    slices = w_words.shape[1]
    columns = w_words.shape[5]
    kinds = np.zeros((stimuli, 0, 0), np.int32) if variance is None else own(variance, np.int32)
    if (tiles, x_words.shape[4]) != (w_words.shape[0], w_words.shape[4]):
        raise ValueError(f"inputs {x_words.shape} and cells {w_words.shape} do not fit")
    if readout.factor.shape != (slices, cycles) or readout.tiles != tiles:
        raise ValueError(
            f"the readout is for {readout.tiles} tiles and factors {readout.factor.shape}, not "
            f"{tiles} and {(slices, cycles)}"
        )
    if kinds.size and kinds.shape != (stimuli, tiles, cycles):
        raise ValueError(f"variance {kinds.shape} must be {(stimuli, tiles, cycles)}")
    check(readout, kinds, out, (stimuli, columns))
    kinds = kinds.reshape(stimuli, -1, 1) if kinds.size else kinds
    partials = np.empty((0, 0, 0), np.int32)
    streams = np.empty((2, 0, 0), np.uint64)
    sums = Sums(own(x_words, np.uint64), own(w_words, np.uint64), partials, streams, kinds)
    span = span_of(readout, out, 0, tiles * slices * cycles)
    fill_crossbar(sums, tables(readout), readout.rule, address, span, out)


def draw_streams(address: DrawAddress, stimuli: int, readout: Readout, columns: int) -> np.ndarray:
    """The streams of a layer call for `convert_partials`: (2, stimulus, pair), uint64; pairs of
    columns, then pairs of references.
    """
    pairs = (columns + 1) // 2
    references = (int(readout.group.max(initial=-1)) + 2) // 2
    streams = np.empty((2, stimuli, pairs + references), np.uint64)
    fill_streams_of_stimuli(address, Numbers(0, 0, pairs), streams)
    return streams


def convert_partials(
    partial: np.ndarray,
    readout: Readout,
    streams: np.ndarray,
    event: Event,
    first_read: int,
    out: np.ndarray,
    variance: np.ndarray | None = None,
) -> None:
    """Add factor × code to out (stimulus, read, column), int32, for partial sums computed
    elsewhere: of one event, or of several from `event` on.

    partial (stimulus, column) or (event, stimulus, column), integers of 32 bits; streams from
    `draw_streams`; variance of the same shape, 0 if not given. The same partial sums give the same
    codes as `draw_crossbar`. Raises ValueError where shapes do not fit.
    """
    partial = own(partial, np.int32)
    kinds = np.zeros((0, 0, 0), np.int32) if variance is None else own(variance, np.int32)
    tile, piece, cycle = event
    slices, cycles = readout.factor.shape
    if kinds.size and kinds.shape != partial.shape:
        raise ValueError(f"variance {kinds.shape} must be {partial.shape}, as the partial sums")
    if not (0 <= tile < readout.tiles and 0 <= piece < slices and 0 <= cycle < cycles):
        raise ValueError(
            f"tile, slice and cycle {(tile, piece, cycle)} must be within "
            f"{(readout.tiles, slices, cycles)}"
        )
    partial = partial.reshape(-1, *partial.shape[-2:])
    kinds = kinds.reshape(partial.shape) if kinds.size else kinds
    e = (tile * slices + piece) * cycles + cycle
    left = readout.tiles * slices * cycles - e
    if len(partial) > left:
        raise ValueError(
            f"{len(partial)} events do not fit: {left} are left from {tuple(event)} on"
        )
    check(readout, kinds, out, partial.shape[1:])
    x_words = np.empty((0,) * 5, np.uint64)
    w_words = np.empty((0,) * 6, np.uint64)
    sums = Sums(x_words, w_words, partial, own(streams, np.uint64), kinds)
    address = DrawAddress.of(0, 0, 0, 0, first_read)  # the streams are given
    span = span_of(readout, out, e, e + len(partial))
    fill_crossbar(sums, tables(readout), readout.rule, address, span, out)
