"""Transposed convolutions on the chip, and those of three axes."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from graphtest import layer_of
from qonnxrun import executed
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from stochsim.hardware import Adc, Array, Noise
from stochsim.lowering import convert, load_converted
from stochsim.lowering.transposed import turned_weight
from stochsim.program import Geometry, Graph, LayerCall, Program, Quantizer
from stochsim.settings import SettingError

BLOCKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "two axes": (lambda: nn.ConvTranspose2d(2, 3, (2, 3), (2, 3)), (2, 4, 5)),
    "one axis": (lambda: nn.ConvTranspose1d(2, 3, 4, 4, bias=False), (2, 5)),
    "one place": (lambda: nn.ConvTranspose2d(2, 3, 1), (2, 3, 3)),
    "three axes": (lambda: nn.ConvTranspose3d(2, 3, (1, 2, 2), (1, 2, 2)), (2, 2, 3, 2)),
}
WINDOWS: dict[str, dict[str, Any]] = {
    "overlap": {"kernel_size": 3, "stride": 2},
    "padding": {"kernel_size": 3, "stride": 2, "padding": 1},
    "output padding": {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
    "twice the stride": {"kernel_size": 4, "stride": 2, "padding": 1},
    "gaps": {"kernel_size": 2, "stride": 3, "output_padding": 2},
    "groups": {"kernel_size": 3, "stride": 2, "groups": 2, "bias": False},
    "blocks of groups": {"kernel_size": 2, "stride": 2, "groups": 2},
    "dilation": {"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 2},
    "stride of one": {"kernel_size": 3, "stride": 1, "padding": 1},
    "padded blocks": {"kernel_size": 2, "stride": 2, "padding": 1},
}
KINDS = {1: (nn.ConvTranspose1d, (4, 6)), 2: (nn.ConvTranspose2d, (4, 3, 4))}
KINDS |= {3: (nn.ConvTranspose3d, (4, 3, 2, 3))}
FUNCTIONS = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
CASES = [(name, axes) for name in WINDOWS for axes in KINDS]


def overlapping(name: str, axes: int) -> tuple[nn.Module, torch.Tensor]:
    """A transposed convolution, and stimuli."""
    kind, shape = KINDS[axes]
    return seeded(lambda: kind(4, 6, **WINDOWS[name])).double(), stimuli(24, *shape).double()


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_layers_with_a_neuron_for_each_place(name: str, tmp_path) -> None:
    make, shape = BLOCKS[name]
    module, x = seeded(make), stimuli(40, *shape)
    made = convert(module, chip_of(8, 8, 8), x)
    (layer,) = made.layers.values()
    kernel = module.kernel_size
    assert layer.weight.shape[:2] == (3 * int(np.prod(kernel)), 2)
    wanted = module(x).detach().numpy()
    step = float(layer.output_grid.step().detach())
    assert made(x).numpy() == pytest.approx(wanted, abs=6 * step)
    assert np.abs(made(x).numpy() - wanted).mean() < step
    with FlopCounterMode(display=False) as counted:
        module(x[:1])
    assert made.bill(x[:1]).multiply_adds.on_chip == counted.get_total_flops() / 2
    made.program.save(tmp_path / "net")
    assert np.array_equal(load_converted(tmp_path / "net").sample(x, 2, 0), made.sample(x, 2, 0))
    made.train()(x).square().sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize(("name", "axes"), CASES)
def test_sums_are_those_of_torch_on_integers(name: str, axes: int) -> None:
    """The codes of inputs and weights through torch's own transposed convolution, in float64, then
    the bias and the outputs' grid: the chip's values, the emulation's, and those without a grid
    within what rounding can do.
    """
    module, x = overlapping(name, axes)
    made = convert(module, chip_of(8, 8, 8), x, ranges="minmax")
    (layer,) = made.layers.values()
    own = {key: one for key, one in WINDOWS[name].items() if key not in ("kernel_size", "bias")}
    grid = layer.input_grid
    inputs = (x / grid.scale()).round().clamp(grid.low, grid.high)
    codes = turned_weight(layer.weight_grid.integers(layer.weight).double(), own.get("groups", 1))
    sums = FUNCTIONS[axes](inputs, codes, **own)
    drive = sums * (grid.scale() * layer.weight_grid.scale())
    drive = drive if layer.bias is None else drive + layer.bias.reshape(-1, *(1,) * axes)
    wanted = layer.output_grid(drive)
    assert torch.equal(made(x), wanted)
    assert torch.equal(made.emulated(x), wanted)
    errors = [float(one.scale().detach()) / 2 for one in (layer.weight_grid, grid)]
    most = 4 // own.get("groups", 1) * 3**axes
    off = (made(x) - module(x)).detach().abs().max()
    bound = most * (
        errors[0] * float(x.abs().max()) + errors[1] * float(layer.weight.detach().abs().max())
    )
    assert float(off) <= bound + float(layer.output_grid.step().detach())


@pytest.mark.parametrize(("name", "axes"), CASES)
def test_multiply_adds_are_those_with_inputs(name: str, axes: int) -> None:
    """Zeros between inputs and beside them are no work: products of every input with every weight
    that an output of the module needs, counted one by one.
    """
    module, x = overlapping(name, axes)
    made = convert(module, chip_of(8, 8, 8), x)
    counted = made.bill(x[:1]).multiply_adds.on_chip
    if WINDOWS[name]["stride"] == 1:  # a convolution, whose border counts
        outputs = module(x[:1])[0].numel()
        assert counted == outputs * 4 * 3**axes
        return
    groups = WINDOWS[name].get("groups", 1)
    ones = {**WINDOWS[name], "bias": False, "groups": 1}
    single = type(module)(1, 1, **ones)
    with torch.no_grad():
        single.weight.fill_(1.0)
        met = single(torch.ones(1, 1, *x.shape[2:])).sum()
    assert counted == float(met) * 4 * 6 / groups


@pytest.mark.parametrize("axes", KINDS)
def test_a_layer_before_passes_its_codes_on(axes: int, tmp_path) -> None:
    """Zeros between codes need no grid of their own; files, noise and training as of any layer."""
    module, x = overlapping("output padding", axes)
    network = nn.Sequential(type_of_convolution(axes)(4, 4, 1), nn.ReLU(), module.float())
    noisy = chip_of(4, 5, 5, noise=Noise(weight_sigma=0.02, read_sigma_lsb=0.3))
    made = convert(network, noisy, x.float())
    assert made.layers["2"].takes_codes
    made.program.save(tmp_path)
    again = load_converted(tmp_path)
    assert again.layers["2"].geometry == made.layers["2"].geometry
    assert np.array_equal(again.sample(x, 2, 0), made.sample(x, 2, 0))
    whole = made.sample(x[:6], 2, 0)
    assert np.array_equal(made.sample(x[2:4], 2, 0, first_stimulus=2), whole[2:4])
    made.train()(x.float()).square().sum().backward()
    assert all(one.weight.grad is not None for one in made.layers.values())


def type_of_convolution(axes: int) -> type[nn.Module]:
    return (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]


def test_batch_normalisation_and_activation_are_taken_along() -> None:
    module, x = overlapping("padding", 2)
    network = nn.Sequential(module.float(), nn.BatchNorm2d(6), nn.ReLU()).train()
    network(x.float())
    made = convert(network.eval(), chip_of(8, 8, 8), x.float(), strict=True)
    (layer,) = made.layers.values()
    assert layer.activation == "relu"
    wanted = network(x.float()).detach()
    assert float((made(x.float()) - wanted).abs().max()) < 0.05 * float(wanted.max())


def test_an_array_gives_the_same_sums() -> None:
    module, x = overlapping("overlap", 2)
    array = Array(rows=16, columns=16, cell_bits=1, cycle_bits=1, adc=Adc(bits=8, range="full"))
    made = convert(module, chip_of(4, 4, 6, array=array), x)
    digital = convert(module, chip_of(4, 4, 6), x)
    assert torch.equal(made(x), digital(x))


def test_one_bit_inputs_have_no_zeros_to_stand_between() -> None:
    module, x = overlapping("overlap", 2)
    with pytest.raises(SettingError, match=r"'bits.conv_transpose2d' = 1: should be 2 at least"):
        convert(module, chip_of(4, 1, 4), x)
    made = convert(module, chip_of(4, 1, 4), x.abs())  # 0 and a scale
    assert torch.equal(made(x.abs()), made.emulated(x.abs()))
    assert made.layers


def test_an_affine_input_grid_is_not_taken() -> None:
    module, x = overlapping("overlap", 1)
    made = convert(module, chip_of(4, 4, 6), x, input_grids="affine")
    assert torch.equal(made(x), convert(module, chip_of(4, 4, 6), x)(x))


def test_padding_beyond_the_windows_stays_in_float() -> None:
    network = nn.Sequential(nn.ConvTranspose2d(2, 2, 2, 2, padding=2), nn.Conv2d(2, 3, 2))
    made = convert(network, chip_of(8, 8, 8), stimuli(30, 2, 5, 5))
    assert list(made.layers) == ["1"]
    assert made.left_in_float[0].why == "its padding takes away more than its windows reach"


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1, "groups": 2}, {"dilation": 2}])
def test_three_axes_are_those_of_torch_on_integers(options: dict[str, int], tmp_path) -> None:
    module = seeded(lambda: nn.Conv3d(4, 6, 2, **options)).double()
    x = stimuli(24, 4, 4, 3, 5).double()
    made = convert(module, chip_of(8, 8, 8), x)
    (layer,) = made.layers.values()
    grid = layer.input_grid
    inputs = (x / grid.scale()).round().clamp(grid.low, grid.high)
    codes = layer.weight_grid.integers(layer.weight).double()
    sums = functional.conv3d(inputs, codes, **options)
    drive = sums * (grid.scale() * layer.weight_grid.scale()) + module.bias.reshape(-1, 1, 1, 1)
    assert torch.equal(made(x), layer.output_grid(drive))
    assert torch.equal(made.emulated(x), made(x))
    made.program.save(tmp_path)
    assert torch.equal(load_converted(tmp_path)(x), made(x))
    with FlopCounterMode(display=False) as counted:
        module(x[:1])
    assert made.bill(x[:1]).multiply_adds.on_chip == counted.get_total_flops() / 2


@pytest.mark.skipif(not importlib.util.find_spec("onnx"), reason="needs onnx")
@pytest.mark.parametrize("name", ["output padding", "groups", "dilation"])
def test_they_are_written_as_qonnx(name: str, tmp_path) -> None:
    module, x = overlapping(name, 2)
    made = convert(module.float(), chip_of(4, 4, 6), x.float())
    made.export_qonnx(tmp_path / "net.onnx")
    values, kinds = executed(tmp_path / "net.onnx", x[:3].float())
    step = float(made.layers["conv_transpose2d"].output_grid.step().detach())
    assert np.array_equal(np.rint(values / step), np.rint(made(x[:3].float()).numpy() / step))
    assert "ConvTranspose" in kinds


def test_windows_with_zeros_between_are_checked() -> None:
    window = {"kernel": (3,), "stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
    assert Geometry(**window, input_dilation=(1,)) == Geometry(**window)
    with pytest.raises(SettingError, match=r"'input_dilation' = \(2, 2\): should have one entry"):
        Geometry(**window, input_dilation=(2, 2))
    with pytest.raises(SettingError, match=r"'input_dilation' = 0: should be an integer from 1"):
        Geometry(**window, input_dilation=(0,))
    with pytest.raises(SettingError, match=r"should be \(\) with another 'padding_mode'"):
        Geometry(**window, input_dilation=(2,), padding_mode="reflect")
    geometry = Geometry(**window, input_dilation=(2,))
    layer = layer_of(2, 3, Quantizer(1, 0.5))
    graph = Graph((LayerCall("y", "x", "up", geometry),), "x", "y", (1, 4))
    with pytest.raises(SettingError, match=r"'up\.input' = .*: should have two bits at least"):
        Program({"up": layer}, graph)


def test_scales_of_channels_are_those_of_the_places() -> None:
    module, x = seeded(lambda: nn.ConvTranspose2d(2, 3, 2, 2)), stimuli(40, 2, 4, 4)
    made = convert(module, chip_of(4, 8, 8), x, weight_scales="per-channel")
    (layer,) = made.layers.values()
    assert layer.weight_grid.scale().shape == (12,)
    assert torch.isfinite(made(x)).all()
