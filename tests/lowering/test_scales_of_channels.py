"""Weights whose neurons or output channels have scales of their own: grids, codes, noise, files."""

import itertools

import numpy as np
import pytest
import torch

import stochsim as ss
from stochsim.hardware import Noise
from stochsim.networks import nearest_values, optimal_row_steps, optimal_weight_step
from stochsim.program import Layer, Quantizer, single_layer
from stochsim.settings import SettingError, StochsimError

HARDWARE = ss.load_hardware("digital-45nm", bits=4)
SCALES = np.array([0.5, 2.0, 0.125])


def layer(scales=SCALES, sigma=0.0):
    codes = np.array([[7, -7], [3, 4], [-1, 6]], np.int8)
    grids = Quantizer(4, 0.25), Quantizer(8, 0.5)
    return Layer(codes, 4, scales, *grids, np.array([0.1, 0.0, -0.2]), np.full(3, sigma))


@pytest.mark.parametrize("bits", range(1, 9))
def test_steps_of_rows_are_those_of_each_row(bits):
    rows = np.random.default_rng(bits).normal(0, [[1.0], [30.0], [0.01], [0.0]], (4, 50))
    expected = [optimal_weight_step(row, bits) for row in rows]
    assert optimal_row_steps(rows, bits).tolist() == pytest.approx(expected)
    one = rows[0]
    top = max(1, 2 ** (bits - 1) - 1)
    if bits > 1:  # no step of the scan has less error

        def error(step):
            return np.mean((one - step * np.clip(np.rint(one / step), -top, top)) ** 2)

        scan = np.abs(one).max() / top * np.linspace(0.02, 1, 200)
        assert error(expected[0]) == pytest.approx(min(map(error, scan)))


def test_drives_by_hand():
    """Neuron 1 reads codes 3 and -2, of 0.25 each: 7 · 3 - 7 · -2 = 35, times 0.5 · 0.25."""
    chip = ss.Chip(single_layer(layer()), HARDWARE.with_precision(4, 4, 8))
    codes = chip.sample(np.array([[0.75, -0.5]]), reads=2, key=0).codes
    drives = np.array([35 * 0.125 + 0.1, 1 * 0.5, -15 * 0.03125 - 0.2])
    assert codes[0].tolist() == [np.rint(drives / 0.5).tolist()] * 2
    wrong = ss.Chip(single_layer(layer(0.5)), HARDWARE.with_precision(4, 4, 8))
    assert wrong.sample(np.array([[0.75, -0.5]]), reads=1, key=0).codes.tolist() != codes.tolist()


@pytest.mark.parametrize("kind", ["lumped", "explicit"])
def test_noise_in_steps_is_that_of_each_neuron(kind):
    """σ of a sum is |x| σ_lsb steps of the neuron's own weights; 20,000 reads, 6 standard errors
    of a standard deviation. The negative control is one scale for all.
    """
    noisy = HARDWARE.with_precision(4, 4, 8).replace(
        noise=Noise(weight_sigma_lsb=3.0, weight_noise=kind)
    )
    wide = Layer(**(vars(layer()) | {"output": Quantizer(8, 0.2)}))
    x = np.array([[0.75, -0.5]])
    samples = ss.Chip(single_layer(wide), noisy).sample(x, reads=20_000, key=1)
    found = samples.values[0].std(0)
    length = np.hypot(0.75, 0.5)
    expected = np.sqrt((3.0 * SCALES * length) ** 2 + 0.2**2 / 12)
    assert found == pytest.approx(expected, rel=6 / np.sqrt(2 * 20_000))
    alike = np.sqrt((3.0 * SCALES.mean() * length) ** 2 + 0.2**2 / 12)
    assert abs(found[2] - alike) > 100 * expected[2] / np.sqrt(2 * 20_000)


def test_a_program_comes_back_from_its_folder(tmp_path):
    program = single_layer(layer(sigma=0.3))
    program.save(tmp_path / "program")
    again = ss.load_program(tmp_path / "program")
    assert again.readout.weight_scale.tolist() == SCALES.tolist()
    assert not again.readout.weight_scale.flags.writeable
    hardware = HARDWARE.with_precision(4, 4, 8)
    x = np.random.default_rng(0).normal(size=(5, 2))
    first, second = (ss.Chip(one, hardware).sample(x, 20, key=3).codes for one in (program, again))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("scales", "rule"),
    [
        ([0.5, 0.5], r"shape \(neuron\) = \(3,\)"),
        ([0.5, 0.0, 0.5], "above 0"),
        ([0.5, np.nan, 0.5], "finite"),
        (np.ones((3, 1)), r"shape \(neuron\) = \(3,\)"),
        (["a", "b", "c"], "numbers"),
    ],
)
def test_scales_that_no_layer_has_are_refused(scales, rule):
    with pytest.raises(SettingError, match=rule) as error:
        layer(scales)
    assert "weight_scale" in str(error.value)


