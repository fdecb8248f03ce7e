"""What reads take whatever the stimuli are, from the workload alone: digital products, memories,
random bits, neurons whose noise level is known, programming and leakage.
"""

from collections.abc import Mapping

import numpy as np

from stochsim.accounting.latency import cycles_by_layer
from stochsim.accounting.meter import Meter, Sharing
from stochsim.formats import E8M0, SCALE_BITS
from stochsim.hardware import Array, Hardware
from stochsim.program import FLOAT_BITS, LayerShape, LayerUse, Workload

RANDOM_NUMBER_BITS = 31
"""Random bits of each number that a part in float draws, as many as a comparator's by default."""

_SIGNIFICAND = 24
"""Bits of that of float32."""


def add_fixed(
    meter: Meter, hardware: Hardware, workload: Workload, sigma: Mapping[str, np.ndarray]
) -> None:
    """Count all operations that the workload fixes.

    sigma: (neuron,), in units of the drive, by layer whose neurons are billed for a noise level.
    """
    add_reads(meter, hardware, workload)
    add_weight_memory(meter, hardware, workload)
    for use in workload.uses:
        if use.reliability:
            meter.add_reliability(
                use.layer, hardware.reliability, sigma[use.layer], use.reliability, Sharing.STIMULUS
            )
    add_leakage_and_programming(meter, hardware, workload)


