"""The noise itself, approximately, for a block of neurons at once: t(u) = Phi^-1((u + 1/2) / 2^31)
in float32, and its place among the edges.

u passes the threshold round(2^31 Phi(t_k)), t_k = (edge_k - a) / sigma, if and only if t_k < t(u).
So a code is the place of a + sigma t(u) among the edges, counted in steps; where t(u) is not known
well enough to tell, all codes that it can be are told, for `nearest_edge` to settle. Vector
operations as in `simd`.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from stochsim_kernels.neuron.quantile_octaves import OCTAVES
from stochsim_kernels.neuron.simd import (
    CODES,
    I32,
    I64,
    INTEGERS,
    LANES,
    address,
    broadcast,
    each_read,
    emit,
    halves,
    load,
    note_any,
    paired_streams,
    splat,
    store_bytes,
    store_word,
)
from stochsim_kernels.processor import AVX512, processor_has

# of t(u); over all 2^31 integers the largest is 7.4e-7 by octaves, and by the logarithm 1.74e-6, or
# 1.95e-6 without fused multiply-add
T_ERROR = 3e-6
_F32 = ir.FloatType()
_F64 = ir.DoubleType()
_FLOATS = ir.VectorType(_F32, LANES)
_DOUBLES = ir.VectorType(_F64, LANES)
# log2(1 + f) = f L(f) for 0 <= f <= 1 within 4e-7, and t = x P(w) / Q(w) for x = 2p - 1, w =
# -log2(1 - x^2), 0 <= w <= 30, within 3e-7: minimax fits (linearised least squares, reweighted by
# the error until it is level). All terms of P and Q are positive.
_L = (1.44266783, -0.72058547, 0.47355343, -0.32590197, 0.19429432, -0.079557730, 0.015529917)
_P = (1.25331620, 0.319546969, 0.0445716580, 4.14197317e-3, 2.51136021e-4, 4.77169661e-6)
_Q = (1.0, 0.0735059715, 0.0159462326, 8.40773919e-4, 4.10045497e-5, 1.61261089e-7)


class EdgeGrid(NamedTuple):
    """Edge k lies at origin + k / rate, k = 1, 2, …, float64; most: the largest place, float32;
    c_min: int8.
    """

    origin: float
    rate: float
    most: np.float32
    c_min: np.int8


class _Values(NamedTuple):
    """The arguments of `place_block` as values of LLVM."""

    block: Any
    drive: Any
    spread: Any
    grid: Any
    streams: Any
    doubt: Any
    out: Any


def _multiply_add(b, x, y, z):
    """x y + z, rounded once where the processor can."""
    name = f"llvm.fmuladd.v{LANES}f32"
    function = b.module.globals.get(name) or ir.Function(
        b.module, ir.FunctionType(_FLOATS, [_FLOATS] * 3), name
    )
    return b.call(function, [x, y, z])


def _polynomial(b, x, coefficients):
    """coefficients[0] + coefficients[1] x + …"""
    *rest, total = (splat(_FLOATS, value) for value in coefficients)
    for coefficient in reversed(rest):
        total = _multiply_add(b, total, x, coefficient)
    return total


def _quantile(b, drawn):
    """t(u) of u = drawn >> 1."""
    k = b.xor(
        b.or_(drawn, splat(INTEGERS, 1)), splat(INTEGERS, 0x80000000)
    )  # 2u + 1 - 2^31 = 2^31 x, odd
    sign = b.ashr(k, splat(INTEGERS, 31))
    rest = b.or_(
        b.xor(b.xor(k, sign), splat(INTEGERS, 0x7FFFFFFF)), splat(INTEGERS, 1)
    )  # 2^31 (1 - |x|)
    return (_by_octaves if processor_has(AVX512) else _by_logarithm)(b, k, rest)


def _by_octaves(b, k, rest):
    """By the polynomial of the octave of `rest`: two thirds of the instructions of the other way,
    where a processor looks up a whole vector in registers.
    """
    bits = b.bitcast(b.sitofp(rest, _FLOATS), INTEGERS)
    octave = b.lshr(bits, splat(INTEGERS, 23))  # and 127 more, of which 5 bits are looked at
    y = b.fsub(b.bitcast(_mantissa(b, bits), _FLOATS), splat(_FLOATS, 1.5))
    *rows, total = (_looked_up(b, octave, row) for row in np.roll(OCTAVES, 127, axis=0).T)
    for row in reversed(rows):
        total = _multiply_add(b, total, y, row)
    sign = b.and_(k, splat(INTEGERS, 0x80000000))
    return b.bitcast(b.xor(b.bitcast(total, INTEGERS), sign), _FLOATS)


def _looked_up(b, index, table):
    """table[index % 32] of every lane, out of 32 numbers."""
    half = ir.VectorType(_F32, 16)
    lows, highs = (ir.Constant(half, [float(x) for x in part]) for part in (table[:16], table[16:]))
    signature = ir.FunctionType(half, [half, ir.VectorType(I32, 16), half])
    name = "llvm.x86.avx512.vpermi2var.ps.512"
    function = b.module.globals.get(name) or ir.Function(b.module, signature, name)
    found = []
    for start in range(0, LANES, 16):
        lanes = ir.Constant(ir.VectorType(I32, 16), [*range(start, start + 16)])
        found.append(b.call(function, [lows, b.shuffle_vector(index, index, lanes), highs]))
    return b.shuffle_vector(*found, ir.Constant(INTEGERS, [*range(LANES)]))


def _mantissa(b, bits):
    """The bits of a number of at least 1 and below 2 that has the mantissa of `bits`."""
    return b.or_(b.and_(bits, splat(INTEGERS, 0x7FFFFF)), splat(INTEGERS, 0x3F800000))


def _by_logarithm(b, k, rest):
    """By a rational function of log(1 - x^2), on any processor."""
    x, rest = (b.fmul(b.sitofp(value, _FLOATS), splat(_FLOATS, 2.0**-31)) for value in (k, rest))
    product = b.bitcast(
        b.fmul(rest, b.fsub(splat(_FLOATS, 2.0), rest)), INTEGERS
    )  # 1 - x^2 = (1 + f) / 2^exponent
    exponent = b.sitofp(b.sub(splat(INTEGERS, 127), b.lshr(product, splat(INTEGERS, 23))), _FLOATS)
    f = b.fsub(b.bitcast(_mantissa(b, product), _FLOATS), splat(_FLOATS, 1.0))
    w = b.fsub(exponent, b.fmul(f, _polynomial(b, f, _L)))
    return b.fdiv(b.fmul(x, _polynomial(b, w, _P)), _polynomial(b, w, _Q))


def _larger(b, x, y):
    """max(x, y), y where x is no number."""
    return b.select(b.fcmp_ordered(">", x, y), x, y)


def _smaller(b, x, y):
    return b.select(b.fcmp_ordered("<", x, y), x, y)


def _position(b, drive, origin, rate):
    """(drive - origin) rate in float32; cut, so that no sum with noise overflows."""
    position = b.fmul(b.fsub(drive, origin), rate)
    return b.fptrunc(
        _smaller(b, _larger(b, position, splat(_DOUBLES, -1e30)), splat(_DOUBLES, 1e30)), _FLOATS
    )


def _emit_reads(b, items, values, held):
    """All reads of a block; held: one row of drives, whose positions stay in registers."""
    first, start, stop = (b.extract_value(values.block, i) for i in range(3))
    origin, rate, most, c_min = (b.extract_value(values.grid, i) for i in range(4))
    scale, margin, least, lift = (
        load(b, address(b, values.spread, I64(row), first), _FLOATS, 4) for row in range(4)
    )
    lift = b.fpext(lift, _DOUBLES)
    most = broadcast(b, _FLOATS, most)
    lowest = broadcast(b, CODES, c_min)
    origin = broadcast(b, _DOUBLES, origin)
    rate = broadcast(b, _DOUBLES, rate)
    neurons = b.extract_value(values.out.shape, 1)

    def position_of(place):
        drive = load(b, place, _DOUBLES, 8, items)
        return _position(b, _larger(b, drive, lift), origin, rate)

    drive_place = address(b, values.drive, I64(0) if held else start, first)
    known = position_of(drive_place) if held else None

    def one_read(read, state, drive_place, out_place, note):
        position = known or position_of(drive_place)
        place = _multiply_add(b, scale, _quantile(b, halves(b, state)), position)
        bounds = b.fsub(place, margin), b.fadd(place, margin)
        low, high = (
            b.fptosi(_smaller(b, _larger(b, bound, least), most), INTEGERS) for bound in bounds
        )
        store_bytes(b, b.add(b.trunc(low, CODES), lowest), out_place, items)

        def write(_lanes, note):
            lanes_place = store_word(b, b.add(read, I64(1)), note)
            store_bytes(b, b.trunc(b.sub(high, low), CODES), lanes_place)
            return b.add(lanes_place, I64(LANES))

        note = note_any(b, b.icmp_signed("!=", low, high), note, write)
        return b.add(drive_place, b.mul(neurons, I64(8))), b.add(out_place, neurons), note

    begin = drive_place, address(b, values.out, start, first), b.ptrtoint(values.doubt.data, I64)
    stream = paired_streams(b, values.streams, first)
    *_, note = each_read(b, stream, start, stop, one_read, *begin)
    store_word(b, I64(0), note)


def _emit_place(b, items, values):
    rows = b.extract_value(values.drive.shape, 0)
    with b.if_else(b.icmp_signed("==", rows, I64(1))) as (held, moving):
        with held:
            _emit_reads(b, items, values, held=True)
        with moving:
            _emit_reads(b, items, values, held=False)


@intrinsic
def place_block(_context, block, drive, spread, grid, streams, doubt, out):
    """Write the lowest possible code of a + sigma t(u) to out (read, neuron), int8, for a
    `simd.Block` of up to LANES neurons on an `EdgeGrid`.

    Reads at which some may have passed more edges go to doubt (5 reads + 1,) uint64: read + 1, then
    how many more, one byte for each lane; 0 ends the list. drive: (read, neuron) float64, or (1,
    neuron) for all reads. spread: (4, neuron) float32: noise in steps, bound of all errors in
    steps, smallest place, smallest drive; streams: as in `simd_thresholds.count_rows`. streams and
    spread for whole blocks. C-contiguous. Indices are not checked.
    """

    def generate(context, b, signature, arguments):
        def body(items, *values):
            _emit_place(b, items, _Values(*values))

        return emit(context, b, signature, arguments, body)

    return types.void(block, drive, spread, grid, streams, doubt, out), generate


@intrinsic
def quantile_block(_context, first, drawn, out):
    """Write t(u), float32, of u = drawn >> 1 (uint32) to out (1, item) for LANES items from
    `first` on: for tests of T_ERROR.
    """

    def generate(context, b, signature, arguments):
        def body(_items, first, drawn, out):
            t = _quantile(b, load(b, address(b, drawn, I64(0), first), INTEGERS, 4))
            b.store(t, b.inttoptr(address(b, out, I64(0), first), _FLOATS.as_pointer())).align = 4

        return emit(context, b, signature, arguments, body)

    return types.void(types.int64, drawn, out), generate
