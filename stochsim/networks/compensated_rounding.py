"""Rounding of weights in which the error of one is made up for by the others, so that what a layer
gives for its inputs is off by less than with each weight at its nearest value.

Minimises E |(W - V) x|² = tr (W - V) M (W - V)ᵀ, M = E x xᵀ, over values V on a grid by coordinate
descent from the nearest values on: the best value of one weight, all others given, is the nearest
to v + ((W - V) M)_j / M_jj (Behdin et al. 2023, QuantEase, arXiv 2309.01885). Every change lowers
the error; ten rounds come within some per cent of where it ends.
"""

import math
from collections.abc import Callable

import torch

from stochsim.networks.torch_settings import one_thread

_SWEEPS = 10
_TOGETHER = 32
"""Inputs after whose weights the errors of the others are put right."""

_RIDGE = 0.01
"""Of the mean square of inputs, added to that of each: weights of inputs that the examples tell
nothing of stay where they are."""
_ENOUGH = 4
"""Examples for each input, from which on the ridge is no larger: moments of fewer are those of
chance, which shrinks them to a multiple of the identity as in Ledoit and Wolf 2004."""


def compensated(
    weights: torch.Tensor,
    moments: torch.Tensor,
    nearest: Callable[[torch.Tensor, int], torch.Tensor],
    examples: float = math.inf,
) -> torch.Tensor:
    """Values (…, row, input) on a grid for weights of that shape, float64, whose inputs have second
    moments (…, input, input).

    nearest: the values on the grid nearest to numbers (…, row) that stand for the weights of one
    input. examples: of how many the moments are; with few, values stay nearer to the weights.

    >>> import torch
    >>> from stochsim.networks import compensated
    >>> weights = torch.tensor([[0.4, 0.4, 0.4]], dtype=torch.float64)
    >>> alike = torch.ones(3, 3, dtype=torch.float64)          # three inputs that are one
    >>> compensated(weights, alike, lambda values, column: values.round())
    tensor([[1., 0., 0.]], dtype=torch.float64)
    """
    diagonal = torch.diagonal(moments, dim1=-2, dim2=-1)
    few = max(0.0, weights.shape[-1] / examples - 1 / _ENOUGH)
    ridge = (_RIDGE + few) * diagonal.mean(-1, keepdim=True)
    moments = moments + torch.diag_embed(ridge.expand_as(diagonal))
    sizes = torch.diagonal(moments, dim1=-2, dim2=-1).clamp_min(torch.finfo(moments.dtype).tiny)
    with one_thread():  # of many small steps
        return _descended(weights, moments, sizes, nearest)


def _descended(
    weights: torch.Tensor,
    moments: torch.Tensor,
    sizes: torch.Tensor,
    nearest: Callable[[torch.Tensor, int], torch.Tensor],
) -> torch.Tensor:
    """The same for moments with a diagonal `sizes` (…, input) above 0. Weights of one input lie
    side by side here, (…, input, row).
    """
    inputs = weights.shape[-1]
    columns = weights.mT.contiguous()
    values = torch.stack([nearest(columns[..., place, :], place) for place in range(inputs)], -2)
    for _ in range(_SWEEPS):
        left = moments @ (columns - values)
        before = values.clone()
        for first in range(0, inputs, _TOGETHER):
            some = slice(first, min(first + _TOGETHER, inputs))
            own, at_first = left[..., some, :].clone(), values[..., some, :].clone()
            for place in range(some.start, some.stop):
                off = own[..., place - first, :] / sizes[..., place, None]
                found = nearest(values[..., place, :] + off, place)
                moved = found - values[..., place, :]
                if moved.any():
                    values[..., place, :] = found
                    own -= moments[..., some, place, None] * moved[..., None, :]
            left -= moments[..., some] @ (values[..., some, :] - at_first)
        if torch.equal(values, before):
            break
    return values.mT.contiguous()
