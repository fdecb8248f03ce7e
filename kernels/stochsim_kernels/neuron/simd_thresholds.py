"""Thirty-two neurons at once, in registers: their random integers, read after read, compared with
up to 31 thresholds.

Only the upper 16 bits of an integer u and of its thresholds are compared, so that a random word of
64 bits serves four neurons. Where they differ they decide; where those of u equal those of a
threshold, about once in 2^16 / thresholds codes, the code is in doubt, and the lower 15 bits settle
it. The code is found from its highest bit down: a comparison with the middle threshold gives the
bit and leaves the lower or the upper half of the list, so b comparisons and 2^b - 1 - b choices do
the work of 2^b - 1 comparisons and additions; b further choices keep the last threshold passed.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from stochsim_kernels._jit import helper
from stochsim_kernels.neuron.simd import (
    CODES,
    I64,
    LANES,
    PIECES,
    Block,
    address,
    as_values,
    broadcast,
    each_read,
    load,
    note_any,
    splat,
    store_bytes,
    store_word,
    streams_of,
    upper_pieces,
)
from stochsim_kernels.random.counter_rng import read_integer

WIDTHS = (1, 2, 3, 4, 5)  # bits of a code
_READS_AT_ONCE = 64  # whose codes stay in the first-level cache until all neurons have theirs
_LOWER_BITS = np.uint32(15)
_MOST = 0xFFFF  # upper 16 bits of an integer, at most


class _Corner(NamedTuple):
    """Where the first code of a block goes; int64."""

    row: int
    column: int


class _Values(NamedTuple):
    """The arguments of `_count_block` as values of LLVM."""

    block: Any
    corner: Any
    uppers: Any
    streams: Any
    c_min: Any
    doubt: Any
    out: Any


def _count(b, upper, uppers, code):
    """code + #{k : upper >= uppers[k]}, for 2^b - 1 ascending vectors, and the last one that was
    passed; where none was, one that upper is less than.
    """
    best = uppers[len(uppers) // 2]
    while uppers:
        middle = len(uppers) // 2
        passed = b.icmp_unsigned(">=", upper, uppers[middle])
        best = b.select(passed, uppers[middle], best)
        code = b.add(code, b.select(passed, splat(CODES, middle + 1), splat(CODES, 0)))
        halves = zip(uppers[:middle], uppers[middle + 1 :], strict=True)
        uppers = [b.select(passed, high, low) for low, high in halves]
    return code, best


def _emit_reads(b, width, values):
    first, start, stop = (b.extract_value(values.block, i) for i in range(3))
    row, column = (b.extract_value(values.corner, i) for i in range(2))
    columns = b.extract_value(values.out.shape, 1)
    least = broadcast(b, CODES, values.c_min)
    uppers = [
        load(b, address(b, values.uppers, I64(k), first), PIECES, 2) for k in range(2**width - 1)
    ]
    notes = b.ptrtoint(values.doubt.data, I64)

    def one_read(read, state, place, note):
        upper = upper_pieces(b, state)
        code, best = _count(b, upper, uppers, least)
        store_bytes(b, code, place)

        def write(lanes, note):
            return store_word(b, b.or_(b.shl(read, I64(LANES)), b.zext(lanes, I64)), note)

        return b.add(place, columns), note_any(b, b.icmp_unsigned("==", upper, best), note, write)

    stream = streams_of(b, values.streams, first)
    begin = address(b, values.out, row, column), notes
    _, note = each_read(b, stream, start, stop, one_read, *begin)
    store_word(b, I64(0), note)


def _emit_count(b, values):
    """All widths; the number of thresholds chooses one."""
    end = b.append_basic_block("end")
    choice = b.switch(b.extract_value(values.uppers.shape, 0), end)
    for width in WIDTHS:
        case = b.append_basic_block(f"bits{width}")
        choice.add_case(I64(2**width - 1), case)
        b.position_at_end(case)
        _emit_reads(b, width, values)
        b.branch(end)
    b.position_at_end(end)


@intrinsic
def _count_block(_context, block, corner, uppers, streams, c_min, doubt, out):
    """Write c_min + #{k : upper 16 bits of u >= uppers[k]} of a whole `Block` to out (row, column),
    int8, from a `_Corner` on.

    uppers: (levels - 1, neuron) uint16, ascending in level, whole blocks of neurons, levels = 2^b
    with b in WIDTHS; streams: (2, quad) uint64, seeds just before read 0 and increments, for whole
    blocks; c_min: int8. The reads at which u equals one of uppers go to doubt (read + 1,)
    uint64, each as read 2^32 + the lanes, bit by bit; 0 ends the list. C-contiguous. Indices are
    not checked.
    """

    def generate(context, b, signature, arguments):
        _emit_count(b, _Values(*as_values(context, b, signature, arguments)))
        return context.get_dummy_value()

    return types.void(block, corner, uppers, streams, types.int8, doubt, out), generate


@helper
def _upper_bits(thresholds):
    """Upper 16 bits of thresholds (levels - 1, neuron), uint16, whole blocks of neurons; 2^31,
    which no u passes, counts among the largest: where an u is as large, that is settled.
    """
    edges, neurons = thresholds.shape
    whole = (neurons + LANES - 1) // LANES * LANES
    out = np.zeros((edges, whole), np.uint16)
    for k in range(edges):
        for n in range(neurons):
            out[k, n] = min(np.uint32(thresholds[k, n] >> _LOWER_BITS), np.uint32(_MOST))
    return out


@helper
def _settle(note, first, thresholds, streams, c_min, out):
    """Correct the codes in doubt at a read: they count the thresholds that u may have passed."""
    r = np.int64(note >> np.uint64(LANES))
    for n in range(first, min(first + LANES, out.shape[1])):
        if (note >> np.uint64(n - first)) & np.uint64(1):
            u = read_integer(streams, r, n)
            passed = np.int64(out[r, n]) - c_min
            while passed > 0 and u < thresholds[passed - 1, n]:
                passed -= 1
            out[r, n] = c_min + passed


@helper
def count_rows(thresholds, c_min, streams, out):
    """Write c_min + #{k : u >= threshold_k} to out (read, neuron), int8.

    thresholds: (levels - 1, neuron) uint32, ascending in level, 2^31 at most, levels = 2^b with b
    in WIDTHS; streams: (2, quad) uint64, seeds just before read 0 of out and increments, for whole
    blocks of neurons.
    """
    reads, neurons = out.shape
    whole = neurons // LANES * LANES
    uppers = _upper_bits(thresholds)
    doubt = np.empty(_READS_AT_ONCE + 1, np.uint64)
    room = np.empty((_READS_AT_ONCE, LANES), np.int8)  # for a last block that is not whole
    for start in range(0, reads, _READS_AT_ONCE):
        stop = min(start + _READS_AT_ONCE, reads)
        for first in range(0, neurons, LANES):
            block = Block(first, start, stop)
            corner = _Corner(start, first) if first < whole else _Corner(0, 0)
            target = out if first < whole else room
            _count_block(block, corner, uppers, streams, np.int8(c_min), doubt, target)
            for r in range(start, stop if first == whole else start):
                for n in range(whole, neurons):
                    out[r, n] = room[r - start, n - whole]
            i = 0
            while doubt[i] != np.uint64(0):
                _settle(doubt[i], first, thresholds, streams, c_min, out)
                i += 1
