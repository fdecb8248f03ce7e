"""The kernel of crossbar.py: a task is one stimulus, a block of columns and some reads, and works
on rows of columns.
"""

from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.array.crossbar_events import Task, convert_event, fill_positions, locate
from stochsim_kernels.array.simd_conversion import COLUMNS, PAIRS, Operands, Steps, convert_block
from stochsim_kernels.random.counter_rng import stream
from stochsim_kernels.tasks import run_tasks

BLOCK = 256  # columns per task, even: its rows and a tile's weights fit the first-level cache
_FIRST_SHARED = 1 << 31  # the streams of references are numbered from here on


class Rule(NamedTuple):
    """The numbers of an ADC's channel and of the wiring, all int64; see `adc.AdcChannel`.

    Without a grid, position = partial - p_min; grid_shift: of the grid's map; shared_bits,
    shared_entry: cells per state and first entry of the references' moves, first_move the least.
    """

    bits: int
    positions: int
    slope: int
    intercept: int
    shift: int
    base_last: int
    code_min: int
    certain: int
    p_min: int
    grid_shift: int
    shared_bits: int
    shared_entry: int
    first_move: int


class Tables(NamedTuple):
    """The arrays of a readout.

    entries: (entry,) uint32, of the channel, then of the moves; factor: (slice, cycle) int32; grid:
    gain and offset, (2, tile, slice, column) int64, or without columns; groups: (3, column) int32
    of `crossbar_call._groups`, or without columns.
    """

    entries: np.ndarray
    factor: np.ndarray
    grid: np.ndarray
    groups: np.ndarray


class Sums(NamedTuple):
    """Where partial sums come from.

    x_words (stimulus, tile, cycle, plane, word) and w_words (tile, slice, sign, plane, word,
    column), uint64; or, where these are empty, partials (event, stimulus, column) int32, from the
    first event of the call on, and streams (2, stimulus, pair) uint64. variance: (stimulus, 1 or
    tile × cycle, 1 or column) int32, of partials in their order, or empty.
    """

    x_words: np.ndarray
    w_words: np.ndarray
    partials: np.ndarray
    streams: np.ndarray
    variance: np.ndarray


class Span(NamedTuple):
    """The events of a call, first … last - 1, and how many reads make a task; int64."""

    first: int
    last: int
    reads_per_task: int


class Numbers(NamedTuple):
    """The first pair of columns and the first pair of references whose streams are wanted, and how
    many pairs of columns.
    """

    first_pair: int
    first_references: int
    pairs: int


@helper
def fill_streams(address, s, numbers, seed, gamma):
    """Write the streams of pairs of columns, then those of pairs of references, of stimulus s of a
    call to seed, gamma (pair,).
    """
    stimulus = address.first_stimulus + s
    pairs = numbers.pairs
    for i in range(seed.size):
        reference = _FIRST_SHARED + numbers.first_references + i - pairs
        number = numbers.first_pair + i if i < pairs else reference
        seed[i], gamma[i] = stream(address.key, number, stimulus, address.event, address.layer)


@helper
def fill_streams_of_stimuli(address, numbers, streams):
    """The same of all stimuli of a call, to streams (2, stimulus, pair)."""
    for s in range(streams.shape[1]):
        fill_streams(address, s, numbers, streams[0, s], streams[1, s])


@inline
def copy_streams(given, first, pairs, skipped, seed, gamma):
    """Copy given streams (2, pair), from pair `first` on, to seed, gamma (pair,): `pairs` of
    columns, then, `skipped` further on, those of references.
    """
    for i in range(seed.size):
        at = first + i if i < pairs else first + skipped + i
        seed[i] = given[0, at]
        gamma[i] = given[1, at]


@inline
def _fill_all_streams(address, s, numbers, given, of_columns, streams):
    """Make the streams (2, pair) of a task, or copy them out of those given, (2, stimulus, pair),
    of which `of_columns` pairs are of columns.
    """
    if given.size == 0:
        fill_streams(address, s, numbers, streams[0], streams[1])
    else:
        skipped = of_columns + numbers.first_references - numbers.pairs - numbers.first_pair
        copy_streams(
            given[:, s], numbers.first_pair, numbers.pairs, skipped, streams[0], streams[1]
        )


@inline
def fill_first_entries(kinds, first, rule, first_entry):
    """Write where the tables of each column's variance class begin to first_entry (column,); kinds:
    (1 or column,).
    """
    for n in range(first_entry.size):
        kind = kinds[first + n if kinds.size > 1 else 0]
        first_entry[n] = np.int32((kind * rule.positions) << rule.bits)


