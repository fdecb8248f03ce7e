"""Outputs of a number format in training: a quantiser whose values are those of a code book.

Three kinds, by the format's name. A named one (`fp4-e2m1`): the book's values times a scale, which
is learned as its logarithm. `lloyd-<b>`: values fitted to the float network's answers, then only
scaled. `learned-<b>`: the same values at first, each of them learned.

Scale and values follow the network's answers before the quantiser, as Lloyd-Max does: their
gradient is that of `rounding_error`, in units of posterior variances, to a value the sum over all
reads that took it. The objective of the network does not reach them: it would move values apart and
so evade the price of reliability (single-layer, 4 bits, quantisation-aware: D = 0.60, with evenly
spaced outputs 0.40). Edges are halfway between fitted and learned values. Learned ones ascend by
construction, with LEAST_GAP of their first mean distance between neighbours at the least, so that
levels cannot merge.

The gradient passes the rounding straight through to the drive where a value is nearest: between the
ends, and beyond them as far as the inner edge of the outermost cell lies from its value, so that
outer cells have a width, twice that distance; farther out it is 0, as beyond half a step of evenly
spaced outputs.
"""

import numpy as np
import torch

from stochsim.formats import CodeBook, best_scale, code_book, is_fitted, lloyd_max
from stochsim.networks.book_grids import levels_among
from stochsim.networks.output_format_names import is_learned, trained_format_bits
from stochsim.program import Quantizer

LEAST_GAP = 0.05
"""The least distance of neighbouring learned values, in mean distances of the first ones."""

_MOST_NUMBERS = 200_000


class OutputBook(torch.nn.Module):
    """The quantiser of outputs of a format, `scale` times values.

    scale: of a named format the factor of its values; of fitted and learned ones the mean distance
    of their first values, which `start_at` sets and a file holds, as the lowest one and logarithms
    of the distances beyond LEAST_GAP, in units of that mean distance.
    """

    log_scale: torch.nn.Parameter | None
    lowest: torch.Tensor
    log_gaps: torch.Tensor
    _values: torch.Tensor
    _edges: torch.Tensor
    _ties: torch.Tensor

    def __init__(self, name: str, scale: float) -> None:
        super().__init__()
        self.name = name
        self.first_scale = float(scale)
        self.is_learned = is_learned(name)
        self.has_named_values = not (self.is_learned or is_fitted(name))
        self.register_parameter("log_scale", None)
        if not self.is_learned:
            self.log_scale = torch.nn.Parameter(torch.tensor(scale, dtype=torch.float32).log())
        if self.has_named_values:
            book = code_book(name)
            for part in ("values", "edges"):
                table = torch.tensor(getattr(book, part), dtype=torch.float64)
                self.register_buffer(f"_{part}", table, persistent=False)
        else:
            book = even_values(trained_format_bits(name))
            self._hold(*book_parameters(np.array(book.values)))
        self.register_buffer("_ties", torch.tensor(book.ties), persistent=False)
        self.levels = book.levels
        self.plain_bits = float(np.log2(book.levels))  # what `bits_of` gives

    def _hold(self, lowest: torch.Tensor, log_gaps: torch.Tensor) -> None:
        """Values as parameters where they are learned, else as buffers in float64."""
        for name, value in (("lowest", lowest), ("log_gaps", log_gaps)):
            if self.is_learned:
                setattr(self, name, torch.nn.Parameter(value.float()))
            else:
                self.register_buffer(name, value)

    def start_at(self, values: np.ndarray) -> None:
        """Let values (level,), in units of `scale`, be these."""
        with torch.no_grad():
            for own, value in zip(
                (self.lowest, self.log_gaps), book_parameters(values), strict=True
            ):
                own.copy_(value)

    def scale(self) -> torch.Tensor:
        """The factor of values, a scalar; of learned ones the one they started with."""
        if self.log_scale is None:
            return self.lowest.new_tensor(self.first_scale)
        return self.log_scale.exp()

    def values(self) -> torch.Tensor:
        """Values (level,), ascending, with their gradient."""
        if self.has_named_values:
            scale = self.scale()
            return scale * self._values.to(scale.dtype)
        gaps = LEAST_GAP + self.log_gaps.exp()
        units = self.lowest + torch.cat([gaps.new_zeros(1), gaps.cumsum(0)])
        scale = self.scale()
        return scale * units.to(scale.dtype)

    def edges_of(self, values: torch.Tensor) -> torch.Tensor:
        """Edges (level - 1,) between these values, without a gradient."""
        if self.has_named_values:
            scale = self.scale().detach()
            return scale * self._edges.to(scale.dtype)
        return (0.5 * values[:-1] + 0.5 * values[1:]).detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values nearest to x (any shape) by the edges; the gradient passes to x."""
        values = self.values().detach().to(x.dtype)
        edges = self.edges_of(values)
        nearest = values[levels_among(x.detach(), edges, self._ties)]
        low, high = 2 * values[0] - edges[0], 2 * values[-1] - edges[-1]
        passes = torch.where((x >= low) & (x <= high), x, 0.0)
        return nearest + (passes - passes.detach())

    def rounding_error(self, x: torch.Tensor) -> torch.Tensor:
        """(value - x)² of what is nearest to x (any shape), whose gradient is that of the values
        alone.
        """
        values = self.values().to(x.dtype)
        x = x.detach()
        return (values[levels_among(x, self.edges_of(values), self._ties)] - x).square()

    def step(self) -> torch.Tensor:
        """The mean distance of neighbouring values, without a gradient."""
        values = self.values().detach()
        return (values[-1] - values[0]) / (self.levels - 1)

    def half_range(self) -> float:
        """Half the distance of the outermost values: R of `Network.sigma_bounds`."""
        return 0.5 * float(self.step()) * (self.levels - 1)

    def quantizer(self) -> Quantizer:
        """The same as a program has it."""
        values = self.values().detach().double().cpu().numpy()
        if self.has_named_values:
            return Quantizer.of_format(self.name, float(self.scale().detach()))
        return Quantizer.of_format(CodeBook(tuple(values.tolist()), name=self.name), 1.0)


def even_values(bits: int) -> CodeBook:
    """2^bits values, 1 apart, about 0: where fitted ones stand until they are fitted."""
    return CodeBook(tuple((np.arange(2**bits) - (2**bits - 1) / 2).tolist()))


def book_parameters(values: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """The lowest of values (level,), and logarithms of the distances beyond LEAST_GAP, float64;
    closer ones are moved apart.
    """
    gaps = np.maximum(np.diff(values) - LEAST_GAP, 1e-3 * LEAST_GAP)
    return torch.tensor(float(values[0]), dtype=torch.float64), torch.from_numpy(np.log(gaps))


def fitted_start(
    name: str, answers: np.ndarray, weight: np.ndarray | float = 1.0
) -> tuple[float, np.ndarray | None]:
    """The scale of a format, and values (level,) in its units where they are fitted, with the least
    squared error on answers (stimulus, neuron); weight: of each squared error, (neuron,) or one.

    Of more than 200,000 answers every n-th stimulus is used.
    """
    rows = answers[:: -(-answers.size // _MOST_NUMBERS)].astype(np.float64)
    numbers = rows.ravel()
    weights = np.broadcast_to(weight, rows.shape).ravel()
    if not (is_learned(name) or is_fitted(name)):
        return best_scale(code_book(name), numbers, weights), None
    values = np.array(lloyd_max(numbers, trained_format_bits(name), weights).values)
    scale = float(np.diff(values).mean())
    return scale, values / scale
