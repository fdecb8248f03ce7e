"""What a chip is billed for beside its products: memories, random bits, neurons held at a noise level."""

from collections.abc import Iterable, Mapping

import numpy as np

from stochsim.deploy.program import Program
from stochsim.energy import Operation
from stochsim.hardware import Hardware

Counts = dict[Operation, float]


def add(counts: Counts, more: Mapping[Operation, float]) -> None:
    """Add to counts, in place."""
    for operation, count in more.items():
        counts[operation] = counts.get(operation, 0) + count


def weight_memory(programs: Iterable[Program], stimuli: int) -> Counts:
    """One memory holds the weights of all layers; each is read once per stimulus."""
    bits = sum(program.weight_bits * program.neurons * program.inputs for program in programs)
    return {Operation("weight_memory", (bits,)): stimuli * bits}


def input_bits(program: Program) -> int:
    """Bits of a layer's input codes."""
    return program.input.bits * program.inputs


def output_bits(program: Program) -> int:
    """Bits of a layer's output codes."""
    return program.output.bits * program.neurons


def code_memory(stored: int, moved: float) -> Counts:
    """Bits that pass a memory which holds `stored` of them."""
    return {Operation("code_memory", (stored,)): moved}


def random_bits(hardware: Hardware, program: Program, draws: int) -> float:
    """Random bits of so many draws of all neurons of a layer, as its sources share them."""
    return draws * -(-program.neurons // hardware.random.neurons_per_source) * hardware.random_bits_per_code


def hold(hardware: Hardware, sigma: np.ndarray, times: np.ndarray) -> Counts:
    """Neurons held at these sigmas (any shape), each so many times (the same shape, or one number)."""
    counts: Counts = {}
    for one, count in np.nditer([sigma, times]):
        add(counts, {hardware.reliability.hold(float(one)): float(count)})
    return counts
