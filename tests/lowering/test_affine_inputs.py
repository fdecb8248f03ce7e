"""Affine grids of inputs: from the lowest value on, with 0 among their values."""

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from torch import nn

import stochsim as ss
from stochsim.lowering import convert, load_converted
from stochsim.lowering.fitted_grids import fitted_from_lowest


def skewed(*shape: int) -> torch.Tensor:
    """Stimuli from -0.25 on, most of them small."""
    return stimuli(*shape).square() - 0.25


def test_the_grid_reaches_from_the_lowest_to_the_highest() -> None:
    values = np.linspace(-1.0, 2.0, 301)
    scale, zero = fitted_from_lowest(values, 4, "minmax", (-1.0, 2.0))
    assert scale == pytest.approx(3 / 15)
    assert zero == 5
    finest, least = fitted_from_lowest(values, 4, "mse", (-1.0, 2.0))
    assert finest <= scale
    assert (0 - least) * finest >= -1.0 - finest


@pytest.mark.parametrize("padding", [0, 1])
def test_sums_are_those_of_the_values_on_the_grid(padding: int) -> None:
    """As NumPy has them: codes, their values, the product with quantised weights, the bias; borders
    are 0.
    """
    x = skewed(60, 2, 5, 5)
    layer = seeded(lambda: nn.Conv2d(2, 3, 3, padding=padding)).double()
    made = convert(layer, chip_of(8, 5, 8), x.double(), input_grids="affine", ranges="minmax")
    own = made.layers["conv2d"]
    scale = float(own.input_grid.scale().detach())
    low, high = float(x.min()), float(x.max())
    assert scale == pytest.approx((high - low) / 31)
    zero = round(-low / scale)
    seen = (torch.clamp(torch.round(x.double() / scale) + zero, 0, 31) - zero) * scale
    weight = own.weight_grid(own.weight)
    wanted = nn.functional.conv2d(seen, weight, layer.bias, padding=padding)
    grid = own.output_grid
    assert made(x.double()).detach().numpy() == pytest.approx(
        grid(wanted).detach().numpy(), abs=float(grid.step().detach()) * 1e-6
    )


def network() -> nn.Module:
    """GELU gives values that are hardly negative."""
    return nn.Sequential(
        nn.Linear(8, 24), nn.GELU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 4)
    )


def test_skewed_values_lose_less_and_codes_stay_codes() -> None:
    x = skewed(300, 8)
    found = {
        grids: convert(seeded(network), chip_of(8, 4, 8), x, input_grids=grids)
        for grids in ("symmetric", "affine")
    }
    errors = {grids: made.errors.outputs.mean() for grids, made in found.items()}
    assert errors["affine"] < 0.9 * errors["symmetric"]
    layers = found["affine"].layers
    assert [layer.input_grid.unsigned for layer in layers.values()] == [True, True, True]
    assert [layer.takes_codes for layer in layers.values()] == [False, False, False]


@pytest.mark.parametrize(("bits", "less"), [(8, 0.0), (1, 1.0)])
def test_what_has_no_negative_values_or_one_bit_stays_as_it_is(bits: int, less: float) -> None:
    x = stimuli(100, 8).abs() - less
    plain, affine = (
        convert(seeded(lambda: nn.Linear(8, 4)), chip_of(8, bits, 8), x, input_grids=grids)
        for grids in ("symmetric", "affine")
    )
    assert torch.equal(plain(x), affine(x))


def test_a_network_read_from_files_gives_the_same(tmp_path) -> None:
    x = skewed(100, 8)
    made = convert(seeded(network), chip_of(8, 4, 8), x, input_grids="affine")
    made.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net")
    assert np.array_equal(again.sample(x, 2, 0), made.sample(x, 2, 0))


def test_the_shift_is_no_work() -> None:
    x = skewed(20, 2, 5, 5)
    bills = [
        convert(
            seeded(lambda: nn.Conv2d(2, 3, 3, padding=1)), chip_of(8, 8, 8), x, input_grids=grids
        ).bill(x)
        for grids in ("symmetric", "affine")
    ]
    # the border is read as codes, and has multiply-adds in both
    assert bills[1].counts.keys() == bills[0].counts.keys()
    assert bills[1].multiply_adds == bills[0].multiply_adds
    assert bills[1].per_read_j < 1.2 * bills[0].per_read_j


def test_another_word_is_an_error() -> None:
    with pytest.raises(ss.SettingError, match="did you mean 'affine'"):
        convert(nn.Linear(8, 4), chip_of(), stimuli(9, 8), input_grids="afine")
