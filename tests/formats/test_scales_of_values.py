"""Scales of blocks that follow from their values, and the numbers in them: against loops over
rationals, `ml_dtypes` and `gfloat`.
"""

import bisect
from fractions import Fraction

import gfloat
import ml_dtypes
import numpy as np
import pytest
from gfloat import formats as known
from gfloat.block import compute_scale_amax

from stochsim.formats import BLOCK_FORMATS, E4M3, blocks_text, code_book, scales_of_blocks
from stochsim.program import DynamicQuantizer
from stochsim.settings import SettingError

DTYPES = {
    "mxfp4": ml_dtypes.float4_e2m1fn,
    "mxfp6-e3m2": ml_dtypes.float6_e3m2fn,
    "mxfp6-e2m3": ml_dtypes.float6_e2m3fn,
    "mxfp8-e4m3": ml_dtypes.float8_e4m3fn,
    "mxfp8-e5m2": ml_dtypes.float8_e5m2,
}
LARGEST_EXPONENTS = {  # of the largest number of each element format
    "mxfp4": 2,
    "mxfp6-e3m2": 4,
    "mxfp6-e2m3": 2,
    "mxfp8-e4m3": 8,
    "mxfp8-e5m2": 15,
    "mxint8": 0,
}
GFLOAT = {
    "mxfp4": known.format_info_mxfp4_e2m1,
    "mxfp6-e3m2": known.format_info_mxfp6_e3m2,
    "mxfp6-e2m3": known.format_info_mxfp6_e2m3,
    "mxfp8-e4m3": known.format_info_mxfp8_e4m3,
    "mxfp8-e5m2": known.format_info_mxfp8_e5m2,
    "mxint8": known.format_info_mxint8,
}


def extreme_values(size: int = 75, rows: int = 30) -> np.ndarray:
    """Values (row, input) over all exponents of float32 and far beyond the range of scales, with
    zeros of both signs, whole blocks of zeros, subnormal numbers, powers of two and halves.
    """
    rng = np.random.default_rng(1)
    values = rng.normal(size=(rows, size)) * 2.0 ** rng.integers(-8, 9, (rows, size))
    values *= 2.0 ** rng.integers(-180, 160, (rows, 1))
    values[1] = 0.0
    values[2, ::2] = -0.0
    values[3, :40] = 0.0
    values[4] = 5e-324 * rng.integers(-9, 10, size)
    values[5] = 1e-42 * rng.integers(-9, 10, size)
    values[6] = 2.0 ** rng.integers(-6, 7, size)
    values[7] = 0.25 * rng.integers(-40, 41, size)
    values[8] = np.float64(1e308) * rng.uniform(-1, 1, size)
    return values


def block_exponent(block: np.ndarray, of_largest: int) -> int:
    """floor(log2 max) - e by rationals, within ±127."""
    largest = max(abs(Fraction(one)) for one in block.tolist())
    if largest == 0:
        return -127
    exponent = largest.numerator.bit_length() - largest.denominator.bit_length() - 1
    while Fraction(2) ** (exponent + 1) <= largest:
        exponent += 1
    return min(max(exponent - of_largest, -127), 127)


def nearest(book, value: Fraction) -> float:
    """The book's value nearest to a rational, beyond the ends the end, of two that are equally near
    the one whose code is even: its significand is.
    """
    above = bisect.bisect_left(book.values, value)
    if above in (0, book.levels):
        return book.values[min(above, book.levels - 1)]
    low, high = book.values[above - 1 : above + 1]
    off = value - Fraction(low), Fraction(high) - value
    if off[0] == off[1]:
        return high if (above + book.c_min) % 2 == 0 else low
    return low if off[0] < off[1] else high


