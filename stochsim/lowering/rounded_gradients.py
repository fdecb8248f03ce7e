"""Gradients of the drives of a converted network, rounded to a number format on their way back."""

from typing import Any, NamedTuple

import numpy as np
import torch

from stochsim.formats import BLOCK_FORMATS, FORMATS, CodeBook, code_book
from stochsim.hardware import InputRounding
from stochsim.lowering.emulated_layer import OfDrive
from stochsim.networks import levels_among
from stochsim.settings import SettingError, check_kind


class GradientFormat(NamedTuple):
    """The values that gradients take, times a power of two, and how they are rounded to these;
    None: to the nearest.
    """

    book: CodeBook
    rounding: InputRounding | None

    def scale_of(self, gradient: torch.Tensor) -> torch.Tensor:
        """The smallest power of two at which none of a gradient (any shape) lies beyond the ends of
        the book, a float64 scalar; 1 of a gradient that is 0.
        """
        top = min(-self.book.values[0], self.book.values[-1])
        largest = gradient.abs().amax().double() / top
        part, exponent = torch.frexp(largest)
        covering = torch.where(part > 0.5, exponent, exponent - 1)
        return torch.where(largest > 0, torch.ldexp(torch.ones_like(largest), covering), 1.0)

    def rounded(self, gradient: torch.Tensor, uniform: torch.Tensor | None) -> torch.Tensor:
        """Values for a gradient (any shape), in its numbers; uniform: of that shape, from 0 to
        below 1, the upper neighbour where it is below the chance. One that is not finite stays.

        >>> import torch
        >>> from stochsim.formats import code_book
        >>> from stochsim.hardware import InputRounding
        >>> from stochsim.lowering.rounded_gradients import GradientFormat
        >>> gradient = torch.tensor([0.75, 0.1, -0.3])
        >>> GradientFormat(code_book("int3"), None).rounded(gradient, None)
        tensor([ 0.7500,  0.0000, -0.2500])
        >>> fair = torch.full((3,), 0.3)
        >>> GradientFormat(code_book("int3"), InputRounding()).rounded(gradient, fair)
        tensor([ 0.7500,  0.2500, -0.2500])
        """
        if not gradient.numel() or not gradient.isfinite().all():
            return gradient
        scale = self.scale_of(gradient)
        place = gradient.double() / scale
        values = _of(self.book.values, place)
        if self.rounding is None:
            ties = torch.tensor(self.book.ties, device=place.device)
            level = levels_among(place, _of(self.book.edges, place), ties)
            return (values[level] * scale).to(gradient.dtype)
        assert uniform is not None
        lower = (torch.bucketize(place, values, right=True) - 1).clamp(0, len(values) - 2)
        part = (place - values[lower]) / (values[lower + 1] - values[lower])
        up = uniform < self.rounding.chance_up(part, place < 0)
        return (values[lower + up] * scale).to(gradient.dtype)

    def of_drives(self, generator: torch.Generator) -> OfDrive:
        """What gives a drive back, whose gradient will be rounded by numbers of its own."""

        def of_drive(drive: torch.Tensor) -> torch.Tensor:
            seed = int(torch.randint(2**62, (1,), generator=generator))
            found: torch.Tensor = _Rounded.apply(drive, self, seed)
            return found

        return of_drive


def gradient_format(given: str | CodeBook, rounding: InputRounding | None) -> GradientFormat:
    """The format of this name or book; raises SettingError for one with blocks, or of numbers of
    one sign.
    """
    if isinstance(given, str) and given in BLOCK_FORMATS:
        rule = "has blocks, and gradients of a layer share one scale"
        raise SettingError.of("format", given, rule, FORMATS)
    book = code_book(given) if isinstance(given, str) else given
    check_kind("format", book, CodeBook, "should be the name of a number format, or a CodeBook")
    if book.values[0] >= 0 or book.values[-1] <= 0:
        rule = "should have values of both signs, as gradients have"
        raise SettingError.of("format", book.name, rule)
    return GradientFormat(book, rounding)


class _Rounded(torch.autograd.Function):
    """The identity, whose gradient is rounded."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, to: GradientFormat, seed: int) -> torch.Tensor:
        ctx.to, ctx.seed = to, seed
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (gradient,) = gradients
        uniform = None
        if ctx.to.rounding is not None:
            generator = torch.Generator().manual_seed(ctx.seed)
            uniform = torch.rand(gradient.shape, generator=generator, dtype=torch.float64)
            uniform = uniform.to(gradient.device)
        return ctx.to.rounded(gradient, uniform), None, None


def _of(numbers: tuple[float, ...], like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.array(numbers)).to(like)
