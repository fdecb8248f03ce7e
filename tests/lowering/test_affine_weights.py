"""Affine grids of weights: from the lowest value on, their zero points taken off by digital
arithmetic; sums as NumPy has them.
"""

import numpy as np
import pytest
import torch
from conversiontest import QUIET, chip_of, seeded, stimuli
from torch import nn

import stochsim as ss
from stochsim.energy import Operation
from stochsim.hardware import Noise
from stochsim.lowering import convert, load_converted
from stochsim.lowering.fitted_grids import fitted_affine_to_weights, fitted_to_weights
from stochsim.program import Layer, LayerShape, Quantizer, recurrent, single_layer

ROWS = np.random.default_rng(0).normal(size=(4, 300)) ** 2 * [[1.0], [3.0], [-0.1], [0.0]] - 0.05
ROWS[3] = 0.0


def values_of(grid, weight: np.ndarray) -> np.ndarray:
    return grid(torch.from_numpy(weight)).detach().numpy()


@pytest.mark.parametrize("bits", range(2, 9))
def test_grids_reach_from_the_lowest_to_the_highest_with_0_between(bits: int) -> None:
    """Without clipping every weight lies within half a step, and 0 stays 0."""
    grid = fitted_affine_to_weights(ROWS, bits, "per-channel", "minmax")
    scale = grid.scale().detach().numpy()
    low, high = np.minimum(ROWS.min(1), 0), np.maximum(ROWS.max(1), 0)
    assert scale[:3] == pytest.approx((high - low)[:3] / (2**bits - 2), rel=1e-12)
    codes = grid.codes(torch.from_numpy(ROWS)).numpy()
    top = 2 ** (bits - 1) - 1
    assert (codes.min(1)[:3] == -top).all()
    assert (codes.max(1)[:2] == top).all()
    zeros = grid.zero_points.numpy()
    assert zeros[:3].tolist() == (np.rint(-low / scale) - top)[:3].tolist()
    found = values_of(grid, ROWS)
    assert found == pytest.approx((codes - zeros[:, None]) * scale[:, None], rel=1e-12)
    off = np.abs(found - ROWS)
    assert (off <= 1.001 * scale[:, None]).all()  # half a step, and that of the zero point
    assert not values_of(grid, 0 * ROWS).any()


@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
def test_least_squared_error_is_less_than_of_other_rules_and_symmetric_grids(scales: str) -> None:
    of_neurons = scales == "per-channel"
    rows = ROWS if of_neurons else np.abs(ROWS)
    errors = {
        ranges: np.square(
            values_of(fitted_affine_to_weights(rows, 4, scales, ranges), rows) - rows
        ).sum(1 if of_neurons else None)
        for ranges in ("mse", "minmax", "percentile")
    }
    symmetric = values_of(fitted_to_weights(rows, 4, scales), rows) - rows
    assert np.all(errors["mse"] <= errors["minmax"])
    assert np.all(errors["mse"][:3] if of_neurons else errors["mse"] > 0)
    assert np.sum(errors["mse"]) < 0.5 * np.square(symmetric).sum()


def skewed(make) -> nn.Module:
    """A module whose neurons have weights of one sign, most of them above 0."""
    module = seeded(make).double()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                factors = torch.where(torch.arange(len(parameter)) % 3 == 1, -0.2, 1.0)
                shape = -1, *(1,) * (parameter.ndim - 1)
                parameter.copy_(parameter.abs() * factors.reshape(shape))
    return module


def grouped() -> nn.Module:
    return nn.Conv2d(4, 6, 3, padding=1, groups=2)


@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_sums_are_those_of_the_values_on_the_grids(bits: int, scales: str) -> None:
    """The quantised inputs and weights, in NumPy's numbers: scale (c - zero)."""
    x = stimuli(20, 4, 5, 5).double()
    hardware = chip_of(bits, 6, 8)
    made = convert(skewed(grouped), hardware, x, weight_scales=scales, weight_grids="affine")
    (own,) = made.layers.values()
    (layer,) = made.program.layers.values()
    assert layer.zero_points is not None
    assert np.abs(layer.weight_codes).max() == 2 ** (bits - 1) - 1
    scale = np.reshape(layer.weight_scale, (-1, 1))
    integers = layer.weight_codes.astype(int) - layer.zero_points[:, None]
    weight = torch.from_numpy(integers * scale).reshape(own.weight.shape)
    sums = nn.functional.conv2d(own.input_grid(x), weight, own.bias, padding=1, groups=2)
    step = float(own.output_grid.step().detach())
    assert made(x).detach().numpy() == pytest.approx(
        own.output_grid(sums).detach().numpy(), abs=1e-6 * step
    )
    with torch.no_grad():
        assert torch.equal(made.emulated(x), made(x))


