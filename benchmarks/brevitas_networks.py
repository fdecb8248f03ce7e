"""Quantised networks of Brevitas: does the converted chip give the same integers, code for code?

Two hundred networks of random shapes: linear layers, convolutions of one and two dimensions, plain
and depthwise, with borders, strides, batch normalisation and pooling, recurrent stacks (LSTM, RNN),
with weights and values of 1 to 8 bits on grids per tensor and per channel, symmetric, affine,
binary, ternary, scales of powers of two or not, biased or not. Outputs are compared with
Brevitas's in float64 and without noise. Where an exact sum lies on an edge between two codes,
Brevitas's own sum of floats may be off by its last place and take the other code; the chip sums
integers. Such codes are counted apart: in the first layer where codes differ, the sum is within
1e-9 steps of an edge.
"""

import sys
import time
import warnings
from typing import Any, NamedTuple

import brevitas.nn as qnn
import brevitas.quant as grids
import numpy as np
import torch
from _bench import Figure, Options, main
from torch import nn

from stochsim.hardware import preset
from stochsim.lowering import convert
from stochsim.settings import StochsimError

NETWORKS, QUICK_NETWORKS = 200, 20
STIMULI = 24
QUIET = preset("digital-45nm").with_precision(8, 8, 8)
EDGE = 1e-9  # of a step: more than float64 sums are off

_WEIGHTS = (
    grids.Int8WeightPerTensorFloat,
    grids.Int8WeightPerChannelFloat,
    grids.Int8WeightPerTensorFixedPoint,
    grids.ShiftedUint8WeightPerTensorFloat,
    grids.ShiftedUint8WeightPerChannelFloat,
    grids.SignedBinaryWeightPerTensorConst,
    grids.SignedTernaryWeightPerTensorConst,
)
_VALUES = (
    grids.Int8ActPerTensorFloat,
    grids.Uint8ActPerTensorFloat,
    grids.ShiftedUint8ActPerTensorFloat,
    grids.Int8ActPerTensorFixedPoint,
    grids.Uint8ActPerTensorFixedPoint,
    grids.SignedBinaryActPerTensorConst,
)
_POSITIVE = (grids.Uint8ActPerTensorFloat, grids.Uint8ActPerTensorFixedPoint)
_KINDS = ("linear", "conv1d", "conv2d", "depthwise", "LSTM", "RNN")


class Made(NamedTuple):
    """A network, its stimuli, and how many of its parts end with each quantiser of values."""

    module: Any
    x: torch.Tensor
    ends: list[int]


class _Outputs(nn.Module):
    """The outputs of a recurrent stack without its states."""

    def __init__(self, stack: nn.Module) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, x: torch.Tensor) -> Any:
        """Outputs of every step."""
        return self.stack(x)[0]


def made(number: int) -> Made:
    """The network of a number."""
    random = np.random.default_rng(number)
    torch.manual_seed(number)
    kind = _KINDS[number % len(_KINDS)]
    if kind in ("LSTM", "RNN"):
        return _recurrent(kind, random)
    width = int(random.integers(2, 7))
    axes = {"linear": 0, "conv1d": 1}.get(kind, 2)
    parts = [_values(random, qnn.QuantIdentity, _VALUES)]
    x = torch.randn(STIMULI, width, *(17,) * axes, dtype=torch.float64)
    ends = []
    for place in range(random.integers(1, 4)):
        neurons = width * int(random.integers(1, 3))
        stride = 1 if place else int(random.integers(1, 3))
        parts.append(_product(random, kind, (width, neurons), stride))
        if axes and random.integers(3) == 0:
            parts.append((nn.BatchNorm1d if axes == 1 else nn.BatchNorm2d)(neurons))
        if random.integers(2):
            parts.append(_values(random, qnn.QuantReLU, _POSITIVE))
        else:
            parts.append(_values(random, qnn.QuantIdentity, _VALUES))
        ends.append(len(parts))
        if axes == 2 and random.integers(4) == 0:
            parts.append(nn.MaxPool2d(2, 1))
        width = neurons
    return Made(_settled(nn.Sequential(*parts), x), x, ends)


def _recurrent(kind: str, random: np.random.Generator) -> Made:
    sizes = (int(random.integers(2, 6)), int(random.integers(2, 6)))
    bits = {
        f"{name}_bit_width": int(random.integers(2, 9))
        for name in ("weight", "io", "gate_acc", "sigmoid", "tanh", "cell_state")
    }
    choice: dict[str, Any] = {"batch_first": True, "bias": bool(random.integers(2))}
    choice["weight_quant"] = _WEIGHTS[random.integers(3)]
    if random.integers(2):
        choice["gate_acc_quant"] = None
    if kind == "LSTM":
        stack = qnn.QuantLSTM(
            *sizes, **choice, **bits, coupled_input_forget_gates=bool(random.integers(2))
        )
    else:
        words = ("weight_bit_width", "io_bit_width")
        stack = qnn.QuantRNN(
            *sizes,
            nonlinearity=("tanh", "relu")[random.integers(2)],
            **choice,
            **{word: bits[word] for word in words},
        )
    x = torch.randn(STIMULI, 3, sizes[0], dtype=torch.float64)
    return Made(_settled(_Outputs(stack), x), x, [])


