"""Eight probabilities of Gaussian noise at once: `normal_cdf.tabled_normal_cdf` in registers.

The loop vectoriser takes half of a vector of 512 bits. Operation for operation those of
`tabled_normal_cdf`, none of them fused, so that thresholds are the same on every processor.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from stochsim_kernels._jit import helper
from stochsim_kernels.neuron.normal_cdf import (
    CDF,
    CELLS,
    DENSITY,
    FLAT,
    HERMITE,
    ORIGIN,
    normal_threshold,
)
from stochsim_kernels.neuron.simd import I32, I64, address, broadcast, load, splat

GROUP = 8  # probabilities of a vector
_F64 = ir.DoubleType()
_DOUBLES = ir.VectorType(_F64, GROUP)
_INDICES = ir.VectorType(I32, GROUP)
_PLACES = ir.VectorType(I64, GROUP)
_BITS = ir.VectorType(ir.IntType(1), GROUP)


def _known(b, name, kind, arguments):
    """A call of one of LLVM's own functions."""
    signature = ir.FunctionType(kind, [argument.type for argument in arguments])
    return b.call(b.module.globals.get(name) or ir.Function(b.module, signature, name), arguments)


def _gather(b, table, index):
    """The float64 entries of a table at indices."""
    base = broadcast(b, _PLACES, b.ptrtoint(table.data, I64))
    places = b.add(base, b.shl(b.sext(index, _PLACES), splat(_PLACES, 3)))
    pointers = b.inttoptr(places, ir.VectorType(_F64.as_pointer(), GROUP))
    arguments = [pointers, I32(8), splat(_BITS, 1), ir.Constant(_DOUBLES, ir.Undefined)]
    return _known(b, f"llvm.masked.gather.v{GROUP}f64.v{GROUP}p0f64", _DOUBLES, arguments)


def _polynomial(b, x, *coefficients):
    """((coefficients[0] + x) x + coefficients[1]) x + …"""
    first, *rest = (splat(_DOUBLES, value) for value in coefficients)
    total = b.fadd(x, first)
    for coefficient in rest:
        total = b.fadd(b.fmul(x, total), coefficient)
    return total


def _series(b, t0, d):
    """(Phi(t0 + d) - Phi(t0)) / phi(t0)."""
    square = b.fmul(t0, t0)
    polynomials = (
        _polynomial(b, square, -1.0),
        b.fmul(t0, _polynomial(b, square, -3.0)),
        _polynomial(b, square, -6.0, 3.0),
        b.fmul(t0, _polynomial(b, square, -10.0, 15.0)),
        _polynomial(b, square, -15.0, 45.0, -15.0),
    )
    second, h3, h4, h5, h6 = (
        b.fmul(polynomial, splat(_DOUBLES, factor))
        for polynomial, factor in zip(polynomials, HERMITE, strict=True)
    )
    high = b.fmul(d, h6)
    for term in (h5, h4):
        high = b.fmul(d, b.fadd(term, high))
    high = b.fmul(b.fmul(b.fmul(d, d), d), b.fadd(h3, high))
    low = b.fmul(d, b.fadd(b.fmul(splat(_DOUBLES, -0.5), t0), b.fmul(d, second)))
    return b.fmul(d, b.fadd(b.fadd(splat(_DOUBLES, 1.0), low), high))


def _thresholds(b, t, cdf, density):
    """round(2^31 Phi(t)) of t cut to +-FLAT."""
    least = splat(_DOUBLES, -FLAT)
    most = splat(_DOUBLES, FLAT)
    t = b.select(b.fcmp_ordered(">", t, least), t, least)
    t = b.select(b.fcmp_ordered("<", t, most), t, most)
    nearest = b.fadd(b.fmul(t, splat(_DOUBLES, float(CELLS))), splat(_DOUBLES, 0.5))
    cell = b.fptosi(_known(b, f"llvm.floor.v{GROUP}f64", _DOUBLES, [nearest]), _INDICES)
    t0 = b.fmul(b.sitofp(cell, _DOUBLES), splat(_DOUBLES, 1.0 / CELLS))
    at = b.add(cell, splat(_INDICES, ORIGIN))
    step = b.fmul(_gather(b, density, at), _series(b, t0, b.fsub(t, t0)))
    p = b.fadd(_gather(b, cdf, at), step)
    scaled = b.fmul(p, splat(_DOUBLES, 2.0**31))
    return b.fptoui(b.fadd(scaled, splat(_DOUBLES, 0.5)), _INDICES)


@intrinsic
def _threshold_group(_context, first, edges, drive, rate, cdf, density, out):
    """`fill_normal_thresholds` of the neurons first … first + GROUP - 1; cdf, density: the
    tables.
    """

    def generate(context, b, signature, arguments):
        edges, drive, rate, cdf, density, out = (
            context.make_array(kind)(context, b, value)
            for kind, value in zip(signature.args[1:], arguments[1:], strict=True)
        )
        first = arguments[0]
        a, per_sigma = (
            load(b, b.ptrtoint(b.gep(array.data, [first]), I64), _DOUBLES, 8)
            for array in (drive, rate)
        )
        with cgutils.for_range(b, b.extract_value(edges.shape, 0)) as loop:
            edge = broadcast(b, _DOUBLES, b.load(b.gep(edges.data, [loop.index])))
            values = _thresholds(b, b.fmul(b.fsub(edge, a), per_sigma), cdf, density)
            place = b.inttoptr(address(b, out, loop.index, first), _INDICES.as_pointer())
            b.store(values, place).align = 4
        return context.get_dummy_value()

    return types.void(first, edges, drive, rate, cdf, density, out), generate


@helper
def fill_normal_thresholds(edges, drive, rate, out):
    """Write round(2^31 Phi((edge_k - drive) rate)) to out (edge, neuron), uint32; edges: (edge,),
    drive, rate: (neuron,), float64. Beyond +-FLAT it is 0 or 2^31.
    """
    neurons = drive.size
    whole = neurons // GROUP * GROUP
    for first in range(0, whole, GROUP):
        _threshold_group(first, edges, drive, rate, CDF, DENSITY, out)
    for k in range(edges.size):
        for n in range(whole, neurons):
            out[k, n] = normal_threshold(edges[k], drive[n], rate[n])
