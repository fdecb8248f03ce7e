"""The price of bits: joules per read of a network at real-valued widths, between whole ones by
interpolation, with gradients.
"""

import itertools
from typing import Any

import torch

from stochsim.energy import Operation, Operations
from stochsim.hardware import Hardware
from stochsim.networks import MOST_BITS, Network, bits_of, learned_width

_BITS_OF_INPUT_DITHER = 16  # as stochsim.chip.inputs bills them


def joules_per_read(network: Network, hardware: Hardware, widths: tuple[int, int, int]) -> float:
    """Joules of one read at these (weight, input, output) bits on a digital chip: products,
    conversions, codes and random bits.

    What stochsim.chip.Chip counts, but for the price of reliability, which has its own term, for
    leakage, which widths do not change, and for the reading of weights, which all reads of a
    stimulus share.
    """
    kind = network.settings.architecture.kind
    shapes = {name: tuple(layer.weight.shape) for name, layer in network.linears().items()}
    steps = network.settings.architecture.steps if kind == "recurrent" else 1
    afresh = (
        steps if hardware.noise.input_dither != "none" else 1
    )  # how often a read takes in the stimulus
    counts = Operations()
    for name, shape in shapes.items():
        codes = (widths[1] if name == "weight" else widths[2], widths[2])
        counts += _product(
            shape,
            hardware.with_precision(widths[0], *codes),
            converts=not (kind == "recurrent" and name == "weight"),
        ) * (afresh if name == "weight" else steps)
    if kind == "recurrent":  # the stimulus's part and a neuron's own are added at every step
        neurons = shapes["lateral"][0]
        width = hardware.with_precision(widths[0], widths[2], widths[2]).accumulator_width(
            shapes["lateral"][1]
        )
        counts += Operations({Operation("add", (width,)): 2 * steps * neurons})
    counts += _codes(kind, shapes, widths, steps, afresh) + _random(
        kind, shapes, hardware, steps, afresh
    )
    return hardware.with_precision(*widths).energy(counts).total_j


def _product(shape: tuple[int, int], chip: Hardware, converts: bool) -> Operations:
    """One product of a layer (neuron, input), whose widths are the chip's; the sum that a circuit
    holds is not converted.
    """
    neurons, inputs = shape
    bits = chip.precision
    counts = {
        Operation("multiply", (bits.weight_bits, bits.input_bits)): neurons * inputs,
        Operation("add", (chip.accumulator_width(inputs),)): neurons * inputs,
        Operation("dac", (bits.input_bits,)): inputs,
        Operation("adc", (bits.output_bits,)): neurons if converts else 0,
    }
    return Operations.of(counts)


def _codes(
    kind: str,
    shapes: dict[str, tuple[int, int]],
    widths: tuple[int, int, int],
    steps: int,
    afresh: int,
) -> Operations:
    """Bits of codes through the one memory that holds the stimulus's and all layers'."""
    stimulus = widths[1] * shapes["weight"][1]
    written = {name: widths[2] * neurons for name, (neurons, _) in shapes.items()}
    if kind == "recurrent":  # one state, read and written at every step
        stored = stimulus + written["lateral"]
        moved = afresh * stimulus + steps * 2 * written["lateral"]
    else:
        read = sum(widths[2] * inputs for name, (_, inputs) in shapes.items() if name != "weight")
        stored = stimulus + sum(written.values())
        moved = stored + read + written.get("spread", 0)  # its codes are read where sigma is set
    return Operations({Operation("code_memory", (stored,)): moved})


def _random(
    kind: str, shapes: dict[str, tuple[int, int]], hardware: Hardware, steps: int, afresh: int
) -> Operations:
    """Random bits of the neurons that are read, of all where output quantisers dither, and of
    inputs that are rounded stochastically.
    """
    last = {"single": "weight", "deep": "last", "recurrent": "lateral"}[kind]
    drawing = shapes if hardware.noise.dither != "none" and kind != "recurrent" else (last,)
    sources = sum(-(-shapes[name][0] // hardware.random.neurons_per_source) for name in drawing)
    inputs = (
        _BITS_OF_INPUT_DITHER * afresh * shapes["weight"][1]
        if hardware.noise.input_dither != "none"
        else 0
    )
    return Operations(
        {Operation("random"): steps * sources * hardware.random_bits_per_code + inputs}
    )


class BitPrice:
    """lambda times joules per read, as a term of the objective: trilinear between whole widths of
    weights, inputs and outputs.
    """

    def __init__(self, hardware: Hardware, exchange: float) -> None:
        self.hardware = hardware
        self.exchange = exchange
        self._table: torch.Tensor | None = None

    def __call__(self, network: Network) -> torch.Tensor:
        """Nats per read at the network's present widths."""
        if self._table is None:
            widths = range(1, MOST_BITS + 1)
            rows = [
                joules_per_read(network, self.hardware, each)
                for each in itertools.product(widths, widths, widths)
            ]
            self._table = (
                torch.tensor(rows, dtype=torch.float64).reshape(MOST_BITS, MOST_BITS, MOST_BITS)
                * self.exchange
            )
        return interpolated(self._table, present_bits(network))


def present_bits(network: Network) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Learned widths of weights (averaged over layers), inputs and outputs, with their gradients;
    Brevitas rounds them to whole bits.
    """
    weights = torch.stack([learned_width(layer) for layer in network.linears().values()]).mean()
    return weights, bits_of(network.input_quantizer), bits_of(network.output_quantizer)


def learned_widths(network: Network) -> tuple[int, int, int]:
    """The same as whole numbers."""
    first, second, third = (round(float(bits.detach())) for bits in present_bits(network))
    return first, second, third


def interpolated(table: torch.Tensor, place: Any) -> torch.Tensor:
    """Multilinear interpolation in a table (8, 8, 8) whose entry 0 stands for one bit; at whole
    widths the slope of the next step.
    """
    value: Any = table
    for bits in place:
        position = (bits.double() - 1).clamp(0, len(value) - 1)
        low = min(int(position.detach()), len(value) - 2)
        value = value[low] + (position - low) * (value[low + 1] - value[low])
    return value.float()