class Place(NamedTuple):
    """The stimulus and the columns of a task, and how many events a read has; int64."""

    stimulus: int
    first: int
    width: int
    events: int


@helper
def _run_plain_events(place, span, x_words, w_words, tables, rule, work):
    """All events of a task whose partial sums are counted and whose codes are drawn, and no more:
    nothing is allocated or counted by reference from event to event.
    """
    streams, state, _, _, totals, _ = work
    entries = tables.entries
    factors = tables.factor
    slices, cycles = factors.shape
    for e in range(span.first, span.last):
        tile = e // (slices * cycles)
        piece = e // cycles % slices
        cycle = e % cycles
        operands = Operands(place.stimulus, tile, cycle, piece, place.first, -rule.p_min)
        fill_positions(operands, x_words, w_words, place.width, state)
        factor = np.int64(factors[piece, cycle])
        for first in range(0, totals.shape[1], COLUMNS):
            steps = Steps(first, place.events, factor)
            convert_block(steps, rule, streams, entries, state, totals)


@helper
def _add_totals(totals, s, first_read, reads, first, width, out):
    for read in range(reads):
        for n in range(width):
            out[s, first_read + read, first + n] += totals[min(read, totals.shape[0] - 1), n]


@helper
def crossbar_task(task, sums, tables, rule, address, span, out):
    """One stimulus, a block of columns and some reads of out (stimulus, read, column)."""
    x_words, w_words, partials, given, variance = sums
    entries, factor, grid, groups = tables
    stimuli, reads, columns = out.shape
    slices, cycles = factor.shape
    chunks = (reads + span.reads_per_task - 1) // span.reads_per_task
    events = grid.shape[1] * slices * cycles
    s = task // chunks % stimuli
    first = task // (stimuli * chunks) * BLOCK
    first_read = task % chunks * span.reads_per_task
    some = min(span.reads_per_task, reads - first_read)
    width = min(BLOCK, columns - first)
    pairs = (width + 1) // 2
    first_reference, references = (
        (groups[1, first], groups[2, first]) if groups.size > 0 else (0, 0)
    )
    whole = (pairs + PAIRS - 1) // PAIRS * PAIRS
    streams = np.zeros((2, whole + references // 2), np.uint64)
    numbers = Numbers(first // 2, first_reference // 2, pairs)
    _fill_all_streams(
        address, s, numbers, given, (columns + 1) // 2, streams[:, : pairs + references // 2]
    )
    moves = np.empty(references, np.int32)
    state = np.zeros((2, 2 * whole), np.int32)
    position = state[0, :width]
    totals = np.zeros((1 if rule.certain == 1 and references == 0 else some, 2 * whole), np.int32)
    scratch = np.zeros((6, pairs), np.uint64)
    work = Task(streams, state, groups[0, first : first + width], moves, totals, scratch)
    streams[0] += streams[1] * np.uint64((address.first_read + first_read) * events + span.first)
    if partials.size == grid.size == variance.size == references == 0 and rule.certain == 0:
        place = Place(s, first, width, events)
        _run_plain_events(place, span, x_words, w_words, tables, rule, work)
        _add_totals(totals, s, first_read, some, first, width, out)
        return
    for e in range(span.first, span.last):
        tile = e // (slices * cycles)
        piece = e // cycles % slices
        cycle = e % cycles
        if partials.size > 0:
            for n in range(width):
                position[n] = np.int32(partials[e - span.first, s, first + n] - rule.p_min)
        else:
            operands = Operands(s, tile, cycle, piece, first, -rule.p_min)
            fill_positions(operands, x_words, w_words, width, state)
        if grid.size > 0:
            locate(position, rule.grid_shift, grid[0, tile, piece], grid[1, tile, piece], first)
        if variance.size > 0:
            kinds = (
                variance[e - span.first, s]
                if partials.size > 0
                else variance[s, min(tile * cycles + cycle, variance.shape[1] - 1)]
            )
            fill_first_entries(kinds, first, rule, state[1, :width])
        convert_event(rule, entries, factor[piece, cycle], events, work)
    _add_totals(totals, s, first_read, some, first, width, out)


@kernel
def fill_crossbar(sums, tables, rule, address, span, out):
    """`crossbar.draw_crossbar` where streams and partials are empty, else
    `crossbar.convert_partials`; neither checks anything here.

    Tasks by block of columns first, so that the cells of a block stay in the cache.
    """
    chunks = (out.shape[1] + span.reads_per_task - 1) // span.reads_per_task
    tasks = (out.shape[2] + BLOCK - 1) // BLOCK * out.shape[0] * chunks
    run_tasks(crossbar_task, tasks, (sums, tables, rule, address, span, out))
