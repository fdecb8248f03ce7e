"""One event of a crossbar's task, in loops over rows of columns: partial sums, their positions,
the codes drawn, the accumulators.

A code costs half a random word, one look-up and a handful of instructions on vectors. The row is
passed over in several simple loops because the compiler does not put a loop on vectors that both
looks up and writes: only the look-ups are left to the scalar units. The loops are inlined because a
compiler that sees the scratch memory being allocated knows that its rows do not overlap.
"""

from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import inline
from stochsim_kernels.array.simd_conversion import (
    COLUMNS,
    Steps,
    add_whole_blocks,
    convert_block,
)
from stochsim_kernels.random.counter_rng import word
from stochsim_kernels.random.popcount import popcount64

_FAR = 1 << 29  # positions are kept within ± this before the moves of a reference are added


class Task(NamedTuple):
    """What a task works on: a block of columns and some reads.

    streams (2, pair) uint64: seeds, just before the next event of the first read, and increments of
    the pairs of columns, then those of pairs of references; columns (2, column) int32: position,
    first entry of the variance class; group (column,): index into moves (reference,), or both
    empty; totals (read, column) int32. All over pairs and columns but `group` go on, with what
    nobody reads, to whole blocks of `simd_conversion`. scratch (6, pair) uint64, for
    `_convert_by_rows`: rows of 32 bits per column, the last four also seen as pairs of 64 bits:
    position with its move, code to count from; place, bits, index, entry.
    """

    streams: np.ndarray
    columns: np.ndarray
    group: np.ndarray
    moves: np.ndarray
    totals: np.ndarray
    scratch: np.ndarray


@inline
def add_products(x, w, first, partial):
    """partial (column,) += Σ ± 2^(a + b) popcount(x_b & w_a): x (plane, word), w (sign, plane,
    word, column), columns from `first`.
    """
    words = x.shape[1]
    for sign in range(w.shape[0]):
        for a in range(w.shape[1]):
            for b in range(x.shape[0]):
                weight = np.int32((1 - 2 * sign) << (a + b))
                for k in range(0, words, 2):  # two words per pass
                    other = min(k + 1, words - 1)
                    x0 = x[b, k]
                    x1 = x[b, other] if other > k else np.uint64(0)
                    w0 = w[sign, a, k, first : first + partial.size]
                    w1 = w[sign, a, other, first : first + partial.size]
                    for n in range(partial.size):
                        partial[n] += weight * np.int32(
                            popcount64(x0 & w0[n]) + popcount64(x1 & w1[n])
                        )


@inline
def fill_positions(operands, x, w, width, columns):
    """Write start + partial sums to columns[0] of a task `width` columns wide."""
    whole = width // COLUMNS * COLUMNS
    add_whole_blocks(operands, x, w, columns)
    if whole < width:
        rest = columns[0, whole:width]
        rest[:] = np.int32(operands.start)
        of_x = x[operands.stimulus, operands.tile, operands.cycle]
        add_products(of_x, w[operands.tile, operands.piece], operands.first + whole, rest)


@inline
def locate(partial, shift, gain, offset, first):
    """Replace partial sums (column,) by grid positions (gain × partial + offset) >> shift, not yet
    clamped to the table.
    """
    for n in range(partial.size):
        at = (gain[first + n] * np.int64(partial[n]) + offset[first + n]) >> (shift & 63)
        partial[n] = np.int32(min(max(at, -_FAR), _FAR))


@inline
def aim(position, first_entry, rule, place, base):
    """Per column: the place of its alias table among all entries, and the code that the table
    counts from.
    """
    slope = np.int32(rule.slope)
    intercept = np.int32(rule.intercept)
    shift = rule.shift & 31
    bits = rule.bits & 31
    zero = np.int32(0)
    last = np.int32(rule.positions - 1)
    base_last = np.int32(rule.base_last)
    code_min = np.int32(rule.code_min)
    for n in range(position.size):
        q = min(max(position[n], zero), last)
        place[n] = np.uint32(first_entry[n] + np.int32(q << bits))
        code = np.int32(np.int32(np.int32(q * slope) + intercept) >> shift)
        base[n] = np.int32(code_min + min(max(code, zero), base_last))


