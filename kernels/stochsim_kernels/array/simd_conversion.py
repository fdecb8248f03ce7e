"""Sixteen columns at once: their partial sums; then their random bits, read after read, the entries
of their alias tables that these name, and the codes that are added up.

As loops over a row of columns, one after the other, every step reads and writes memory, and the
look-ups are scalar (see `crossbar_events`); here streams and places of a block stay in registers
for all reads, and the processor's own gather looks up. The codes are the same.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from llvmlite.ir.instructions import GEPInstr
from numba.core import cgutils, types
from numba.extending import intrinsic

from stochsim_kernels.neuron.simd import (
    I32,
    I64,
    address,
    as_values,
    broadcast,
    each_read,
    load,
    random_words,
    splat,
)

COLUMNS = 16
PAIRS = COLUMNS // 2
_WORDS = ir.VectorType(I64, PAIRS)
_COLUMNS = ir.VectorType(I32, COLUMNS)
_BITS = ir.VectorType(ir.IntType(1), COLUMNS)


class Steps(NamedTuple):
    """The first of a block's columns, a multiple of COLUMNS; how many positions of its streams a
    read takes; what a code counts; int64.
    """

    first: int
    events: int
    factor: np.int64


class _Values(NamedTuple):
    """The arguments of `convert_block` as values of LLVM."""

    steps: Any
    rule: Any
    streams: Any
    entries: Any
    columns: Any
    totals: Any


def _call(b, name, kind, *arguments):
    """A call of one of LLVM's own functions."""
    signature = ir.FunctionType(kind, [argument.type for argument in arguments])
    return b.call(b.module.globals.get(name) or ir.Function(b.module, signature, name), arguments)


def _at(b, array, item, kind, item_bytes):
    return load(b, b.ptrtoint(b.gep(array.data, [item]), I64), kind, item_bytes)


def _between(b, value, least, most):
    value = _call(b, f"llvm.smax.v{COLUMNS}i32", _COLUMNS, value, least)
    return _call(b, f"llvm.smin.v{COLUMNS}i32", _COLUMNS, value, most)


class _Addresses(GEPInstr):
    """The addresses of a vector of items, which llvmlite's own instruction does not know."""

    def __init__(self, parent, pointer, index):
        kind = ir.VectorType(pointer.type, index.type.count)
        super(GEPInstr, self).__init__(parent, kind, "getelementptr", [pointer, index])
        self.pointer = pointer
        self.indices = [index]
        self.inbounds = False
        self.source_etype = pointer.type.pointee


def _gather(b, entries, index):
    """The entries at indices, int32."""
    pointers = _Addresses(b.block, entries.data, index)
    b._insert(pointers)
    name = f"llvm.masked.gather.v{COLUMNS}i32.v{COLUMNS}p0i32"
    nothing = ir.Constant(_COLUMNS, ir.Undefined)
    return _call(b, name, _COLUMNS, pointers, I32(4), splat(_BITS, 1), nothing)


def _aimed(b, values, first):
    """(place of each column's table among the entries, code that it counts from, mask of a cell):
    see `crossbar_events.aim`.
    """
    words = [b.trunc(b.extract_value(values.rule, i), I32) for i in range(7)]
    bits, positions, slope, intercept, shift, base_last, code_min = (
        broadcast(b, _COLUMNS, word) for word in words
    )
    one = splat(_COLUMNS, 1)
    zero = splat(_COLUMNS, 0)
    position, first_entry = (
        load(b, address(b, values.columns, I64(row), first), _COLUMNS, 4) for row in (0, 1)
    )
    q = _between(b, position, zero, b.sub(positions, one))
    code = b.ashr(b.add(b.mul(q, slope), intercept), b.and_(shift, splat(_COLUMNS, 31)))
    base = b.add(code_min, _between(b, code, zero, base_last))
    bits = b.and_(bits, splat(_COLUMNS, 31))
    return b.add(first_entry, b.shl(q, bits)), base, b.sub(b.shl(one, bits), one)