@pytest.mark.parametrize("name", list(LARGEST_EXPONENTS))
def test_every_number_of_mx_is_that_of_loops_over_rationals(name: str) -> None:
    """30 rows of two blocks of 32 and one of 11."""
    given, values = BLOCK_FORMATS[name], extreme_values()
    grid = DynamicQuantizer.of_block_format(name)
    numbers = grid.numbers(values)
    assert numbers.shape == (30, 78)
    for row, found in zip(values, numbers, strict=True):
        for block in range(3):
            part = slice(32 * block, min(32 * block + 32, 75))
            exponent = block_exponent(row[part], LARGEST_EXPONENTS[name])
            assert found[75 + block] == 2.0**exponent
            scale = Fraction(2) ** exponent
            wanted = [nearest(given.element, Fraction(one) / scale) for one in row[part]]
            assert (grid.unit * found[:75][part]).tolist() == wanted


@pytest.mark.parametrize("tensor", [1.0, float(np.float32(0.0123)), 2.0**-100])
def test_every_number_of_nvfp4_is_that_of_loops_over_rationals(tensor: float) -> None:
    """30 rows of four blocks of 16 and one of 11; scales from 2^-9 to 448."""
    values = extreme_values() * 2.0**-20
    values[10:] = np.random.default_rng(2).laplace(size=(20, 75)) * tensor
    values[10:20] *= 2.0 ** np.random.default_rng(3).uniform(-12, 12, (10, 1))
    e4m3, e2m1 = code_book(E4M3), code_book("fp4-e2m1")
    numbers = DynamicQuantizer.of_block_format("nvfp4", tensor).numbers(values)
    assert numbers.shape == (30, 80)
    for row, found in zip(values, numbers, strict=True):
        for block in range(5):
            part = slice(16 * block, min(16 * block + 16, 75))
            largest = max(abs(Fraction(one)) for one in row[part].tolist())
            scale = max(nearest(e4m3, largest / 6 / Fraction(tensor)), 2.0**-9)
            assert found[75 + block] == scale
            unit = Fraction(scale) * Fraction(tensor)
            wanted = [nearest(e2m1, Fraction(one) / unit) for one in row[part].tolist()]
            assert (0.5 * found[:75][part]).tolist() == wanted
    assert {2.0**-9, 448.0} <= set(numbers[:, 75:].ravel())


@pytest.mark.parametrize("name", list(DTYPES))
def test_numbers_are_rounded_as_ml_dtypes_does(name: str) -> None:
    values = np.clip(extreme_values(), -1e38, 1e38).astype(np.float32)
    grid = DynamicQuantizer.of_block_format(name)
    numbers = grid.numbers(values)
    scales = np.repeat(numbers[:, 75:], 32, axis=1)[:, :75]
    top = grid.book.values[-1]
    scaled = np.clip(values / scales, -top, top)
    wanted = scaled.astype(DTYPES[name]).astype(np.float64)
    assert np.array_equal(grid.unit * numbers[:, :75], wanted)


@pytest.mark.parametrize("name", list(GFLOAT))
def test_blocks_are_those_of_gfloat(name: str) -> None:
    """Whole blocks whose scales are within the range of E8M0."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(40, 32)) * 2.0 ** rng.integers(-100, 100, (40, 1))
    found = DynamicQuantizer.of_block_format(name).rounded(values)
    info = GFLOAT[name]
    for row, ours in zip(values, found, strict=True):
        wanted = gfloat.quantize_block(info, row, compute_scale_amax)
        assert np.array_equal(ours, wanted)


def test_a_scale_is_a_power_of_two_or_a_value_of_e4m3() -> None:
    largest = np.geomspace(1e-30, 1e30, 1001)
    fp4 = code_book("fp4-e2m1")
    powers = scales_of_blocks(largest, fp4, "e8m0")
    assert np.all(powers * 4 <= largest)
    assert np.all(largest < powers * 8)
    assert set(scales_of_blocks(largest, fp4, E4M3)) <= set(code_book(E4M3).values)
    with pytest.raises(SettingError, match=r"'scale' = 'fp16'.*e8m0"):
        scales_of_blocks(largest, fp4, "fp16")
    for name, one in BLOCK_FORMATS.items():
        assert blocks_text(one.element, one.block_size, one.scale) == name
