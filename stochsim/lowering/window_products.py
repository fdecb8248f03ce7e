"""Products of a layer's windows in torch, as its geometry says: what the emulation computes, and
the geometry of torch's own products.
"""

from collections.abc import Mapping
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


_CONVOLUTIONS: Mapping[int, Any] = {
    1: functional.conv1d,
    2: functional.conv2d,
    3: functional.conv3d,
}


def geometry_of(axes: int, weight: tuple[int, ...], given: Mapping[str, Any]) -> Geometry:
    """The geometry of a product with a weight of this shape. axes: of its windows, 0 for a linear
    layer; given: the arguments of torch's convolution.
    """
    if axes == 0:
        return Geometry()
    kernel = weight[2:]
    stride, dilation = (of_axes(given[name], axes) for name in ("stride", "dilation"))
    padding: Any
    if given["padding"] == "same":
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        padding = tuple((r // 2, r - r // 2) for r in reach)
    else:
        one = 0 if given["padding"] == "valid" else given["padding"]
        padding = tuple((p, p) for p in of_axes(one, axes))
    return Geometry(kernel, stride, padding, dilation, given["groups"])


def transposed_geometry(kernel: tuple[int, ...], given: Mapping[str, Any]) -> Geometry | None:
    """The geometry of the convolution that a transposed one is, of its inputs with zeros between
    them; None where its padding takes away more than its windows reach. given: the arguments of
    torch's transposed convolution.
    """
    axes = len(kernel)
    stride, dilation, padding, more = (
        of_axes(given[name], axes) for name in ("stride", "dilation", "padding", "output_padding")
    )
    reach = [d * (k - 1) - p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    if min(reach) < 0:
        return None
    around = tuple((r, r + extra) for r, extra in zip(reach, more, strict=True))
    return Geometry(kernel, (1,) * axes, around, dilation, given["groups"], input_dilation=stride)


def of_axes(value: Any, axes: int) -> tuple[int, ...]:
    """One number for each axis."""
    found = tuple(value) if isinstance(value, list | tuple) else (value,)
    return found * axes if len(found) == 1 else found


def drive(
    geometry: Geometry,
    values: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    zero: float,
) -> torch.Tensor:
    """Products of values (stimulus, …) with a weight, and the bias, (stimulus, …); zero: the value
    of the padding. The weight of a table is (row, neuron), its values are ids.
    """
    if geometry.lookup:
        found = functional.embedding(values.long(), weight, geometry.padding_row)
        return found if bias is None else found + bias
    if not geometry.kernel:
        return functional.linear(values, weight, bias)
    convolve = _CONVOLUTIONS[len(geometry.kernel)]
    padded = _padded(geometry, _apart(geometry, values), zero)
    return convolve(padded, weight, bias, geometry.stride, 0, geometry.dilation, geometry.groups)


def squares(geometry: Geometry, values: torch.Tensor, zero: float) -> torch.Tensor:
    """Sum of squares of what each output sees, of a shape that broadcasts against the drive; of a
    table one 1.
    """
    if geometry.lookup:
        return torch.ones_like(values).unsqueeze(-1)
    if not geometry.kernel:
        return values.square().sum(-1, keepdim=True)
    channels = values.shape[1] // geometry.groups
    one = values.new_ones(geometry.groups, channels, *geometry.kernel)
    return drive(geometry, values.square(), one, None, zero**2)


def windows(geometry: Geometry, values: torch.Tensor, zero: float = 0.0) -> torch.Tensor:
    """What each position sees of values (stimulus, …), with zeros around and between them as the
    geometry says, (stimulus, position, …, group, input): as `Geometry.rows`; zero: the value of the
    padding.
    """
    if not geometry.kernel:
        return values.unsqueeze(-2)
    found = _padded(geometry, _apart(geometry, values), zero)
    axes = len(geometry.kernel)
    for axis in range(axes):
        kernel, apart = geometry.kernel[axis], geometry.dilation[axis]
        found = found.unfold(2 + axis, apart * (kernel - 1) + 1, geometry.stride[axis])
        found = found[..., ::apart]
    found = found.movedim(1, 1 + axes)  # (stimulus, position …, channel, window …)
    return found.unflatten(1 + axes, (geometry.groups, -1)).flatten(2 + axes)


def drive_of_windows(geometry: Geometry, seen: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Products of what positions see, as `windows` has it, with a weight (neuron, …), of the shape
    of `drive`.
    """
    rows = weight.reshape(geometry.groups, -1, seen.shape[-1])
    found = torch.einsum("...gi,gni->...gn", seen, rows).flatten(-2)
    return found.movedim(-1, 1) if geometry.kernel else found


def squares_of_windows(geometry: Geometry, seen: torch.Tensor) -> torch.Tensor:
    """Sum of squares of what each output sees, as `windows` has it, of the shape of `squares`."""
    found = seen.square().sum(-1)
    return found.movedim(-1, 1) if geometry.kernel else found


def _apart(geometry: Geometry, values: torch.Tensor) -> torch.Tensor:
    """Values (stimulus, channel, …) with zeros between them."""
    if not geometry.input_dilation:
        return values
    sizes = geometry.dilated(tuple(values.shape[2:]))
    found = values.new_zeros(*values.shape[:2], *sizes)
    places: Any = (..., *(slice(None, None, apart) for apart in geometry.input_dilation))
    found[places] = values
    return found


def _padded(geometry: Geometry, values: torch.Tensor, zero: float) -> torch.Tensor:
    if not geometry.is_padded:
        return values
    sizes = [size for pair in reversed(geometry.padding) for size in pair]
    more: Any = {"value": zero} if geometry.padding_mode == "zeros" else {}
    return functional.pad(values, sizes, _TORCH_PAD[geometry.padding_mode], **more)