def _emit_conversion(b, values):
    first, events, factor = (b.extract_value(values.steps, i) for i in range(3))
    factor = broadcast(b, _COLUMNS, b.trunc(factor, I32))
    pair = b.lshr(first, I64(1))
    seeds, gammas = (address(b, values.streams, I64(row), pair) for row in (0, 1))
    gamma = load(b, gammas, _WORDS, 8)
    state = b.add(load(b, seeds, _WORDS, 8), gamma)
    b.store(state, b.inttoptr(seeds, _WORDS.as_pointer())).align = 8
    place, base, mask = _aimed(b, values, first)
    reads = b.extract_value(values.totals.shape, 0)
    row_bytes = b.mul(b.extract_value(values.totals.shape, 1), I64(4))

    def one_read(state, at):
        bits = b.bitcast(random_words(b, state), _COLUMNS)
        entry = _gather(b, values.entries, b.add(place, b.and_(bits, mask)))
        below = b.icmp_unsigned("<", b.or_(bits, mask), entry)  # bits div cells < threshold
        cell = b.and_(b.select(below, bits, entry), mask)
        total = b.add(load(b, at, _COLUMNS, 4), b.mul(b.add(base, cell), factor))
        b.store(total, b.inttoptr(at, _COLUMNS.as_pointer())).align = 4

    at = address(b, values.totals, I64(0), first)
    one_read(state, at)
    with b.if_then(b.icmp_signed(">", reads, I64(1))):  # a product of 64 bits takes long
        on = b.mul(gamma, broadcast(b, _WORDS, events))

        def next_read(_read, state, at):
            one_read(state, at)
            return (b.add(at, row_bytes),)

        each_read(b, (state, on), I64(0), b.sub(reads, I64(1)), next_read, b.add(at, row_bytes))


@intrinsic
def convert_block(_context, steps, rule, streams, entries, columns, totals):
    """totals (read, column) int32 += factor × (base + cell or alias) for the COLUMNS columns from
    `Steps.first` on, at all reads, one at least.

    rule: a `crossbar_kernel.Rule`; streams: (2, pair) uint64, seeds, just before what the first
    read takes, and increments; seeds are moved on by one position, to the next event. entries:
    (entry,) uint32; columns: (2, column) int32, the position of each column, and the first entry of
    its variance class. All of them for whole blocks of columns, C-contiguous. Indices are not
    checked.
    """

    def generate(context, b, signature, arguments):
        _emit_conversion(b, _Values(*as_values(context, b, signature, arguments)))
        return context.get_dummy_value()

    return types.void(steps, rule, streams, entries, columns, totals), generate


class Operands(NamedTuple):
    """Which planes of x and w are multiplied: those of a stimulus, a tile and a cycle, and those of
    the tile and a slice; the first column of w; what the sums start from; int64.
    """

    stimulus: int
    tile: int
    cycle: int
    piece: int
    first: int
    start: int


class _ProductPlace(NamedTuple):
    """Values of LLVM: the arrays, the first items of their planes, words of a plane, columns of w,
    and the first one of a block.
    """

    x: Any
    w: Any
    x_row: Any
    w_row: Any
    words: Any
    width: Any
    w_first: Any = None


def _emit_products(b, operands, x, w, columns):
    """In blocks of columns, as far as these are whole."""
    stimulus, tile, cycle, piece, w_first, start = (b.extract_value(operands, i) for i in range(6))
    tiles, cycles, planes, words = (b.extract_value(x.shape, i) for i in range(1, 5))
    slices, signs, w_planes, _, width = (b.extract_value(w.shape, i) for i in range(1, 6))
    x_row = b.add(b.mul(b.add(b.mul(stimulus, tiles), tile), cycles), cycle)
    x_row = b.mul(b.mul(x_row, planes), words)
    w_row = b.mul(b.add(b.mul(tile, slices), piece), b.mul(signs, w_planes))
    begin = broadcast(b, _COLUMNS, b.trunc(start, I32))
    place = _ProductPlace(x, w, x_row, w_row, words, width)
    left = b.sub(width, w_first)
    task = b.extract_value(columns.shape, 1)
    left = b.select(b.icmp_signed("<", left, task), left, task)

    def each_block(emit, *arguments):
        stop = b.and_(left, I64(-COLUMNS))
        with cgutils.for_range_slice(b, I64(0), stop, I64(COLUMNS)) as (first, _):
            at = place._replace(w_first=b.add(w_first, first))
            target = b.inttoptr(address(b, columns, I64(0), first), _COLUMNS.as_pointer())
            b.store(emit(b, at, *arguments, begin), target).align = 4

    of_two_words = b.icmp_signed("==", words, I64(2))
    is_plain = b.and_(of_two_words, b.icmp_signed("==", b.mul(w_planes, planes), I64(1)))
    switch = b.select(is_plain, signs, I64(0))
    for count in (1, 2):
        with b.if_then(b.icmp_signed("==", switch, I64(count))):
            bits = [_bits_of_x(b, place, I64(k)) for k in (0, 1)]
            each_block(_emit_plain_block, bits, count)
    with b.if_then(b.or_(b.icmp_signed("<", switch, I64(1)), b.icmp_signed(">", switch, I64(2)))):
        each_block(_emit_block, (signs, w_planes, planes))


