"""Scales of number formats, fitted to values and weights by the rules of `fitted_grids.RANGES`."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from stochsim.formats import (
    E8M0,
    FP16,
    CodeBook,
    blocks_text,
    element_and_blocks,
    positive_e4m3,
    scales_on_format,
)
from stochsim.lowering.book_grids import BookGrid
from stochsim.lowering.dynamic_grids import DynamicGrid
from stochsim.lowering.fitted_grids import CLIPPED_SHARE, Blocks
from stochsim.networks import even_values, is_learned, trained_format_bits
from stochsim.program import LEAST_SCALE, product_table
from stochsim.settings import KeyPath, SettingError, check_choice

SIDES = ("weights", "inputs", "outputs")
"""What may have a number format of its own."""

_SHARES = np.geomspace(0.3, 1.3, 40)
"""Scales that are tried, in units of the one that clips nothing."""
_POWERS = (-2, -1, 0, 1)
"""Powers of two that are tried, beside the smallest that clips nothing."""


class Format(NamedTuple):
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


Formats = Mapping[str, Format]


def formats_of(given: Any) -> Formats:
    """The formats of the sides that have one: of a name those of all, of a dict those of its sides.

    Raises SettingError for other sides, names and types.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        given = dict.fromkeys(SIDES, given)
    if not isinstance(given, Mapping):
        rule = "should be the name of a number format, or a dict of names by 'weights', 'inputs' …"
        raise SettingError.of("formats", given, rule)
    found = {}
    for side, name in given.items():
        check_choice("formats", side, SIDES)
        try:
            found[side] = _learned(name, side) or Format(*element_and_blocks(name))
            product_table(found[side].book)
        except SettingError as error:
            names: dict[KeyPath, KeyPath] = {(one,): (side,) for one in ("format", "book")}
            raise error.renamed(names).inside("formats") from None
        if side == "weights":
            check_signs(found[side].book, side, "weights")
    return found


def _learned(name: Any, side: str) -> Format | None:
    """A format whose values are learned, as even ones of its name; None of other names."""
    if not isinstance(name, str) or not is_learned(name):
        return None
    if side == "weights":
        rule = "is of inputs and outputs, whose values are learned for each layer"
        raise SettingError.of("format", name, rule)
    return Format(dataclasses.replace(even_values(trained_format_bits(name)), name=name))


def check_signs(book: CodeBook, side: str, what: str) -> None:
    """Raise SettingError for a format of numbers of one sign where those of both are met."""
    if book.values[0] >= 0 or book.values[-1] <= 0:
        rule = f"should have values of both signs, as {what} have"
        raise SettingError.of(side, book.name, rule, section=("formats",))


def fitted_to_book(
    values: np.ndarray,
    book: CodeBook,
    ranges: str = "mse",
    extremes: tuple[float, float] | None = None,
) -> BookGrid:
    """The grid of a format for values (stimulus, …), of scale 1 where all of them are 0; extremes:
    see `fitted_grids.fitted`.
    """
    rows = np.asarray(values, np.float64).reshape(1, -1)
    if not rows.any():
        return BookGrid(book, 1.0)
    if ranges == "minmax" and extremes is not None:
        rows = np.array([extremes], np.float64)
    return BookGrid(book, float(_scales(rows, Format(book), ranges)[0]))


def fitted_dynamic(given: Format, extremes: tuple[float, float]) -> DynamicGrid:
    """The grid of inputs in dynamic blocks of a format; extremes: the lowest and the highest of all
    values. Of scales in E4M3 the largest value, alone in its block, has the largest scale and the
    largest number; the scale of all blocks, a float32, follows from that.
    """
    assert given.block_size is not None
    own = (given.book, given.block_size, given.block_scales)
    largest = max(map(abs, extremes))
    if given.block_scales == E8M0 or not largest:
        return DynamicGrid(*own)
    scale = largest / (given.book.values[-1] * positive_e4m3()[-1])
    least = LEAST_SCALE / product_table(given.book)[0]  # of integers
    return DynamicGrid(*own, float(np.float32(max(scale, least))))


def fitted_weights_to_book(
    weight: np.ndarray, given: Format, weight_scales: str | int, ranges: str = "mse"
) -> BookGrid:
    """The grid of a format for weights (neuron, …); weight_scales: see
    `fitted_grids.fitted_to_weights`.
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


def _scales(rows: np.ndarray, given: Format, ranges: str, largest: float = 1.0) -> np.ndarray:
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
