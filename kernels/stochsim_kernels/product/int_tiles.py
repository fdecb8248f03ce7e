"""Integer products tile by tile: 6 stimuli against 64 neurons, whose sums stay in registers while
the inputs pass.

Both operands come as 4-byte words. A word holds four codes of 8 bits, multiplied and added in one
instruction where the processor has AVX-512 VNNI (vpdpbusd: unsigned times signed, without
saturation); or 32 inputs of one bit, ANDed and counted; or one code, whose product is added to a
sum that saturates. The inner loop is LLVM code, because a compiler does not find this arrangement
of registers by itself; all around it is plain Numba.
"""

import itertools
from functools import lru_cache

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from stochsim_kernels._jit import helper, kernel

ROWS = 6  # stimuli per tile
# of 16 neurons each: 24 vectors of sums, 4 of weights and one of the stimulus fill 29 of 32
# registers
VECTORS = 4
COLUMNS = 16 * VECTORS
BITS, BYTES, SATURATING = 0, 1, 2  # what a word holds
VNNI, VECTOR_POPCOUNT = "avx512vnni", "avx512vpopcntdq"
_BLOCK = 8 * ROWS  # stimuli per task

_WORD = ir.IntType(32)
_VECTOR = ir.VectorType(_WORD, 16)


@lru_cache
def processor_has(feature: str) -> bool:
    """Does the processor that Numba compiles for have this feature, in LLVM's words?

    Asks Numba, not the machine, so NUMBA_CPU_NAME and NUMBA_CPU_FEATURES are respected. Both belong
    to the key of Numba's cache, which therefore never hands code with an instruction to a processor
    that lacks it.
    """
    return f"+{feature}" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")


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


def _emit_rows(builder, step, count, x, x_stride, w, words, limit, scale, sums):
    """Emit the loop over `words` for so many stimuli; x, w and sums point to their first words."""

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


def _emit_tile(builder, step, x, x_stride, w, words, limit, scale, sums):
    """All rows at once where there are registers for it, else one after the other."""
    if processor_has("avx512f"):
        return _emit_rows(builder, step, ROWS, x, x_stride, w, words, limit, scale, sums)
    with cgutils.for_range(builder, words.type(ROWS)) as loop:
        x_row = builder.gep(x, [builder.mul(loop.index, x_stride)])
        sums_row = builder.gep(sums, [builder.mul(loop.index, words.type(COLUMNS))])
        _emit_rows(builder, step, 1, x_row, x_stride, w, words, limit, scale, sums_row)


def _tile(step):
    """An intrinsic that adds to sums: scale times product, x from word `x_first` on, rows
    `x_stride` apart, w from `w_first` on.
    """

    @intrinsic
    def tile(_context, x, x_first, x_stride, w, w_first, words, limit, scale, sums):
        def codegen(context, builder, signature, arguments):
            def data(i, first=None):
                pointer = context.make_array(signature.args[i])(context, builder, arguments[i]).data
                return pointer if first is None else builder.gep(pointer, [arguments[first]])

            words, limit, scale = arguments[5:8]
            _emit_tile(
                builder, step, data(0, 1), arguments[2], data(3, 4), words, limit, scale, data(8)
            )
            return context.get_dummy_value()

        return types.void(
            x, types.intp, types.intp, w, types.intp, types.intp, types.int32, types.int32, sums
        ), codegen

    return tile


_bits_tile, _bytes_tile, _saturating_tile = (
    _tile(_add_common_bits),
    _tile(_add_dot_of_bytes),
    _tile(_add_and_clip),
)


@helper
def _fill_block(x, w, scales, x_term, w_term, holds, limit, panel, first, last, out):
    """Rows `first` to `last` of `fill_product` for one panel of neurons."""
    x_planes, words = x.shape[1:]
    w_planes = w.shape[1]
    n0, n1 = panel * COLUMNS, min((panel + 1) * COLUMNS, out.shape[1])
    sums = np.empty((ROWS, COLUMNS), np.int32)
    for s0 in range(first, last, ROWS):
        sums[:] = 0
        for i in range(x_planes):
            for j in range(w_planes):
                x_first, w_first = (
                    (s0 * x_planes + i) * words,
                    (panel * w_planes + j) * words * COLUMNS,
                )
                if holds == BITS:
                    _bits_tile(
                        x, x_first, x_planes * words, w, w_first, words, limit, scales[i, j], sums
                    )
                elif holds == BYTES:
                    _bytes_tile(
                        x, x_first, x_planes * words, w, w_first, words, limit, scales[i, j], sums
                    )
                else:
                    _saturating_tile(
                        x, x_first, x_planes * words, w, w_first, words, limit, scales[i, j], sums
                    )
        for s in range(s0, min(s0 + ROWS, last)):
            row, constant, from_x, from_w = out[s, n0:n1], x_term[s], sums[s - s0], w_term[n0:n1]
            for n in range(row.size):
                row[n] = from_x[n] + from_w[n] + constant


@kernel
def fill_product(x, w, scales, x_term, w_term, holds, limit, out):
    """Write x_term + w_term + sum over planes i, j of scales[i, j] · (x plane i times w plane j) to
    out (stimulus, neuron), modulo 2^32.

    x: (stimulus rounded up to ROWS, plane, word), w: (panel of COLUMNS neurons, plane, word,
    COLUMNS), scales: (x plane, w plane), x_term: (stimulus,), w_term: (neuron,), all int32. A word
    holds BITS, 32 inputs; BYTES, 4 inputs, unsigned in x and signed in w; or one input, and sums
    over the inputs, in their order, are SATURATING at -limit and limit - 1; limit + |x w| must stay
    below 2^31.
    """
    blocks = (out.shape[0] + _BLOCK - 1) // _BLOCK
    for task in prange(w.shape[0] * blocks):
        first = task % blocks * _BLOCK
        last = min(first + _BLOCK, out.shape[0])
        _fill_block(x, w, scales, x_term, w_term, holds, limit, task // blocks, first, last, out)
