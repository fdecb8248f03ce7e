"""Brevitas behind one file: which quantiser a bit width gets, where its scale starts, and its
arithmetic in training.

Two bits and more: integers, symmetric about 0; scales are learned, in the log domain, from a given
start (weights: narrow range, 2^b - 1 values). One bit: signs, with a fixed scale. A learned width
keeps the range, so its gradient is that of the step at a fixed range.

The modules, their parameters and their export are Brevitas's. At these sizes its forward pass
spends most of a step of training on calls between modules, so `quantise` and `quantised_weight` do
the same arithmetic in one operation: equal values, equal gradients (tested).
"""

import functools
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.inject.enum import BitWidthImplType, RestrictValueType, ScalingImplType
from brevitas.quant import (
    Int8ActPerTensorFloatMinMaxInit,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
)
from torch.autograd.function import once_differentiable

MOST_BITS = 8


class _LogScaleActivation(Int8ActPerTensorFloatMinMaxInit):
    """Brevitas's learned per-tensor scale, as a logarithm: one learning rate then fits steps of
    every size.
    """

    restrict_scaling_type = RestrictValueType.LOG_FP


class _LearnedBitsActivation(_LogScaleActivation):
    bit_width_impl_type = BitWidthImplType.PARAMETER


class _LogScaleWeight(Int8WeightPerTensorFloat):
    """Likewise for weights: no statistics of the weights at every step."""

    scaling_impl_type = ScalingImplType.PARAMETER
    restrict_scaling_type = RestrictValueType.LOG_FP


class _LogScaleOfNeurons(Int8WeightPerChannelFloat):
    """Likewise, a scale for each neuron."""

    scaling_impl_type = ScalingImplType.PARAMETER
    restrict_scaling_type = RestrictValueType.LOG_FP


class _LearnedBitsWeight(_LogScaleWeight):
    bit_width_impl_type = BitWidthImplType.PARAMETER


def activation_quantizer(bits: int, scale: float, learned_bits: bool = False) -> qnn.QuantIdentity:
    """A quantiser of activations: `bits` wide, its step starting at `scale` (at one bit: the fixed
    magnitude of the two values).
    """
    if bits == 1:
        quantizer = qnn.QuantIdentity(
            act_quant=SignedBinaryActPerTensorConst,
            max_val=scale,
            min_val=-scale,
            return_quant_tensor=True,
        )
    else:
        top = scale * 2 ** (bits - 1)
        kind = _LearnedBitsActivation if learned_bits else _LogScaleActivation
        quantizer = qnn.QuantIdentity(
            act_quant=kind, bit_width=bits, min_val=-top, max_val=top, return_quant_tensor=True
        )
    return _noted(quantizer, bits, scale, learned_bits)


def quantised_linear(
    inputs: int,
    neurons: int,
    bias: bool,
    bits: int,
    scale: float,
    learned_bits: bool = False,
    of_neurons: bool = False,
) -> qnn.QuantLinear:
    """A linear layer with `bits`-bit weights, their step starting at `scale` (fixed at one bit),
    and a float bias; of_neurons: the weights of each neuron have a step of their own.
    """
    options = weight_options(bits, scale, learned_bits)
    if of_neurons and bits > 1:
        options["weight_quant"] = _LogScaleOfNeurons
    return _noted(qnn.QuantLinear(inputs, neurons, bias=bias, **options), bits, scale, learned_bits)


def weight_options(bits: int, scale: float, learned_bits: bool = False) -> dict[str, Any]:
    """What a layer of Brevitas needs to know of its weights: `bits` wide, their step starting at
    `scale` (fixed at one bit).
    """
    if bits == 1:
        return {"weight_quant": SignedBinaryWeightPerTensorConst, "weight_scaling_const": scale}
    kind = _LearnedBitsWeight if learned_bits else _LogScaleWeight
    return {
        "weight_quant": kind,
        "weight_bit_width": bits,
        "weight_scaling_init": scale * (2 ** (bits - 1) - 1),
    }


def _noted(module: Any, bits: int, scale: float, learned_bits: bool) -> Any:
    """The module with its width (None where that is learned) and the scale it starts from, for the
    arithmetic below.
    """
    module.plain_bits = None if learned_bits else bits
    module.plain_scale = float(
        torch.tensor(float(scale), dtype=torch.float32)
    )  # as Brevitas holds it, in a double network too
    return module


