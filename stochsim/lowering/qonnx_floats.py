"""Floating-point formats of few bits in QONNX: the operator FloatQuant."""

import math
from typing import Any

import torch

from stochsim.formats import CodeBook, FloatFormat, code_book, float_format
from stochsim.networks import BookGrid, Grid

_OPERATOR = "qonnx.custom_op.general::FloatQuant"
_NUMBERS = 5


def why_not_float_quant(grid: Grid) -> str:
    """Why FloatQuant has not the values of a grid of a number format; "" where it has them all, and
    rounds every number to the same one.
    """
    assert grid.book is not None
    found = _format(grid.book)
    if grid.block_size is not None:
        return "whose blocks QONNX has no scales for"
    if grid.book.name.startswith(("int", "uint")):
        return "whose integers it has of networks that are converted with widths, without formats"
    if found is None:
        return "which QONNX has no operator for; it has fp<bits>-e<x>m<y>"
    if not found.mantissa_bits and found.exponent_bits > 1:
        return "whose ties QONNX rounds to the larger value; it has formats with a mantissa"
    return ""


def _format(book: CodeBook) -> FloatFormat | None:
    """The floating-point format that a book is, None of other books."""
    found = float_format(book.name)
    return found if found is not None and code_book(book.name) == book else None


class FloatQuant(torch.nn.Module):
    """The values of a grid of a floating-point format for numbers of any shape; exported as the
    operator of that name.
    """

    scale: torch.Tensor
    exponent_bits: torch.Tensor
    mantissa_bits: torch.Tensor
    bias: torch.Tensor
    largest: torch.Tensor

    def __init__(self, grid: BookGrid) -> None:
        super().__init__()
        assert grid.book is not None
        found = _format(grid.book)
        assert found is not None
        self.specials = tuple(
            any(test(one) for one in grid.book.bit_patterns) for test in (math.isinf, math.isnan)
        )
        numbers = {
            "scale": float(grid.weight_scale().detach()),
            "exponent_bits": float(found.exponent_bits),
            "mantissa_bits": float(found.mantissa_bits),
            "bias": float(found.bias),
            "largest": grid.book.values[-1],
        }
        for name, number in numbers.items():
            self.register_buffer(name, torch.tensor(number), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Values of x."""
        numbers = (self.scale, self.exponent_bits, self.mantissa_bits, self.bias, self.largest)
        found: torch.Tensor = _Operator.apply(x, *numbers, *self.specials)
        return found


class _Operator(torch.autograd.Function):
    """Of x, scalar tensors (scale, bits of the exponent and of the mantissa, bias, largest value),
    and whether the format has infinities and NaN. Nothing but these is read, as in the file.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        scale, _, mantissa_bits, bias, largest = rest[:_NUMBERS]
        place = x / scale
        exponent = (torch.frexp(place)[1] - 1).clamp(min=1 - bias)
        step = torch.exp2(exponent - mantissa_bits)
        found: torch.Tensor = ((place / step).round() * step).clamp(-largest, largest) * scale
        return found

    @staticmethod
    def symbolic(g: Any, x: Any, *rest: Any) -> Any:
        """What stands in the file; halves go to the even mantissa, beyond the ends to the end."""
        has_inf, has_nan = rest[_NUMBERS:]
        found = g.op(
            _OPERATOR,
            x,
            *rest[:_NUMBERS],
            has_inf_i=int(has_inf),
            has_nan_i=int(has_nan),
            has_subnormal_i=1,
            rounding_mode_s="ROUND",
            saturation_i=1,
        )
        found.setType(x.type())
        return found
