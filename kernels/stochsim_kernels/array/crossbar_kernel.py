"""The kernel of crossbar.py: a task is one stimulus, a block of columns and some reads, and works
on rows of columns.

A code costs half a random word, one look-up and a handful of instructions on vectors. The row is
passed over in several simple loops because the compiler does not put a loop on vectors that both
looks up and writes: only the look-ups are left to the scalar units. The loops are inlined because a
compiler that sees the scratch memory being allocated knows that its rows do not overlap.
"""

import numpy as np
from numba import prange

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.random.counter_rng import stream, word
from stochsim_kernels.random.popcount import popcount64

# The numbers of a `plan`, int64: first the channel's and the wiring's, as `crossbar.readout` writes
# them, ...
(
    BITS,
    POSITIONS,
    SLOPE,
    INTERCEPT,
    SHIFT,
    BASE_LAST,
    CODE_MIN,
    CERTAIN,
    P_MIN,
    GRID_SHIFT,
    SHARED_BITS,
    SHARED_ENTRY,
    FIRST_MOVE,
) = range(13)
# ... then those of a call; the events of the call are FIRST_EVENT up to LAST_EVENT.
KEY, LAYER, EVENT_WORD, FIRST_STIMULUS, FIRST_READ, FIRST_EVENT, LAST_EVENT, READS_PER_TASK = range(
    13, 21
)
BLOCK = 256  # columns per task, even: its rows and a tile's weights fit the first-level cache
_FIRST_SHARED = 1 << 31  # the streams of references are numbered from here on
_FAR = 1 << 29  # positions are kept within ± this before the moves of a reference are added


@helper
def fill_streams(key, layer, event, stimulus, first_pair, first_references, pairs, seed, gamma):
    """Write the streams of `pairs` pairs of columns from `first_pair` on, then those of pairs of
    references, to seed, gamma (pair,).
    """
    for i in range(seed.size):
        number = first_pair + i if i < pairs else _FIRST_SHARED + first_references + i - pairs
        seed[i], gamma[i] = stream(key, number, stimulus, event, layer)


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
                    x0, x1 = x[b, k], x[b, other] if other > k else np.uint64(0)
                    w0, w1 = (
                        w[sign, a, k, first : first + partial.size],
                        w[sign, a, other, first : first + partial.size],
                    )
                    for n in range(partial.size):
                        partial[n] += weight * np.int32(
                            popcount64(x0 & w0[n]) + popcount64(x1 & w1[n])
                        )


@inline
def locate(partial, shift, gain, offset, first):
    """Replace partial sums (column,) by grid positions (gain × partial + offset) >> shift, not yet
    clamped to the table.
    """
    for n in range(partial.size):
        at = (gain[first + n] * np.int64(partial[n]) + offset[first + n]) >> (shift & 63)
        partial[n] = np.int32(min(max(at, -_FAR), _FAR))


@inline
def aim(position, first_entry, plan, place, base):
    """Per column: the place of its alias table among all entries, and the code that the table
    counts from.
    """
    slope, intercept, shift, bits = (
        np.int32(plan[SLOPE]),
        np.int32(plan[INTERCEPT]),
        plan[SHIFT] & 31,
        plan[BITS] & 31,
    )
    zero, last, base_last, code_min = (
        np.int32(0),
        np.int32(plan[POSITIONS] - 1),
        np.int32(plan[BASE_LAST]),
        np.int32(plan[CODE_MIN]),
    )
    for n in range(position.size):
        q = min(max(position[n], zero), last)
        place[n] = np.uint32(first_entry[n] + np.int32(q << bits))
        code = np.int32(np.int32(np.int32(q * slope) + intercept) >> shift)
        base[n] = np.int32(code_min + min(max(code, zero), base_last))


@inline
def draw_indices(plan, seed, gamma, counter, place, bits, index):
    """Random bits of one read, and the entries they pick, for pairs of columns: two halves of a
    word each.
    """
    mask = np.uint64((1 << plan[BITS]) - 1)
    mask |= mask << np.uint64(32)
    drawn = seed.size if plan[CERTAIN] == 0 else 0
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
def add_codes(plan, halves, entry, factor, base, total):
    """total (column,) += factor × (base + j), j the cell that u names or its alias."""
    mask = np.uint32((1 << plan[BITS]) - 1)
    for n in range(total.size):
        u, e = halves[n], entry[n]
        j = (
            np.uint32(u & mask) if np.uint32(u | mask) < e else np.uint32(e & mask)
        )  # u | mask < e: u div K < threshold
        total[n] += np.int32(factor * np.int32(base[n] + np.int32(j)))


