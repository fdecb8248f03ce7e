"""Settings of a run, with what the choice looks at and what is reported of it: of each the points
that differ in their keys alone, half of them for the one and half for the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stochsim.settings import StochsimError
from stochsim.studies import CustomRun, PointResult

REPEATED = ("key", "chip_key")
"""Axes that draw anew what a setting does not say."""

ENOUGH_KEYS = 8
"""For an interval to stand in a headline."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A setting: `point` without its keys; what choosing looks at, and what is reported, of other
    keys where there are several. keys: how many there are for each.
    """

    point: dict[str, Any]
    seen: PointResult
    reported: PointResult
    keys: tuple[int, int]


def candidates(run: CustomRun) -> list[Candidate]:
    """The settings of a run's finished points, in their order.

    Of several keys every second one, from the first on, is for choosing, the others are for the
    report; intervals are over keys, and over stimuli within them. Raises StochsimError where no
    point is finished.
    """
    repeated = [name for name in REPEATED if len(run.axes.get(name, ())) > 1]
    found = [_candidate(run, point, rows) for point, rows in run.settings(repeated)]
    if not found:
        raise StochsimError(f"{run.folder}: no point is finished, so none can be chosen")
    return found


def _candidate(run: CustomRun, point: dict[str, Any], rows: Sequence[PointResult]) -> Candidate:
    halves = (list(rows[::2]), list(rows[1::2])) if len(rows) > 1 else (list(rows), list(rows))
    seen, reported = (half[0] if len(half) == 1 else run.together(point, half) for half in halves)
    return Candidate(point, seen, reported, (len(halves[0]), len(halves[1])))