def test_drives_by_hand() -> None:
    """Codes 3 and -2 of 0.25: (7 - 5) 3 + (-7 - 5) (-2) = 30, times 0.5 · 0.25."""
    codes = np.array([[7, -7], [3, 4], [-1, 6]], np.int8)
    grids = Quantizer(4, 0.25), Quantizer(8, 0.5)
    zeros = np.array([5, 0, -7])
    layer = Layer(codes, 4, 0.5, *grids, np.zeros(3), np.zeros(3), zero_points=zeros)
    hardware = QUIET.with_precision(4, 4, 8)
    chip = ss.Chip(single_layer(layer), hardware)
    drives = np.array([30, 1, (-1 + 7) * 3 + (6 + 7) * -2]) * 0.125
    assert chip.drive(np.array([[0.75, -0.5]]))[0].tolist() == drives.tolist()
    assert layer.noiseless_codes(np.array([[3, -2]]))[0].tolist() == np.rint(drives / 0.5).tolist()
    assert layer.shape == LayerShape(2, 3, 4, 4, 8, zero_points=2)  # other than 0
    assert layer.group(2, 3).zero_points.tolist() == [-7]
    plain = Layer(codes, 4, 0.5, *grids, np.zeros(3), np.zeros(3), zero_points=0 * zeros)
    assert plain.zero_points is None


def test_inputs_that_differ_from_read_to_read_have_sums_of_their_own() -> None:
    """Dithered inputs: reads of a linear layer without clipping have the mean of the exact sums, to
    six standard errors of outputs that spread by less than two steps.
    """
    x = stimuli(6, 5).double()
    chip = chip_of(6, 3, 8, noise=Noise(input_dither="stochastic"))
    wide = torch.cat([x, 2 * x])  # outputs that dither spreads are not clipped
    linear = skewed(lambda: nn.Linear(5, 3))
    made = convert(linear, chip, wide, weight_grids="affine", ranges="minmax")
    own = made.layers["linear"]
    wanted = nn.functional.linear(x, own.weight_grid(own.weight), own.bias).detach().numpy()
    samples = made.sample(x, 4000, 0)
    spread = samples.std(1) / np.sqrt(4000)
    step = float(own.output_grid.step().detach())
    assert (np.abs(samples.mean(1) - wanted) < 6 * spread + 0.02 * step).all()


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))


@pytest.mark.parametrize("preset", ["digital-45nm", "sram-array-28nm", "rram-array"])
def test_skewed_weights_lose_less(preset: str) -> None:
    """On arrays, too, whose cells hold the codes."""
    x = stimuli(200, 6).double()
    module = skewed(network)
    hardware = ss.load_hardware(preset, bits=8)
    bits = dict.fromkeys(("0", "2"), (3, 8, 8))
    errors = {}
    for grids in ("symmetric", "affine"):
        own = {"weight_grids": grids, "weight_scales": "per-channel"}
        off = convert(module, hardware, x, bits=bits, **own)(x) - module(x)
        errors[grids] = float(off.detach().square().mean())
    assert errors["affine"] < 0.4 * errors["symmetric"]


@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
def test_files_keep_the_zero_points(scales: str, tmp_path) -> None:
    x = stimuli(40, 6)
    noisy = chip_of(4, 4, 4, noise=Noise(read_sigma_lsb=0.4))
    made = convert(skewed(network).float(), noisy, x, weight_grids="affine", weight_scales=scales)
    made.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net")
    assert np.array_equal(again.sample(x, 3, 0), made.sample(x, 3, 0))
    for name, layer in made.program.layers.items():
        other = again.program.layers[name]
        assert other.zero_points.tolist() == layer.zero_points.tolist()
        assert again.layers[name].weight_grid.is_of_neurons == (scales == "per-channel")
    with torch.no_grad():
        assert torch.equal(again.emulated(x), made.emulated(x))


