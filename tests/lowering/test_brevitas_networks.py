"""Networks of Brevitas: converted, they give the same integers, without noise and in float64."""

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int32Bias,
    ShiftedUint8ActPerTensorFloat,
    ShiftedUint8WeightPerChannelFloat,
    ShiftedUint8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    SignedTernaryWeightPerTensorConst,
    Uint8ActPerTensorFixedPoint,
)
from torch import nn

import stochsim as ss
from stochsim.lowering import ChipModule, convert, load_converted

QUIET = ss.load_hardware("digital-45nm", bits=8)
OUT = {"output_quant": Int8ActPerTensorFloat}


def random(*shape: int) -> torch.Tensor:
    """Stimuli (stimulus, …)."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


def settled(module: nn.Module, x: torch.Tensor) -> nn.Module:
    """In float64, the ranges of its quantisers found on x, and normalisations unlike 1.

    A range found on x is often a sum that occurs; its multiples then lie halfway between two codes,
    where the last place of a float sum decides. So ranges are moved a little, away from such sums.
    """
    module = module.double().train()
    for _ in range(3):
        module(x)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.weight.data.uniform_(-1, 1.5)
            part.bias.data.normal_(0, 0.3)
    for name, scale in module.named_buffers():
        if name.endswith("scaling_impl.buffer"):
            scale *= 1 + 0.01 * torch.rand(scale.shape, dtype=scale.dtype)
    return module.eval()


def values(found: object) -> np.ndarray:
    """Those of a tensor, quantised or not."""
    tensor = getattr(found, "value", found)
    assert isinstance(tensor, torch.Tensor)
    return tensor.detach().numpy()


def same_codes(module: nn.Module, x: torch.Tensor) -> ChipModule:
    """The converted module, after its values have been found equal to the module's."""
    module = settled(module, x)
    made = convert(module, QUIET, x)
    wanted = values(module(x))
    assert wanted.std() > 0
    assert values(made(x)) == pytest.approx(wanted, abs=1e-9)
    assert values(made.emulated(x)) == pytest.approx(wanted, abs=1e-9)
    return made


WEIGHTS = {
    "per tensor": {"weight_bit_width": 4},
    "per channel": {"weight_quant": Int8WeightPerChannelFloat, "weight_bit_width": 3},
    "not narrow": {"weight_bit_width": 3, "weight_narrow_range": False},
    "affine": {"weight_quant": ShiftedUint8WeightPerTensorFloat, "weight_bit_width": 6},
    "affine channels": {"weight_quant": ShiftedUint8WeightPerChannelFloat, "weight_bit_width": 5},
    "binary": {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_init": 0.2},
    "ternary": {"weight_quant": SignedTernaryWeightPerTensorConst, "weight_scaling_init": 0.2},
}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_grids_of_weights_and_widths_are_those_of_the_module(weights: dict[str, object]) -> None:
    module = nn.Sequential(
        qnn.QuantIdentity(bit_width=5),
        qnn.QuantLinear(6, 8, **weights),
        qnn.QuantReLU(bit_width=4),
        qnn.QuantLinear(8, 3, bias=False, **weights, **OUT, output_bit_width=6),
    )
    made = same_codes(module, random(50, 6))
    widths = [layer.bits for layer in made.layers.values()]
    assert list(made.layers) == ["1", "3"]
    assert [one[1:] for one in widths] == [(5, 4), (4, 6)]
    assert made.left_in_float == ()


INPUTS = {
    "affine": qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, bit_width=5),
    "unsigned": qnn.QuantReLU(bit_width=3),
    "fixed point": qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=4),
}


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("groups", [1, 3])
def test_convolutions_with_borders_and_normalisation(inputs: nn.Module, groups: int) -> None:
    module = nn.Sequential(
        inputs,
        qnn.QuantConv2d(3, 6, 3, padding=1, groups=groups, weight_quant=Int8WeightPerChannelFloat),
        nn.BatchNorm2d(6),
        qnn.QuantReLU(),
        nn.MaxPool2d(2),
        qnn.QuantConv2d(6, 4, 3, stride=2, padding=1, bias=False),
        qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, bit_width=6),
        nn.Flatten(),
        qnn.QuantLinear(16, 5, **OUT),
    )
    made = same_codes(module, random(20, 3, 8, 8))
    assert len(made.layers) == 3