def add_reads(meter: Meter, hardware: Hardware, workload: Workload) -> None:
    """Count the operations of every read, without noise levels of neurons: products of a digital
    chip, codes through the memory, random bits, parts left in float.
    """
    for use in workload.uses:
        if hardware.array is None:
            _add_digital_product(meter, hardware, use)
        if use.shape.zero_points:
            _add_zero_points(meter, hardware, use)
        if use.shape.block_size is not None or use.shape.input_blocks is not None:
            _add_scales_of_blocks(meter, hardware, use)
        if use.shape.input_blocks is not None:
            _add_dynamic_scales(meter, use, workload.code_memory_bits)
        if use.additions:
            _add_additions(meter, hardware, use, use.additions)
        size = workload.code_memory_bits
        meter.add(use.layer, "code_memory", use.code_bits, size, per=Sharing.STIMULUS)
        stored, read = use.shape.output_table_bits
        if read and use.converts:
            bits = use.products * read
            meter.add(use.layer, "code_memory", bits, stored, per=Sharing.STIMULUS)
        sources = -(-use.shape.neurons // hardware.random.neurons_per_source)
        bits = use.draws * sources * hardware.random_bits_per_code
        meter.add(use.layer, "random", bits, per=Sharing.STIMULUS)
    of_input = hardware.noise.input_rounding.billed_bits
    for row, inputs in workload.rounded.items():
        meter.add(row, "random", of_input * inputs, per=Sharing.STIMULUS)
    for part, work in workload.floats.items():
        per = Sharing.STIMULUS
        meter.add(part, "random", RANDOM_NUMBER_BITS * work.drawn, per=per)
        meter.add(part, "float_multiply", work.macs + work.multiplies, FLOAT_BITS, per=per)
        meter.add(part, "float_add", work.macs + work.adds, FLOAT_BITS, per=per)
        moved = 2 * FLOAT_BITS * work.values
        meter.add(part, "code_memory", moved, workload.code_memory_bits, per=per)


def _add_digital_product(meter: Meter, hardware: Hardware, use: LayerUse) -> None:
    """Count the products of a digital layer, whose operations do not depend on their values; what
    reads a row of a table makes none. A product of significands is shifted by the sum of their
    exponents: the shifter is taken as an addition of the width of the sums.
    """
    shape = use.shape
    per = Sharing.STIMULUS
    macs = use.multiply_adds
    if macs:
        width = accumulator_width(hardware, shape)
        meter.add(use.layer, "multiply", macs, *shape.factor_bits, per=per)
        rounded = _rounded_additions(hardware, use)
        if rounded:
            _add_additions(meter, hardware, use, rounded)
            width = hardware.accumulator_width(_size_of_group(hardware, shape), shape.product_bits)
        if macs > rounded:
            meter.add(use.layer, "add", macs - rounded, width, per=per)
        exponents = (0, 0) if shape.multiplied is None else shape.multiplied.exponents
        if any(exponents) and macs > rounded:  # the accumulator itself aligns single products
            meter.add(use.layer, "add", macs, width, per=per)
        if all(exponents):
            meter.add(use.layer, "add", macs, max(exponents) + 1, per=per)
        meter.add(use.layer, "dac", macs // shape.neurons, shape.product_bits[1], per=per)
    if use.converts:
        conversions = use.products * shape.neurons * shape.blocks
        bits = shape.output_bits if shape.converter_bits is None else shape.converter_bits
        meter.add(use.layer, "adc", conversions, bits, per=per)


def _add_scales_of_blocks(meter: Meter, hardware: Hardware, use: LayerUse) -> None:
    """Count what puts the sums of blocks together: each times its scale, of weights and of inputs,
    a power of two by an addition to the exponent, and added.
    """
    shape = use.shape
    rounded = _rounded_additions(hardware, use)
    times = rounded or use.products * shape.neurons * shape.blocks
    width = accumulator_width(hardware, shape)
    per = Sharing.STIMULUS
    of_weights = [] if shape.block_size is None else [shape.block_scales]
    of_inputs = [] if shape.input_blocks is None else [shape.input_blocks[1]]
    for scales in (*of_weights, *of_inputs):
        bits = SCALE_BITS[scales]
        if scales == E8M0:
            meter.add(use.layer, "add", times, bits, per=per)
        else:
            meter.add(use.layer, "multiply", times, width, bits, per=per)
        width += bits
    if not rounded:
        meter.add(use.layer, "add", times, width, per=per)


def _rounded_additions(hardware: Hardware, use: LayerUse) -> int:
    """Additions of a layer's products that floating-point accumulators round, one for each group;
    0 where sums are integers.
    """
    if hardware.float_accumulation is None or not use.multiply_adds:
        return 0
    size = _size_of_group(hardware, use.shape)
    groups = sum(-(-part.inputs // size) for part in use.shape.of_blocks())
    return use.products * use.shape.neurons * groups


def _size_of_group(hardware: Hardware, shape: LayerShape) -> int:
    """Products that are added exactly before a floating-point accumulator rounds."""
    assert hardware.float_accumulation is not None
    is_block = shape.block_size is not None or shape.input_blocks is not None
    return hardware.float_accumulation.group_size(_summed(shape), is_block)


def _add_additions(meter: Meter, hardware: Hardware, use: LayerUse, count: int) -> None:
    """Count additions to accumulators, integer ones or those of a format, with the random bits of
    each.
    """
    per, accumulation = Sharing.STIMULUS, hardware.float_accumulation
    if accumulation is None:
        meter.add(use.layer, "add", count, accumulator_width(hardware, use.shape), per=per)
        return
    meter.add(use.layer, "float_add", count, accumulation.format.bits, per=per)
    if accumulation.random_bits:
        meter.add(use.layer, "random", accumulation.random_bits * count, per=per)


def _add_dynamic_scales(meter: Meter, use: LayerUse, memory_bits: int) -> None:
    """Count what finds the scales of blocks of inputs at every product: the largest value by
    comparisons, which are taken as additions of the width of values; of each block its exponent
    less that of the format, or a product of significands; and the scale, written and read.
    """
    shape = use.shape
    assert shape.input_blocks is not None
    scales = shape.input_blocks[1]
    blocks = use.products * shape.blocks
    bits, per = SCALE_BITS[scales], Sharing.STIMULUS
    meter.add(use.layer, "add", use.products * shape.inputs - blocks, FLOAT_BITS, per=per)
    if scales == E8M0:
        meter.add(use.layer, "add", blocks, bits, per=per)
    else:
        meter.add(use.layer, "multiply", blocks, _SIGNIFICAND, _SIGNIFICAND, per=per)
    meter.add(use.layer, "code_memory", 2 * bits * blocks, memory_bits, per=per)


def _add_zero_points(meter: Meter, hardware: Hardware, use: LayerUse) -> None:
    """Count what zero points of weights take beside a product: the sum of its inputs, times each
    different one, and an addition for every neuron; so for each of its blocks.
    """
    shape = use.shape
    of_sum = shape.input_bits + (_summed(shape) - 1).bit_length()
    times = use.products * shape.zero_points
    per = Sharing.STIMULUS
    meter.add(use.layer, "multiply", times, shape.weight_bits, of_sum, per=per)
    adds = use.products * (shape.inputs + shape.neurons * shape.blocks)
    meter.add(use.layer, "add", adds, accumulator_width(hardware, shape), per=per)


def accumulator_width(hardware: Hardware, shape: LayerShape) -> int:
    """Bits of the sums of a layer of this shape, or of its blocks."""
    return hardware.accumulator_width(_summed(shape), shape.product_bits)


def _summed(shape: LayerShape) -> int:
    """How many inputs a sum has."""
    return shape.summed_size


def add_weight_memory(meter: Meter, hardware: Hardware, workload: Workload) -> None:
    """Count the reading of weights: one memory holds those of all layers, so its size sets the
    price of a bit; they are read once per stimulus, or at every read. Of a table, the rows that are
    looked up.
    """
    size = sum(use.shape.stored_weight_bits for use in workload.uses if use.is_stored)
    at_every_read = hardware.memory.weights_read == "read"
    for use in workload.uses:
        per = Sharing.READ if at_every_read or use.rereads else Sharing.STIMULUS
        meter.add(use.layer, "weight_memory", use.weight_bits_read, size, per=per)


def add_leakage_and_programming(meter: Meter, hardware: Hardware, workload: Workload) -> None:
    """Count what a chip takes beside its reads: seconds in which it leaks, and cells programmed
    anew, shared by the reads of one programming.
    """
    array = hardware.array
    if array is not None and array.reads_per_programming is not None:
        for use in workload.uses:
            if use.is_stored:
                cells = cells_of(use.shape, array) / array.reads_per_programming
                meter.add(use.layer, "program", cells, per=Sharing.READ)
    if hardware.timing.leakage_w > 0 or hardware.prices.leakage != "leakage-none":
        _add_leakage(meter, hardware, cycles_by_layer(workload, hardware))


def _add_leakage(meter: Meter, hardware: Hardware, cycles: Mapping[str, float]) -> None:
    for name, count in cycles.items():
        meter.add(name, "leakage", count / hardware.timing.clock_hz, per=Sharing.READ)


def cells_of(shape: LayerShape, array: Array) -> int:
    """Cells of the array that hold a layer's weights."""
    return sum(
        array.tiling(block.inputs, block.neurons, block.product_bits[0]).cells
        for block in shape.of_blocks()
    )
