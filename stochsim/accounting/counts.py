"""What a chip is billed for, layer by layer: counts of operations, and those beside the products:
memories, random bits, held neurons.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from stochsim.energy import Operation, Operations
from stochsim.hardware import Hardware
from stochsim.program import AnyProgram, DeepProgram, Program, RecurrentProgram

Counts = dict[tuple[str, Operation], float]
"""How often each operation happened, by layer."""

INPUT = "input"
"""The layer of what belongs to the stimuli themselves: the random bits that round them."""


def layer_names(program: AnyProgram) -> tuple[str, ...]:
    """Names of the layers, in the order of `program.layers`."""
    if isinstance(program, DeepProgram):
        return (
            *(f"hidden {number}" for number in range(1, len(program.hidden) + 1)),
            "spread",
            "last",
        )
    return ("forward", "lateral") if isinstance(program, RecurrentProgram) else ("weight",)


def add(counts: Counts, layer: str, more: Mapping[Operation, float]) -> None:
    """Add what a layer took to counts, in place."""
    for operation, count in more.items():
        counts[layer, operation] = counts.get((layer, operation), 0) + count


def by_layer(counts: Counts, names: Iterable[str]) -> dict[str, Operations]:
    """Operations of each layer of these names, and first those of the stimuli where there are
    any.
    """
    found: dict[str, dict[Operation, float]] = {INPUT: {}, **{name: {} for name in names}}
    for (layer, operation), count in counts.items():
        found[layer][operation] = count
    return {
        layer: Operations.of(own)
        for layer, own in found.items()
        if layer != INPUT or any(own.values())
    }


def total(counts: Counts) -> Operations:
    """The sum over layers."""
    summed: dict[Operation, float] = {}
    for (_, operation), count in counts.items():
        summed[operation] = summed.get(operation, 0) + count
    return Operations.of(summed)


def weight_bits(program: Program) -> int:
    """Bits of a layer's weights."""
    return program.weight_bits * program.neurons * program.inputs


def input_bits(program: Program) -> int:
    """Bits of a layer's input codes."""
    return program.input.bits * program.inputs


def output_bits(program: Program) -> int:
    """Bits of a layer's output codes."""
    return program.output.bits * program.neurons


def weight_memory(
    hardware: Hardware, layers: Mapping[str, Program], stimuli: int, reads: int
) -> Counts:
    """One memory holds the weights of all layers, so its size sets the price of a bit; they are
    read once per stimulus, or every read.
    """
    size = sum(map(weight_bits, layers.values()))
    times = stimuli * reads if hardware.memory.weights_read == "read" else stimuli
    return {
        (name, Operation("weight_memory", (size,))): times * weight_bits(program)
        for name, program in layers.items()
    }


def code_operation(layers: Mapping[str, Program]) -> Operation:
    """One bit through the memory that holds the codes of the stimulus and of all layers that follow
    one another.
    """
    first = next(iter(layers.values()))
    return Operation("code_memory", (input_bits(first) + sum(map(output_bits, layers.values())),))


def code_memory(layers: Mapping[str, Program], draws: int) -> Counts:
    """At every draw each layer reads its inputs and writes its outputs."""
    return {
        (name, code_operation(layers)): draws * (input_bits(one) + output_bits(one))
        for name, one in layers.items()
    }


def random_bits(hardware: Hardware, program: Program, draws: int) -> float:
    """Random bits of so many draws of all neurons of a layer, as its sources share them."""
    return (
        draws
        * -(-program.neurons // hardware.random.neurons_per_source)
        * hardware.random_bits_per_code
    )


def hold(hardware: Hardware, sigma: np.ndarray, times: np.ndarray) -> dict[Operation, float]:
    """Neurons held at these sigmas (any shape), each so many times (the same shape, or one
    number).
    """
    counts: dict[Operation, float] = {}
    for one, count in np.nditer([sigma, times]):
        operation = hardware.reliability.hold(float(one))
        counts[operation] = counts.get(operation, 0) + float(count)
    return counts