@inline
def draw_moves(entries, plan, seed, gamma, counter, moves):
    """moves (reference,): how far each reference is off at one read, in positions; seed, gamma:
    pairs of references.
    """
    mask = np.uint32((1 << plan[SHARED_BITS]) - 1)
    for g in range(moves.size):
        u = np.uint32(word(seed[g // 2], gamma[g // 2], counter) >> np.uint64(32 * (g % 2)))
        e = entries[plan[SHARED_ENTRY] + np.int64(u & mask)]
        j = np.uint32(u & mask) if np.uint32(u | mask) < e else np.uint32(e & mask)
        moves[g] = plan[FIRST_MOVE] + np.int64(j)


@inline
def convert_event(
    plan, entries, factor, counter, events, group, seed, gamma, moves, scratch, totals
):
    """totals (read, column) += factor × code of one event, at `counter` of its streams for the
    first read, `events` on at each further.

    seed, gamma: the pairs of columns, then those of references; group (column,): index into moves
    (reference,), or both empty; scratch as in `crossbar_task`, with the positions in row 0.
    """
    pairs, words, halves, columns = (
        scratch.shape[1],
        scratch.view(np.int32),
        scratch.view(np.uint32),
        totals.shape[1],
    )
    first_entry, base = words[2, :columns], words[3, :columns]
    for read in range(totals.shape[0]):
        if moves.size > 0:
            draw_moves(entries, plan, seed[pairs:], gamma[pairs:], counter, moves)
            for n in range(columns):
                words[1, n] = words[0, n] + moves[group[n]]
        if read == 0 or moves.size > 0:
            aim(words[min(moves.size, 1), :columns], first_entry, plan, halves[4], base)
        draw_indices(plan, seed[:pairs], gamma[:pairs], counter, scratch[4], scratch[5], scratch[6])
        look_up(entries, scratch[6], scratch[7])
        add_codes(plan, halves[5], halves[7], factor, base, totals[read])
        counter += events


@helper
def crossbar_task(
    task, x_words, w_words, partials, variance, streams, entries, plan, factor, grid, groups, out
):
    """One stimulus, a block of columns, some reads.

    Rows of scratch, 32 bits per column, the last four also seen as pairs of 64 bits:

    position, position with its move, first entry of the variance class, code to count from; place,
    bits, index, entry.
    """
    stimuli, reads, columns = out.shape
    tiles, slices, cycles = grid.shape[1], factor.shape[0], factor.shape[1]
    chunks, events = (
        (reads + plan[READS_PER_TASK] - 1) // plan[READS_PER_TASK],
        tiles * slices * cycles,
    )
    s, first, first_read = (
        task // chunks % stimuli,
        task // (stimuli * chunks) * BLOCK,
        task % chunks * plan[READS_PER_TASK],
    )
    some, width, pairs = (
        min(plan[READS_PER_TASK], reads - first_read),
        min(BLOCK, columns - first),
        (min(BLOCK, columns - first) + 1) // 2,
    )
    first_reference, references = (
        (groups[1, first], groups[2, first]) if groups.size > 0 else (0, 0)
    )
    seed, gamma = (
        np.empty(pairs + references // 2, np.uint64),
        np.empty(pairs + references // 2, np.uint64),
    )
    if streams.size == 0:
        stimulus = plan[FIRST_STIMULUS] + s
        fill_streams(
            plan[KEY],
            plan[LAYER],
            plan[EVENT_WORD],
            stimulus,
            first // 2,
            first_reference // 2,
            pairs,
            seed,
            gamma,
        )
    for i in range(seed.size if streams.size > 0 else 0):
        at = first // 2 + i if i < pairs else (columns + 1) // 2 + first_reference // 2 + i - pairs
        seed[i], gamma[i] = streams[0, s, at], streams[1, s, at]
    scratch, moves = np.zeros((8, pairs), np.uint64), np.empty(references, np.int32)
    position, first_entry = scratch.view(np.int32)[0, :width], scratch.view(np.int32)[2, :width]
    totals = np.zeros((1 if plan[CERTAIN] == 1 and references == 0 else some, width), np.int32)
    e = -1
    for tile in range(tiles):
        for piece in range(slices):
            for cycle in range(cycles):
                e += 1
                if e < plan[FIRST_EVENT] or e >= plan[LAST_EVENT]:
                    continue
                for n in range(width):
                    position[n] = np.int32(
                        (partials[s, first + n] if partials.size > 0 else 0) - plan[P_MIN]
                    )
                if partials.size == 0:
                    add_products(x_words[s, tile, cycle], w_words[tile, piece], first, position)
                if grid.size > 0:
                    locate(
                        position,
                        plan[GRID_SHIFT],
                        grid[0, tile, piece],
                        grid[1, tile, piece],
                        first,
                    )
                row = min(tile * cycles + cycle, variance.shape[1] - 1)
                for n in range(width if variance.size > 0 else 0):
                    own = variance[s, row, first + n if variance.shape[2] > 1 else 0]
                    first_entry[n] = np.int32((own * plan[POSITIONS]) << plan[BITS])
                counter, group = (
                    (plan[FIRST_READ] + first_read) * events + e,
                    groups[0, first : first + width],
                )
                convert_event(
                    plan,
                    entries,
                    factor[piece, cycle],
                    counter,
                    events,
                    group,
                    seed,
                    gamma,
                    moves,
                    scratch,
                    totals,
                )
    for read in range(some):
        for n in range(width):
            out[s, first_read + read, first + n] += totals[min(read, totals.shape[0] - 1), n]


@kernel
def fill_crossbar(
    x_words, w_words, partials, variance, streams, entries, plan, factor, grid, groups, out
):
    """`crossbar.draw_crossbar` where streams and partials are empty, else
    `crossbar.convert_partials`; neither checks anything here.

    Tasks by block of columns first, so that the cells of a block stay in the cache.
    """
    chunks = (out.shape[1] + plan[READS_PER_TASK] - 1) // plan[READS_PER_TASK]
    for task in prange((out.shape[2] + BLOCK - 1) // BLOCK * out.shape[0] * chunks):
        crossbar_task(
            np.int64(task),
            x_words,
            w_words,
            partials,
            variance,
            streams,
            entries,
            plan,
            factor,
            grid,
            groups,
            out,
        )
