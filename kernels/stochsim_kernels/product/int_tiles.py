"""Integer products tile by tile: 6 stimuli against 64 neurons, whose sums stay in registers while
the inputs pass.

Both operands come as 4-byte words. A word holds four codes of 8 bits, multiplied and added in one
instruction where the processor has AVX-512 VNNI (vpdpbusd: unsigned times signed, without
saturation); or 32 inputs of one bit, ANDed and counted; or one code, whose product is added to a
sum that saturates. The inner loop is LLVM code, because a compiler does not find this arrangement
of registers by itself; all around it is plain Numba.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from stochsim_kernels._jit import helper, kernel
from stochsim_kernels.processor import AVX512, VNNI, processor_has
from stochsim_kernels.tasks import run_tasks

ROWS = 6  # stimuli per tile
# of 16 neurons each: 24 vectors of sums, 4 of weights and one of the stimulus fill 29 of 32
# registers
VECTORS = 4
COLUMNS = 16 * VECTORS
BITS, BYTES, SATURATING = 0, 1, 2  # what a word holds
_BLOCK = 8 * ROWS  # stimuli per task


class TiledProduct(NamedTuple):
    """Both operands of a product and what is added to it, all int32 and C-contiguous.

    x: (stimulus rounded up to ROWS, plane, word); w: (panel of COLUMNS neurons, plane, word,
    COLUMNS); scales: (x plane, w plane); x_term: (stimulus,); w_term: (neuron,).
    """

    x: np.ndarray
    w: np.ndarray
    scales: np.ndarray
    x_term: np.ndarray
    w_term: np.ndarray


class TilePlace(NamedTuple):
    """Where a tile reads, int64: the first word of its first row in x, the words from row to row,
    the first word of its panel in w, and how many words it multiplies.
    """

    x_first: int
    x_stride: int
    w_first: int
    words: int


class _Tile(NamedTuple):
    """What a tile is made from, as values of LLVM: x, w and sums point to their first words."""

    x: Any
    x_stride: Any
    w: Any
    words: Any
    scale: Any
    limit: Any
    sums: Any


_WORD = ir.IntType(32)
_VECTOR = ir.VectorType(_WORD, 16)


def _call(builder, name, *vectors):
    signature = ir.FunctionType(_VECTOR, [_VECTOR] * len(vectors))
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), vectors)


def _splat(builder, word):
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(undefined, word, _WORD(0)), undefined, ir.Constant(_VECTOR, None)
    )


def _add_common_bits(builder, sums, x, w, _limit):
    return builder.add(sums, _call(builder, "llvm.ctpop.v16i32", builder.and_(x, w)))


def _add_dot_of_bytes(builder, sums, x, w, _limit):
    """Add the four products of the unsigned bytes of x and the signed bytes of w; long-hand on
    processors without the instruction.
    """
    if processor_has(VNNI):
        return _call(builder, "llvm.x86.avx512.vpdpbusd.512", sums, x, w)

    def all_of(value):
        return ir.Constant(_VECTOR, [value] * 16)

    for low in (0, 8, 16, 24):
        unsigned = builder.and_(builder.lshr(x, all_of(low)), all_of(255))
        signed = builder.ashr(builder.shl(w, all_of(24 - low)), all_of(24))
        sums = builder.add(sums, builder.mul(unsigned, signed))
    return sums


def _add_and_clip(builder, sums, x, w, limit):
    """Add the product, then clip to -limit … limit - 1."""
    sums = _call(
        builder,
        "llvm.smax.v16i32",
        builder.add(sums, builder.mul(x, w)),
        _splat(builder, builder.neg(limit)),
    )
    return _call(builder, "llvm.smin.v16i32", sums, _splat(builder, builder.sub(limit, _WORD(1))))


def _emit_rows(builder, step, count, tile):
    """Emit the loop over `words` for `count` stimuli."""
    x, x_stride, w, words, scale, limit, sums = tile

    def vector_at(pointer, offset):
        return builder.bitcast(builder.gep(pointer, [offset]), _VECTOR.as_pointer())

    index = words.type
    rows = [builder.gep(x, [builder.mul(x_stride, index(r))]) for r in range(count)]
    totals = [[cgutils.alloca_once(builder, _VECTOR) for _ in range(VECTORS)] for _ in rows]
    for place in itertools.chain(*totals):
        builder.store(ir.Constant(_VECTOR, None), place)
    with cgutils.for_range(builder, words) as loop:
        panel = builder.gep(w, [builder.mul(loop.index, index(COLUMNS))])
        weights = [builder.load(vector_at(panel, index(16 * v)), align=4) for v in range(VECTORS)]
        for row, total in zip(rows, totals, strict=True):
            word = _splat(builder, builder.load(builder.gep(row, [loop.index])))
            for v in range(VECTORS):
                builder.store(
                    step(builder, builder.load(total[v]), word, weights[v], limit), total[v]
                )
    factor = _splat(builder, scale)
    for r, v in np.ndindex(count, VECTORS):
        place = vector_at(sums, index(COLUMNS * r + 16 * v))
        scaled = builder.mul(factor, builder.load(totals[r][v]))
        builder.store(builder.add(builder.load(place, align=4), scaled), place, align=4)


def _emit_tile(builder, step, tile):
    """All rows at once where there are registers for it, else one after the other."""
    if processor_has(AVX512):
        _emit_rows(builder, step, ROWS, tile)
        return
    with cgutils.for_range(builder, tile.words.type(ROWS)) as loop:
        x_row = builder.gep(tile.x, [builder.mul(loop.index, tile.x_stride)])
        sums_row = builder.gep(tile.sums, [builder.mul(loop.index, tile.words.type(COLUMNS))])
        _emit_rows(builder, step, 1, tile._replace(x=x_row, sums=sums_row))


def _tile(step):
    """An intrinsic that adds to sums (ROWS, COLUMNS): scale times product, of x and w at a
    `TilePlace`.
    """

    @intrinsic
    def tile(_context, x, w, place, scale, limit, sums):
        def codegen(context, builder, signature, arguments):
            def data(i):
                array = context.make_array(signature.args[i])
                return array(context, builder, arguments[i]).data

            x_first, x_stride, w_first, words = cgutils.unpack_tuple(builder, arguments[2])
            x = builder.gep(data(0), [x_first])
            w = builder.gep(data(1), [w_first])
            scale, limit = arguments[3:5]
            _emit_tile(builder, step, _Tile(x, x_stride, w, words, scale, limit, data(5)))
            return context.get_dummy_value()

        return types.void(x, w, place, types.int32, types.int32, sums), codegen

    return tile


_bits_tile = _tile(_add_common_bits)
bytes_tile = _tile(_add_dot_of_bytes)
_saturating_tile = _tile(_add_and_clip)


@helper
def _fill_block(task, product, holds, limit, out):
    """Some rows of `fill_product` for one panel of neurons."""
    blocks = (out.shape[0] + _BLOCK - 1) // _BLOCK
    panel = task // blocks
    first = task % blocks * _BLOCK
    last = min(first + _BLOCK, out.shape[0])
    x, w, scales, x_term, w_term = product
    x_planes, words = x.shape[1:]
    w_planes = w.shape[1]
    n0 = panel * COLUMNS
    n1 = min((panel + 1) * COLUMNS, out.shape[1])
    sums = np.empty((ROWS, COLUMNS), np.int32)
    for s0 in range(first, last, ROWS):
        sums[:] = 0
        for i in range(x_planes):
            for j in range(w_planes):
                x_first = (s0 * x_planes + i) * words
                w_first = (panel * w_planes + j) * words * COLUMNS
                place = TilePlace(x_first, x_planes * words, w_first, words)
                if holds == BITS:
                    _bits_tile(x, w, place, scales[i, j], limit, sums)
                elif holds == BYTES:
                    bytes_tile(x, w, place, scales[i, j], limit, sums)
                else:
                    _saturating_tile(x, w, place, scales[i, j], limit, sums)
        for s in range(s0, min(s0 + ROWS, last)):
            row = out[s, n0:n1]
            constant = x_term[s]
            from_x = sums[s - s0]
            from_w = w_term[n0:n1]
            for n in range(row.size):
                row[n] = from_x[n] + from_w[n] + constant


@kernel
def fill_product(product, holds, limit, out):
    """Write x_term + w_term + sum over planes i, j of scales[i, j] · (x plane i times w plane j) to
    out (stimulus, neuron) int32, modulo 2^32; product: a `TiledProduct`.

    A word holds BITS, 32 inputs; BYTES, 4 inputs, unsigned in x and signed in w; or one input, and
    sums over the inputs, in their order, are SATURATING at -limit and limit - 1; limit + |x w| must
    stay below 2^31.
    """
    blocks = (out.shape[0] + _BLOCK - 1) // _BLOCK
    run_tasks(_fill_block, product.w.shape[0] * blocks, (product, holds, limit, out))
