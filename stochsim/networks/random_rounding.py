"""Weights of quantised networks on one of their two neighbouring codes, at random."""

from typing import Any

import torch

from stochsim.hardware import SAME, InputRounding
from stochsim.networks.format_layers import FormatLinear
from stochsim.networks.quantizers import quantised_weight


def round_at_random(layer: Any, generator: torch.Generator) -> None:
    """Put the weights (neuron, input) of a quantised layer on one of the two values around each,
    the upper with a chance that is the remainder; at one bit ±scale. Weights of 0 stay.
    """
    if isinstance(layer, FormatLinear):
        weight = layer.weight.detach().double()
        uniform = torch.rand(weight.shape, generator=generator, dtype=torch.float64)
        _put(layer, layer.grid.rounded_at_random(weight, uniform, InputRounding()).detach())
        return
    step = quantised_weight(layer)[1].detach().double().reshape(-1, 1)
    top = 2 ** (layer.plain_bits - 1) - 1
    size, gap = (top, 1) if top else (1, 2)  # at one bit -1 and 1
    place = (layer.weight.detach().double() / step).clamp(-size, size)
    part = (place + size) / gap
    near = (part - part.round()).abs() * gap <= SAME * place.abs()
    part = torch.where(near, part.round(), part)
    uniform = torch.rand(part.shape, generator=generator, dtype=torch.float64)
    lower = part.floor()
    found = ((lower + (uniform < part - lower)) * gap - size) * step
    _put(layer, found)


def _put(layer: Any, values: torch.Tensor) -> None:
    """Values (neuron, input) in place of the weights that are not 0."""
    with torch.no_grad():
        layer.weight.copy_(torch.where(layer.weight == 0, 0.0, values))
