"""Layers of networks as a program's arrays; scales are read in float64, as the chip uses them."""

from typing import Any

import numpy as np
import torch

from stochsim.formats import FP16
from stochsim.networks.book_grids import BookGrid
from stochsim.networks.format_layers import FormatLinear
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
    """A Brevitas quantiser of this width, or the grid of a number format, as a program's."""
    assert bits is not None
    if isinstance(quantizer, BookGrid):
        return quantizer.quantizer()
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
    bias = bias_of(layer)
    bits = settings.weight_bits_of(name)
    of_neurons = settings.has_scales_of_neurons(name)
    assert bits is not None
    return Layer(
        **(
            _of_format(layer)
            if isinstance(layer, FormatLinear)
            else _of_integers(layer, of_neurons)
        ),
        weight_bits=bits,
        input=quantizers[0],
        output=quantizers[1],
        bias=bias,
        sigma=np.zeros(len(bias)) if sigma is None else sigma,
        own_width=name in settings.layer_bits,
    )


def _of_integers(layer: Any, of_neurons: bool) -> dict[str, Any]:
    """Weights of Brevitas, as fields of a `Layer`."""
    weight = layer.quant_weight()
    codes = weight.int().numpy().astype(np.int8)
    scale = weight.scale.detach()
    return {
        "weight_codes": codes,
        "weight_scale": array_of(scale)[:, 0] if of_neurons else float(scale),
    }


def _of_format(layer: FormatLinear) -> dict[str, Any]:
    """Weights of a number format, likewise."""
    grid = layer.grid
    scale = grid.weight_scale().detach()
    blocks = grid.block_size is not None
    return {
        "weight_codes": grid.codes(layer.weight).numpy().astype(np.int8),
        "weight_scale": array_of(scale) if scale.ndim else float(scale),
        "weight_book": grid.book,
        "block_size": grid.block_size,
        "block_scales": grid.block_scales if blocks else FP16,
    }


def float_layer(layer: Any) -> FloatLayer:
    """A linear layer without quantisers."""
    return FloatLayer(array_of(layer.weight), bias_of(layer))
