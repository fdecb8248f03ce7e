"""The noise itself, approximately, for sixteen neurons at once: t(u) = Phi^-1((u + 1/2) / 2^31) in
float32, and its place among the edges.

u passes the threshold round(2^31 Phi(t_k)), t_k = (edge_k - a) / sigma, if and only if t_k < t(u).
So a code is the place of a + sigma t(u) among the edges, counted in steps; where t(u) is not known
well enough to tell, all codes that it can be are told, for `nearest_edge` to settle. Vector
operations as in `simd_thresholds`.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from stochsim_kernels.neuron.simd_thresholds import (
    CODES,
    I64,
    INTEGERS,
    LANES,
    address,
    broadcast,
    each_read,
    emit,
    load,
    splat,
    store_bytes,
)

# of t(u); over all 2^31 integers the largest is 1.74e-6 with fused multiply-add and 1.95e-6 without
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


class Block(NamedTuple):
    """Neurons first … first + LANES - 1, fewer at the end, at reads start … stop - 1, one at least;
    int64.
    """

    first: int
    start: int
    stop: int


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


def _quantile(b, halves):
    """t(u) of u = halves >> 1."""
    k = b.xor(
        b.or_(halves, splat(INTEGERS, 1)), splat(INTEGERS, 0x80000000)
    )  # 2u + 1 - 2^31 = 2^31 x, odd
    sign = b.ashr(k, splat(INTEGERS, 31))
    rest = b.or_(
        b.xor(b.xor(k, sign), splat(INTEGERS, 0x7FFFFFFF)), splat(INTEGERS, 1)
    )  # 2^31 (1 - |x|)
    x, rest = (b.fmul(b.sitofp(value, _FLOATS), splat(_FLOATS, 2.0**-31)) for value in (k, rest))
    product = b.bitcast(
        b.fmul(rest, b.fsub(splat(_FLOATS, 2.0), rest)), INTEGERS
    )  # 1 - x^2 = (1 + f) / 2^exponent
    exponent = b.sitofp(b.sub(splat(INTEGERS, 127), b.lshr(product, splat(INTEGERS, 23))), _FLOATS)
    mantissa = b.or_(b.and_(product, splat(INTEGERS, 0x7FFFFF)), splat(INTEGERS, 0x3F800000))
    f = b.fsub(b.bitcast(mantissa, _FLOATS), splat(_FLOATS, 1.0))
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


def _emit_place(b, items, first, values):
    start, stop = (b.extract_value(values.block, i) for i in (1, 2))
    origin, rate, most, c_min = (b.extract_value(values.grid, i) for i in range(4))
    scale, margin, least, lift = (
        load(b, address(b, values.spread, I64(row), first), _FLOATS, 4) for row in range(4)
    )
    lift = b.fpext(lift, _DOUBLES)
    most = broadcast(b, _FLOATS, most)
    lowest = broadcast(b, CODES, c_min)
    origin = broadcast(b, _DOUBLES, origin)
    rate = broadcast(b, _DOUBLES, rate)

    def one_read(halves, drive_place, out_place, doubt_place):
        position = _position(
            b, _larger(b, load(b, drive_place, _DOUBLES, 8, items), lift), origin, rate
        )
        place = _multiply_add(b, scale, _quantile(b, halves), position)
        bounds = b.fsub(place, margin), b.fadd(place, margin)
        low, high = (
            b.fptosi(_smaller(b, _larger(b, bound, least), most), INTEGERS) for bound in bounds
        )
        store_bytes(b, b.add(b.trunc(low, CODES), lowest), out_place, items)
        store_bytes(b, b.trunc(b.sub(high, low), CODES), doubt_place)

    neurons = b.extract_value(values.out.shape, 1)
    rows = b.extract_value(values.drive.shape, 0)
    held = b.icmp_signed("==", rows, I64(1))
    moving = (
        (
            address(b, values.drive, b.select(held, I64(0), start), first),
            b.select(held, I64(0), b.mul(neurons, I64(8))),
        ),
        (address(b, values.out, start, first), neurons),
        (b.ptrtoint(values.doubt.data, I64), I64(LANES)),
    )
    each_read(b, values.streams, first, start, stop, one_read, *moving)


@intrinsic
def place_block(_context, block, drive, spread, grid, streams, doubt, out):
    """Write the lowest possible code of a + sigma t(u) to out (read, neuron), int8, for a `Block`
    on an `EdgeGrid`.

    How many more edges each may have passed goes to doubt (2 per read,) uint64, one byte for each
    lane, from doubt[0] on. drive: (read, neuron) float64, or (1, neuron) for all reads. spread: (4,
    neuron) float32: noise in steps, bound of all errors in steps, smallest place, smallest drive;
    streams: as in `simd_thresholds.count_block`. streams and spread for whole blocks. C-contiguous.
    Indices are not checked.
    """

    def generate(context, b, signature, arguments):
        first = b.extract_value(arguments[0], 0)

        def body(items, first, *values):
            _emit_place(b, items, first, _Values(*values))

        signature = signature.replace(args=(types.int64, *signature.args))
        return emit(context, b, signature, (first, *arguments), body)

    return types.void(block, drive, spread, grid, streams, doubt, out), generate


@intrinsic
def quantile_block(_context, first, halves, out):
    """Write t(u), float32, of u = halves >> 1 (uint32) to out (1, item) for LANES items from
    `first` on: for tests of T_ERROR.
    """

    def generate(context, b, signature, arguments):
        def body(_items, first, halves, out):
            t = _quantile(b, load(b, address(b, halves, I64(0), first), INTEGERS, 4))
            b.store(t, b.inttoptr(address(b, out, I64(0), first), _FLOATS.as_pointer())).align = 4

        return emit(context, b, signature, arguments, body)

    return types.void(types.int64, halves, out), generate
