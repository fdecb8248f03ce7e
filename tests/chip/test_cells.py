"""What a chip's cells hold: slices, faults and bit errors of its memory.

Statistical tests fail right code at most once in 10^6 runs; each has a negative control that must
fail, and states its power.
"""

import math

import numpy as np
import pytest
import stattest
from arraytest import array_of, hardware_for, program_of

from stochsim.chip import Chip
from stochsim.chip.array.programming import bit_flipped, faulted, slice_weights
from stochsim.hardware import bit_error_rate
from stochsim.keys import generator
from stochsim.settings import SettingError

KEY = 7


def all_codes(bits, columns="offset"):
    """Every weight of this width, (neuron, input) of two neurons; differential columns have no
    -2^(b-1).
    """
    half = 2 ** (bits - 1)
    codes = np.array([-1, 1]) if bits == 1 else np.arange(-half + (columns == "differential"), half)
    return np.stack([codes, codes[::-1]]).astype(np.int8)


def widths():
    for columns in ("offset", "differential"):
        for bits in range(1, 9):
            plane_bits = bits if columns == "offset" or bits == 1 else bits - 1
            for cell_bits in range(1, plane_bits + 1):
                yield columns, bits, cell_bits, -(-plane_bits // cell_bits)


@pytest.mark.parametrize(("columns", "bits", "cell_bits", "slices"), list(widths()))
def test_every_weight_comes_back_exactly(columns, bits, cell_bits, slices) -> None:
    codes = all_codes(bits, columns)
    sliced = slice_weights(codes, bits, cell_bits, columns)
    assert sliced.cells.dtype == np.uint8
    assert sliced.cells.shape == (1 if columns == "offset" else 2, slices, codes.shape[1], 2)
    assert sliced.cells.max() < 2**cell_bits
    total = np.zeros(codes.T.shape, np.int64)
    for place in range(slices):
        planes = sliced.cells[:, place].astype(np.int64)
        total += 2 ** (cell_bits * place) * (planes[0] - (planes[1] if len(planes) == 2 else 0))
    np.testing.assert_array_equal(sliced.scale * total + sliced.offset, codes.T)
    np.testing.assert_array_equal(sliced.codes(), codes)
    if len(sliced.cells) == 2:
        assert not np.any(sliced.cells[0].any(axis=0) & sliced.cells[1].any(axis=0))


def test_slices_by_hand() -> None:
    """-5 of 4 bits is 3 = 0011 with the offset of 8, and 0 and 5 = 101 as differential
    magnitudes.
    """
    offset = slice_weights(np.array([[-5]]), 4, 1)
    np.testing.assert_array_equal(offset.cells.ravel(), [1, 1, 0, 0])
    assert (offset.scale, offset.offset) == (1, -8)
    pair = slice_weights(np.array([[-5]]), 4, 2, "differential")
    np.testing.assert_array_equal(pair.cells[0].ravel(), [0, 0])
    np.testing.assert_array_equal(pair.cells[1].ravel(), [1, 1])
    ones = slice_weights(np.array([[-1, 1]]), 1, 1)
    np.testing.assert_array_equal(ones.cells.ravel(), [0, 1])
    assert (ones.scale, ones.offset) == (2, -1)


@pytest.mark.parametrize(
    ("codes", "bits", "cell_bits", "columns", "words"),
    [
        (
            all_codes(4),
            4,
            5,
            "offset",
            r"'cell_bits' = 5: should be from 1 to 4, for 4-bit weights in offset columns",
        ),
        (
            all_codes(4)[:, 1:],
            4,
            4,
            "differential",
            r"'cell_bits' = 4: should be from 1 to 3, for 4-bit weights in differential columns",
        ),
        (all_codes(1), 1, 2, "differential", r"'cell_bits' = 2: should be from 1 to 1"),
        (all_codes(4), 4, 0, "offset", r"'cell_bits' = 0"),
        (
            all_codes(4),
            4,
            1,
            "differential",
            r"'weight_codes' = -8: should be from -7 to 7, for 4-bit weights in differential",
        ),
        (all_codes(5), 4, 1, "offset", r"'weight_codes' = -16: should be from -8 to 7"),
        (all_codes(2), 1, 1, "offset", r"'weight_codes' = -2: should be -1 or 1, for"),
        (
            np.zeros((3, 0), int),
            4,
            1,
            "offset",
            r"'weight_codes' = array of shape \(3, 0\), int64: should be integers",
        ),
        (np.zeros((0, 3), int), 4, 1, "offset", r"shape \(0, 3\)"),
        (
            np.zeros((3, 3)),
            4,
            1,
            "offset",
            r"'weight_codes' = array of shape \(3, 3\), float64: should be integers",
        ),
        (all_codes(4), 9, 1, "offset", r"'weight_bits' = 9"),
        (
            all_codes(4),
            4,
            1,
            "diferential",
            r"'columns' = 'diferential': did you mean 'differential'",
        ),
    ],
)
def test_impossible_slices_are_errors(codes, bits, cell_bits, columns, words) -> None:
    with pytest.raises(SettingError, match=words):
        slice_weights(codes, bits, cell_bits, columns)


CELLS = generator(1).integers(0, 4, (2, 3, 64, 128)).astype(np.uint8)


def test_stuck_cells_are_drawn_per_chip_at_their_rates() -> None:
    """49,152 cells; the exact binomial test catches a rate of 4 % in place of 3 % with the stated
    power.
    """
    middle = np.ones_like(CELLS)
    stuck = faulted(middle, 2, 0.03, 0.05, KEY)
    counts = np.bincount(stuck.ravel(), minlength=4)
    expected = np.array([0.03, 0.92, 0.0, 0.05])
    stattest.assert_frequencies(counts, expected)
    wrong = np.array([0.04, 0.91, 0.0, 0.05])
    assert stattest.power(expected, wrong, middle.size) > 0.999
    with pytest.raises(AssertionError):
        stattest.assert_frequencies(counts, wrong)
    np.testing.assert_array_equal(faulted(middle, 2, 0.03, 0.05, KEY), stuck)
    assert np.any(faulted(middle, 2, 0.03, 0.05, KEY + 1) != stuck)


def test_stuck_cells_are_nested_as_the_rates_grow() -> None:
    middle = np.ones_like(CELLS)
    few, many = faulted(middle, 2, 0.01, 0.02, KEY), faulted(middle, 2, 0.04, 0.03, KEY)
    assert np.all(many[few != 1] == few[few != 1])
    assert np.sum(many != 1) > np.sum(few != 1) > 0
    np.testing.assert_array_equal(faulted(CELLS, 2, 0.0, 0.0, KEY), CELLS)
    assert np.all(faulted(CELLS, 2, 1.0, 0.0, KEY) == 0)
    assert np.all(faulted(CELLS, 2, 0.0, 1.0, KEY) == 3)
    assert set(np.unique(faulted(CELLS, 2, 0.5, 0.5, KEY))) == {0, 3}


def test_planes_and_kinds_of_errors_do_not_share_their_numbers() -> None:
    stuck = faulted(np.ones_like(CELLS), 2, 0.5, 0.0, KEY) == 0
    planes = stuck.reshape(6, -1)
    both = np.corrcoef(planes) - np.eye(6)
    assert np.max(np.abs(both)) < 5.5 / math.sqrt(planes.shape[1])  # 15 pairs: once in 10^6


@pytest.mark.parametrize(
    ("zero", "one", "words"),
    [
        (-0.1, 0, "'stuck_at_0_rate' = -0.1"),
        (0, 1.1, "'stuck_at_1_rate'"),
        (0.6, 0.5, "'stuck_at_0_rate' = 0.6 and 'stuck_at_1_rate' = 0.5: should be at most 1"),
    ],
)
def test_bad_rates_are_errors(zero, one, words) -> None:
    with pytest.raises(SettingError, match=words):
        faulted(CELLS, 2, zero, one, KEY)


def bits_of(codes, bits):
    """The two's-complement bits of each code, (…, bit); at one bit whether it is -1."""
    return (
        (codes[..., None] < 0)
        if bits == 1
        else (codes[..., None].astype(np.int64) >> np.arange(bits)) & 1 == 1
    )


@pytest.mark.parametrize("bits", range(1, 9))
def test_bit_errors_hit_every_bit_at_the_rate_and_stay_codes(bits) -> None:
    """32,768 codes; every bit against the binomial law, and a rate of .1 against a claim of .12."""
    codes = np.resize(all_codes(bits), (128, 256))
    flipped = bit_flipped(codes, bits, 0.1, KEY)
    assert flipped.dtype == np.int8
    half = 2 ** (bits - 1)
    assert flipped.min() >= min(-half, -1)
    assert flipped.max() <= max(half - 1, 1)
    errors = np.sum(bits_of(flipped, bits) != bits_of(codes, bits), axis=(0, 1))
    counts = np.stack([codes.size - errors, errors], axis=1)
    stattest.assert_frequencies(counts, np.tile([0.9, 0.1], (bits, 1)))
    wrong = np.tile([0.88, 0.12], (bits, 1))
    assert stattest.power(np.tile([0.9, 0.1], (bits, 1)), wrong, codes.size) > 0.999
    with pytest.raises(AssertionError):
        stattest.assert_frequencies(counts, wrong)


@pytest.mark.parametrize("bits", range(1, 9))
def test_bit_errors_are_nested_and_a_chip_s_own(bits) -> None:
    codes = np.resize(all_codes(bits), (64, 96))
    before = bits_of(codes, bits)
    few, many = (
        bits_of(bit_flipped(codes, bits, rate, KEY), bits) != before for rate in (0.02, 0.05)
    )
    assert np.all(many[few])
    assert many.sum() > few.sum() > 0
    np.testing.assert_array_equal(bit_flipped(codes, bits, 0.0, KEY), codes)
    np.testing.assert_array_equal(
        bit_flipped(codes, bits, 1.0, KEY), -codes if bits == 1 else ~codes
    )
    np.testing.assert_array_equal(
        bit_flipped(codes, bits, 0.05, KEY), bit_flipped(codes, bits, 0.05, KEY)
    )
    assert np.any(bit_flipped(codes, bits, 0.05, KEY) != bit_flipped(codes, bits, 0.05, KEY + 1))


def test_bits_of_a_code_fail_apart() -> None:
    codes = np.resize(all_codes(4), (128, 256))
    errors = (bits_of(bit_flipped(codes, 4, 0.3, KEY), 4) != bits_of(codes, 4)).reshape(-1, 4)
    assert np.max(np.abs(np.corrcoef(errors.T) - np.eye(4))) < 5.5 / math.sqrt(codes.size)


def test_bad_bit_errors_are_refused() -> None:
    with pytest.raises(SettingError, match=r"'rate' = 1\.5"):
        bit_flipped(all_codes(4), 4, 1.5, KEY)
    with pytest.raises(SettingError, match="'weight_codes' = -8: should be from -4 to 3"):
        bit_flipped(all_codes(4), 3, 0.1, KEY)


def test_bit_error_rate_by_hand() -> None:
    assert bit_error_rate(0.84) == pytest.approx(1e-2)
    assert bit_error_rate(0.80) == pytest.approx(1e-1)
    assert bit_error_rate(1.00) == pytest.approx(1e-6)
    assert bit_error_rate(0.94, decade=0.1) == pytest.approx(1e-3)
    assert bit_error_rate(0.01) == 0.5
    assert bit_error_rate(0.5, decade=1e-5) == 0.5  # no overflow far below
    for voltage, decade in ((0.0, 0.04), (float("nan"), 0.04), (1.0, 0.0)):
        with pytest.raises(SettingError, match="should be finite and above 0"):
            bit_error_rate(voltage, decade)


def test_a_weight_without_a_pair_is_refused_in_differential_columns():
    """-2^(b-1) has no magnitude of b - 1 bits; offset columns hold it."""
    program = program_of([[-8, 7]], weight_bits=4)
    Chip(program, hardware_for(program, array_of()))
    with pytest.raises(SettingError, match=r"'weight_codes' = -8: should be from -7 to 7"):
        Chip(program, hardware_for(program, array_of(signs="differential")))
