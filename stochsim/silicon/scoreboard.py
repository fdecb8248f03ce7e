"""What a macro's model gives against what was measured: ratios row by row, shares and errors, and
the same of a null model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stochsim.settings import check_choice, check_kind
from stochsim.silicon.fitting import fitted_rows, given_rows
from stochsim.silicon.macro import MACRO_RULE, Macro
from stochsim.silicon.measured import Measured, check_rows

READING_ERROR = 0.02
"""Relative error of numbers that were read off figures; a smaller difference means nothing."""

WITHIN = {"energy": 1.2, "part": 1.5, "speed": 1.2, "area": 1.2}
"""By kind of row: a ratio counts as met from 1 / this or 1 - (this - 1), the lower, to this."""


@dataclass(frozen=True)
class Scored:
    """One row with the model's figure: `predicted`, and over the plausible ranges of what the
    source does not say `low` to `high`; `null`: the null model's, of energies, and `is_start`
    whether that starts from this row. is_given: whether a parameter was fitted to it, or read from
    it.
    """

    row: Measured
    predicted: float
    low: float
    high: float
    null: float
    is_given: bool
    is_start: bool
    flags: tuple[str, ...]
    doubt: str = ""

    @property
    def ratio(self) -> float:
        """Modelled over measured."""
        return self.predicted / self.row.value

    @property
    def distance(self) -> float:
        """|log ratio|; infinite where the model has no such part."""
        return math.inf if math.isnan(self.ratio) else abs(math.log(self.ratio))

    @property
    def is_within(self) -> bool:
        """Whether the ratio is within 20 %, of parts within a factor of 1.5 (see WITHIN)."""
        most = WITHIN[self.row.kind]
        least = 1 / most if self.row.kind == "part" else 2 - most
        return least <= self.ratio <= most

    @property
    def is_in_envelope(self) -> bool:
        """Whether the measured value lies between the model's ends, reading errors added."""
        low, high = self.low * (1 - READING_ERROR), self.high * (1 + READING_ERROR)
        return low <= self.row.value <= high


@dataclass(frozen=True)
class Score:
    """All rows of a macro; `predicted` are those that count: scored, and no parameter was fitted to
    them or read from them.
    """

    macro: Macro
    rows: tuple[Scored, ...]

    def predicted(self, *kinds: str) -> list[Scored]:
        """The rows of these kinds that count."""
        return [
            one
            for one in self.rows
            if one.row.kind in kinds and one.row.is_scored and not one.is_given
        ]

    def share(self, *kinds: str) -> float:
        """The share of these rows that are within; not a number where there are none."""
        for kind in kinds:
            check_choice("kind", kind, WITHIN)
        rows = self.predicted(*kinds)
        return sum(one.is_within for one in rows) / len(rows) if rows else math.nan

    @property
    def _compared(self) -> list[Scored]:
        return [one for one in self.predicted("energy") if not one.is_start]

    @property
    def log_rmse(self) -> float:
        """Root mean square of log(modelled / measured) over energies of the whole macro that count,
        without the one that the null model starts from.
        """
        return _rms([math.log(one.ratio) for one in self._compared])

    @property
    def null_log_rmse(self) -> float:
        """The same of the null model, over the same rows."""
        return _rms([math.log(one.null / one.row.value) for one in self._compared])

    @property
    def mean_log(self) -> float:
        """Mean of log(modelled / measured) over all energies of the whole macro."""
        rows = [one for one in self.rows if one.row.kind == "energy" and one.row.is_scored]
        logs = [math.log(one.ratio) for one in rows]
        return math.fsum(logs) / len(logs) if logs else math.nan

    @property
    def misses(self) -> list[Scored]:
        """The rows that count and are not within, the farthest first."""
        rows = [one for one in self.predicted(*WITHIN) if not one.is_within]
        return sorted(rows, key=lambda one: -one.distance)


def score(macro: Macro, rows: Sequence[Measured]) -> Score:
    """The macro's model against measured rows, all of them in their order but figures of whole
    tasks, which no macro gives.

    The null model has one energy per pass of the array, that of the first row that the macro's
    parameters were fitted to (the first whole of all where nothing was fitted), its geometry, and
    the square of the supply.
    """
    check_kind("macro", macro, Macro, MACRO_RULE)
    check_rows(rows)
    given = {id(row) for row in given_rows(macro, rows)}
    corners = macro.corners()
    start = _null_start(macro, rows)
    found = []
    for row in rows:
        if row.kind == "task":
            continue
        point = macro.at(**row.conditions)
        ends = [row.predicted(corner.at(**row.conditions)) for corner in corners]
        null = math.nan
        if row.kind == "energy" and start is not None:
            null = _null(macro, start, row)
        found.append(
            Scored(
                row=row,
                predicted=row.predicted(point),
                low=min(ends),
                high=max(ends),
                null=null,
                is_given=id(row) in given,
                is_start=row is start,
                flags=point.flags,
                doubt=_doubt(macro, row),
            )
        )
    return Score(macro, tuple(found))


def _null_start(macro: Macro, rows: Sequence[Measured]) -> Measured | None:
    """The whole energy that the null model starts from, None where there is none."""
    wholes = [row for row in rows if row.kind == "energy" and row.is_scored]
    fitted = [dict(row.conditions) for row in fitted_rows(macro, rows)]
    first = wholes[0] if wholes else None
    return next((row for row in wholes if _same_setting(row, fitted)), first)


def _same_setting(row: Measured, settings: list[dict[str, float]]) -> bool:
    """Whether a row stands at one of these conditions, the supply of a part apart."""
    return any(
        all(row.conditions.get(name) == value for name, value in one.items() if name != "voltage_v")
        and one.get("voltage_v", math.inf) in (row.conditions.get("voltage_v"), math.inf)
        for one in settings
    )


def _null(macro: Macro, start: Measured, row: Measured) -> float:
    """fJ per MAC of the null model at a row's conditions."""
    here, there = macro.at(**row.conditions), macro.at(**start.conditions)
    volts = [point.conditions.get("voltage_v", macro.nominal_v) for point in (here, there)]
    per_pass = start.value * there.macs / there.passes * (volts[0] / volts[1]) ** 2
    return per_pass * here.passes / here.macs


def _doubt(macro: Macro, row: Measured) -> str:
    """The suspected reason of a miss: of the part, or all parts that the efficiency has."""
    if row.kind == "part":
        return macro.energy[row.part].doubt if row.part in macro.energy else ""
    if row.kind != "energy":
        return ""
    parts = (part.doubt for part in macro.energy.values() if part.is_in_efficiency)
    return "; ".join(filter(None, parts))


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(math.fsum(one**2 for one in values) / len(values)) if values else math.nan