def depthwise():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(4, 8, 3, padding=1, groups=4),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 6, 1),
        torch.nn.Tanh(),
        torch.nn.Flatten(),
        torch.nn.Linear(6 * 25, 3),
    ).eval()
    with torch.no_grad():  # channels of very different sizes, as folded batch normalisations make
        module[0].weight *= torch.logspace(-1.5, 1.5, 8)[:, None, None, None]
    return module, torch.randn(64, 4, 5, 5)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_codes_are_those_of_the_emulation_and_channels_lose_less(bits):
    module, x = depthwise()
    hardware = HARDWARE.with_precision(bits, bits, bits)
    channels = ss.convert(module, hardware, x, weight_scales="per-channel")
    with torch.no_grad():
        assert torch.equal(channels.emulated(x), channels(x))
        wanted = module[0].weight
        errors = {}
        for scales in ("per-tensor", "per-channel"):
            one = ss.convert(module, hardware, x, weight_scales=scales).layers["0"]
            off = (one.weight_grid(one.weight) - wanted).square().sum((1, 2, 3))
            errors[scales] = (off / wanted.square().sum((1, 2, 3))).mean()
    assert errors["per-channel"] < 0.7 * errors["per-tensor"]


def test_scales_are_learned_apart():
    module, x = depthwise()
    converted = ss.convert(module, HARDWARE, x, weight_scales="per-channel").train()
    grid = converted.layers["0"].weight_grid
    assert grid.log_scale.shape == (8,)
    converted(x)[:, 0].sum().backward()
    found = grid.log_scale.grad
    assert torch.isfinite(found).all()
    assert found.unique().numel() == 8


def test_the_gradient_to_scales_is_that_of_one_scale_row_by_row():
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scales = torch.tensor([[0.1], [0.3], [1.0]], dtype=torch.float64, requires_grad=True)
    factors = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (nearest_values(weight, scales, -7, 7) * factors).sum().backward()
    for row in range(3):
        scale = scales[row, 0].detach().clone().requires_grad_()
        (nearest_values(weight[row], scale, -7, 7) * factors[row]).sum().backward()
        assert scales.grad[row, 0].item() == pytest.approx(scale.grad.item())


def test_a_conversion_comes_back_from_its_folder(tmp_path):
    module, x = depthwise()
    noisy = HARDWARE.with_({"noise.weight_sigma_lsb": 0.5, "noise.read_sigma_lsb": 0.3})
    converted = ss.convert(module, noisy, x, weight_scales="per-channel")
    converted.program.save(tmp_path / "net")
    again = ss.load_converted(tmp_path / "net")
    assert torch.equal(again(x[:5]), converted(x[:5]))
    assert again.layers["0"].weight_grid.is_of_neurons
    with pytest.raises(StochsimError, match="per-tensor"):
        converted.export_qonnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("preset", ["sram-array-28nm", "rram-array"])
def test_arrays_scale_what_their_adcs_give(preset):
    module, x = depthwise()
    hardware = ss.load_hardware(preset, bits=6)
    errors = [
        (ss.convert(module, hardware, x, weight_scales=scales)(x) - module(x)).square().mean()
        for scales in ("per-tensor", "per-channel")
    ]
    assert errors[1] < errors[0]


def test_other_words_are_refused():
    module, x = depthwise()
    with pytest.raises(SettingError, match="per-channel"):
        ss.convert(module, HARDWARE, x, weight_scales="per-chanel")


def test_groups_have_the_scales_of_their_neurons():
    whole = layer()
    parts = [whole.group(number, 3) for number in range(3)]
    assert [part.weight_scale.tolist() for part in parts] == [[scale] for scale in SCALES]
    integers = np.array([*itertools.product((-8, 0, 7), repeat=2)])
    expected = whole.noiseless_codes(integers)
    found = np.concatenate([part.noiseless_codes(integers) for part in parts], axis=1)
    assert np.array_equal(found, expected)
