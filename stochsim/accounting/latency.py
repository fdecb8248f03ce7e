"""How long a read takes, in cycles of the chip's clock, from the geometry of its products.

An engineering model, not a published one.

A digital layer makes `timing.multipliers` multiply-adds per cycle: ceil(inputs × neurons /
multipliers) cycles. A layer on an array takes

    input cycles × columns per converter × cycles per conversion + 1

for all its tiles work in parallel, the columns that share a converter one after another, and one
more cycle shifts and adds the codes of the last conversion. Layers follow one another, and so do
the steps of a recurrent circuit, whose product of the stimulus is made once per read, or at every
step where inputs are rounded stochastically. Memories and random numbers keep up with the products.
"""

from collections.abc import Mapping

from stochsim.accounting.counts import Counts, add, layer_names
from stochsim.energy import Operation
from stochsim.hardware import Array, Hardware
from stochsim.program import AnyProgram, Program, RecurrentProgram


def layer_cycles(program: Program, hardware: Hardware) -> int:
    """Cycles of one product of a layer."""
    array = hardware.array
    if array is None:
        return -(-program.inputs * program.neurons // hardware.timing.multipliers)
    return (
        array.cycles(program.input.bits) * array.columns_per_converter * array.converter.cycles + 1
    )


def cycles_by_layer(
    program: AnyProgram, hardware: Hardware, reads: int = 1, thin: int | None = None
) -> dict[str, float]:
    """Cycles of each layer in one read, keyed by its name; where `thin` makes so many reads of one
    chain, the mean over them.
    """
    found: dict[str, float] = dict(
        zip(
            layer_names(program),
            (layer_cycles(layer, hardware) for layer in program.layers),
            strict=True,
        )
    )
    if isinstance(program, RecurrentProgram):
        steps = program.steps if thin is None else program.steps + (reads - 1) * thin
        found["forward"] *= steps if hardware.noise.input_dither != "none" else 1
        found["lateral"] *= steps
        if thin is not None:
            found = {name: cycles / reads for name, cycles in found.items()}
    return found


def upkeep(
    hardware: Hardware, layers: Mapping[str, Program], cycles: Mapping[str, float], draws: int
) -> Counts:
    """What a chip takes beside its reads: seconds in which it leaks, and cells programmed anew,
    shared by the reads of one programming.
    """
    counts: Counts = {}
    array = hardware.array
    if array is not None and array.reads_per_programming is not None:
        for name, program in layers.items():
            add(
                counts,
                name,
                {
                    Operation("program"): draws
                    * cells_of(program, array)
                    / array.reads_per_programming
                },
            )
    if hardware.timing.leakage_w > 0 or hardware.prices.leakage != "leakage-none":
        for name, count in cycles.items():
            add(counts, name, {Operation("leakage"): draws * count / hardware.timing.clock_hz})
    return counts


def cells_of(program: Program, array: Array) -> int:
    """Cells of the array that hold a layer's weights."""
    return (
        (2 if array.signs == "differential" else 1)
        * array.slices(program.weight_bits)
        * program.neurons
        * program.inputs
    )
