"""What the pictures of a run of a study with axes show: which points, over which axis."""

import json
import math
from dataclasses import dataclass
from typing import Any

from stochsim.studies import CustomRun, PointResult, RunPlots

_REPEATED = ("key", "chip_key")
_MOST_LINES = 6
_SPARSE = 4
"""A design has so many more places than points: no lines can be drawn."""


@dataclass(frozen=True)
class CustomView:
    """Points of a run as its pictures show them.

    rows: points, those that differ in their keys alone taken together. axes: values of the axes
    that vary, without keys. x: the axis along which lines run, None where the design has no lines
    (random and Sobol points) or nothing varies. at: the values of axes that are held fixed in
    pictures of lines, so that few enough remain.
    """

    rows: list[PointResult]
    axes: dict[str, list[Any]]
    measures: dict[str, dict[str, str]]
    together: tuple[str, ...]
    x: str | None
    at: dict[str, Any]

    @property
    def plots(self) -> RunPlots:
        """Figures of these points."""
        return RunPlots(self.rows, self.axes, self.measures)

    @property
    def lines(self) -> RunPlots:
        """Figures of those that lie on the lines shown."""
        rows = [row for row in self.rows if self.at.items() <= dict(row.point).items()]
        axes = {name: values for name, values in self.axes.items() if name not in self.at}
        return RunPlots(rows, axes, self.measures)

    @property
    def has_bill(self) -> bool:
        """Whether any point has joules."""
        return any(math.isfinite(row.joules_per_read) for row in self.rows)


def custom_view(run: CustomRun) -> CustomView:
    """The view of a run with at least one finished point.

    Lines run along the axis that has the most values, of several the first of numbers.
    """
    axes = _varied(run)
    measured = [name for name, one in run.measures.items() if _can_be_joined(one)]
    together = tuple(
        name for name in _REPEATED if name in axes and len(measured) == len(run.measures)
    )
    rows = run.rows
    if together:
        rows = [run.together(point, points) for point, points in run.settings(together)]
        axes = {name: values for name, values in axes.items() if name not in together}
    x = _along(axes) if math.prod(map(len, axes.values())) < _SPARSE * len(rows) else None
    return CustomView(rows, axes, run.measures, together, x, _fixed(axes, x, rows))


def _varied(run: CustomRun) -> dict[str, list[Any]]:
    """Axes with several values among the finished points, in the study's order of values."""
    seen = {name: {json.dumps(row.point[name]) for row in run.rows} for name in run.axes}
    return {
        name: [one for one in values if json.dumps(one) in seen[name]]
        for name, values in run.axes.items()
        if len(seen[name]) > 1
    }


def _can_be_joined(measure: dict[str, str]) -> bool:
    """Whether points of several keys give one interval: the statistic of a user's own is not
    stored.
    """
    from stochsim.studies import STANDARD_MEASURES

    return measure["statistic"] == "mean" or measure["name"] in STANDARD_MEASURES


def _along(axes: dict[str, list[Any]]) -> str | None:
    def has_numbers(name: str) -> bool:
        return all(isinstance(one, int | float) for one in axes[name])

    return max(axes, key=lambda name: (len(axes[name]), has_numbers(name)), default=None)


def _fixed(axes: dict[str, list[Any]], x: str | None, rows: list[PointResult]) -> dict[str, Any]:
    """Values that the longest axes are held at, until few enough lines remain."""
    if x is None:
        return {}
    others = {name: len(values) for name, values in axes.items() if name != x}
    held = []
    while math.prod(others.values()) > _MOST_LINES:
        held.append(max(others, key=lambda name: others[name]))
        del others[held[-1]]
    return {name: rows[0].point[name] for name in held}
