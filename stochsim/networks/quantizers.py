"""Brevitas behind one file: which quantiser a bit width gets, and where its scale starts.

Two bits and more: integers, symmetric about 0; the scale of activations is learned from a given start, the scale of weights is their
largest magnitude over the largest code (narrow range, 2^b - 1 values). One bit: signs, with a fixed scale.
"""

from typing import Any

import brevitas.nn as qnn
import numpy as np
from brevitas.quant import Int8ActPerTensorFloatMinMaxInit, Int8WeightPerTensorFloat
from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst


def activation_quantizer(bits: int, scale: float) -> qnn.QuantIdentity:
    """A quantiser of activations: `bits` wide, its step starting at `scale` (at one bit: the fixed magnitude of the two values)."""
    if bits == 1:
        return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, max_val=scale, min_val=-scale, return_quant_tensor=True)
    top = scale * 2 ** (bits - 1)
    return qnn.QuantIdentity(
        act_quant=Int8ActPerTensorFloatMinMaxInit, bit_width=bits, min_val=-top, max_val=top, return_quant_tensor=True
    )


def quantised_linear(inputs: int, neurons: int, bias: bool, bits: int, scale: float) -> qnn.QuantLinear:
    """A linear layer with `bits`-bit weights and a float bias; `scale` is the fixed magnitude of one-bit weights, unused above."""
    options: dict[str, Any] = {"weight_quant": Int8WeightPerTensorFloat, "weight_bit_width": bits}
    if bits == 1:
        options = {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": scale}
    return qnn.QuantLinear(inputs, neurons, bias=bias, **options)


def optimal_step(values: np.ndarray, bits: int) -> float:
    """The step of a b-bit quantiser (codes -2^(b-1) … 2^(b-1) - 1) with least mean squared error on `values`; at one bit mean |value|.

    A scan over 200 steps up to the one that clips nothing; values: any shape, at most 100,000 of them are used, evenly spaced.
    """
    flat = np.asarray(values, np.float64).ravel()
    flat = flat[:: max(1, flat.size // 100_000)]
    if bits == 1:
        return float(np.mean(np.abs(flat)))
    half = 2 ** (bits - 1)
    steps = np.abs(flat).max() / half * np.linspace(0.02, 1.0, 200)
    errors = [np.mean((flat - step * np.clip(np.rint(flat / step), -half, half - 1)) ** 2) for step in steps]
    return float(steps[int(np.argmin(errors))])
