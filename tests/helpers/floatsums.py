"""Layers on chips with floating-point accumulators."""

import numpy as np
from stochsim_kernels.product.float_sums import Accumulator

import stochsim as ss
from stochsim.chip import Chip
from stochsim.chip.float_adder import FloatAdder
from stochsim.formats import code_book
from stochsim.hardware import FloatAccumulation
from stochsim.program import Layer, Quantizer, single_layer


def accumulator_of(format_: str, rounding: str = "nearest") -> Accumulator:
    return FloatAdder(FloatAccumulation.named(format_, rounding, None), 0).accumulator


def layer_of(weights: str = "int4", inputs: str = "int4", size: int = 24, **more) -> Layer:
    book, rng = code_book(weights), np.random.default_rng(size)
    codes = rng.integers(book.c_min, book.c_min + book.levels, (5, size)).astype(np.int8)
    own = {
        "weight_codes": codes,
        "weight_bits": book.bits,
        "weight_scale": 0.375,
        "input": Quantizer.of_format(inputs, 0.75),
        "output": Quantizer(8, 1.0),
        "bias": np.linspace(-1, 1, 5),
        "sigma": np.zeros(5),
        "weight_book": book,
    }
    return Layer(**own | more)


def chip_of(layer: Layer, **settings) -> Chip:
    widths = (layer.weight_bits, layer.input.bits, layer.output.bits)
    hardware = ss.load_hardware("digital-45nm").with_precision(*widths)
    return Chip(single_layer(layer), hardware.replace(**settings))


def plain(codes, scale, input_scale=1.0, **more) -> Layer:
    """A layer of 8-bit inputs without bias."""
    neurons = len(codes)
    return Layer(
        np.array(codes, np.int8),
        8,
        scale,
        Quantizer(8, input_scale),
        Quantizer(8, 1.0),
        np.zeros(neurons),
        np.zeros(neurons),
        **more,
    )
