"""Rules for the range of a grid: least squared error, no clipping, all but a thousandth."""

import numpy as np
import pytest
import torch
from conversiontest import chip_of, converted_small, seeded, small_net, stimuli
from torch import nn

from stochsim.hardware import Noise
from stochsim.lowering import convert
from stochsim.lowering.fitted_grids import fitted, fitted_to_weights
from stochsim.settings import SettingError

VALUES = np.random.default_rng(0).normal(size=10_000)


def scale_of(grid):
    """Scales as an array."""
    return grid.scale().detach().numpy()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_codes_reach_what_the_rule_says(bits):
    """The grid of an even number of codes has one more below 0."""
    top, bottom = 2 ** (bits - 1) - 1, 2 ** (bits - 1)
    scale = scale_of(fitted(VALUES, bits, False, "minmax"))
    assert scale == pytest.approx(max(VALUES.max() / top, -VALUES.min() / bottom), rel=1e-6)
    low, high = np.quantile(VALUES, [0.0005, 0.9995])
    scale = scale_of(fitted(VALUES, bits, False, "percentile"))
    assert scale == pytest.approx(max(high / top, -low / bottom), rel=1e-6)
    unsigned = fitted(np.abs(VALUES), bits, True, "minmax", (0.0, 9.0))
    assert scale_of(unsigned) == pytest.approx(9 / (2**bits - 1), rel=1e-6)


@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
def test_weights_reach_what_the_rule_says(scales):
    of_neurons = scales == "per-channel"
    weight = VALUES[:6000].reshape(3, 2000) * [[1], [3], [0.1]]
    rows = np.abs(weight) if of_neurons else np.abs(weight).reshape(1, -1)
    for ranges, share in (("minmax", 1), ("percentile", 0.999)):
        found = scale_of(fitted_to_weights(weight, 4, scales, ranges))
        wanted = np.quantile(rows, share, axis=1) / 7
        assert found == pytest.approx(wanted if of_neurons else wanted[0], rel=1e-6)
    assert np.all(scale_of(fitted_to_weights(0 * weight, 4, scales, "minmax")) > 0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_least_squared_error_is_least(bits):
    errors = {}
    for ranges in ("mse", "minmax", "percentile"):
        grid = fitted(VALUES, bits, False, ranges)
        values = torch.from_numpy(VALUES).float()
        errors[ranges] = float((grid(values) - values).detach().square().mean())
    assert errors["mse"] == min(errors.values())
    assert bits == 1 or errors["mse"] < errors["minmax"]


@pytest.mark.parametrize("ranges", ["mse", "minmax", "percentile"])
def test_networks_of_every_rule_are_near_the_float_one(ranges):
    converted, x = converted_small(chip_of(8, 8, 8), ranges=ranges)
    assert float((converted(x) - seeded(small_net)(x).detach()).abs().max()) < 0.03


def test_stochastic_rounding_without_clipping_has_no_bias():
    """The mean over reads of a layer whose input stands at the edge of the examples: off by half a
    step and more where the range of least squared error clips it (the negative control).
    """
    x = stimuli(4000, 1)
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 1.0)
    chip = chip_of(8, 3, 8, noise=Noise(input_dither="stochastic"))
    edge = x[x.argmax()][None]
    off = {}
    for ranges in ("minmax", "mse"):
        converted = convert(layer, chip, torch.cat([x, 1.5 * edge]), ranges=ranges)
        (own,) = converted.layers.values()
        step = float(own.input_grid.step().detach())
        found = converted.sample(1.5 * edge, 4000, 0).mean()
        off[ranges] = abs(found - float(1.5 * edge)) / step
    assert off["minmax"] < 5 * 0.5 / np.sqrt(4000) + 0.05
    assert off["mse"] > 0.5


def test_an_unknown_rule_is_refused():
    with pytest.raises(SettingError, match=r"'ranges' = 'max': did you mean 'minmax'"):
        convert(nn.Linear(6, 3), chip_of(), stimuli(9, 6), ranges="max")
