"""Floating-point accumulators where scales are no powers of two, and where there are more of them
than random numbers of one key: products with scales are rounded once, of whatever bits.
"""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from floatsums import accumulator_of, chip_of, plain
from stochsim_kernels.reference import float_sums as reference

import stochsim as ss
from stochsim.chip import float_adder
from stochsim.chip.float_adder import FloatAdder
from stochsim.chip.rng_address import Place
from stochsim.hardware import FloatAccumulation
from stochsim.program import Quantizer


@pytest.mark.parametrize("format_", ["bf16", "fp32"])
@pytest.mark.parametrize("rounding", ["nearest", "to-zero", "stochastic-0"])
def test_units_of_no_power_of_two_cut_nothing_off_twice(format_, rounding):
    """A sum that the format holds stays, whatever the coarsest block's scale and the input's."""
    blocks = plain([[1, 0]], np.array([[1.0, 49.0]]), 0.25, block_size=1)
    chip = chip_of(blocks, accumulator_format=format_, accumulator_rounding=rounding)
    x = np.array([[1.0, 0.0]])
    codes = chip.sample(x, 1, key=0).codes
    assert codes[0, 0, 0] == 1
    if not chip.hardware.float_accumulation.random:
        assert chip.drive(x) == 1.0


def test_zero_points_of_some_blocks_alone():
    zeros = np.array([[0, 1]], np.int16)
    layer = plain([[1, 2, 3, 4]], np.array([[1.0, 2.0]]), block_size=2, zero_points=zeros)
    drive = chip_of(layer, accumulator_format="bf16").drive(np.ones((1, 4)))
    assert drive == 1 + 2 + 2 * (2 + 3)


@pytest.mark.parametrize("rounding", ["nearest", "to-zero"])
def test_zero_points_of_neurons_are_in_units_of_the_sum(rounding):
    """Inputs of a format whose unit is no 1."""
    layer = plain([[1, 2, 3]], 0.3, zero_points=np.array([2], np.int16))
    layer = dataclasses.replace(layer, input=Quantizer.of_format("fp4-e2m1", 0.7))
    x = np.array([[0.7 * 0.5, 0.7 * 1.5, 0.7 * 6.0]])
    chosen = accumulator_of("bf16", rounding)
    total = Fraction(0)
    for value, code in zip((0.5, 1.5, 6.0), (1, 2, 3), strict=True):
        total = reference.rounded(total + Fraction(value) * code, chosen)
    total -= 2 * (Fraction(1, 2) + Fraction(3, 2) + 6)
    expected = reference.rounded(total * Fraction(0.3 * 0.7), chosen)
    found = chip_of(layer, accumulator_format="bf16", accumulator_rounding=rounding).drive(x)
    assert found == float(expected)


def test_more_additions_than_one_key_numbers(monkeypatch):
    """Beyond them numbers are of a key of their own; without it, as the negative control shows,
    they would be those of the next read.
    """
    adder = FloatAdder(FloatAccumulation.named("bf16", "stochastic"), 0)
    place = Place(3, 5, 7)
    before = adder.integers((2, 3, 4), place, 0)
    monkeypatch.setattr(float_adder, "MOST_NUMBERED", 4)
    found = adder.integers((2, 3, 10), place, 0)
    assert np.array_equal(found[..., :4], before)
    parts = found[..., :4], found[..., 4:8], found[..., 8:]
    for some in parts[1:]:
        assert not np.isin(some, before).any()
    assert len(np.unique(found)) == found.size
    later = adder.integers((2, 2, 10), place.read(1), 0)
    assert np.array_equal(found[:, 1:], later)


@pytest.mark.slow
def test_convolutions_of_many_positions_round_at_random():
    """More positions than rows can be numbered; reads apart are reads together."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    hardware = ss.load_hardware("digital-45nm", bits=8).replace(
        accumulator_format="bf16", accumulator_rounding="stochastic-8"
    )
    x = torch.rand(2, 1, 260, 260)
    chip = ss.convert(torch.nn.Conv2d(1, 2, 3, padding=1), hardware, x)
    both = chip.sample(x[:1], reads=2, key=4)
    second = chip.sample(x[:1], reads=1, key=4, first_read=1)
    assert np.array_equal(both[:, 1:], second)
    assert (both[:, 0] != both[:, 1]).any()


@pytest.mark.parametrize("rounding", ["nearest", "to-zero"])
@pytest.mark.parametrize("format_", ["fp32", "fp12-e6m5"])
def test_scales_of_blocks_of_53_bits_are_exact(format_, rounding):
    """Sums that cancel show what a product of float64 would lose."""
    rng = np.random.default_rng(4)
    scales = rng.uniform(0.5, 2, (6, 2))
    scales[:, 1] = scales[:, 0] * (1 + 2.0**-30)
    codes = rng.integers(-127, 128, (6, 32))
    codes[:, 16:32] = -codes[:, :16]
    layer = plain(codes, scales, 0.3, block_size=16)
    integers = rng.integers(-127, 128, (200, 32))
    integers[:, 16:32] = integers[:, :16]
    chosen = accumulator_of(format_, rounding)
    expected = np.empty((200, 6))
    for s, n in np.ndindex(expected.shape):
        total = Fraction(0)
        for block in range(2):
            some = slice(16 * block, 16 * block + 16)
            products = zip(integers[s, some].tolist(), codes[n, some].tolist(), strict=True)
            found = sum(a * b for a, b in products) * Fraction(scales[n, block])
            total = reference.rounded(total + found, chosen)
        expected[s, n] = float(reference.rounded(total * Fraction(0.3), chosen))
    chip = chip_of(layer, accumulator_format=format_, accumulator_rounding=rounding)
    assert np.array_equal(chip.drive(integers * 0.3), expected)
