"""Brevitas behind one file: which quantiser a bit width gets, and where its scale starts.

Two bits and more: integers, symmetric about 0; the scale of activations is learned, in the log domain, from a given start; the scale of
weights is their largest magnitude over the largest code (narrow range, 2^b - 1 values). One bit: signs, with a fixed scale.
"""

from typing import Any

import brevitas.nn as qnn
import numpy as np
from brevitas.inject.enum import RestrictValueType
from brevitas.quant import (
    Int8ActPerTensorFloatMinMaxInit,
    Int8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
)


class _LogScaleActivation(Int8ActPerTensorFloatMinMaxInit):
    """Brevitas's learned per-tensor scale, as a logarithm: one learning rate then fits steps of every size."""

    restrict_scaling_type = RestrictValueType.LOG_FP


def activation_quantizer(bits: int, scale: float) -> qnn.QuantIdentity:
    """A quantiser of activations: `bits` wide, its step starting at `scale` (at one bit: the fixed magnitude of the two values)."""
    if bits == 1:
        return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, max_val=scale, min_val=-scale, return_quant_tensor=True)
    top = scale * 2 ** (bits - 1)
    return qnn.QuantIdentity(act_quant=_LogScaleActivation, bit_width=bits, min_val=-top, max_val=top, return_quant_tensor=True)


def quantised_linear(inputs: int, neurons: int, bias: bool, bits: int, scale: float) -> qnn.QuantLinear:
    """A linear layer with `bits`-bit weights and a float bias; `scale` is the fixed magnitude of one-bit weights, unused above."""
    options: dict[str, Any] = {"weight_quant": Int8WeightPerTensorFloat, "weight_bit_width": bits}
    if bits == 1:
        options = {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": scale}
    return qnn.QuantLinear(inputs, neurons, bias=bias, **options)


def optimal_step(values: np.ndarray, bits: int) -> float:
    """The step of a b-bit quantiser (codes -2^(b-1) … 2^(b-1) - 1) with least mean squared error on `values`; at one bit mean |value|.

    A scan over 200 steps up to the one that clips nothing. values: (stimulus, …); of more than 100,000 values every n-th stimulus is used,
    with all its neurons.
    """
    flat = np.asarray(values[:: max(1, values.size // 100_000)], np.float64).ravel()
    if bits == 1:
        return float(np.mean(np.abs(flat)))
    half = 2 ** (bits - 1)
    steps = np.abs(flat).max() / half * np.linspace(0.02, 1.0, 200)
    errors = [np.mean((flat - step * np.clip(np.rint(flat / step), -half, half - 1)) ** 2) for step in steps]
    return float(steps[int(np.argmin(errors))])
