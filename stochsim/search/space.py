"""The settings that a search chooses from: every combination of its axes' values."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from stochsim.keys import generator

Setting = tuple[float, ...]
"""One value per axis, in the order of Space.axes; whole numbers are int."""


@dataclass(frozen=True)
class Space:
    """Axes by name, each with its values in ascending order."""

    axes: dict[str, tuple[float, ...]]

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

    def named(self, setting: Setting) -> dict[str, float]:
        """The setting's values by axis."""
        return dict(zip(self.axes, setting, strict=True))

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
        """Settings that differ by one step on one axis."""
        found = []
        here = self.places(setting)
        for name, place in here.items():
            for other in (place - 1, place + 1):
                if 0 <= other < len(self.axes[name]):
                    found.append(self.at(here | {name: other}))
        return found

    def draw(self, key: int, without: set[Setting]) -> Setting:
        """One setting that is not in `without`, by key; there must be one."""
        random = generator(key, "setting")
        for _ in range(1000):
            setting = tuple(values[random.integers(len(values))] for values in self.axes.values())
            if setting not in without:
                return setting
        return next(setting for setting in self if setting not in without)