def test_one_dimension_and_two_values() -> None:
    module = nn.Sequential(
        qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_init=0.5),
        qnn.QuantConv1d(3, 6, 3),
        qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_init=0.25),
        qnn.QuantConv1d(6, 4, 3, **OUT),
    )
    made = same_codes(module, random(20, 3, 9))
    assert [layer.bits[1] for layer in made.layers.values()] == [1, 1]


def test_a_border_that_two_values_do_not_have_stays_in_float() -> None:
    binary = {"act_quant": SignedBinaryActPerTensorConst, "scaling_init": 0.5}
    module = nn.Sequential(
        qnn.QuantIdentity(**binary),
        qnn.QuantConv1d(3, 4, 3, padding=1),
        qnn.QuantReLU(),
        qnn.QuantConv1d(4, 2, 3, **OUT),
    )
    made = same_codes(module, random(20, 3, 9))
    assert list(made.layers) == ["3"]
    assert "its border of 0" in next(one.why for one in made.left_in_float if one.name == "1")


class Residual(nn.Module):
    """Two ways on one grid, by quantised tensors; a layer that is used twice; int32 biases."""

    def __init__(self) -> None:
        super().__init__()
        whole = {"return_quant_tensor": True}
        self.start = qnn.QuantIdentity(**whole)
        self.way = qnn.QuantLinear(6, 6, bias_quant=Int32Bias, **OUT, **whole)
        self.sum = qnn.QuantEltwiseAdd(**whole)
        self.relu = qnn.QuantReLU(**whole)
        self.last = qnn.QuantLinear(6, 3, bias_quant=Int32Bias, **OUT, **whole)

    def forward(self, x: torch.Tensor) -> object:
        """A quantised tensor."""
        x = self.relu(self.sum(self.start(x), self.way(self.start(x))))
        return self.last(self.relu(self.way(x)))


def test_quantised_tensors_and_a_layer_used_twice() -> None:
    made = same_codes(Residual(), random(40, 6))
    assert list(made.layers) == ["way", "way_again", "last"]
    assert made.layers["way"].weight is made.layers["way_again"].weight


class Averaged(nn.Module):
    """Values halfway between two codes: averages that one quantiser reads again."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = qnn.QuantIdentity(bit_width=4)
        self.way = qnn.QuantLinear(6, 6, weight_bit_width=4)
        self.last = qnn.QuantLinear(6, 3, **OUT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Half of them are such."""
        x = self.grid(x)
        return self.last(self.grid((x + self.grid(self.way(x))) / 2))


