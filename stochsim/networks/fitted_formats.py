"""Scales of number formats, fitted to values and to the weights that share one."""

from typing import Any, NamedTuple

import numpy as np

from stochsim.formats import E8M0, FP16, CodeBook, blocks_text, scales_on_format
from stochsim.networks.book_grids import BookGrid

CLIPPED_SHARE = 1e-3
"""Share of values beyond the ends of a grid by the rule "percentile"."""

_SHARES = np.geomspace(0.3, 1.3, 40)
"""Scales that are tried, in units of the one that clips nothing."""
_POWERS = (-2, -1, 0, 1)
"""Powers of two that are tried, beside the smallest that clips nothing."""


class GridFormat(NamedTuple):
    """A number format: the values, and for weights and inputs how many share a scale, of which
    format.
    """

    book: CodeBook
    block_size: int | None = None
    block_scales: str = FP16

    @property
    def name(self) -> str:
        """That of the values, or of the block format."""
        if self.block_size is None:
            return self.book.name
        return blocks_text(self.book, self.block_size, self.block_scales)


class Blocks:
    """Which weights (neuron, …) share a scale, as rows (row, weight) of those that do."""

    def __init__(self, weight: np.ndarray, weight_scales: str | int) -> None:
        neurons = len(weight)
        self._weights = np.asarray(weight, np.float64).reshape(neurons, -1)
        whole = self._weights.shape[1]
        is_by_block = isinstance(weight_scales, int) and weight_scales < whole
        self.size = int(weight_scales) if is_by_block else None
        self._is_one = weight_scales == "per-tensor"

    @property
    def rows(self) -> list[np.ndarray]:
        """The rows, those of a last block of fewer weights apart."""
        if self._is_one:
            return [self._weights.reshape(1, -1)]
        if self.size is None:
            return [self._weights]
        end = self._weights.shape[1] // self.size * self.size
        rest = self._weights[:, end:]
        whole = self._weights[:, :end].reshape(-1, self.size)
        return [whole, rest] if rest.size else [whole]

    def joined(self, found: list[np.ndarray]) -> Any:
        """Numbers (row,) of each of these rows as one number, (neuron,) or (neuron, block)."""
        if self._is_one:
            return found[0][0].item()
        if self.size is None:
            return found[0]
        neurons = len(self._weights)
        return np.concatenate([one.reshape(neurons, -1) for one in found], axis=1)


def fitted_to_book(
    values: np.ndarray,
    book: CodeBook,
    ranges: str = "mse",
    extremes: tuple[float, float] | None = None,
) -> BookGrid:
    """The grid of a format for values (stimulus, …), of scale 1 where all of them are 0; extremes:
    see `lowering.fitted_grids.fitted`.
    """
    rows = np.asarray(values, np.float64).reshape(1, -1)
    if not rows.any():
        return BookGrid(book, 1.0)
    if ranges == "minmax" and extremes is not None:
        rows = np.array([extremes], np.float64)
    return BookGrid(book, float(_scales(rows, GridFormat(book), ranges)[0]))


def fitted_weights_to_book(
    weight: np.ndarray, given: GridFormat, weight_scales: str | int, ranges: str = "mse"
) -> BookGrid:
    """The grid of a format for weights (neuron, …); weight_scales: see
    `lowering.fitted_grids.fitted_to_weights`.
    """
    blocks = Blocks(weight, weight_scales)
    rows = blocks.rows
    largest = max(float(_widest(one, given.book).max()) for one in rows) or 1.0
    found = [_scales(one, given, ranges, largest) for one in rows]
    return BookGrid(given.book, blocks.joined(found), blocks.size, given.block_scales)


def _widest(rows: np.ndarray, book: CodeBook) -> np.ndarray:
    """The scales at which the ends of a book are those of rows (row, value), (row,)."""
    ends = [(rows.min(1), book.values[0]), (rows.max(1), book.values[-1])]
    sides = [np.maximum(found / end, 0.0) for found, end in ends if end != 0]
    return np.asarray(np.max(sides, axis=0))


def _scales(rows: np.ndarray, given: GridFormat, ranges: str, largest: float = 1.0) -> np.ndarray:
    """The best scales (row,) for rows (row, value), on the format of scales; largest: that of all
    rows of a tensor.
    """
    if ranges == "percentile":
        ends = np.quantile(rows, [CLIPPED_SHARE / 2, 1 - CLIPPED_SHARE / 2], axis=1).T
        widest = _widest(ends, given.book)
    else:
        widest = _widest(rows, given.book)
    widest = np.where(widest > 0, widest, largest or 1.0)
    best, least = widest, np.full(len(rows), np.inf)
    for one in _candidates(widest, given.block_scales, ranges):
        scales = scales_on_format(one, given.block_scales, largest, covers=ranges == "minmax")
        rounded = given.book.decode(given.book.encode(rows / scales[:, None]))
        error = np.square(rounded * scales[:, None] - rows).sum(1)
        best = np.where(error < least, scales, best)
        least = np.minimum(error, least)
    return best


def _candidates(widest: np.ndarray, block_scales: str, ranges: str) -> list[np.ndarray]:
    """Scales (row,) to choose from: all that least squared error may want, or the one of another
    rule.
    """
    if block_scales == E8M0:
        covering = np.ceil(np.log2(widest))
        powers = _POWERS if ranges == "mse" else (0,)
        return [np.exp2(covering + power) for power in powers]
    shares = _SHARES if ranges == "mse" else np.ones(1)
    return [share * widest for share in shares]
