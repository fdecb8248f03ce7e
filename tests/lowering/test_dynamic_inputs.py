"""`convert` with block formats of inputs: scales of blocks that follow from the values, in the
emulation as on the chip.
"""

import dataclasses

import numpy as np
import pytest
import torch
from conversiontest import chip_of, losses_of_training, seeded, stimuli
from torch import nn
from torch.nn import functional

import stochsim as ss
from stochsim.chip import Chip
from stochsim.energy import Operation
from stochsim.formats import BLOCK_FORMATS, E4M3
from stochsim.hardware import Array, Noise
from stochsim.lowering import convert, load_converted
from stochsim.lowering.dynamic_grids import DynamicGrid
from stochsim.program import DynamicQuantizer, LayerCall


def two_linear(inputs: int = 70) -> nn.Module:
    return seeded(lambda: nn.Sequential(nn.Linear(inputs, 40), nn.ReLU(), nn.Linear(40, 5)))


def spread(rows: int, inputs: int) -> torch.Tensor:
    """Values whose size differs from input to input."""
    return stimuli(rows, inputs) * 2.0 ** torch.linspace(-6, 6, inputs)


@pytest.mark.parametrize("name", list(BLOCK_FORMATS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_emulation_has_the_numbers_of_the_chip(name: str, dtype: torch.dtype) -> None:
    """Of every block, code by code, over all exponents; and the values behind two layers."""
    x = spread(60, 70).to(dtype)
    made = convert(two_linear().to(dtype), chip_of(), x, formats=name)
    grid = made.layers["0"].input_grid
    quantizer = grid.quantizer()
    assert isinstance(quantizer, DynamicQuantizer)
    assert (quantizer.format_name, grid.values_text) == (name, name)
    rng = np.random.default_rng(1)
    wide = rng.laplace(size=(200, 70)) * 2.0 ** rng.integers(-60, 60, (200, 70))
    wide = np.concatenate([wide, np.zeros((1, 70)), 0.25 * rng.integers(-40, 41, (200, 70))])
    values = torch.from_numpy(wide).to(dtype)
    rounded = grid(values.double()).numpy()
    assert np.array_equal(rounded, quantizer.rounded(values.numpy()))
    with torch.no_grad():
        emulated = made.emulated(x)
    sampled = Chip(made.program, chip_of()).sample(x, 1, 0).values[:, 0]
    assert np.array_equal(emulated.numpy(), sampled)


def test_a_block_format_of_inputs_is_dynamic_and_its_numbers_alone_are_not() -> None:
    x = spread(60, 70)
    blocks = convert(two_linear(), chip_of(), x, formats={"inputs": "mxfp4"})
    whole = convert(two_linear(), chip_of(), x, formats={"inputs": "fp4-e2m1"})
    assert [one.input_grid.is_dynamic for one in blocks.layers.values()] == [True, True]
    assert [one.input_grid.is_dynamic for one in whole.layers.values()] == [False, False]
    everything = convert(two_linear(), chip_of(), x, formats="mxfp4")
    for layer in everything.layers.values():
        assert layer.input_grid.is_dynamic
        assert not layer.takes_codes
        assert not layer.output_grid.is_dynamic
        assert layer.weight_grid.block_size == 32
    small = x / 2.0 ** torch.linspace(-6, 6, 70)
    with torch.no_grad():
        seen = [
            made.layers["0"].input_grid(torch.cat([small[:, :32] / 1000, small[:, 32:]], 1))[:, :32]
            for made in (blocks, whole)
        ]
    assert seen[0].any(1).all()
    assert not seen[1].any()  # one scale has no numbers so small


def test_the_scale_of_a_tensor_is_that_of_the_largest_example() -> None:
    x = spread(60, 70)
    made = convert(two_linear(), chip_of(), x, formats={"inputs": "nvfp4"})
    (first, _) = (one.input for one in made.program.layers.values())
    wanted = np.float32(x.abs().max().double().item() / (6 * 448))
    assert first.scale == wanted
    assert first.block_scales == E4M3
    assert first.numbers(x.numpy())[:, 70:].max() == 448
    zeros = convert(two_linear(), chip_of(), 0 * x, formats={"inputs": "nvfp4"})
    assert zeros.program.layers["0"].input.scale == 1


class Own(nn.Module):
    """A grouped convolution with holes between its inputs, then one that is transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(8, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=2, groups=2)
        self.two = nn.ConvTranspose2d(6, 3, 2, stride=2, output_padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.relu(self.one(x)))


def test_blocks_of_convolutions_are_those_of_the_unfolded_window() -> None:
    """24 inputs of a window in blocks of 16 and 8, in the order of weights: by torch's `unfold` and
    NumPy.
    """
    x = stimuli(30, 8, 6, 6)
    module = seeded(Own).double()
    made = convert(module, chip_of(), x.double(), formats={"inputs": "nvfp4"})
    with torch.no_grad():
        emulated = made.emulated(x.double()).numpy()
    sampled = Chip(made.program, chip_of()).sample(x.double(), 1, 0).values[:, 0]
    assert np.array_equal(emulated, sampled)
    own = made.layers["one"]
    quantizer = made.program.layers["one"].input
    windows = functional.unfold(x.double(), (3, 2), dilation=2, padding=(1, 0), stride=(2, 1))
    windows = windows.unflatten(1, (2, 24)).movedim(-1, 1).numpy()  # (stimulus, position, group, …)
    rounded = quantizer.rounded(windows)
    with torch.no_grad():
        weights = own.weight_grid(own.weight).reshape(2, 3, 24).numpy()
        found = own(x.double())
    drive = np.einsum("spgi,gni->sgnp", rounded, weights).reshape(30, 6, -1)
    drive += own.bias.detach().numpy()[:, None]
    with torch.no_grad():
        wanted = own.output_grid(torch.from_numpy(np.maximum(drive, 0))).reshape(found.shape)
    assert (found - wanted).abs().max() < 1e-9


class Reader(nn.Module):
    """Attention, a recurrent module and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(40, 4, batch_first=True)
        self.recurrent = nn.GRU(40, 20, batch_first=True)
        self.last = nn.Linear(20, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed, _ = self.attention(x, x, x)
        states, _ = self.recurrent(mixed)
        return self.last(states[:, -1])


@pytest.mark.parametrize("dither", ["none", "stochastic"])
def test_attention_and_recurrent_modules_read_in_blocks(dither: str, tmp_path) -> None:
    """The same codes for any batch; from a file; and from a state."""
    x = stimuli(40, 4, 40)
    noise = Noise(read_sigma_lsb=0.3, weight_sigma_lsb=0.1, input_dither=dither)
    hardware = chip_of(noise=noise)
    made = convert(seeded(Reader).eval(), hardware, x, formats="nvfp4")
    assert all(one.input_grid.is_dynamic for one in made.layers.values())
    samples = made.sample(x[:4], 5, 0)
    chip = Chip(made.program, hardware)
    alone = [chip.sample(x[s : s + 1], 5, 0, s).values for s in range(4)]
    assert np.array_equal(np.concatenate(alone), samples)
    assert len(np.unique(samples[0, :, 0])) > 1
    made.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net")
    assert np.array_equal(again.sample(x[:4], 5, 0), samples)
    other = convert(seeded(Reader, 1).eval(), hardware, 2 * x, formats="nvfp4")
    other.load_state_dict(made.state_dict())
    assert np.array_equal(other.sample(x[:4], 5, 0), samples)
    static = convert(seeded(Reader).eval(), hardware, x, formats={"weights": "nvfp4"} | PLAIN)
    with pytest.raises(RuntimeError, match="block size"):
        static.load_state_dict(made.state_dict())


PLAIN = {"inputs": "fp4-e2m1", "outputs": "fp4-e2m1"}


def test_gradients_pass_the_rounding_and_nothing_of_it_is_learned() -> None:
    grid = DynamicGrid(BLOCK_FORMATS["mxfp4"].element, 4, "e8m0")
    x = torch.tensor([[0.3, -5.5, 1.0, 2.0, 7.5]], requires_grad=True)  # two blocks
    grid(x).sum().backward()
    assert grid(x).tolist() == [[0.5, -6.0, 1.0, 2.0, 6.0]]
    assert x.grad.tolist() == [[1.0, 1.0, 1.0, 1.0, 0.0]]  # 7.5 lies beyond the end
    assert not any(one.requires_grad for one in grid.parameters())


def test_training_lowers_the_loss_through_blocks() -> None:
    x, wanted = spread(100, 40), torch.tanh(stimuli(100, 5))
    made = convert(two_linear(40), chip_of(noise=Noise(read_sigma_lsb=0.1)), x, formats="mxfp4")
    start, end = losses_of_training(made, x, wanted)
    assert end < 0.8 * start


@pytest.mark.parametrize("bits", [None, 1])
def test_rounding_at_random_is_the_same_in_training(bits: int | None) -> None:
    """Means of 4,000 calls and reads within 6 standard errors of each other, of windows too."""
    x = stimuli(2, 4, 6, seed=5)
    noise = Noise(input_dither="stochastic", input_random_bits=bits)
    module = seeded(lambda: nn.Conv1d(4, 2, 3))
    made = convert(module, chip_of(8, 4, 8, noise=noise), x, formats={"inputs": "mxfp4"})
    reads = made.sample(x, 4000, 0)
    with torch.no_grad():
        calls = made.train()(x.repeat(4000, 1, 1)).reshape(4000, *reads.shape[:1], *reads.shape[2:])
    calls = calls.numpy().swapaxes(0, 1)
    error = 6 * np.hypot(reads.std(1), calls.std(1)) / np.sqrt(4000) + 1e-6
    assert np.all(np.abs(reads.mean(1) - calls.mean(1)) < error)
    assert calls.std(1) == pytest.approx(reads.std(1), rel=0.15)
    counts = made.bill(x[:1]).counts["conv1d"]  # 4 windows of 12 inputs
    assert counts[Operation("random", ())] == (bits or 16) * 48


def test_what_blocks_of_inputs_cannot_be_is_refused() -> None:
    x, module = stimuli(40, 70), two_linear()
    with pytest.raises(ss.SettingError, match=r"'formats.inputs' = 'nvfp4'.*16.*32 \(mxfp4\)"):
        convert(module, chip_of(), x, formats={"weights": "mxfp4", "inputs": "nvfp4"})
    with pytest.raises(ss.SettingError, match=r"'formats.inputs' = 'mxfp4'.*weight_scales=8"):
        convert(module, chip_of(), x, formats={"inputs": "mxfp4"}, weight_scales=8)
    convert(module, chip_of(), x, formats={"inputs": "mxfp4"}, weight_scales=32)
    with pytest.raises(ss.SettingError, match="did you mean 'mxfp4'"):
        convert(module, chip_of(), x, formats={"inputs": "mxfp5"})
    array = chip_of(array=Array(rows=64, cell_bits=2, cycle_bits=1))
    with pytest.raises(ss.SettingError, match=r"'formats.inputs' = 'mxfp4'.*array.*'fp4-e2m1'"):
        convert(module, array, x, formats={"inputs": "mxfp4"})
    with pytest.raises(
        ss.SettingError, match=r"'formats.inputs' = 'mxfp8-e4m3'.*such as 'fp6-e2m3'"
    ):
        convert(module, array, x, formats={"inputs": "mxfp8-e4m3"})  # E4M3 needs 19 bits there
    made = convert(module, chip_of(), x, formats={"inputs": "mxfp4"})
    for bad in (np.nan, np.inf):
        with pytest.raises(ss.StochsimError, match="finite"):
            made.sample(torch.full((1, 70), bad), 1, 0)
    with pytest.raises(
        ss.StochsimError, match="inputs have the format 'mxfp4', whose blocks QONNX"
    ):
        made.export_qonnx("net.onnx")


def test_a_layer_that_finds_scales_takes_no_codes_in_any_graph() -> None:
    made = convert(two_linear(), chip_of(), stimuli(40, 70), formats={"inputs": "mxfp4"})
    program = made.program
    nodes = [
        node._replace(takes_codes=True) if isinstance(node, LayerCall) else node
        for node in program.wiring.nodes
    ]
    wiring = dataclasses.replace(program.wiring, nodes=(program.wiring.nodes[0], *nodes[1:]))
    with pytest.raises(ss.SettingError, match=r"takes_codes' = True.*scales of blocks"):
        dataclasses.replace(program, wiring=wiring)
