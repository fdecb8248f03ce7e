"""Figures of a run of a study with axes, in matplotlib, in the reader's own style."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stochsim.settings import SettingError
from stochsim.studies.custom.point_result import PointResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

JOULES = "joules_per_read"
SECONDS = "seconds_per_read"
_UNITS = {JOULES: "J", SECONDS: "s"}
_LEAST_SURVIVAL = 0.9
_MOST_LINES = 12
_MOST_INTERVALS = 200
_MOST_TICKS = 8


class RunPlots:
    """Figures of a run; each draws on `ax`, or on a new figure, and returns its axes.

    at: values of axes that the points shown have, {"key": 0}; None for all points.
    """

    def __init__(
        self,
        rows: Sequence[PointResult],
        axes: Mapping[str, list[Any]],
        measures: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._points, self._axes, self._measures = rows, axes, measures

    def curve(
        self, x: str, y: str, at: Mapping[str, Any] | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """A measure, or joules, against an axis, a line for each combination of the others, with
        95 % intervals. Raises SettingError for names that are none, and more lines than can be told
        apart.
        """
        rows = self._rows(at)
        self._check_axis("x", x)
        lines: dict[str, list[PointResult]] = {}
        others = [name for name in self._varied(rows) if name != x]
        for row in rows:
            lines.setdefault(json.dumps([row.point[name] for name in others]), []).append(row)
        if len(lines) > _MOST_LINES:
            rule = f"leaves {len(lines)} lines: name values of {', '.join(others)} by `at`"
            raise SettingError.of("at", at, rule)
        ax = ax or _new_axes()
        for name, line in lines.items():
            shown = dict(zip(others, json.loads(name), strict=True))
            label = ", ".join(f"{_short(axis)} {one}" for axis, one in shown.items())
            self._errorbars(ax, x, line, y, label=label or None)
        ax.set(xlabel=_short(x), ylabel=self._label(y))
        if others:
            ax.legend()
        return ax

    def scatter(
        self, x: str, y: str, at: Mapping[str, Any] | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """A measure, or joules, of every point against an axis, with 95 % intervals: for designs
        whose points lie on no lines. Raises SettingError for names that are none.
        """
        self._check_axis("x", x)
        ax = ax or _new_axes()
        self._errorbars(ax, x, self._rows(at), y, linestyle="none", alpha=0.6)
        ax.set(xlabel=_short(x), ylabel=self._label(y))
        return ax

    def _errorbars(
        self, ax: "Axes", x: str, rows: Sequence[PointResult], y: str, **look: Any
    ) -> None:
        """Points over the values of an axis, from the lowest; words stand in the axis's order."""
        values = self._axes[x]
        if all(isinstance(one, int | float) for one in values):
            place = np.array([row.point[x] for row in rows], float)
            if len(values) <= _MOST_TICKS:
                ax.set_xticks(values, [f"{one:g}" for one in values])
        else:
            place = np.array([values.index(row.point[x]) for row in rows], float)
            ax.set_xticks(range(len(values)), [str(one) for one in values])
        middle, low, high = np.array([self._interval(row, y) for row in rows]).T
        order = np.argsort(place, kind="stable")
        sides = np.array([middle - low, high - middle])[:, order]
        ax.errorbar(place[order], middle[order], sides, marker="o", capsize=3, **look)

    def survival(
        self, x: str = "bits", at: Mapping[str, Any] | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """Survival S against an axis, with the line at 0.9 where sampling counts as survived."""
        if "survival" not in self._measures:
            raise SettingError.of("measures", rule="the study did not measure 'survival'")
        ax = self.curve(x, "survival", at, ax)
        ax.axhline(_LEAST_SURVIVAL, color="0.6", linestyle=":")
        return ax

    def front(
        self,
        y: str,
        x: str = JOULES,
        at: Mapping[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """A measure against joules, or another of which less is better, with the points that no
        other one beats in both joined by a line; with 95 % intervals of up to 200 points.
        """
        ax = ax or _new_axes()
        rows = self._rows(at)
        found = np.array([(self._interval(row, x)[0], *self._interval(row, y)) for row in rows])
        found = found[np.isfinite(found[:, :2]).all(axis=1)]
        if not len(found):
            raise SettingError.of("x", x, "no point has both: there is no front")
        is_higher = self._measures.get(y, {}).get("better") != "lower"
        points, (low, high) = found[:, :2], found[:, 2:].T
        best = _front(points, is_higher)
        if len(points) <= _MOST_INTERVALS:
            ax.vlines(points[:, 0], low, high, color="0.75", linewidth=1, zorder=1)
        ax.plot(*points.T, "o", alpha=0.5)
        ax.plot(*points[best].T, "o-", drawstyle="steps-post")
        ax.set(xlabel=self._label(x), ylabel=self._label(y))
        if x in _UNITS and (points[:, 0] > 0).all():
            _set_log_axis(ax, _UNITS[x], np.ptp(np.log10(points[:, 0])))
            ax.set_xlabel(x.replace("_", " "))
        return ax

    def heatmap(
        self,
        x: str,
        y: str,
        measure: str,
        at: Mapping[str, Any] | None = None,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """A measure by colour over two axes; raises SettingError where several points have one
        place: name their other values by `at`.
        """
        for field, name in (("x", x), ("y", y)):
            self._check_axis(field, name)
        columns, lines = self._axes[x], self._axes[y]
        found = np.full((len(lines), len(columns)), np.nan)
        taken = set()
        for row in self._rows(at):
            place = lines.index(row.point[y]), columns.index(row.point[x])
            if place in taken:
                others = [name for name in self._varied(self._rows(at)) if name not in (x, y)]
                rule = f"several points have one place: name values of {', '.join(others)}"
                raise SettingError.of("at", at, rule)
            taken.add(place)
            found[place] = self._interval(row, measure)[0]
        ax = ax or _new_axes()
        image = ax.imshow(found, origin="lower", aspect="auto")
        ax.set_xticks(range(len(columns)), [str(one) for one in columns])
        ax.set_yticks(range(len(lines)), [str(one) for one in lines])
        ax.set(xlabel=_short(x), ylabel=_short(y))
        assert ax.figure is not None
        ax.figure.colorbar(image, ax=ax, label=self._label(measure))
        return ax

    def _rows(self, at: Mapping[str, Any] | None) -> list[PointResult]:
        wanted = dict(at or {})
        for name, value in wanted.items():
            self._check_axis("at", name)
            if value not in self._axes[name]:
                choices = self._axes[name]
                raise SettingError.of(name, value, "is no value of this axis", choices)
        found = [row for row in self._points if wanted.items() <= dict(row.point).items()]
        if not found:
            raise SettingError.of("at", at, "no finished point is there")
        return found

    def _varied(self, rows: list[PointResult]) -> list[str]:
        """Axes on which these points have several values."""
        return [
            name for name in self._axes if len({json.dumps(row.point[name]) for row in rows}) > 1
        ]

    def _check_axis(self, field: str, name: str) -> None:
        if name not in self._axes:
            raise SettingError.of(field, name, "is no axis of this study", self._axes)

    def _interval(self, row: PointResult, name: str) -> tuple[float, float, float]:
        """(value, low, high) of a measure, joules or seconds."""
        if name in _UNITS:
            value = float(getattr(row, name))
            return value, value, value
        if name not in row.estimates:
            choices = [*row.estimates, *_UNITS]
            raise SettingError.of("measure", name, "is none of this study", choices)
        one = row.estimates[name]
        return one.value, one.low, one.high

    def _label(self, name: str) -> str:
        unit = _UNITS.get(name) or self._measures.get(name, {}).get("unit", "")
        words = name.replace("_", " ")
        return f"{words}  [{unit}]" if unit else words


def _front(points: np.ndarray, is_higher: bool) -> list[int]:
    """Places of the points (point, 2) that no other one beats, the smallest first number first."""
    best, found = -np.inf, []
    values = points[:, 1] if is_higher else -points[:, 1]
    for place in np.lexsort((-values, points[:, 0])):
        if values[place] > best:
            best = values[place]
            found.append(int(place))
    return found


def _set_log_axis(ax: "Axes", unit: str, decades: float) -> None:
    """Ticks at powers of ten, of few decades at 2 and 5 times these too, with prefixes, so that
    they stand apart.
    """
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 1.5 else (1,)))
    ax.xaxis.set_major_formatter(EngFormatter(unit))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _short(axis: str) -> str:
    return axis.removeprefix("hardware.").replace("_", " ")


def _new_axes() -> "Axes":
    from matplotlib import pyplot

    return pyplot.subplots(layout="constrained")[1]