class _Quantise(torch.autograd.Function):
    """scale · clamp(round(x / scale), low, high), with the gradients that Brevitas gives it:
    straight through the rounding alone.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, scale: torch.Tensor, low: Any, high: Any
    ) -> torch.Tensor:
        """Values, of the shape of x."""
        place = x / scale
        rounded = place.round()
        code = rounded.clamp(low, high)
        ctx.save_for_backward(place, rounded, code)
        ctx.scale_shape = scale.shape
        return code * scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        """0 to what is clamped; to the scale the code, less x / scale where that is not clamped."""
        place, rounded, code = ctx.saved_tensors
        inside = gradient * (rounded == code)
        if not ctx.needs_input_grad[1]:
            return inside, None, None, None
        if ctx.scale_shape:  # of every neuron
            of_each = gradient * code - inside * place
            return inside, of_each.sum_to_size(ctx.scale_shape), None, None
        to_scale = torch.dot(gradient.reshape(-1), code.reshape(-1)) - torch.dot(
            inside.reshape(-1), place.reshape(-1)
        )
        return inside, to_scale, None, None


class _Sign(torch.autograd.Function):
    """±scale; the gradient passes where |x| <= limit."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: float, limit: float) -> torch.Tensor:
        """Values, of the shape of x; 0 gives +scale."""
        ctx.save_for_backward(x)
        ctx.scale = scale
        ctx.limit = limit
        return torch.where(x >= 0, x.new_tensor(scale), x.new_tensor(-scale))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        """Times the scale, as Brevitas has it."""
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() <= ctx.limit, gradient * ctx.scale, 0.0), None, None


