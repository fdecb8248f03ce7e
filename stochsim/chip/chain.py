"""The bill of layers one after another that no program holds: any number of them, each with the
codes that it reads.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from stochsim.accounting import Bill, layer_cycles, upkeep
from stochsim.accounting import counts as tally
from stochsim.chip.inputs import RANDOM_BITS
from stochsim.chip.layer import Layer
from stochsim.energy import Operation
from stochsim.hardware import Hardware
from stochsim.keys import generator
from stochsim.program import Program, Quantizer
from stochsim.settings import SettingError, check_memory


class Link(NamedTuple):
    """A layer and the integers that it reads, (stimulus, input) int8, as `Program.input.integers`
    gives them.
    """

    program: Program
    integers: np.ndarray


def chain_bill(
    links: Mapping[str, Link], hardware: Hardware, reads: int = 1, rho: float | None = None
) -> Bill:
    """The bill of so many reads of each stimulus, layers by name in the order in which they run.

    Neurons whose sigma is 0 are not held and draw no random bits. rho: of the price of reliability,
    None for the last layer's. Raises SettingError for no layers, and for layers that do not fit
    each other or the Hardware.
    """
    programs, stimuli = _checked(links), len(next(iter(links.values())).integers)
    draws = stimuli * reads
    counts = tally.weight_memory(hardware, programs, stimuli, reads) | tally.code_memory(
        programs, draws
    )
    if hardware.noise.input_dither != "none":
        first = next(iter(programs.values()))
        tally.add(counts, tally.INPUT, {Operation("random"): draws * RANDOM_BITS * first.inputs})
    for number, (name, (program, integers)) in enumerate(links.items()):
        tally.add(
            counts,
            name,
            Layer(program, hardware, 1.0, 0, number, integers).operations(integers, reads),
        )
        bought = program.sigma[program.sigma > 0]
        if bought.size:
            tally.add(counts, name, tally.hold(hardware, bought, np.array(draws)))
        if bought.size or hardware.noise.dither != "none":
            tally.add(
                counts, name, {Operation("random"): tally.random_bits(hardware, program, draws)}
            )
    cycles = {name: layer_cycles(program, hardware) for name, program in programs.items()}
    counts |= upkeep(hardware, programs, cycles, draws)
    own = next(reversed(programs.values())).rho
    return Bill(
        hardware,
        tally.by_layer(counts, programs),
        cycles,
        stimuli,
        reads,
        own if rho is None else rho,
    )


def _checked(links: Mapping[str, Link]) -> dict[str, Program]:
    if not links:
        raise SettingError("'links' has no layers: a bill needs at least one")
    stimuli = len(next(iter(links.values())).integers)
    before: Program | None = None
    for name, (program, integers) in links.items():
        if integers.shape != (stimuli, program.inputs):
            raise SettingError(
                f"'{name}' reads integers {integers.shape}: should be (stimulus, input) = "
                f"{(stimuli, program.inputs)}"
            )
        if before is not None and (before.neurons, before.output) != (
            program.inputs,
            program.input,
        ):
            raise SettingError(
                f"'{name}' reads {program.inputs} codes of {program.input}: the layer before has "
                f"other outputs"
            )
        before = program
    return {name: link.program for name, link in links.items()}


def drawn_chain(
    sizes: tuple[int, ...],
    widths: tuple[int, int, int],
    sigma: float,
    key: int = 0,
    stimuli: int = 1,
) -> dict[str, Link]:
    """A network of this shape (inputs, neurons, …), its weights and what each layer reads drawn
    uniformly over the codes.

    widths: bits of weights, of inputs and of all outputs.

    The last layer's neurons are held at sigma, the others buy no noise. Layers are named "layer 1",
    …. Raises SettingError for fewer than two sizes, one below 1, and weights that memory does not
    hold.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise SettingError(
            f"'sizes' = {sizes}: a network has at least one input and one layer of neurons, as in "
            f"784-100-10"
        )
    random, weight_bits = generator(key, "drawn network"), widths[0]
    reads, gives = Quantizer(widths[1], 1.0), Quantizer(widths[2], 1.0)
    links = {}
    for number, (inputs, neurons) in enumerate(itertools.pairwise(sizes), 1):
        check_memory("weights", (neurons, inputs), np.int64, "take a smaller network")
        own = np.full(neurons, sigma if number == len(sizes) - 1 else 0.0)
        weights = _drawn(random, Quantizer(weight_bits, 1.0), (neurons, inputs), widest=False)
        program = Program(weights, weight_bits, 1.0, reads, gives, np.zeros(neurons), own, 0.0)
        links[f"layer {number}"] = Link(program, _drawn(random, reads, (stimuli, inputs)))
        reads = gives
    return links


def _drawn(
    random: np.random.Generator, codes: Quantizer, shape: tuple[int, int], widest: bool = True
) -> np.ndarray:
    """Integers of codes, uniform; weights have one code less (a narrow range), so that they have
    pairs.
    """
    least = codes.c_min + (0 if widest or codes.bits == 1 else 1)
    return codes.integers(random.integers(least, codes.c_min + codes.levels, shape).astype(np.int8))
