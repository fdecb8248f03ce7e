"""Layers of networks as a program's arrays; scales are read in float64, as the chip uses them."""

from typing import Any

import numpy as np
import torch

from stochsim.networks.network_settings import NetworkSettings
from stochsim.networks.quantizers import scale_of
from stochsim.program import FloatLayer, Layer, Quantizer


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """A float64 copy of the tensor's values, of its shape."""
    return tensor.detach().double().numpy().copy()


def bias_of(layer: Any) -> np.ndarray:
    """Biases (neuron,) of a linear layer, 0 where it has none."""
    return array_of(layer.bias) if layer.bias is not None else np.zeros(layer.weight.shape[0])


def quantizer_of(bits: int | None, quantizer: Any) -> Quantizer:
    """A Brevitas quantiser of this width as a program's."""
    assert bits is not None
    return Quantizer(bits, float(scale_of(quantizer).detach()))


def program_layer(
    layer: Any,
    name: str,
    settings: NetworkSettings,
    quantizers: tuple[Quantizer, Quantizer],
    sigma: np.ndarray | None = None,
) -> Layer:
    """A quantised layer, by its name among those that may have a width of their own, with the noise
    level (neuron,) that it is trained to (none: 0); quantizers: of what it reads and gives.
    """
    weight = layer.quant_weight()
    bias = bias_of(layer)
    bits = settings.weight_bits_of(name)
    assert bits is not None
    scale = weight.scale.detach()
    of_neurons = settings.has_scales_of_neurons(name)
    return Layer(
        weight_codes=weight.int().numpy().astype(np.int8),
        weight_bits=bits,
        weight_scale=array_of(scale)[:, 0] if of_neurons else float(scale),
        input=quantizers[0],
        output=quantizers[1],
        bias=bias,
        sigma=np.zeros(len(bias)) if sigma is None else sigma,
        own_width=name in settings.layer_bits,
    )


def float_layer(layer: Any) -> FloatLayer:
    """A linear layer without quantisers."""
    return FloatLayer(array_of(layer.weight), bias_of(layer))