@pytest.mark.parametrize(("scales", "points"), [("per-tensor", 1), ("per-channel", 2)])
def test_the_bill_has_the_sum_of_inputs_and_its_products(scales: str, points: int) -> None:
    """5 inputs of 6 bits sum to 9 bits, which are multiplied by every different zero point; an
    addition for each input and each neuron.
    """
    x = stimuli(40, 5)
    counts = {}
    for grids in ("symmetric", "affine"):
        module = skewed(lambda: nn.Linear(5, 3)).float()
        made = convert(module, chip_of(4, 6, 8), x, weight_grids=grids, weight_scales=scales)
        counts[grids] = made.bill(x[:1]).counts["linear"]
    found = {
        one: count - counts["symmetric"].get(one, 0)
        for one, count in counts["affine"].items()
        if count != counts["symmetric"].get(one, 0)
    }
    width = 4 + 6 + 3
    assert found == {Operation("multiply", (4, 9)): points, Operation("add", (width,)): 5 + 3}


def test_training_learns_scales_and_weights() -> None:
    x = stimuli(60, 6)
    module = skewed(network).float()
    made = convert(module, chip_of(4, 4, 8), x, weight_grids="affine", weight_scales="per-channel")
    made.train()(x).square().mean().backward()
    grid = made.layers["0"].weight_grid
    assert grid.log_scale.grad.unique().numel() == 12
    assert made.layers["0"].weight.grad.any()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.01 * torch.ones_like(parameter))
        assert torch.equal(made.eval()(x), made.train()(x))


def test_weights_of_one_bit_and_of_zeros_stay_as_they_are() -> None:
    x = stimuli(60, 6)
    module = skewed(network).float()
    plain, affine = (
        convert(module, chip_of(1, 4, 8), x, weight_grids=grids)
        for grids in ("symmetric", "affine")
    )
    assert torch.equal(plain(x), affine(x))
    nn.init.zeros_(module[0].weight)
    convert(module, chip_of(4, 4, 8), x, weight_grids="affine")(x)


def test_what_cannot_be_is_refused(tmp_path) -> None:
    x = stimuli(60, 6)
    module = skewed(network).float()
    with pytest.raises(ss.SettingError, match="did you mean 'affine'"):
        convert(module, chip_of(), x, weight_grids="afine")
    with pytest.raises(ss.SettingError, match=r"'ranges'.*'weight_grids'.*LSQ has grids about 0"):
        convert(module, chip_of(), x, weight_grids="affine", ranges="lsq")
    made = convert(module, chip_of(), x, weight_grids="affine")
    with pytest.raises(ss.StochsimError, match="weight_grids='symmetric'"):
        made.export_qonnx(tmp_path / "net.onnx")
    with pytest.raises(ss.SettingError, match=r"'layers\.0\.weights' = 4: .*affine"):
        made.learn_widths()


@pytest.mark.parametrize(
    ("zeros", "rule"),
    [
        ([8, 0], "should be from -8 to 7"),
        ([0, -9], "should be from -8 to 7"),
        ([1], r"shape \(neuron\) = \(2,\)"),
        ([0.5, 0.5], "int16"),
    ],
)
def test_zero_points_that_no_layer_has_are_refused(zeros, rule: str) -> None:
    grid = Quantizer(4, 0.25)
    codes = np.ones((2, 2), np.int8)
    with pytest.raises(ss.SettingError, match=rule) as error:
        Layer(codes, 4, 0.5, grid, grid, np.zeros(2), np.zeros(2), zero_points=np.array(zeros))
    assert "zero_points" in str(error.value)
    with pytest.raises(ss.SettingError, match="at one bit"):
        Layer(codes, 1, 0.5, grid, grid, np.zeros(2), np.zeros(2), zero_points=np.ones(2, int))


def test_a_recurrent_program_has_none() -> None:
    grid = Quantizer(4, 0.25)
    square, nothing = np.ones((3, 3), np.int8), np.zeros(3)
    plain = Layer(square, 4, 0.5, grid, grid, nothing, nothing)
    affine = Layer(square, 4, 0.5, grid, grid, nothing, nothing, zero_points=np.ones(3, int))
    for place, layers in {"lateral": (plain, affine), "readout": (affine, plain)}.items():
        with pytest.raises(ss.SettingError, match=f"{place}.zero_points"):
            recurrent(*layers, np.zeros((16, 3)), steps=2, radius=0.5)
