"""Products of a layer's windows in torch, as its geometry says: what the emulation computes, and
the geometry of torch's own modules.
"""

from typing import Any

import torch
from torch.nn import functional

from stochsim.program import Geometry

_TORCH_PAD = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


def geometry_of(module: Any) -> Geometry:
    """The geometry of a Linear, Conv1d or Conv2d."""
    if isinstance(module, torch.nn.Linear):
        return Geometry()
    reach = [d * (k - 1) for k, d in zip(module.kernel_size, module.dilation, strict=True)]
    if module.padding == "same":
        padding = tuple((r // 2, r - r // 2) for r in reach)
    else:
        given = (0,) * len(reach) if module.padding == "valid" else module.padding
        padding = tuple((p, p) for p in given)
    rest = (tuple(module.dilation), module.groups, module.padding_mode)
    return Geometry(tuple(module.kernel_size), tuple(module.stride), padding, *rest)


def drive(
    geometry: Geometry,
    values: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    zero: float,
) -> torch.Tensor:
    """Products of values (stimulus, …) with a weight, and the bias, (stimulus, …); zero: the value
    of the padding.
    """
    if not geometry.kernel:
        return functional.linear(values, weight, bias)
    convolve = functional.conv1d if len(geometry.kernel) == 1 else functional.conv2d
    padded = _padded(geometry, values, zero)
    return convolve(padded, weight, bias, geometry.stride, 0, geometry.dilation, geometry.groups)


def squares(geometry: Geometry, values: torch.Tensor, zero: float) -> torch.Tensor:
    """Sum of squares of what each output sees, of a shape that broadcasts against the drive."""
    if not geometry.kernel:
        return values.square().sum(-1, keepdim=True)
    channels = values.shape[1] // geometry.groups
    one = values.new_ones(geometry.groups, channels, *geometry.kernel)
    return drive(geometry, values.square(), one, None, zero**2)


def _padded(geometry: Geometry, values: torch.Tensor, zero: float) -> torch.Tensor:
    if not geometry.is_padded:
        return values
    sizes = [size for pair in reversed(geometry.padding) for size in pair]
    more: Any = {"value": zero} if geometry.padding_mode == "zeros" else {}
    return functional.pad(values, sizes, _TORCH_PAD[geometry.padding_mode], **more)
