"""Grids whose values are those of a number format."""

import math

import numpy as np
import torch

from stochsim.formats import E4M3, E8M0, FP16, CodeBook, blocks_text, code_book
from stochsim.hardware import SAME, InputRounding
from stochsim.networks.grids import Grid
from stochsim.program import Quantizer, product_table


class BookGrid(Grid):
    """The values of a code book times a scale, one or one of each neuron or block.

    Integers are those that products multiply (see `CodeBook.fixed_point`), so `scale` is the factor
    of the book's values times their unit. The gradient passes the rounding between the ends. Scales
    of blocks stay on their own format, `block_scales`, as they are learned.
    """

    tensor_scale: torch.Tensor
    _integers: torch.Tensor
    _edges: torch.Tensor
    _ties: torch.Tensor

    def __init__(
        self,
        book: CodeBook,
        scale: float | np.ndarray,
        block_size: int | None = None,
        block_scales: str = FP16,
    ) -> None:
        self.book: CodeBook | None = book  # read by the properties below, before anything else
        self.unit, integers = product_table(book)
        super().__init__(book.bits, self.unit * scale, is_given=True, block_size=block_size)
        self.block_scales = block_scales
        tables = {"_integers": integers, "_edges": np.array(book.edges) / self.unit}
        for name, table in tables.items():
            self.register_buffer(name, torch.from_numpy(table.astype(np.float64)), persistent=False)
        self.register_buffer("_ties", torch.tensor(book.ties), persistent=False)
        largest = float(np.max(self.unit * scale)) / code_book(E4M3).values[-1]
        self.register_buffer("tensor_scale", torch.tensor(largest, dtype=torch.float64))

    def integer_values(self) -> torch.Tensor:
        """The integers of all values, (level,), ascending, in float64."""
        return self._integers

    def integer_edges(self) -> torch.Tensor:
        """The edges between them, (level - 1,)."""
        return self._edges

    @property
    def is_sign(self) -> bool:
        """Never: at one bit, too, values are the book's."""
        return False

    @property
    def low(self) -> int:
        """The smallest integer."""
        return int(self.integer_values()[0])

    @property
    def high(self) -> int:
        """The largest integer."""
        return int(self.integer_values()[-1])

    @property
    def values_text(self) -> str:
        """The name of its number format, or of its block format."""
        assert self.book is not None
        if self.block_size is None:
            return self.book.name
        return blocks_text(self.book, self.block_size, self.block_scales)

    @property
    def log2_levels(self) -> float:
        """The binary logarithm of the number of values."""
        assert self.book is not None
        return math.log2(self.book.levels)

    def scale(self) -> torch.Tensor:
        """See `Grid.scale`; of blocks on the format of their scales."""
        scale = super().scale()
        if self.block_scales == E8M0:
            return scale + (torch.exp2(torch.log2(scale).round()) - scale).detach()
        if self.block_scales == E4M3:
            return scale + (self._in_e4m3(scale.detach()) - scale).detach()
        return scale

    def _in_e4m3(self, scale: torch.Tensor) -> torch.Tensor:
        """The nearest products of `tensor_scale` and a number above 0 in E4M3."""
        book = code_book(E4M3)
        values = scale.new_tensor([one for one in book.values if one > 0])
        middles = (values[1:] + values[:-1]) / 2
        return self.tensor_scale * values[torch.bucketize(scale / self.tensor_scale, middles)]

    def weight_scale(self) -> torch.Tensor:
        """See `Grid.weight_scale`."""
        return self.scale() / self.unit

    def step(self) -> torch.Tensor:
        """The mean distance of neighbouring values, of the shape of `scale`."""
        return self.scale() * ((self.high - self.low) / (len(self.integer_values()) - 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values nearest to x (any shape) by the edges of the book."""
        scale = self.scale_of(x)
        if self.rounding is not None:
            return self._at_random(x, scale)
        place = x / scale
        inside = place.clamp(self.low, self.high)
        value = self.integer_values()[self._levels(place)].to(x.dtype)
        return (inside + (value - inside).detach()) * scale

    def _levels(self, place: torch.Tensor) -> torch.Tensor:
        """Which value, counted from the lowest, each place takes, in units of the integers."""
        return levels_among(place.detach(), self.integer_edges().to(place.dtype), self._ties)

    def _nearest_integers(
        self, places: torch.Tensor, low: torch.Tensor, high: torch.Tensor
    ) -> torch.Tensor:
        """See `Grid._nearest_integers`."""
        return self.integer_values()[self._levels(places)].to(places)

    def rounded_at_random(
        self, x: torch.Tensor, uniform: torch.Tensor, rounding: InputRounding
    ) -> torch.Tensor:
        """One of the two values around each x (any shape), the upper by the chance of `rounding`;
        uniform: of that shape, between 0 and 1. The gradient is that of `forward`.
        """
        scale = self.scale_of(x)
        inside = (x / scale).clamp(self.low, self.high)
        table = self.integer_values().to(x.dtype)
        lower = self._lower(inside)
        part = (inside.detach() - table[lower]) / (table[lower + 1] - table[lower])
        near = (part - part.round()).abs() * (table[lower + 1] - table[lower])
        part = torch.where(near <= SAME * inside.detach().abs(), part.round(), part)
        value = table[lower + (uniform < rounding.chance_up(part, x.detach() < 0))]
        return (inside + (value - inside).detach()) * scale

    def _lower(self, inside: torch.Tensor) -> torch.Tensor:
        """Which value, counted from the lowest, is the lower neighbour of each place."""
        table = self.integer_values().to(inside.dtype)
        found = torch.bucketize(inside.detach().contiguous(), table, right=True) - 1
        return found.clamp(0, len(table) - 2)

    def rounding_variance(self, x: torch.Tensor) -> float:
        """As of even grids, by the distance of the values around each x (neuron, …) or (any
        shape).
        """
        with torch.no_grad():
            scale = self.scale_of(x)
            lower = self._lower((x / scale).clamp(self.low, self.high))
            table = self.integer_values().to(x.dtype)
            squares = (scale * (table[lower + 1] - table[lower])).square()
            return float(squares.mean()) / self.cells_per_square

    def _neighbours(self, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Grid._neighbours`."""
        lower, table = self._lower(inside), self.integer_values().to(inside)
        return table[lower], table[lower + 1]

    def integers(self, x: torch.Tensor) -> torch.Tensor:
        """The factors of the scale in the values that x takes, int64 of the same shape."""
        with torch.no_grad():
            if self.rounding is not None:
                return self._integers_at_random(x).long()
            return self.integer_values()[self._levels(x / self.scale_of(x))].long()

    def codes(self, x: torch.Tensor) -> torch.Tensor:
        """The codes of weights (neuron, …), int16."""
        assert self.book is not None
        with torch.no_grad():
            if self.rounding is not None:
                levels = torch.bucketize(self._integers_at_random(x), self._integers)
            else:
                levels = self._levels(x / self.scale_of(x))
        return (levels + self.book.c_min).to(torch.int16)

    def value_of_zero(self) -> float:
        """The value that 0 becomes, by the one scale of a grid of inputs."""
        return float(self(self.given_scale.new_zeros(1)).detach())

    def quantizer(self) -> Quantizer:
        """The same grid as a chip takes it."""
        assert self.book is not None
        return Quantizer.of_format(self.book, float(self.weight_scale().detach()))


def levels_among(place: torch.Tensor, edges: torch.Tensor, ties: torch.Tensor) -> torch.Tensor:
    """Which value, counted from the lowest, places (any shape) take between ascending edges (edge,)
    of their type; ties (edge,): whether a place on an edge takes the value above.
    """
    found = torch.bucketize(place.contiguous(), edges)
    at = found.clamp(max=len(edges) - 1)
    return found + ((place == edges[at]) & ties[at])
