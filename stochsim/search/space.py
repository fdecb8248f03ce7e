"""The settings that a search chooses from: every combination of its axes' values."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from stochsim.keys import generator

Value = float | str
Setting = tuple[Any, ...]
"""One value per axis, in the order of Space.axes: a number (whole ones are int) or a name."""


@dataclass(frozen=True)
class Space:
    """Axes by name, each with its values: numbers in ascending order, or names, which have none."""

    axes: Mapping[str, tuple[Value, ...]]

    @property
    def size(self) -> int:
        """Number of settings."""
        return math.prod(len(values) for values in self.axes.values())

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the axes with a choice."""
        return tuple(name for name, values in self.axes.items() if len(values) > 1)

    def __iter__(self) -> Iterator[Setting]:
        return iter(product(*self.axes.values()))

    def named(self, setting: Setting) -> dict[str, Any]:
        """The setting's values by axis."""
        return dict(zip(self.axes, setting, strict=True))

    def is_of_names(self, axis: str) -> bool:
        """Whether the values of an axis are names."""
        return isinstance(self.axes[axis][0], str)

    def order(self, setting: Setting) -> tuple[int, ...]:
        """Where a setting stands among all: the places of its values on all axes."""
        named = self.named(setting).items()
        return tuple(self.axes[name].index(value) for name, value in named)

    def places(self, setting: Setting) -> dict[str, int]:
        """The places of a setting's values on the axes with a choice, from 0."""
        return {
            name: self.axes[name].index(value)
            for name, value in self.named(setting).items()
            if name in self.free
        }

    def at(self, places: dict[str, int]) -> Setting:
        """The setting at these places; an axis that is not named stands at its first value."""
        return tuple(values[places.get(name, 0)] for name, values in self.axes.items())

    @property
    def corners(self) -> list[Setting]:
        """Every axis at its last value, then every axis at its first."""
        ends = [
            tuple(values[-1] for values in self.axes.values()),
            tuple(values[0] for values in self.axes.values()),
        ]
        return list(dict.fromkeys(ends))

    def neighbours(self, setting: Setting) -> list[Setting]:
        """Settings that differ by one step on one axis: to any other of names."""
        here = self.places(setting)
        return [
            self.at(here | {name: other})
            for name, place in here.items()
            for other in self._next_to(name, place)
        ]

    def _next_to(self, axis: str, place: int) -> list[int]:
        count = len(self.axes[axis])
        if self.is_of_names(axis):
            return [other for other in range(count) if other != place]
        return [other for other in (place - 1, place + 1) if 0 <= other < count]

    def draw(self, key: int, without: set[Setting]) -> Setting:
        """One setting that is not in `without`, by key; there must be one."""
        random = generator(key, "setting")
        for _ in range(1000):
            setting = tuple(values[random.integers(len(values))] for values in self.axes.values())
            if setting not in without:
                return setting
        return next(setting for setting in self if setting not in without)
