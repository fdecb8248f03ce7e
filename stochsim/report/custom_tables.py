"""A run of a study with axes as a table for the terminal."""

import textwrap
from collections import Counter
from typing import Any

from stochsim.energy import format_energy
from stochsim.posterior import Estimate
from stochsim.report.console_tables import CONSOLE_COLUMNS
from stochsim.settings import counted, ruled_columns
from stochsim.studies import CustomRun, PointResult

_MOST_ROWS = 60
_MOST_KINDS = 5


def custom_table(run: CustomRun) -> str:
    """A table for the terminal: the axes that vary, measures with their intervals, joules of a
    read; what failed, and doubts about prices, below it.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> from stochsim.report import custom_table
    >>> def draws(stimuli, reads, key, width):
    ...     return np.full((len(stimuli), reads, 1), width)
    >>> def middle(samples, truth):
    ...     return samples.values.mean(axis=(1, 2))
    >>> study = ss.Study(
    ...     sampler=draws, data=np.zeros((8, 1)), measures=[middle], axes={"width": [1.0, 3.0]}
    ... )
    >>> print(custom_table(ss.open_run(ss.run_sweep(study, "runs/table", workers=1))))
    2 points of a sampler; n = 100 reads of each of 8 stimuli; [95 % interval over stimuli]
    <BLANKLINE>
    width             middle
    ------------------------
        1  1.00 [1.00, 1.00]
        3  3.00 [3.00, 3.00]
    """
    seen = {name: {str(row.point[name]) for row in run.rows} for name in run.axes}
    varied = [name for name, values in seen.items() if len(values) > 1] or list(run.axes)
    has_bill = any(row.joules_per_read == row.joules_per_read for row in run.rows)
    heads = [*map(axis_text, varied), *run.measures, *(["energy"] if has_bill else [])]
    rows = [_cells(row, varied, has_bill) for row in run.rows[:_MOST_ROWS]]
    table = ruled_columns([heads, *rows], left=0) if rows else ["no point is finished"]
    lines = [*_opening(run, varied), "", *table, *_closing(run)]
    return "\n".join(
        textwrap.fill(line, CONSOLE_COLUMNS, subsequent_indent="  ")
        if len(line) > CONSOLE_COLUMNS and line not in table
        else line
        for line in lines
    )


def title_of(run: CustomRun) -> str:
    """What a run is of."""
    return str(run.facts["title"]).removeprefix("study: ")


def sizes_text(run: CustomRun) -> str:
    """How many reads and stimuli."""
    stimuli = counted(run.facts["stimuli"], "stimulus", "stimuli")
    return f"n = {run.facts['reads']:,} reads of each of {stimuli}"


def failures_by_kind(run: CustomRun) -> list[str]:
    """What failed, the most frequent first; of many kinds their number, too."""
    kinds = Counter(text.strip().splitlines()[-1] for text in run.failed.values())
    found = [f"{counted(count, 'point', 'points')}: {text}" for text, count in kinds.most_common()]
    more = len(found) - _MOST_KINDS
    return found[:_MOST_KINDS] + ([f"{more} more kinds"] if more > 0 else [])


def missing_figures(run: CustomRun) -> list[str]:
    """Measures that are n/a, each with the reason."""
    found = {
        name: one.reason for row in run.rows for name, one in row.estimates.items() if one.reason
    }
    return [f"{name} n/a: {reason}" for name, reason in found.items()]


def value_text(value: Any) -> str:
    """A value of an axis."""
    return "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def axis_text(name: str) -> str:
    """An axis, without what all settings of a chip have in front."""
    return name.removeprefix("hardware.")


def _opening(run: CustomRun, varied: list[str]) -> list[str]:
    shown = run.rows[0].point if run.rows else {name: one[0] for name, one in run.axes.items()}
    fixed = [f"{axis_text(name)} {shown[name]}" for name in run.axes if name not in varied]
    missing = run.planned - len(run.rows)
    return [
        f"{title_of(run)}; {sizes_text(run)}; [95 % interval over stimuli]",
        *([f"at {', '.join(fixed)}"] if fixed else []),
        *([f"{missing} of {run.planned} points are not finished"] if missing else []),
    ]


def _closing(run: CustomRun) -> list[str]:
    more = len(run.rows) - _MOST_ROWS
    failed, notes = failures_by_kind(run), missing_figures(run)
    flags = sorted({flag for row in run.rows for flag in row.flags})
    return [
        *([f"… and {more} more, in results.csv"] if more > 0 else []),
        *([""] if failed or flags or notes else []),
        *notes,
        *(f"failed, {one}" for one in failed),
        *(f"flag: {flag}" for flag in flags[:6]),
        *([f"… {len(flags)} flags, in results.csv"] if len(flags) > 6 else []),
    ]


def _cells(row: PointResult, varied: list[str], has_bill: bool) -> list[str]:
    joules = [format_energy(row.joules_per_read)] if has_bill else []
    axes = [value_text(row.point[name]) for name in varied]
    return [*axes, *map(_estimate, row.estimates.values()), *joules]


def _estimate(one: Estimate) -> str:
    if not one.available:
        return "n/a"
    digits = ".2f" if 0.01 <= abs(one.value) < 1000 or one.value == 0 else ".3g"
    return format(one, digits)