@functools.lru_cache(maxsize=64)
def _threshold(value: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """What the learned scale is divided by, as Brevitas rounds it: two to its binary logarithm, in
    float32.
    """
    return (2.0 ** torch.log2(torch.tensor(float(value)))).to(device, dtype)


def _implementation(module: Any) -> Any:
    """The part of Brevitas that holds the scale, of an activation quantiser or of a linear layer's
    weights.
    """
    if isinstance(module, qnn.QuantIdentity):
        return module.act_quant.fused_activation_quant_proxy.tensor_quant
    return module.weight_quant.tensor_quant


def _scale(module: Any, top: int) -> torch.Tensor:
    value = _implementation(module).scaling_impl.value
    return torch.pow(2.0, value) / _threshold(top, value.dtype, value.device)


def _quantised_at_learned_width(
    module: Any, x: torch.Tensor, narrow: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values, of the shape of x, and scale; the gradient reaches the width by the scale, whose
    range stays, and by the codes at which values are clamped.
    """
    highest = 2.0 ** (learned_width(module) - 1)
    top = highest - 1
    scale = torch.pow(2.0, _implementation(module).scaling_impl.value) / (
        2.0 ** torch.log2(top if narrow else highest)
    )
    place = x / scale
    code = place + (place.round() - place).detach()
    code = torch.where(code > top, top, code)
    low = -top if narrow else -highest
    return torch.where(code < low, low, code) * scale, scale


def learned_width(module: Any) -> torch.Tensor:
    """A learned width, rounded to a whole number with a gradient that passes through."""
    return _implementation(module).msb_clamp_bit_width_impl()


def quantise(quantizer: Any, x: torch.Tensor) -> torch.Tensor:
    """Values of x, any shape, by an activation quantiser, or the grid of a number format: what
    calling it gives, of Brevitas's in one operation.
    """
    if not isinstance(quantizer, qnn.QuantIdentity):
        values: torch.Tensor = quantizer(x)
        return values
    bits = quantizer.plain_bits
    if bits is None:
        return _quantised_at_learned_width(quantizer, x, narrow=False)[0]
    if bits == 1:
        return _Sign.apply(x, quantizer.plain_scale, quantizer.plain_scale)
    half = 2 ** (bits - 1)
    return _Quantise.apply(x, _scale(quantizer, half), -half, half - 1)


def quantised_weight(layer: qnn.QuantLinear) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (neuron, input) of a quantised layer as they act, and their step: what
    `layer.quant_weight()` gives.
    """
    bits = layer.plain_bits
    if bits is None:
        return _quantised_at_learned_width(layer, layer.weight, narrow=True)
    if bits == 1:
        return _Sign.apply(layer.weight, layer.plain_scale, float("inf")), layer.weight.new_tensor(
            layer.plain_scale
        )
    top = 2 ** (bits - 1) - 1
    scale = _scale(layer, top)  # of neurons: (neuron, 1)
    return _Quantise.apply(layer.weight, scale, -top, top), scale[:, 0] if scale.ndim else scale


def nearest_weights(layer: qnn.QuantLinear, numbers: torch.Tensor) -> torch.Tensor:
    """The values nearest to numbers (neuron,), float64, that stand for a weight of each neuron of a
    quantised layer.
    """
    bits = layer.plain_bits
    if bits == 1:
        return torch.where(numbers >= 0, 1.0, -1.0).double() * layer.plain_scale
    top = 2 ** (bits - 1) - 1
    steps = _scale(layer, top).double().flatten()  # of neurons, or one
    return steps * (numbers / steps).round().clamp(-top, top)


def set_steps_of_neurons(layer: qnn.QuantLinear, steps: np.ndarray) -> None:
    """Let the steps (neuron,) of a layer's weights start at these."""
    value = _implementation(layer).scaling_impl.value
    top = _threshold(2 ** (layer.plain_bits - 1) - 1, value.dtype, value.device)
    with torch.no_grad():
        value.copy_(torch.log2(torch.as_tensor(steps, dtype=value.dtype)[:, None] * top))


def nearest_values(x: torch.Tensor, scale: torch.Tensor, low: Any, high: Any) -> torch.Tensor:
    """scale · clamp(round(x / scale), low, high) of x (any shape), with Brevitas's straight-through
    gradients, also to the scale (a scalar tensor, or one that broadcasts to x); low and high:
    integers, or tensors of them that broadcast to x.
    """
    values: torch.Tensor = _Quantise.apply(x, scale, low, high)
    return values


def signs(x: torch.Tensor, scale: float, limit: float = float("inf")) -> torch.Tensor:
    """±scale, + at 0, of x (any shape); the gradient, times the scale as Brevitas has it, passes
    where |x| <= limit.
    """
    values: torch.Tensor = _Sign.apply(x, scale, limit)
    return values


def scale_of(quantizer: qnn.QuantIdentity) -> torch.Tensor:
    """The present scale of an activation quantiser: its step, at one bit the size of its values."""
    bits = quantizer.plain_bits
    return quantizer.act_quant.scale() if bits in (None, 1) else _scale(quantizer, 2 ** (bits - 1))


def bits_of(quantizer: qnn.QuantIdentity) -> torch.Tensor:
    """The present width of an activation quantiser, with the gradient of a learned one."""
    bits = quantizer.plain_bits
    return learned_width(quantizer) if bits is None else torch.tensor(float(bits))


def scale_parameter(quantizer: qnn.QuantIdentity) -> torch.nn.Parameter:
    """The learned parameter behind the scale: its logarithm, base 2, and a constant."""
    return _implementation(quantizer).scaling_impl.value


_STEP_OF_ZEROS = 1e-3


def optimal_step(
    values: np.ndarray, bits: int, weight: np.ndarray | float = 1.0, *, by_stimulus: bool = False
) -> float:
    """The step of a b-bit quantiser (codes -2^(b-1) … 2^(b-1) - 1) with least mean squared error on
    `values`; at one bit mean |value|.

    A scan over 200 steps up to the one that clips nothing. values: (stimulus, …); of more than
    100,000 values every n-th stimulus is used, with all its neurons. weight: of each squared error,
    broadcast against values' last axis. by_stimulus: the root is taken for each stimulus before the
    mean, as a distance averaged over stimuli does, so that the few that clip count for less.
    """
    chosen = np.asarray(values[:: max(1, values.size // 100_000)], np.float64)
    if bits == 1:
        return float(np.mean(np.abs(chosen)))
    half = 2 ** (bits - 1)
    rows = chosen.reshape(len(chosen), -1)

    def error(step: float) -> float:
        squared = weight * (rows - step * np.clip(np.rint(rows / step), -half, half - 1)) ** 2
        return float(np.sqrt(squared.mean(1)).mean() if by_stimulus else squared.mean())

    steps = np.abs(chosen).max() / half * np.linspace(0.02, 1.0, 200)
    return float(min(steps, key=error))


def optimal_weight_step(values: np.ndarray, bits: int) -> float:
    """`optimal_step` of weights (neuron, input), whose codes are narrow-range: -(2^(b-1) - 1) …
    2^(b-1) - 1; never 0.
    """
    return float(optimal_row_steps(np.asarray(values).reshape(1, -1), bits)[0])


def optimal_row_steps(rows: np.ndarray, bits: int) -> np.ndarray:
    """The same for every row of weights (row, weight): steps (row,)."""
    rows = np.asarray(rows, np.float64)
    sizes = np.abs(rows).max(1, keepdims=True)
    if bits == 1:
        best = np.abs(rows).mean(1, keepdims=True)
    else:
        top = 2 ** (bits - 1) - 1
        largest = np.where(sizes > 0, sizes, 1.0) / top
        best = largest.copy()
        least = np.full(sizes.shape, np.inf)
        for part in np.linspace(0.02, 1.0, 200):
            step = largest * part
            off = rows - step * np.clip(np.rint(rows / step), -top, top)
            error = np.mean(off**2, axis=1, keepdims=True)
            best = np.where(error < least, step, best)
            least = np.minimum(error, least)
    steps: np.ndarray = np.where(sizes > 0, best, _STEP_OF_ZEROS)[:, 0]
    return steps
