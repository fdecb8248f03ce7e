"""Sums in floating-point accumulators: bit for bit those of fractions, and of NumPy's and
ml_dtypes' own arithmetic.
"""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from stochsim_kernels.product import float_sums
from stochsim_kernels.product.float_sums import (
    FLOOR,
    HALF,
    NEAREST,
    SIZE,
    TO_ZERO,
    Accumulator,
    Terms,
)
from stochsim_kernels.reference import float_sums as reference
from threadtest import threads

FORMATS = {"fp32": (8, 23), "tf32": (8, 10), "bf16": (8, 7), "fp16": (5, 10), "fp9-e4m4": (4, 4)}
ROUNDINGS = ((NEAREST, 0), (TO_ZERO, 0), (FLOOR, 0), (FLOOR, 1), (FLOOR, 256), (HALF, 4), (SIZE, 4))


def accumulator(name: str, rounding: int = NEAREST, levels: float = 0.0) -> Accumulator:
    exponent, mantissa = FORMATS[name]
    bias = 2 ** (exponent - 1) - 1
    ulp, least = 2.0**-mantissa, 2.0 ** (1 - bias - mantissa)
    return Accumulator(ulp, least, (2 - ulp) * 2.0**bias, rounding, levels)


def filled(x, w, terms: Terms, chosen: Accumulator, u: np.ndarray) -> np.ndarray:
    out = np.empty((len(x), w.shape[1]))
    float_sums.fill_sums(x, w, terms, chosen, u, out)
    return out


def terms_of(inputs: int, size: int, shape: tuple[int, int], blocks: str = "none") -> Terms:
    """Groups of this size, each a block of its own where blocks have scales."""
    rows, neurons = shape
    begins = [*range(0, inputs, size), inputs]
    groups, many = np.array(begins, np.intp), len(begins) - 1
    if blocks == "none":
        block = np.zeros(many, np.intp)
        return Terms(groups, block, np.ones((1, neurons)), np.ones((rows, 1)))
    rng = np.random.default_rng(size)
    reach = {"near": 20, "far": 120}[blocks]
    factors = 2.0 ** rng.integers(-reach, reach, (many, neurons)) * rng.integers(
        8, 16, (many, neurons)
    )
    scales = 2.0 ** rng.integers(-reach, reach, (rows, many))
    return Terms(groups, np.arange(many, dtype=np.intp), factors, scales)


def integers(rng, terms: Terms, chosen: Accumulator, shape: tuple[int, int]) -> np.ndarray:
    count = len(terms.block) * shape[1] if chosen.is_random else 0
    return rng.integers(0, 2**31, (shape[0], count)).astype(np.uint32)


@pytest.mark.parametrize(("rounding", "levels"), ROUNDINGS)
@pytest.mark.parametrize("name", FORMATS)
def test_sums_are_those_of_fractions(name, rounding, levels):
    """0 differ, of single products and groups, with scales of blocks so far apart that no float64
    holds the sum of two.
    """
    rng = np.random.default_rng(levels)
    chosen = accumulator(name, rounding, float(levels))
    x = rng.integers(-128, 128, (4, 37)).astype(float)
    w = rng.integers(-128, 128, (37, 9)).astype(float)
    for size in (1, 5, 37):
        for blocks in ("none", "near", "far"):
            terms = terms_of(37, size, (4, 9), blocks)
            u = integers(rng, terms, chosen, (4, 9))
            wanted = reference.sums(x, w, terms, chosen, u)
            assert np.array_equal(filled(x, w, terms, chosen, u), wanted), (size, blocks)