@inline
def draw_indices(rule, seed, gamma, counter, place, bits, index):
    """Random bits of one read, and the entries they pick, for pairs of columns: two halves of a
    word each.
    """
    mask = np.uint64((1 << rule.bits) - 1)
    mask |= mask << np.uint64(32)
    drawn = seed.size if rule.certain == 0 else 0
    for i in range(drawn):
        bits[i] = word(seed[i], gamma[i], counter)
        index[i] = place[i] + (bits[i] & mask)  # both halves at once: the low bits of a place are 0
    for i in range(drawn, seed.size):
        index[i] = place[i]


@inline
def look_up(entries, index, entry):
    """entry = entries[index] for the two halves of each word: this loop is bound by loads and
    stores, so it does two per pass.
    """
    for i in range(index.size):
        low, high = index[i] & np.uint64(0xFFFFFFFF), index[i] >> np.uint64(32)
        entry[i] = np.uint64(entries[low]) | np.uint64(entries[high]) << np.uint64(32)


@inline
def add_codes(rule, halves, entry, factor, base, total):
    """total (column,) += factor × (base + j), j the cell that u names or its alias."""
    mask = np.uint32((1 << rule.bits) - 1)
    for n in range(total.size):
        u = halves[n]
        e = entry[n]
        below = np.uint32(u | mask) < e  # u div K < threshold
        j = np.uint32(u & mask) if below else np.uint32(e & mask)
        total[n] += np.int32(factor * np.int32(base[n] + np.int32(j)))


@inline
def draw_moves(entries, rule, seed, gamma, counter, moves):
    """moves (reference,): how far each reference is off at one read, in positions; seed, gamma:
    pairs of references.
    """
    mask = np.uint32((1 << rule.shared_bits) - 1)
    for g in range(moves.size):
        u = np.uint32(word(seed[g // 2], gamma[g // 2], counter) >> np.uint64(32 * (g % 2)))
        e = entries[rule.shared_entry + np.int64(u & mask)]
        j = np.uint32(u & mask) if np.uint32(u | mask) < e else np.uint32(e & mask)
        moves[g] = rule.first_move + np.int64(j)


@inline
def _convert_by_rows(rule, entries, factor, events, task):
    """`convert_event` where nothing is drawn, or where columns move with their reference."""
    counter = np.int64(0)
    streams, columns, group, moves, totals, scratch = task
    pairs = scratch.shape[1]
    width = group.size if moves.size > 0 else 2 * pairs
    words = scratch.view(np.int32)
    halves = scratch.view(np.uint32)
    moved = words[0, :width]
    base = words[1, :width]
    for read in range(totals.shape[0]):
        if moves.size > 0:
            draw_moves(entries, rule, streams[0, pairs:], streams[1, pairs:], counter, moves)
            for n in range(width):
                moved[n] = columns[0, n] + moves[group[n]]
        elif read == 0:
            for n in range(width):
                moved[n] = columns[0, n]
        if read == 0 or moves.size > 0:
            aim(moved, columns[1], rule, halves[2], base)
        seed = streams[0, :pairs]
        gamma = streams[1, :pairs]
        draw_indices(rule, seed, gamma, counter, scratch[2], scratch[3], scratch[4])
        look_up(entries, scratch[4], scratch[5])
        add_codes(rule, halves[3], halves[5], factor, base, totals[read, :width])
        counter += events
    streams[0] += streams[1]


@inline
def convert_event(rule, entries, factor, events, task):
    """totals (read, column) += factor × code of one event, the next one of the streams, which are
    moved on; `events` positions further at each further read.
    """
    if task.moves.size > 0 or rule.certain == 1:
        _convert_by_rows(rule, entries, factor, events, task)
        return
    for first in range(0, task.totals.shape[1], COLUMNS):
        steps = Steps(first, events, np.int64(factor))
        convert_block(steps, rule, task.streams, entries, task.columns, task.totals)
