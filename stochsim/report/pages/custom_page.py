"""The report of a study with axes: report.html, one self-contained page."""

import base64
from typing import Any

import tomli_w
from markupsafe import Markup

from stochsim.energy import format_energy
from stochsim.report.custom_tables import (
    axis_text,
    failures_by_kind,
    missing_figures,
    sizes_text,
    title_of,
    value_text,
)
from stochsim.report.custom_view import CustomView, custom_view
from stochsim.report.figures.custom_figures import measure_figure
from stochsim.report.figures.style import to_svg
from stochsim.report.pages.templates import rendered
from stochsim.report.table_cells import Cell
from stochsim.settings import counted
from stochsim.studies import CustomRun, PointResult

_MOST_PICTURES = 8
_MOST_ROWS = 500


def render(run: CustomRun) -> str:
    """The page as HTML text: no script, nothing loaded from elsewhere."""
    view = custom_view(run) if run.rows else None
    return rendered(
        "custom.html",
        title=title_of(run).capitalize(),
        subtitle=_axes_words(run),
        headline=_headline(run),
        sizes=sizes_text(run),
        over="keys and stimuli" if view is not None and view.together else "stimuli",
        failures="; ".join(failures_by_kind(run)),
        notes="; ".join(missing_figures(run)),
        **_pictures(run, view),
        **_table(run, view),
        **_bill(view),
        flags=sorted({flag for row in run.rows for flag in row.flags}),
        **_origin(run),
    )


def _headline(run: CustomRun) -> str:
    done = f"{len(run.rows)} of {counted(run.planned, 'point', 'points')} measured"
    return f"{done}, {len(run.failed)} failed." if run.failed else f"{done}."


def _axes_words(run: CustomRun) -> str:
    return " × ".join(f"{len(values)} {_short(name)}" for name, values in run.axes.items())


def _pictures(run: CustomRun, view: CustomView | None) -> dict[str, Any]:
    """A picture of each measure, and what they show."""
    if view is None or not view.axes:
        return {"pictures": [], "picture_words": "", "has_bill": False}
    shown = [name for name in run.measures if _is_known(view, name)]
    pictures = [(_short(name), _address(view, name)) for name in shown[:_MOST_PICTURES]]
    held = ", ".join(f"{_short(name)} {value}" for name, value in view.at.items())
    words = [
        f"Lines: at {held}." if held else "",
        "Right: every point against the joules of a read, those that no other one beats in both "
        "joined."
        if view.has_bill
        else "",
        f"{len(shown) - _MOST_PICTURES} more measures are in the table."
        if len(shown) > _MOST_PICTURES
        else "",
    ]
    return {
        "pictures": pictures,
        "picture_words": " ".join(filter(None, words)),
        "has_bill": view.has_bill,
    }


def _is_known(view: CustomView, measure: str) -> bool:
    return any(row.estimates[measure].available for row in view.rows)


def _table(run: CustomRun, view: CustomView | None) -> dict[str, Any]:
    if view is None:
        return {"heads": [], "rows": [], "table_words": "No point is finished."}
    axes = list(view.axes) or [name for name in run.axes if name not in view.together]
    joules = ["energy / read", "time / read"] if view.has_bill else []
    together = " and ".join(map(_short, view.together))
    words = [
        f"Points that differ in {together} alone are taken together." if together else "",
        f"The first {_MOST_ROWS} of {len(view.rows)}." if len(view.rows) > _MOST_ROWS else "",
        "Every point: results.csv.",
    ]
    return {
        "heads": [*map(_short, axes), *map(_short, run.measures), *joules],
        "rows": [_cells(row, axes, view.has_bill) for row in view.rows[:_MOST_ROWS]],
        "table_words": " ".join(filter(None, words)),
    }


def _cells(row: PointResult, axes: list[str], has_bill: bool) -> list[Cell]:
    cells = [Cell(value_text(row.point[name])) for name in axes]
    for one in row.estimates.values():
        ends = f"{one.low:.4g} to {one.high:.4g}"
        cells.append(Cell(f"{one.value:.4g}", ends) if one.available else Cell("n/a"))
    if has_bill:
        cells += [_joules(row), Cell(f"{row.seconds_per_read:.3g} s")]
    return cells


def _joules(row: PointResult) -> Cell:
    if not row.ranges:
        return Cell(format_energy(row.joules_per_read))
    ends = f"{format_energy(row.joules.low)} to {format_energy(row.joules.high)}"
    return Cell(format_energy(row.joules_per_read), ends)


def _bill(view: CustomView | None) -> dict[str, Any]:
    """Joules by part of the points that take least and most."""
    if view is None or not view.has_bill:
        return {"bill_heads": [], "bill_rows": []}
    billed = sorted((row for row in view.rows if row.parts_j), key=lambda row: row.joules_per_read)
    ends = [billed[0], billed[-1]] if len(billed) > 1 else billed
    parts = sorted({part for row in ends for part in row.parts_j}, key=_largest(ends))
    return {
        "bill_heads": ["part", *(_place(row, view) for row in ends)],
        "bill_rows": [[part, *(_share(row, part) for row in ends)] for part in parts],
    }


def _largest(rows: list[PointResult]) -> Any:
    return lambda part: -max(row.parts_j.get(part, 0.0) for row in rows)


def _place(row: PointResult, view: CustomView) -> str:
    words = ", ".join(f"{_short(name)} {value_text(row.point[name])}" for name in view.axes)
    return words or "all points"


def _share(row: PointResult, part: str) -> str:
    joules = row.parts_j.get(part, 0.0)
    return f"{format_energy(joules)} ({joules / row.joules_per_read:.0%})"


def _origin(run: CustomRun) -> dict[str, Any]:
    facts = run.facts
    rows = [("hash", facts["hash"]), *((_short(name), _values(v)) for name, v in run.axes.items())]
    units = {name: one["unit"] for name, one in run.measures.items()}
    rows += [("measure", f"{name} [{unit}]" if unit else name) for name, unit in units.items()]
    chip = facts["hardware"]
    return {
        "study_rows": rows,
        "versions": sorted(run.versions.items()),
        "machine": list(run.machine.items()),
        "chip": "" if chip is None else tomli_w.dumps(chip),
    }


def _values(values: list[Any]) -> str:
    words = [value_text(one) for one in values]
    return ", ".join(words if len(words) <= 12 else [*words[:6], "…", words[-1]])


def _short(name: str) -> str:
    return axis_text(name).replace("_", " ")


def _address(view: CustomView, measure: str) -> Markup:
    svg = base64.b64encode(to_svg(measure_figure(view, measure)).encode()).decode()
    return Markup(f"data:image/svg+xml;base64,{svg}")