@pytest.mark.parametrize(("rounding", "levels"), ROUNDINGS)
@pytest.mark.parametrize("name", ["bf16", "fp9-e4m4"])
def test_exact_sums_are_those_of_fractions(name, rounding, levels):
    """The short way, of integers times one power of two, without what float64 loses."""
    rng = np.random.default_rng(7)
    chosen = accumulator(name, rounding, float(levels))
    x = rng.integers(-128, 128, (4, 37)) / 1024.0
    w = rng.integers(-128, 128, (37, 9)).astype(float)
    for size in (1, 5, 37):
        terms = terms_of(37, size, (4, 9))
        u = integers(rng, terms, chosen, (4, 9))
        out = np.empty((4, 9))
        float_sums.fill_exact_sums(x, w, terms.groups, chosen, u, out)
        assert np.array_equal(out, reference.sums(x, w, terms, chosen, u)), size


@pytest.mark.parametrize(("rounding", "levels"), [(NEAREST, 0), (TO_ZERO, 0), (FLOOR, 16)])
def test_wide_groups_are_exact(rounding, levels):
    """Products of E5M2, whose integers reach 3.8e9, cancel but for small ones; plain sums do not
    hold them, as the negative control shows.
    """
    rng = np.random.default_rng(3)
    chosen = accumulator("fp32", rounding, float(levels))
    size = rng.integers(4, 8, (2, 40, 32)) * 2.0 ** rng.integers(0, 30, (2, 40, 32))
    x, w = size * rng.choice([-1, 1], size.shape)
    x[:, 16:], w[:, 16:] = -x[:, :16], w[:, :16]
    x[:, 7], w = 5.0, w.T[:, :6]
    terms = terms_of(32, 32, (40, 6))
    u = integers(rng, terms, chosen, (40, 6))
    wanted = reference.sums(x, w, terms, chosen, u)
    assert np.array_equal(filled(x, w, terms._replace(is_wide=True), chosen, u), wanted)
    assert not np.array_equal(filled(x, w, terms, chosen, u), wanted)


@pytest.mark.parametrize(("rounding", "levels"), ROUNDINGS)
def test_products_with_any_scale_are_rounded_once(rounding, levels):
    """Scales of 53 bits: a product that float64 rounds first ends beside it where the format then
    cuts it off, as the negative control shows.
    """
    rng = np.random.default_rng(11)
    chosen = accumulator("bf16", rounding, float(levels))
    total = rng.integers(-255, 256, (400, 6)) * 2.0 ** rng.integers(-9, 9, (400, 6))
    factors = rng.uniform(0.1, 10, 6)
    total[:3] = np.array([[8.0], [-8.0], [0.0]]) / factors  # all but 8
    u = rng.integers(0, 2**31, total.shape if chosen.is_random else (400, 0)).astype(np.uint32)
    expected = np.empty_like(total)
    for r, n in np.ndindex(total.shape):
        product = Fraction(total[r, n]) * Fraction(factors[n])
        drawn = int(u[r, n]) if chosen.is_random else None
        expected[r, n] = float(reference.rounded(product, chosen, drawn))
    found = total.copy()
    float_sums.scale_rounded(found, factors, chosen, u)
    assert np.array_equal(found, expected)
    if rounding == TO_ZERO:
        twice = total * factors
        float_sums.scale_rounded(twice, np.ones(6), chosen, u)
        assert not np.array_equal(twice, expected)