def _bits_of_x(b, place, word):
    """A word of x, from the first plane on, in all lanes."""
    return broadcast(b, _WORDS, b.load(b.gep(place.x.data, [b.add(place.x_row, word)])))


def _common_ones(b, place, row, bits):
    """The ones that a word of x and a row of words of w have in common, in both halves of a
    block.
    """
    at = b.add(b.mul(row, place.width), place.w_first)
    halves = [_at(b, place.w, b.add(at, I64(PAIRS * i)), _WORDS, 8) for i in range(2)]
    return [_call(b, f"llvm.ctpop.v{PAIRS}i64", _WORDS, b.and_(bits, half)) for half in halves]


def _joined(b, halves):
    """Two vectors of 64 bits as one of 32."""
    order = ir.Constant(ir.VectorType(I32, COLUMNS), [*range(COLUMNS)])
    return b.trunc(b.shuffle_vector(*halves, order), _COLUMNS)


def _emit_plain_block(b, place, bits, signs, begin):
    """`_emit_block` of one plane of w and of x, of as many words as there are bits; without loops
    it takes half the time.
    """
    first = b.mul(place.w_row, place.words)
    counts = []
    for sign in range(signs):
        rows = [b.add(first, I64(sign * len(bits) + k)) for k in range(len(bits))]
        ones = [_common_ones(b, place, row, x) for row, x in zip(rows, bits, strict=True)]
        counts.append([functools.reduce(b.add, half) for half in zip(*ones, strict=True)])
    plus, *minus = counts
    if minus:
        plus = [b.sub(one, other) for one, other in zip(plus, minus[0], strict=True)]
    return b.add(begin, _joined(b, plus))


def _emit_block(b, place, loops, begin):
    """begin + Σ ± 2^(a + b) popcount(x_b & w_a) of a block; loops: signs, planes of w and of x."""
    total = cgutils.alloca_once(b, _COLUMNS)
    b.store(begin, total)
    halves = [cgutils.alloca_once(b, _WORDS) for _ in range(2)]
    with cgutils.loop_nest(b, loops, I64) as (sign, a, plane):
        row = b.mul(b.add(place.w_row, b.add(b.mul(sign, loops[1]), a)), place.words)
        for half in halves:
            b.store(ir.Constant(_WORDS, None), half)
        with cgutils.for_range(b, place.words) as loop:
            bits = _bits_of_x(b, place, b.add(b.mul(plane, place.words), loop.index))
            ones = _common_ones(b, place, b.add(row, loop.index), bits)
            for one, half in zip(ones, halves, strict=True):
                b.store(b.add(b.load(half), one), half)
        counts = _joined(b, [b.load(half) for half in halves])
        counts = b.shl(counts, broadcast(b, _COLUMNS, b.trunc(b.add(a, plane), I32)))
        is_minus = broadcast(b, _COLUMNS, b.sub(I32(0), b.trunc(sign, I32)))
        b.store(b.add(b.load(total), b.sub(b.xor(counts, is_minus), is_minus)), total)
    return b.load(total)


@intrinsic
def add_whole_blocks(_context, operands, x, w, columns):
    """Write start + Σ ± 2^(a + b) popcount(x_b & w_a) to columns[0] (column,) int32, for the whole
    blocks of COLUMNS columns that both columns and w have from `Operands.first` on.

    x: (stimulus, tile, cycle, plane, word), w: (tile, slice, sign, plane, word, column), uint64,
    C-contiguous.
    """

    def generate(context, b, signature, arguments):
        _emit_products(b, *as_values(context, b, signature, arguments))
        return context.get_dummy_value()

    return types.void(operands, x, w, columns), generate
