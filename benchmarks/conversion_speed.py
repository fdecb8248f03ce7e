"""How long does a converted network take, against Brevitas's fake quantisation and plain torch?

LeNet and ResNet-20 on pictures of 12 × 12, batch 64, with weights and values of 8 bits. "Brevitas":
the same network of its QuantConv2d, QuantLinear (inputs on 8 bits, outputs of the linear layers
too) and QuantReLU, in place of torch's layers, as a user writes it. "Chip": the float network
converted for a digital chip; "of Brevitas's": that of Brevitas converted. An evaluation is one
forward pass without gradients, a training step a forward and a backward pass. On an array training
draws sums by their mean and variance, fitted anew every 100 calls: the fit is a part of every
step's time. An image of ResNet-20 on the array is one of its original size (16, 32 and 64 channels,
32 × 32), batch 8.

A ratio is of times taken turn by turn in one process: its median over turns, and its 10 % and 90 %
quantiles.
"""

import copy
import time
import warnings
from typing import Any

import brevitas.nn as qnn
import torch
from _bench import Figure, Options, main
from _speed import THREADS, quantiles, turn_by_turn
from _zoo import le_net, res_net_20
from brevitas.quant import Int8ActPerTensorFloat
from torch import nn

from stochsim.hardware import preset
from stochsim.lowering import ChipModule, convert
from stochsim.lowering.array_surrogate import CALLS

BATCH = 64
DIGITAL = preset("digital-45nm").with_precision(8, 8, 8)
ARRAY = preset("rram-array")
NETWORKS = {"LeNet": le_net, "ResNet-20": res_net_20}
BARS = {"evaluation": 2.0, "training": 2.0, "array": 4.0, "image": 0.3}


def in_brevitas(network: nn.Module) -> nn.Module:
    """The same network of Brevitas's layers, 8 bits."""
    quantised = copy.deepcopy(network)
    for path, layer in list(quantised.named_modules()):
        new: Any = None
        if isinstance(layer, nn.Linear):
            sizes = (layer.in_features, layer.out_features)
            grids = {"input_quant": Int8ActPerTensorFloat, "output_quant": Int8ActPerTensorFloat}
            new = qnn.QuantLinear(*sizes, layer.bias is not None, **grids)
        elif isinstance(layer, nn.Conv2d):
            new = qnn.QuantConv2d(
                layer.in_channels,
                layer.out_channels,
                layer.kernel_size,
                stride=layer.stride,
                padding=layer.padding,
                groups=layer.groups,
                bias=layer.bias is not None,
                input_quant=Int8ActPerTensorFloat,
            )
        elif isinstance(layer, nn.ReLU):
            new = qnn.QuantReLU()
        if new is not None:
            quantised.set_submodule(path, new)
    return quantised


def evaluation(network: nn.Module, x: torch.Tensor) -> Any:
    """A forward pass, as a work to be timed."""
    network = copy.deepcopy(network).eval()

    def once() -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = network(x)
        return found

    return once


def training(network: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> Any:
    """A forward and a backward pass, as a work to be timed."""
    network = copy.deepcopy(network).train()

    def once() -> None:
        network.zero_grad()
        nn.functional.cross_entropy(network(x), labels).backward()

    return once


def _over(name: str, ours: Any, theirs: Any, baseline: str, bar: float | None) -> Figure:
    """The ratio of two rows of times."""
    return Figure(name, *quantiles(ours / theirs), "×", baseline, bar, better="lower")


def network_figures(name: str, turns: int) -> list[Figure]:
    """Ratios of one network."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    x = torch.rand(BATCH, 1, 12, 12)
    labels = torch.arange(BATCH) % 10
    quantised = in_brevitas(network).train()
    with torch.no_grad():
        for one in (network, quantised):
            for _ in range(3):  # running statistics, and ranges
                one(x)
    network.eval()
    quantised.eval()
    chips = {"Chip": convert(network, DIGITAL, x), "of Brevitas's": convert(quantised, DIGITAL, x)}
    networks = {"torch": network, "Brevitas": quantised, **chips}
    figures = []
    for kind, work in (
        ("evaluation", lambda one: evaluation(one, x)),
        ("training", lambda one: training(one, x, labels)),
    ):
        times = turn_by_turn({key: work(one) for key, one in networks.items()}, turns)
        figures += [
            _over(f"{name}, {kind}: {key}", times[key], times["Brevitas"], "Brevitas", BARS[kind])
            for key in chips
        ]
        of_torch = times["Brevitas"] / times["torch"]
        figures.append(Figure(f"{name}, {kind}: Brevitas", *quantiles(of_torch), "×", "torch"))
    on_array = convert(network, ARRAY.with_precision(8, 8, 8), x)
    return [*figures, _array_figure(name, chips["Chip"], on_array, (x, labels), turns)]


def _array_figure(
    name: str, digital: ChipModule, array: ChipModule, data: tuple[Any, Any], turns: int
) -> Figure:
    """A step of training on an array, its part of a fit with it, over one on a digital chip."""
    x, labels = data
    steps = {"array": training(array, x, labels), "digital": training(digital, x, labels)}
    steps["array"]()  # compiled and built
    fits = []
    for _ in range(3):
        first = training(array, x, labels)  # a copy, which fits at its first step
        start = time.perf_counter()
        first()
        fits.append(time.perf_counter() - start)
    times = turn_by_turn(steps, turns)
    whole = times["array"] + sorted(fits)[1] / CALLS
    return _over(f"{name}, training: array", whole, times["digital"], "digital", BARS["array"])


def image_figure(turns: int) -> Figure:
    """Seconds that an image of ResNet-20 takes on an RRAM array."""
    torch.manual_seed(0)
    images = torch.rand(8, 3, 32, 32)
    network = res_net_20((16, 32, 64), 3).train()
    with torch.no_grad():
        network(images)
    on_array = convert(network.eval(), ARRAY, images)
    times = turn_by_turn({"image": evaluation(on_array, images)}, max(3, turns // 3))["image"]
    seconds = quantiles(times / len(images))
    return Figure(
        "ResNet-20 of 32 × 32 on rram-array: image", *seconds, "s", None, BARS["image"], "lower"
    )


def measure(options: Options) -> list[Figure]:
    """9 turns; 3 with --quick, of LeNet alone."""
    warnings.simplefilter("ignore")  # of random weights
    torch.set_num_threads(THREADS)
    turns = 3 if options.quick else 9
    if options.quick:
        return network_figures("LeNet", turns)
    figures = [one for name in NETWORKS for one in network_figures(name, turns)]
    return [*figures, image_figure(turns)]


if __name__ == "__main__":
    main(__doc__, measure)