class Pooled(nn.Module):
    """Averages of four codes."""

    def __init__(self) -> None:
        super().__init__()
        self.start = qnn.QuantIdentity()
        self.way = qnn.QuantConv2d(2, 4, 3)
        self.relu = qnn.QuantReLU(bit_width=4)
        self.last = qnn.QuantLinear(16, 3, **OUT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A classifier's end."""
        found = self.relu(self.way(self.start(x.reshape(-1, 2, 6, 6))))
        return self.last(self.relu(nn.functional.avg_pool2d(found, 2)).flatten(1))


class Joined(nn.Module):
    """Two ways on one grid, one behind the other, and a ReLU behind a quantiser."""

    def __init__(self) -> None:
        super().__init__()
        self.one = qnn.QuantLinear(6, 4)
        self.other = qnn.QuantLinear(6, 3)
        self.relu = qnn.QuantReLU(bit_width=4)
        self.next = qnn.QuantLinear(7, 5, output_bit_width=4, **OUT)
        self.last = qnn.QuantLinear(5, 3, **OUT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Their grids reach the layers behind them."""
        found = torch.cat([self.relu(self.one(x)), self.relu(self.other(x))], 1)
        return self.last(torch.relu(self.next(found)))


@pytest.mark.parametrize("kind", [Averaged, Pooled, Joined])
def test_grids_reach_layers_and_keep_their_scale_to_the_last_place(kind: type[nn.Module]) -> None:
    for seed in range(2):
        torch.manual_seed(seed)
        shape = (80, 72) if kind is Pooled else (80, 6)
        start = [] if kind is Averaged else [qnn.QuantIdentity()]
        same_codes(nn.Sequential(*start, kind()), random(*shape))


@pytest.mark.parametrize("weights", ["not narrow", "per channel"])
def test_normalisations_turn_signs_and_may_be_zero(weights: str) -> None:
    x = random(100, 6)
    for seed in range(2):
        torch.manual_seed(seed)
        norm = nn.BatchNorm1d(8)
        module = nn.Sequential(
            qnn.QuantIdentity(bit_width=4),
            qnn.QuantLinear(6, 8, **WEIGHTS[weights]),
            norm,
            qnn.QuantReLU(bit_width=4),
            qnn.QuantLinear(8, 3, **OUT),
        )
        settled(module, x)
        norm.weight.data[0] = 0
        norm.weight.data[1].abs_().neg_()
        made = convert(module, QUIET, x)
        wanted = values(module(x))
        assert values(made(x)) == pytest.approx(wanted, abs=1e-9)
        assert made.left_in_float == ()


class Moved(nn.Module):
    """A constant of the user's own between a quantiser and a layer with borders of 0."""

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.constant = constant
        self.relu = qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=4)
        self.layer = qnn.QuantConv1d(2, 3, 3, padding=1, **OUT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Beside the grid, or on it."""
        return self.layer(self.relu(x) + self.constant)


def test_borders_of_shifted_values_are_0() -> None:
    """A constant that is no multiple of the step leaves no code for 0: the grid is fitted."""
    x = random(40, 2, 8)
    module = settled(Moved(-0.3), x)
    made = convert(module, QUIET, x)
    step = float(made.layers["layer"].output_grid.step().detach())
    assert np.abs(values(made(x)) - values(module(x))).mean() < step
    same_codes(Moved(-0.5), x)


class Outputs(nn.Module):
    """The outputs of a recurrent stack, without its states."""

    def __init__(self, stack: nn.Module) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, x: torch.Tensor) -> object:
        """Outputs of every step."""
        return self.stack(x)[0]


STACKS = {
    "LSTM": lambda: qnn.QuantLSTM(4, 5, batch_first=True),
    "coupled": lambda: qnn.QuantLSTM(4, 5, batch_first=True, coupled_input_forget_gates=True),
    "no sums": lambda: qnn.QuantLSTM(4, 5, batch_first=True, gate_acc_quant=None),
    "two ways": lambda: qnn.QuantLSTM(4, 3, 2, batch_first=True, bidirectional=True),
    "RNN": lambda: qnn.QuantRNN(4, 5, batch_first=True, nonlinearity="relu", gate_acc_quant=None),
}


@pytest.mark.filterwarnings("ignore:Keyword arguments are being passed")  # by Brevitas itself
@pytest.mark.parametrize("name", STACKS)
def test_recurrent_stacks(name: str) -> None:
    made = same_codes(Outputs(STACKS[name]()), random(30, 2, 4))
    gates = {"LSTM": 8, "coupled": 6, "no sums": 8, "two ways": 32, "RNN": 2}
    assert len(made.layers) == gates[name]


@pytest.mark.parametrize("packed", [True, False])
def test_attention_is_taken_in_its_parts(packed: bool) -> None:
    projections = {"in_proj_output_quant": Int8ActPerTensorFloat} if packed else {}
    attention = qnn.QuantMultiheadAttention(
        6, 2, batch_first=True, packed_in_proj=packed, **projections
    )

    class Self(Outputs):
        def forward(self, x: torch.Tensor) -> object:
            return self.stack(x, x, x)[0]

    x = random(20, 3, 6)
    module = settled(Self(attention), x)
    made = convert(module, QUIET, x)
    assert len(made.layers) == (2 if packed else 4)
    within = 0.05 * np.abs(values(module(x))).max()  # its outputs have no quantiser of their own
    assert values(made(x)) == pytest.approx(values(module(x)), abs=within)


def test_convolutions_of_three_axes_keep_their_codes() -> None:
    layer = qnn.QuantConv3d(2, 3, 2, weight_bit_width=4, weight_scaling_per_output_channel=True)
    module = nn.Sequential(qnn.QuantIdentity(bit_width=5), layer, qnn.QuantIdentity(bit_width=6))
    assert list(same_codes(module, random(30, 2, 4, 3, 4)).layers) == ["1"]


def test_embeddings_keep_their_quantised_values() -> None:
    class Ids(nn.Sequential):
        """Of whole numbers."""

    module = Ids(qnn.QuantEmbedding(9, 6), qnn.QuantIdentity(), qnn.QuantLinear(6, 3, **OUT))
    ids = torch.arange(54).reshape(18, 3) % 9
    assert list(same_codes(module, ids).layers) == ["2"]


def test_it_is_trained_further_and_saved_with_its_grids(tmp_path) -> None:
    x = random(40, 6)
    module = nn.Sequential(
        qnn.QuantIdentity(bit_width=4),
        qnn.QuantLinear(6, 5, weight_bit_width=2, weight_narrow_range=False),
        qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat, bit_width=4),
        qnn.QuantLinear(5, 3, **OUT),
    )
    made = same_codes(module, x)
    made.program.save(tmp_path / "network")
    read = load_converted(tmp_path / "network")
    assert np.array_equal(values(read(x)), values(made(x)))
    made.train()
    made(x).square().mean().backward()
    assert all(one.grad is not None for one in made.parameters())


def test_the_copy_alone_is_rewritten() -> None:
    x = random(30, 6)
    module = settled(nn.Sequential(qnn.QuantLinear(6, 3, **OUT)), x)
    before = {name: one.clone() for name, one in module.state_dict().items()}
    convert(module, QUIET, x)
    assert isinstance(module[0], qnn.QuantLinear)
    assert all(torch.equal(one, before[name]) for name, one in module.state_dict().items())


def test_a_quantiser_that_is_kept_stays() -> None:
    x = random(30, 6)
    module = settled(nn.Sequential(qnn.QuantIdentity(), qnn.QuantLinear(6, 3, **OUT)), x)
    made = convert(module, QUIET, x, keep_float=["0"])
    assert [(one.name, one.why) for one in made.left_in_float] == [("0", "kept in float, as asked")]
    assert values(made(x)) == pytest.approx(values(module(x)), abs=1e-9)


def test_values_of_quantised_tensors_are_asked_for_in_a_way_that_works() -> None:
    class Values(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = qnn.QuantLinear(6, 3, **OUT, return_quant_tensor=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x).value

    x = random(30, 6)
    with pytest.raises(ss.StochsimError, match=r"write getattr\(x, 'value', x\)"):
        convert(settled(Values(), x), QUIET, x)


def test_widths_of_the_module_hold() -> None:
    x = random(30, 6)
    module = settled(nn.Sequential(qnn.QuantLinear(6, 3, weight_bit_width=4, **OUT)), x)
    with pytest.raises(ss.SettingError, match="should be 4 for its weights, as the network is"):
        convert(module, QUIET, x, bits={"0": (3, 8, 8)})
    assert convert(module, QUIET, x, bits={"0": (4, 5, 8)}).layers["0"].bits == (4, 5, 8)


REFUSED = {
    "rounding down": (
        qnn.QuantIdentity(float_to_int_impl_type="FLOOR"),
        "does not round to the nearest integer",
    ),
    "a layer that is not known": (qnn.QuantScaleBias(6, bias=True, runtime_shape=(1, -1)), "'0'"),
}


@pytest.mark.parametrize(("part", "says"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_integers_of_ours_is_refused_by_name(part: nn.Module, says: str) -> None:
    x = random(30, 6)
    module = settled(nn.Sequential(part, qnn.QuantLinear(6, 3, **OUT)), x)
    with pytest.raises(ss.StochsimError, match=says):
        convert(module, QUIET, x)


def test_wide_weights_stay_in_float() -> None:
    x = random(30, 6)
    wide = {"weight_quant": ShiftedUint8WeightPerTensorFloat, "weight_bit_width": 8}
    module = nn.Sequential(
        qnn.QuantLinear(6, 5, **wide), qnn.QuantReLU(), qnn.QuantLinear(5, 3, **OUT)
    )
    module[0].weight.data.uniform_(0.5, 1)
    module = settled(module, x)
    made = convert(module, QUIET, x)
    assert list(made.layers) == ["2"]
    assert "its weights are integers of 9 bits" in made.left_in_float[0].why
