"""Floating-point formats against two independent implementations: every pattern of bits, and every
code's rounding on and beside its edges.
"""

import gfloat
import ml_dtypes
import numpy as np
import pytest
import torch
from gfloat import formats as known

from stochsim.formats import FLOATING, FloatFormat, code_book
from stochsim.settings import SettingError

DTYPES = {
    FLOATING["fp4-e2m1"]: ml_dtypes.float4_e2m1fn,
    FLOATING["fp6-e3m2"]: ml_dtypes.float6_e3m2fn,
    FLOATING["fp6-e2m3"]: ml_dtypes.float6_e2m3fn,
    FLOATING["fp8-e4m3"]: ml_dtypes.float8_e4m3fn,
    FLOATING["fp8-e5m2"]: ml_dtypes.float8_e5m2,
    FloatFormat(4, 3, "ieee"): ml_dtypes.float8_e4m3,
    FloatFormat(3, 4, "ieee"): ml_dtypes.float8_e3m4,
}
OCP = {
    "fp4-e2m1": known.format_info_ocp_e2m1,
    "fp6-e3m2": known.format_info_ocp_e3m2,
    "fp6-e2m3": known.format_info_ocp_e2m3,
    "fp8-e4m3": known.format_info_ocp_e4m3,
    "fp8-e5m2": known.format_info_ocp_e5m2,
}
IDS = [f"{one.name} {one.specials}" for one in DTYPES]


def near_edges(book, dtype):
    """All values, all edges, both neighbours of each in `dtype`, ±0, and far outside."""
    points = np.array([*book.values, *book.edges, 0.0, -0.0, 3e38, -3e38], dtype)
    return np.concatenate([points, np.nextafter(points, -np.inf), np.nextafter(points, np.inf)])


def same(found, expected):
    """Equal numbers, with the sign of 0, NaN as NaN."""
    signs = np.signbit(found) == np.signbit(expected)
    return np.array_equal(found, expected, equal_nan=True) and bool(
        np.all(signs | np.isnan(expected))
    )


@pytest.mark.parametrize(("made", "dtype"), DTYPES.items(), ids=IDS)
def test_every_pattern_is_the_number_of_ml_dtypes(made, dtype):
    patterns = np.arange(2**made.bits, dtype=np.uint8)
    assert same(made.code_book().numbers(patterns), patterns.view(dtype).astype(np.float64))


@pytest.mark.parametrize(("made", "dtype"), DTYPES.items(), ids=IDS)
def test_rounding_is_that_of_ml_dtypes_on_and_beside_every_edge(made, dtype):
    """Where that gives infinity or NaN, ours is the largest number: it saturates."""
    book = made.code_book()
    points = near_edges(book, np.float32)
    expected = points.astype(dtype).astype(np.float64)
    finite = np.isfinite(expected)
    found = book.decode(book.encode(points))
    assert np.array_equal(found[finite], expected[finite])
    assert np.array_equal(found[~finite], np.copysign(book.values[-1], points[~finite]))
    assert finite.sum() >= 3 * (2 * book.levels - 1)


@pytest.mark.parametrize(("name", "info"), OCP.items())
def test_patterns_and_rounding_are_those_of_gfloat(name, info):
    """In float64, saturating."""
    book = code_book(name)
    patterns = range(2**book.bits)
    numbers = np.array([gfloat.decode_float(info, one).fval for one in patterns])
    assert same(book.numbers(np.array(patterns)), numbers)
    points = near_edges(book, np.float64)
    expected = [gfloat.round_float(info, float(one), sat=True) for one in points]
    assert np.array_equal(book.decode(book.encode(points)), expected)


@pytest.mark.parametrize(
    ("name", "dtype"), [("fp8-e4m3", torch.float8_e4m3fn), ("fp8-e5m2", torch.float8_e5m2)]
)
def test_patterns_are_those_of_torch(name, dtype):
    patterns = torch.arange(256, dtype=torch.uint8)
    assert same(code_book(name).numbers(patterns), patterns.view(dtype).double().numpy())


def test_a_wrong_tie_would_be_seen():
    """Negative control: halves away from zero are not the rounding of ml_dtypes."""
    made = FLOATING["fp4-e2m1"]
    book = made.code_book()
    away = [edge > 0 for edge in book.edges]
    wrong = type(book)(book.values, book.edges, tuple(away), book.bit_patterns, book.name)
    points = near_edges(book, np.float32)
    expected = points.astype(DTYPES[made]).astype(np.float64)
    assert not np.array_equal(wrong.decode(wrong.encode(points)), expected)


@pytest.mark.parametrize("exponent", range(1, 8))
@pytest.mark.parametrize("mantissa", range(8))
def test_any_other_format_has_a_number_for_every_pattern(exponent, mantissa):
    if exponent + mantissa > 7:
        with pytest.raises(SettingError, match="should be 8 at most with the sign"):
            FloatFormat(exponent, mantissa)
        return
    book = FloatFormat(exponent, mantissa).code_book()
    assert book.levels == 2**book.bits - 1
    positive = np.array([one for one in book.values if one > 0])
    assert positive[0] == 2.0 ** (1 - (2 ** (exponent - 1) - 1) - mantissa)
    smallest_normal = positive[2**mantissa - 1]
    assert smallest_normal == 2.0 ** (1 - (2 ** (exponent - 1) - 1))
    assert positive[-1] == (2 - 2.0**-mantissa) * 2.0 ** (2 ** (exponent - 1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((0, 3), "exponent_bits' = 0: should be"),
        ((2, -1), "mantissa_bits' = -1: should be"),
        ((2, 1, "inf"), "specials' = 'inf': valid: none, nan, ieee"),
        ((1, 2, "ieee"), "leaves no exponent for numbers"),
    ],
)
def test_formats_that_are_none_are_refused(fields, message):
    with pytest.raises(SettingError, match=message):
        FloatFormat(*fields)
