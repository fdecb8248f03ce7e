"""The grid of a study: the values of each axis."""

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import pydantic

from stochsim.formats import format_bits
from stochsim.settings import SettingError, Settings
from stochsim.studies.axes import BIT_AXES, FORMAT_AXES, grid_axes, setting_axes
from stochsim.studies.axis import Axis
from stochsim.studies.axis_fields import check_bits, check_values, grid_field, with_axes

MOST_CELLS = 100_000
"""Cells of one grid, all combinations of the values of its axes."""


@with_axes(grid_field)
class GridSettings(Settings):
    """The axes, one field for each of `stochsim.studies.axes`.

    `bits` ties weights, input and output; or weight_bits, input_bits, output_bits sweep apart (all
    combinations).

    `float` adds the networks without quantisers, at every noise level; `control` the controls of
    stochsim.controls. With either, bits may be left out. `method` is how quantised networks
    are trained.
    """

    float: bool = False

    if TYPE_CHECKING:  # a field for each axis

        def __init__(self, /, **table: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    @pydantic.model_validator(mode="after")
    def _one_form_of_bits(self) -> Self:
        check_bits(self, are_needed=not (self.float or self.control))
        return self

    @pydantic.model_validator(mode="after")
    def _known_and_once(self) -> Self:
        check_values(self, {axis.grid_key: axis for axis in grid_axes()})
        return self

    @pydantic.model_validator(mode="after")
    def _not_too_many(self) -> Self:
        lists = {axis.grid_key: len(axis.given(self)) for axis in grid_axes()}
        lists.pop("control")  # beside the others, not times them
        cells = math.prod(count for count in lists.values() if count)
        if cells > MOST_CELLS:
            longest = max(lists, key=lambda name: lists[name])
            rule = (
                f"names {lists[longest]:,} values of {cells:,} cells that all axes make together: "
                f"should be at most {MOST_CELLS:,} cells"
            )
            raise SettingError.of(longest, rule=rule)
        return self

    def widths(self) -> list[tuple[int, int, int]]:
        """(weight, input, output) bits of every quantised network in the grid, sorted."""
        if self.bits is not None:
            return [(b, b, b) for b in sorted(self.bits)]
        return sorted(itertools.product(*(getattr(self, name) or () for name in BIT_AXES)))

    @property
    def parts(self) -> list[dict[str, int]]:
        """The manufactured parts of each chip, {"chip_key": key}, by key; one, {}, where the grid
        names none: the part that follows from the study's key.
        """
        return [{"chip_key": key} for key in sorted(self.chip_keys or ())] or [{}]

    def formats(
        self, widths: tuple[int, int, int], axes: Iterable[str] = tuple(FORMAT_AXES.values())
    ) -> list[dict[str, str]]:
        """The formats of networks of these (weight, input, output) bits on these axes, {axis: name}
        for every combination; one, {}, where the grid names none.
        """
        bits = dict(zip(FORMAT_AXES.values(), widths, strict=True))
        named = [axis for axis in axes if getattr(self, axis) is not None]
        lists = [
            [name for name in getattr(self, axis) if format_bits(name) == bits[axis]]
            for axis in named
        ]
        return [dict(zip(named, names, strict=True)) for names in itertools.product(*lists)]

    def setting_axes(self) -> list[Axis]:
        """The axes of this grid that are settings of the chip."""
        return setting_axes(self)

    def chips(self) -> list[dict[str, Any]]:
        """Every combination of values of the axes that are settings of the chip, {axis: value};
        one, {}, without such axes.
        """
        return _combined(self, self.setting_axes())

    def ways(self) -> list[dict[str, Any]]:
        """The same of all axes by which the chip has one network in several ways: formats, too,
        where networks of some widths have all of them.
        """
        there = [one.items() for widths in self.widths() for one in self.formats(widths)]
        combined = _combined(self, [axis for axis in grid_axes() if axis.is_of_the_chip])
        return [way for way in combined if any(one <= way.items() for one in there)]


def _combined(grid: GridSettings, axes: list[Axis]) -> list[dict[str, Any]]:
    """Every combination of the values that a grid gives on axes; those that it does not name are
    left out.
    """
    named = [axis for axis in axes if axis.given(grid)]
    values = itertools.product(*(axis.given(grid) for axis in named))
    return [dict(zip((axis.name for axis in named), each, strict=True)) for each in values]