@pytest.mark.parametrize(("rounding", "levels"), [(NEAREST, 0), (TO_ZERO, 0), (FLOOR, 16)])
def test_wide_factors_are_exact(rounding, levels):
    """Scales of blocks and of inputs of 53 bits each, of groups that cancel; not so where they are
    taken to have few bits, as the negative control shows.
    """
    rng = np.random.default_rng(13)
    chosen = accumulator("fp32", rounding, float(levels))
    x, w = rng.integers(-128, 128, (40, 32)).astype(float), np.empty((32, 6))
    w[:16] = rng.integers(-128, 128, (16, 6))
    w[16:], x[:, 16:] = -w[:16], x[:, :16]
    terms = terms_of(32, 8, (40, 6), "near")
    factors = rng.uniform(0.5, 2, terms.factors.shape)
    factors[2:], scales = factors[:2], rng.uniform(0.5, 2, terms.scales.shape)
    scales[:, 2:] = scales[:, :2] * (1 + 2.0**-40)
    terms = terms._replace(factors=factors, scales=scales, is_wide=True)
    u = integers(rng, terms, chosen, (40, 6))
    wanted = reference.sums(x, w, terms, chosen, u)
    assert np.array_equal(filled(x, w, terms, chosen, u), wanted)
    if rounding == TO_ZERO:
        assert not np.array_equal(filled(x, w, terms._replace(is_wide=False), chosen, u), wanted)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("fp32", np.float32), ("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)],
)
def test_sums_are_those_of_types_that_others_wrote(name, dtype):
    rng = np.random.default_rng(5)
    x = rng.integers(-15, 16, (30, 200)).astype(float)  # products that 8 bits hold
    w = rng.integers(-12, 13, (200, 20)).astype(float)
    total = np.zeros((30, 20), dtype)
    for i in range(200):
        total = (total + np.outer(x[:, i], w[i]).astype(dtype)).astype(dtype)
    terms = terms_of(200, 1, (30, 20))
    found = filled(x, w, terms, accumulator(name), np.empty((30, 0), np.uint32))
    assert np.array_equal(found, total.astype(float))


def test_a_sum_beyond_the_largest_number_takes_it():
    x, w = np.full((1, 9), 255.0), np.full((9, 1), 127.0)
    terms = terms_of(9, 1, (1, 1))
    u = np.empty((1, 0), np.uint32)
    assert filled(x, w, terms, accumulator("fp16"), u) == [[65504.0]]
    assert filled(x, -w, terms, accumulator("fp16"), u) == [[-65504.0]]


def test_numbers_at_the_ends_of_a_format():
    """Halves between subnormal numbers, powers of two approached from below, the largest number."""
    chosen = accumulator("fp9-e4m4")
    for rounding in (NEAREST, TO_ZERO):
        own = chosen._replace(rounding=rounding)
        for exponent in range(-13, 9):
            for part in range(64, 130):
                value = part / 64 * 2.0**exponent
                for sign in (-1, 1):
                    total = np.zeros((1, 1))
                    term = np.array([[sign * value]])
                    float_sums.add_rounded(total, term, own, np.empty((1, 0), np.uint32))
                    assert total[0, 0] == float(reference.rounded(Fraction(sign * value), own))


@pytest.mark.parametrize(
    ("value", "rounding", "levels", "up"),
    [
        (1 + 3 / 1024, FLOOR, 4.0, Fraction(1, 4)),  # 3/8 of the step of bfloat16 at 1, 1/128
        (1 + 5 / 1024, FLOOR, 0.0, Fraction(5, 8)),
        (1 + 5 / 1024, FLOOR, 4.0, Fraction(2, 4)),
        (1 + 5 / 1024, HALF, 4.0, Fraction(3, 4)),
        (-1 - 5 / 1024, FLOOR, 4.0, Fraction(1, 4)),
        (-1 - 5 / 1024, SIZE, 4.0, Fraction(2, 4)),
    ],
)
def test_the_chance_of_the_upper_neighbour(value, rounding, levels, up):
    """Of all integers u those from (1 - P) 2^31 on round up: the law is exact, no draw is made."""
    chosen = accumulator("bf16", rounding, levels)
    lower = np.floor(value * 128) / 128
    least = int((1 - up) * 2**31)
    for u, wanted in ((least - 1, lower), (least, lower + 1 / 128), (0, lower)):
        total = np.zeros((1, 1))
        float_sums.add_rounded(total, np.array([[value]]), chosen, np.array([[u]], np.uint32))
        assert total[0, 0] == wanted


def test_sums_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(50, 30)).round(3), rng.normal(size=(30, 17)).round(3)
    terms, chosen = terms_of(30, 4, (50, 17)), accumulator("bf16", FLOOR, 256.0)
    u = integers(rng, terms, chosen, (50, 17))
    with threads(1):
        one = filled(x, w, terms, chosen, u)
    with threads():
        assert np.array_equal(filled(x, w, terms, chosen, u), one)
