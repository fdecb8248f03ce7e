"""Grids of inputs in blocks whose scales follow from the values, as `DynamicQuantizer` has them."""

import torch
from torch.nn import functional

from stochsim.formats import (
    E4M3,
    E8M0,
    EXPONENTS,
    CodeBook,
    code_book,
    largest_exponent,
)
from stochsim.networks import BookGrid, Grid, levels_among
from stochsim.program import DynamicQuantizer


class DynamicGrid(BookGrid):
    """The values of a book in blocks of neighbouring inputs, the last axis of what it is called
    with, times a scale that each block has of its own values, times `scale`, which is constant.

    Computed in float64, so that codes are those of a chip. Nothing of it is learned: a scale is the
    same for all numbers near by, so the gradient passes the rounding between the ends of a block.
    """

    def __init__(
        self, book: CodeBook, block_size: int, block_scales: str, scale: float = 1.0
    ) -> None:
        super().__init__(book, scale, block_size, block_scales)
        self.requires_grad_(False)

    @property
    def is_dynamic(self) -> bool:
        """Always."""
        return True

    def scale(self) -> torch.Tensor:
        """The constant factor of integers, a scalar."""
        return Grid.scale(self)

    def scale_of(self, x: torch.Tensor) -> torch.Tensor:
        """The factors of the integers of x (…, input), float64 of its shape, without gradient."""
        assert self.block_size is not None
        with torch.no_grad():
            inputs = x.shape[-1]
            short = -inputs % self.block_size
            sizes = functional.pad(x.double().abs(), (0, short)).unflatten(
                -1, (-1, self.block_size)
            )
            scales = self._of_blocks(sizes.amax(-1)) * self.scale().double()
            return scales.repeat_interleave(self.block_size, -1)[..., :inputs]

    def _of_blocks(self, largest: torch.Tensor) -> torch.Tensor:
        """See `stochsim.formats.scales_of_blocks`, float64."""
        assert self.book is not None
        unit = self.weight_scale().double()
        if self.block_scales == E8M0:
            exponents = torch.frexp(largest / unit)[1] - 1 - largest_exponent(self.book)
            exponents = torch.where(largest > 0, exponents, EXPONENTS[0]).clamp(*EXPONENTS)
            return ((exponents.long() + _BIAS) << _MANTISSA).view(torch.float64)
        book = code_book(E4M3)
        values, edges = (largest.new_tensor(one) for one in (book.values, book.edges))
        ties = torch.tensor(book.ties, device=largest.device)
        levels = levels_among(largest / (unit * self.book.values[-1]), edges, ties)
        return values[levels].clamp(min=float(values[values > 0].min()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values nearest to x (…, input), in its own numbers."""
        return super().forward(x.double()).to(x.dtype)

    def units(self, x: torch.Tensor) -> torch.Tensor:
        """x (…, input), float64 values of this grid, in units of `scale`."""
        return x / self.scale().double()

    def rounding_variance(self, x: torch.Tensor) -> float:
        """As of other books, of x (…, input)."""
        return super().rounding_variance(x.double())

    def quantizer(self) -> DynamicQuantizer:
        """The same grid as a chip takes it."""
        assert self.book is not None
        assert self.block_size is not None
        return DynamicQuantizer(
            self.bits,
            float(self.weight_scale().detach()),
            book=self.book,
            block_size=self.block_size,
            block_scales=self.block_scales,
        )


_BIAS, _MANTISSA = 1023, 52
"""Of float64: a power of two is an exponent alone."""
