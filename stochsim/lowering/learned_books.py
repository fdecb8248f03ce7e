"""Grids of a converted network whose values are learned: a code book of its own for each layer."""

import zlib

import numpy as np
import torch

from stochsim.formats import CodeBook, lloyd_max
from stochsim.networks import LEAST_GAP, BookGrid, book_parameters, even_values, trained_format_bits
from stochsim.program import Quantizer
from stochsim.settings import SettingError

_UNITS = 2**20
_MOST_NUMBERS = 200_000


class LearnedBookGrid(BookGrid):
    """Values of a format of `LEARNED`, from given ones (level,) on.

    Learned are the lowest, and the logarithms of the distances beyond LEAST_GAP, in units of the
    first mean distance of neighbours: so values ascend and cannot merge. Edges are halfway. Values
    are integers of a unit, 2^20 of them to the largest, as products have them. The gradient passes
    the rounding between the ends; a value's is the sum over all numbers that took it. The mean
    distance of values, in which read noise may be given, has none: values do not move for the
    noise's sake. A file has the present book, whose scale alone can be learned further.
    """

    first_unit: torch.Tensor
    lowest: torch.nn.Parameter
    log_gaps: torch.nn.Parameter

    def __init__(self, name: str, values: np.ndarray) -> None:
        first = float(np.diff(values).mean())
        lowest, log_gaps = book_parameters(values / first)
        units = np.cumsum([float(lowest), *(LEAST_GAP + np.exp(log_gaps.numpy()))])
        super().__init__(CodeBook(tuple(units.tolist()), name=name), first)
        self.register_buffer("first_unit", torch.tensor(self.unit, dtype=torch.float64))
        self.unit = 1.0
        self.log_scale.requires_grad_(False)
        self.lowest, self.log_gaps = torch.nn.Parameter(lowest), torch.nn.Parameter(log_gaps)

    @property
    def _kind(self) -> dict[str, float]:
        """As of other grids, by the name of the format: its values are among the parameters."""
        assert self.book is not None
        return {**super()._kind, "number format": zlib.crc32(self.book.name.encode())}

    def values(self) -> torch.Tensor:
        """Values (level,), ascending, in float64, with their gradient."""
        gaps = LEAST_GAP + self.log_gaps.double().exp()
        units = self.lowest.double() + torch.cat([gaps.new_zeros(1), gaps.cumsum(0)])
        return (super().scale().detach().double() / self.first_unit) * units

    def scale(self) -> torch.Tensor:
        """The unit of the integers, a scalar of the type of the parameters."""
        return (self.values().detach().abs().max() / _UNITS).to(self.lowest.dtype)

    def log_of_scale(self) -> torch.Tensor:
        """See `Grid.log_of_scale`."""
        return self.scale().log2()

    def integer_values(self) -> torch.Tensor:
        """See `BookGrid.integer_values`."""
        return (self.values().detach() / self.scale().double()).round()

    def integer_edges(self) -> torch.Tensor:
        """Halfway between them."""
        integers = self.integer_values()
        return 0.5 * integers[:-1] + 0.5 * integers[1:]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values nearest to x, any shape."""
        scale = self.scale()
        levels = self._levels(x / scale)
        value = self.integer_values()[levels].to(x.dtype) * scale
        passes = x.clamp(self.low * scale, self.high * scale) + self.values().to(x.dtype)[levels]
        return value + (passes - passes.detach())

    def quantizer(self) -> Quantizer:
        """The same grid as a chip takes it, the integers as its book."""
        assert self.book is not None
        integers = CodeBook(tuple(self.integer_values().tolist()), name=self.book.name)
        return Quantizer.of_format(integers, float(self.scale()))


def learned_from(values: np.ndarray, name: str) -> LearnedBookGrid:
    """The grid of a format whose values are learned, at first Lloyd-Max of values (stimulus, …); of
    fewer different ones than it has, evenly spaced from the lowest to the highest.

    Of more than 200,000 values every n-th stimulus is used, with all of its values.
    """
    bits = trained_format_bits(name)
    numbers = np.asarray(values[:: -(-values.size // _MOST_NUMBERS)], np.float64).ravel()
    try:
        return LearnedBookGrid(name, np.array(lloyd_max(numbers, bits).values))
    except SettingError:
        return LearnedBookGrid(name, _even(numbers, bits))


def _even(numbers: np.ndarray, bits: int) -> np.ndarray:
    """2^bits values from the lowest to the highest of numbers (n,), 1 apart where these are one."""
    low, high = float(numbers.min()), float(numbers.max())
    units = np.array(even_values(bits).values)
    return (low + high) / 2 + units * ((high - low) / (2**bits - 1) or 1.0)
