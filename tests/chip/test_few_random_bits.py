"""Inputs rounded at random by few random bits: the law, exactly, against fractions; and that all
ways to draw follow it.
"""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
import torch
from channeltest import assert_frequencies
from circuittest import hardware_of, recurrent_program, some_stimuli

from stochsim.chip import Chip
from stochsim.chip.inputs import Inputs
from stochsim.chip.rng_address import Place
from stochsim.formats import code_book
from stochsim.hardware import InputRounding, Noise, preset
from stochsim.networks import HardwareNoise, with_chances
from stochsim.program import Quantizer
from stochsim.settings import SettingError

LATTICE_BITS = 9
CUTS = ("floor", "nearest", "zero")


def noise_of(bits: int, cut: str = "floor") -> Noise:
    return Noise(input_dither="stochastic", input_random_bits=bits, input_cut=cut)


def inputs_of(grid: Quantizer, bits: int, cut: str = "floor") -> Inputs:
    return Inputs(grid, preset("digital-45nm").replace(noise=noise_of(bits, cut)))


def chance(part: Fraction, is_negative: bool, bits: int, cut: str) -> Fraction:
    """P(the upper neighbour), by the definitions."""
    n = 2**bits
    if cut == "nearest":
        return Fraction(floor(part * n + Fraction(1, 2)), n)
    return Fraction((ceil if cut == "zero" and is_negative else floor)(part * n), n)


def mean_errors(grid: Quantizer, bits: int, cut: str, lattice: int) -> np.ndarray:
    """E rounded - x in steps, exactly, of all x on a lattice of 2^-lattice steps between the ends
    of the grid; and that no chance is another than its definition.
    """
    low, high = (grid.exact_values(np.array(c)) for c in (grid.c_min, grid.c_min + grid.levels - 1))
    places = range(int((high - low) / grid.step) << lattice)
    x = np.array([[float(low) + grid.step * place / 2**lattice for place in places]])
    lower, least = inputs_of(grid, bits, cut)._two_levels(x)
    errors = []
    for place, one, level, threshold in zip(places, x[0], lower[0], least[0], strict=True):
        found = 1 - Fraction(int(threshold), 2**31)
        exact = Fraction(place, 2**lattice)
        assert level == floor(exact)
        assert found == chance(exact - floor(exact), one < 0, bits, cut)
        errors.append(floor(exact) + found - exact)
    return np.array(errors, dtype=object)


@pytest.mark.parametrize("bits", range(17))
@pytest.mark.parametrize("cut", CUTS)
def test_chances_and_biases_are_those_of_the_law(bits: int, cut: str) -> None:
    """With p bits of a remainder and r random bits, floor: mean bias -(2^-r - 2^-p)/2, the worst
    -(2^-r - 2^-p); with an added half: mean 2^-p/2, the worst 2^-r/2 (arXiv 2504.20634).
    """
    errors = mean_errors(Quantizer(3, 0.5), bits, cut, LATTICE_BITS)
    r, p = Fraction(1, 2**bits), Fraction(1, 2**LATTICE_BITS)
    if bits >= LATTICE_BITS:
        assert not errors.any()
    elif cut == "floor":
        assert errors.mean() == -(r - p) / 2
        assert errors.min() == -(r - p)
        assert errors.max() == 0
    elif cut == "nearest":
        assert errors.mean() == p / 2
        assert errors.max() == r / 2
    else:
        below = errors[: 4 << LATTICE_BITS]
        assert below.mean() == (r - p) / 2
        assert errors[4 << LATTICE_BITS :].mean() == -(r - p) / 2


@pytest.mark.parametrize(
    "grid",
    [Quantizer(1, 0.5), Quantizer(1, 0.5, unsigned=True), Quantizer(4, 0.25, unsigned=True)],
    ids=["signs", "one bit from 0 on", "from 0 on"],
)
@pytest.mark.parametrize("cut", CUTS)
def test_of_every_kind_of_grid(grid: Quantizer, cut: str) -> None:
    assert mean_errors(grid, 2, cut, 5).any()


def test_of_neighbours_of_a_format() -> None:
    """The remainder is that of the local step."""
    grid = Quantizer.of_format("fp4-e2m1", 0.5)
    x = np.array([[1.25, -1.25, 2.6, -0.125, 9.0]])  # between 1 and 1.5, 2 and 3, -0.25 and 0
    for bits, cut in ((1, "floor"), (2, "nearest"), (3, "zero")):
        lower, least = inputs_of(grid, bits, cut)._two_levels(x)
        values = 0.5 * np.array(code_book("fp4-e2m1").values)
        for one, level, threshold in zip(x[0, :4], lower[0], least[0], strict=False):
            a, b = Fraction(values[level]), Fraction(values[level + 1])
            assert a <= Fraction(one) < b
            found = 1 - Fraction(int(threshold), 2**31)
            assert found == chance((Fraction(one) - a) / (b - a), one < 0, bits, cut)
        assert (lower[0, 4], least[0, 4]) == (13, 0)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("scale", [1 / 255, 0.003921568859])
