"""A graph of two layers put together by hand, and the same in plain NumPy."""

import numpy as np

from stochsim.program import FloatCall, Geometry, Graph, Layer, LayerCall, Program, Quantizer

SIGNED = Quantizer(4, 0.25)
UNSIGNED = Quantizer(4, 0.25, unsigned=True)
RANDOM = np.random.default_rng(1)


def layer_of(neurons, inputs, reads=SIGNED, gives=SIGNED, activation="identity"):
    codes = RANDOM.integers(-7, 8, (neurons, inputs)).astype(np.int8)
    bias = RANDOM.normal(0, 0.1, neurons)
    return Layer(codes, 4, 0.1, reads, gives, bias, np.zeros(neurons), activation)


FIRST = layer_of(3, 4, gives=UNSIGNED, activation="relu")
SECOND = layer_of(4, 3, UNSIGNED)
X = RANDOM.uniform(-1, 1, (5, 4)).astype(np.float32)


def residual(**changes):
    """second(first(x)) + 2 x, by hand."""
    nodes = (
        LayerCall("a", "x", "first", Geometry()),
        LayerCall("b", "a", "second", Geometry(), takes_codes=True),
        FloatCall("sum", ("b", "x"), lambda b, x: b + 2 * x, row="sum"),
    )
    given = {"nodes": nodes, "stimulus": "x", "result": "sum", "shape": (4,), **changes}
    return Program({"first": FIRST, "second": SECOND}, Graph(**given))


def by_hand(x):
    """The same without noise, in plain NumPy."""
    values = x.astype(np.float64)
    for layer in (FIRST, SECOND):
        integers = np.clip(np.rint(values / layer.input.scale), *limits(layer.input))
        drive = integers @ layer.weight_codes.T * (0.1 * layer.input.scale) + layer.bias
        drive = np.maximum(drive, 0) if layer.activation == "relu" else drive
        values = 0.25 * np.clip(np.rint(drive / 0.25), *limits(layer.output))
    return values + 2 * x


def limits(quantizer):
    return (0, 15) if quantizer.unsigned else (-8, 7)
