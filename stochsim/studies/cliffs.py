"""The cliff: the fewest bits at which the posterior survives, along each bit axis of a study."""

from collections.abc import Iterable
from typing import Any

from stochsim.posterior import cliff
from stochsim.studies.axes import BIT_AXES
from stochsim.studies.grid import GridSettings
from stochsim.studies.result import Result


def cliffs(grid: GridSettings, results: Iterable[Result]) -> list[dict[str, Any]]:
    """The rows of `Results.cliffs`, of finished results over one key or over all."""
    rows = [row for row in results if row.is_quantised and row.survival is not None]
    axes = ("bits",) if grid.bits is not None else BIT_AXES
    return [found for axis in axes for found in _along(grid, axis, rows)]


def _along(grid: GridSettings, axis: str, rows: list[Result]) -> list[dict[str, Any]]:
    others = [] if axis == "bits" else [name for name in BIT_AXES if name != axis]
    lines: dict[tuple[Any, ...], list[Result]] = {}
    for row in rows:
        fixed = ", ".join(f"{name} {row[name]}" for name in others)
        kind = grid.architecture.index(row.architecture)
        method = grid.method.index(row.method)
        place = (kind, method, row.chip_settings, row.rho, row.noise, fixed)
        lines.setdefault(place, []).append(row)
    return [_cliff_of(axis, place[-1], line) for place, line in sorted(lines.items())]


def _cliff_of(axis: str, fixed: str, line: list[Result]) -> dict[str, Any]:
    """One line of results that differ in their widths on the axis alone."""
    first = line[0]
    named = {name: first[name] for name in ("architecture", "method", "rho", "noise")}
    widths = [int(row[BIT_AXES[0] if axis == "bits" else axis]) for row in line]
    width = cliff(widths, [row.survival for row in line if row.survival])
    settings = {"settings": first.chip_settings, "axis": axis, "fixed": fixed}
    return named | settings | {"cliff": width}