def test_pictures_in_float32_lie_on_their_grid(cut: str, scale: float) -> None:
    """k / 255 in float32, and a scale off by the rounding of float32: no input moves."""
    x = (np.arange(256, dtype=np.float32) / np.float32(255)).reshape(1, -1)
    grid = Quantizer(8, scale, unsigned=True)
    for bits in (0, 2, 8):
        found = inputs_of(grid, bits, cut).integers(x.astype(float), 5, Place(1, 0, 0))
        assert np.array_equal(found, np.broadcast_to(np.arange(256), (1, 5, 256)))
    step = torch.tensor(scale)
    moved = with_chances(torch.from_numpy(x), step, 0.0, InputRounding(0, cut))
    assert torch.equal((moved / step).round()[0], torch.arange(256.0))


def test_without_random_bits_nothing_is_random() -> None:
    x = np.array([[-0.9, -0.5, -0.25, 0.26, 0.75, 8.0]])
    expected = {"floor": [-2, -1, -1, 0, 1, 3], "nearest": [-2, -1, 0, 1, 2, 3]}
    expected["zero"] = [-1, -1, 0, 0, 1, 3]
    for cut, integers in expected.items():
        found = inputs_of(Quantizer(3, 0.5), 0, cut).integers(x, 3, Place(0, 0, 0))
        assert np.array_equal(found, np.broadcast_to(integers, (1, 3, 6)))


def test_all_ways_to_draw_give_the_same_codes() -> None:
    inputs = inputs_of(Quantizer(3, 0.5), 2)
    x = np.random.default_rng(0).normal(0, 1, (4, 7))
    place = Place(5, 2, 9)
    found = inputs.integers(x, 11, place)
    of_reads = inputs.integers_of_reads(np.broadcast_to(x[:, None], found.shape), place)
    assert np.array_equal(found, of_reads)
    assert np.ptp(found, axis=1).any()
    part = inputs.integers(x[1:3], 4, place._replace(first_stimulus=3, first_read=12))
    assert np.array_equal(part, found[1:3, 3:7])


def test_reads_follow_the_law() -> None:
    """40,000 reads of each input, false-fail rate as of `assert_frequencies`."""
    grid = Quantizer(3, 0.5)
    x = np.array([[0.05, 0.13, 0.3, 0.45, -0.1, -0.4]])
    for bits, cut in ((1, "floor"), (2, "nearest"), (2, "zero")):
        found = inputs_of(grid, bits, cut).integers(x, 40_000, Place(1, 0, 0))[0]
        expected = np.zeros((6, 8))
        for row, one in enumerate(x[0]):
            place = Fraction(one) / Fraction(0.5)
            up = float(chance(place - floor(place), one < 0, bits, cut))
            expected[row, floor(place) + 4 : floor(place) + 6] = 1 - up, up
        counts = np.array([np.bincount(column + 4, minlength=8) for column in found.T])
        assert_frequencies(counts, expected)
        with pytest.raises(AssertionError):
            assert_frequencies(counts, np.roll(expected, 1, axis=0))


def test_circuits_follow_it_in_both_ways() -> None:
    """Their fused kernel takes the same thresholds: see test_circuit_in_cache.py."""
    program = recurrent_program(3)
    x = some_stimuli(4)
    usual = Chip(program, hardware_of(program, noise=Noise(input_dither="stochastic")))
    codes = usual.sample(x, 40, 1).codes
    for bits, differs in ((16, False), (1, True)):
        chip = Chip(program, hardware_of(program, noise=noise_of(bits)))
        assert (np.mean(chip.sample(x, 40, 1).codes != codes) > 0.01) == differs


@torch.no_grad()
def test_training_rounds_by_the_same_law() -> None:
    """Means over 40,000 draws against the chip's thresholds; without the cut they are missed."""
    x = torch.tensor([[0.05, 0.13, 0.3, 0.45, -0.1, -0.4]], dtype=torch.float64)
    step = torch.tensor(0.5, dtype=torch.float64)
    for bits, cut in ((1, "floor"), (2, "nearest"), (2, "zero")):
        moved = with_chances(x, step, 0.0, InputRounding(bits, cut))
        lower, least = inputs_of(Quantizer(3, 0.5), bits, cut)._two_levels(x.numpy())
        means = 0.5 * (lower - 4 + 1 - least / 2**31)
        assert moved.numpy() == pytest.approx(means, rel=1e-12)
        assert np.abs(x.numpy() - means).max() > 0.02
    noise = HardwareNoise.of(preset("digital-45nm").replace(noise=noise_of(3, "zero")))
    assert noise.input_rounding == InputRounding(3, "zero")


def test_random_bits_are_counted() -> None:
    program = recurrent_program(3)
    x = some_stimuli(2)

    def drawn(noise: Noise) -> float:
        chip = Chip(program, hardware_of(program, noise=noise))
        return sum(one.count("random") for one in chip.sample(x, 5, 0).bill.operations.values())

    without = drawn(Noise())
    usual = drawn(Noise(input_dither="stochastic")) - without
    for bits in (0, 3, 8):
        assert 16 * (drawn(noise_of(bits)) - without) == bits * usual


def test_bad_values() -> None:
    with pytest.raises(SettingError, match="input_random_bits"):
        Noise(input_random_bits=4)
    with pytest.raises(SettingError, match=r"input_cut.*input_random_bits"):
        Noise(input_dither="stochastic", input_cut="nearest")
    for wrong in (-1, 17, 2.5):
        with pytest.raises(SettingError, match="input_random_bits"):
            noise_of(wrong)
    with pytest.raises(SettingError, match=r"input_cut.*floor"):
        noise_of(4, "flor")
