"""The number formats of a converted network, and the grids of dynamic inputs."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from stochsim.formats import E8M0, CodeBook, element_and_blocks, positive_e4m3
from stochsim.lowering.dynamic_grids import DynamicGrid
from stochsim.networks import GridFormat, even_values, is_learned, trained_format_bits
from stochsim.program import LEAST_SCALE, product_table
from stochsim.settings import KeyPath, SettingError, check_choice

SIDES = ("weights", "inputs", "outputs")
"""What may have a number format of its own."""

Formats = Mapping[str, GridFormat]


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
            found[side] = _learned(name, side) or GridFormat(*element_and_blocks(name))
            product_table(found[side].book)
        except SettingError as error:
            names: dict[KeyPath, KeyPath] = {(one,): (side,) for one in ("format", "book")}
            raise error.renamed(names).inside("formats") from None
        if side == "weights":
            check_signs(found[side].book, side, "weights")
    return found


def _learned(name: Any, side: str) -> GridFormat | None:
    """A format whose values are learned, as even ones of its name; None of other names."""
    if not isinstance(name, str) or not is_learned(name):
        return None
    if side == "weights":
        rule = "is of inputs and outputs, whose values are learned for each layer"
        raise SettingError.of("format", name, rule)
    return GridFormat(dataclasses.replace(even_values(trained_format_bits(name)), name=name))


def check_signs(book: CodeBook, side: str, what: str) -> None:
    """Raise SettingError for a format of numbers of one sign where those of both are met."""
    if book.values[0] >= 0 or book.values[-1] <= 0:
        rule = f"should have values of both signs, as {what} have"
        raise SettingError.of(side, book.name, rule, section=("formats",))


def fitted_dynamic(given: GridFormat, extremes: tuple[float, float]) -> DynamicGrid:
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
