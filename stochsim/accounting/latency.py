"""How long a read takes, in cycles of the chip's clock, from the geometry of its products.

An engineering model, not a published one.

A digital layer makes `timing.multipliers` multiply-adds per cycle: ceil(inputs × neurons /
multipliers) cycles; the row of a table that an id names takes one. A layer on an array takes

    input cycles × columns per ADC × cycles per conversion + 1

for all its tiles, those of all blocks, work in parallel, the columns that share an ADC one after
another (no more than the fullest tile holds: a layer with fewer has fewer), and one more cycle
shifts and adds the codes of the last conversion. Layers follow one another, and so do the steps of
a recurrent circuit, whose product of the stimulus is made once per read, or at every step where
inputs are rounded stochastically. Memories, random numbers and the scales of blocks keep up with
the products.
"""

from stochsim.hardware import HARDWARE_RULE, Hardware
from stochsim.program import LayerShape, LayerUse, Workload
from stochsim.settings import check_kind


def layer_cycles(shape: LayerShape, hardware: Hardware) -> int:
    """Cycles of one product of a layer of this shape; raises SettingError for what is no LayerShape
    or Hardware.
    """
    check_kind("shape", shape, LayerShape, "should be a LayerShape, as `Layer.shape` is")
    check_kind("hardware", hardware, Hardware, HARDWARE_RULE)
    array = hardware.array
    if array is None:
        return -(-shape.weights // hardware.timing.multipliers)
    largest = shape.of_blocks()[0]
    weight_bits, input_bits = shape.product_bits
    tiling = array.tiling(largest.inputs, shape.neurons, weight_bits)
    in_turn = tiling.in_turn(array.columns_per_adc) * array.adc.cycles
    return array.cycles(input_bits) * in_turn + 1


def cycles_by_layer(workload: Workload, hardware: Hardware) -> dict[str, float]:
    """Cycles of each layer in one read, keyed by its name: the mean over the workload's reads;
    raises SettingError for what is no Workload or Hardware.
    """
    check_kind("workload", workload, Workload, "should be a Workload, as `chip.workload` gives")
    check_kind("hardware", hardware, Hardware, HARDWARE_RULE)
    found: dict[str, float] = {}
    for use in workload.uses:
        cycles = use.products * _cycles_of_product(use, hardware)
        found[use.layer] = found.get(use.layer, 0) + cycles
    return {name: cycles / workload.reads for name, cycles in found.items()}


def _cycles_of_product(use: LayerUse, hardware: Hardware) -> int:
    """Cycles of one product; a digital chip skips the weights that meet nothing, and reads a row of
    a table in one.
    """
    if hardware.array is not None or use.macs is None:
        return layer_cycles(use.shape, hardware)
    return max(1, -(-use.macs // (use.products * hardware.timing.multipliers)))