def _values(random: np.random.Generator, layer: Any, kinds: tuple[Any, ...]) -> nn.Module:
    """A quantiser of values on a random grid."""
    kind = kinds[random.integers(len(kinds))]
    if kind is grids.SignedBinaryActPerTensorConst:
        return layer(act_quant=kind, scaling_init=0.5)
    return layer(act_quant=kind, bit_width=int(random.integers(1 if kind in _POSITIVE else 2, 9)))


def _product(
    random: np.random.Generator, kind: str, sizes: tuple[int, int], stride: int
) -> nn.Module:
    """A layer with weights on a random grid; sizes: inputs and neurons."""
    weights = _WEIGHTS[random.integers(len(_WEIGHTS))]
    choice: dict[str, Any] = {"weight_quant": weights, "bias": bool(random.integers(2))}
    if weights.__name__.endswith("Const"):
        choice["weight_scaling_init"] = 0.1
    else:
        choice["weight_bit_width"] = int(random.integers(2, 9))
    if choice["bias"] and random.integers(2):
        choice["bias_quant"] = grids.Int8BiasPerTensorFloatInternalScaling
    if kind == "linear":
        return qnn.QuantLinear(*sizes, **choice)
    choice |= {"padding": int(random.integers(2)), "stride": stride}
    if kind == "conv1d":
        return qnn.QuantConv1d(*sizes, 3, **choice)
    groups = sizes[0] if kind == "depthwise" else 1
    return qnn.QuantConv2d(*sizes, 3, groups=groups, **choice)


def _settled(module: nn.Module, x: torch.Tensor) -> nn.Module:
    """In float64, the ranges of its quantisers found on x, and normalisations unlike 1."""
    module = module.double().train()
    with torch.no_grad():
        for _ in range(3):
            module(x)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.weight.uniform_(-1, 1.5)
                part.bias.normal_(0, 0.3)
    return module.eval()


def values(found: Any) -> torch.Tensor:
    """Those of a tensor, quantised or not."""
    tensor: torch.Tensor = getattr(found, "value", found)
    return tensor.detach()


def differ(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Which outputs of the chip are other codes than Brevitas's."""
    wanted = values(module(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers of a single code
        found = convert(module, QUIET, x)(x)
    apart = (found - wanted).abs()
    return apart > 1e-6 * wanted.abs().max().clamp(min=1e-30)


def on_edges(network: Made) -> bool:
    """Whether, in the first layer where codes differ, the sums lie on edges between codes."""
    for end in network.ends:
        try:
            apart = differ(network.module[:end], network.x)
        except StochsimError:  # no layer of these is on the chip
            continue
        if apart.any():
            quantiser: Any = network.module[end - 1]
            drive = values(network.module[: end - 1](network.x))[apart]
            proxy = quantiser.act_quant
            if isinstance(quantiser, qnn.QuantReLU):
                drive = drive.relu()
            step = drive / proxy.scale()
            edge = 0 if int(proxy.bit_width()) == 1 and proxy.is_signed else 0.5
            return bool(((step - edge).round() + edge - step).abs().max() < EDGE)
    return False


class Count(NamedTuple):
    """Codes of one network: all, those that differ, and those that differ on edges."""

    codes: int
    apart: int
    on_edges: int


def counted(number: int) -> Count | str:
    """What one network gives, or why it is refused."""
    try:
        network = made(number)
        apart = differ(network.module, network.x)
    except StochsimError as error:
        return str(error)
    wrong = int(apart.sum())
    ties = wrong if wrong and on_edges(network) else 0
    return Count(apart.numel(), wrong - ties, ties)


def measure(options: Options) -> list[Figure]:
    """200 networks; 20 with --quick."""
    numbers = range(QUICK_NETWORKS if options.quick else NETWORKS)
    found: list[Count | str] = []
    start = time.monotonic()
    for number in numbers:
        found.append(counted(number))
        if isinstance(found[-1], str):
            print(f"network {number} is refused: {found[-1]}", file=sys.stderr)
        elif found[-1].apart:
            print(f"network {number} differs: {found[-1]}", file=sys.stderr)
        if time.monotonic() - start > 2 * (1 + number // 10):
            print(f"{number + 1} of {len(numbers)} networks", file=sys.stderr, end="\r")
    print(file=sys.stderr)
    counts = [one for one in found if isinstance(one, Count)]

    def figure(name: str, value: float, unit: str, **more: Any) -> Figure:
        return Figure(name, value, value, value, unit, **more)

    return [
        figure("networks converted", len(counts), "networks"),
        figure("networks refused", len(found) - len(counts), "networks", better="lower"),
        figure("codes compared", sum(one.codes for one in counts), "codes"),
        figure(
            "codes that differ",
            sum(one.apart for one in counts),
            "codes",
            baseline="Brevitas in float64",
            bar=0,
            better="lower",
        ),
        figure(
            "codes that differ on edges, where its sums are off by their last place",
            sum(one.on_edges for one in counts),
            "codes",
            baseline="Brevitas in float64",
            better="lower",
        ),
    ]


if __name__ == "__main__":
    main(__doc__, measure)
