"""A finished point of a study with axes, as its run stores it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochsim.accounting import JoulesInterval, PriceRange
from stochsim.posterior import Estimate
from stochsim.studies.custom.points import unpacked

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class PointResult:
    """One finished point: its place on the axes, estimates by measure, joules and seconds of a read
    (NaN without a bill), joules by part, doubts about prices, and the ranges of its operations'
    joules, none without a bill.
    """

    point: Mapping[str, Any]
    estimates: Mapping[str, Estimate]
    joules_per_read: float
    seconds_per_read: float
    parts_j: Mapping[str, float]
    flags: tuple[str, ...]
    per_stimulus: Mapping[str, Floats]
    ranges: tuple[PriceRange, ...] = ()

    @property
    def joules(self) -> JoulesInterval:
        """Joules of a read with the ends that the ranges of prices give."""
        return JoulesInterval(self.joules_per_read, self.ranges)

    @classmethod
    def stored(cls, result: Mapping[str, Any], axes: Iterable[str]) -> "PointResult":
        """The one that a row of a store holds, its axes in this order."""
        bill = result["bill"] or {}
        return cls(
            {name: result["point"][name] for name in axes},
            {name: _estimate(one) for name, one in result["measures"].items()},
            float(bill.get("joules_per_read", math.nan)),
            float(bill.get("seconds_per_read", math.nan)),
            bill.get("parts_j", {}),
            (*bill.get("flags", ()), *result["warnings"]),
            {name: unpacked(one) for name, one in result["per_stimulus"].items()},
            tuple(PriceRange(*one) for one in bill.get("ranges", ())),
        )

    def columns(self) -> dict[str, Any]:
        """A row of a table: axes, each measure with the ends of its interval, joules, seconds."""
        found = dict(self.point)
        for name, one in self.estimates.items():
            found |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        notes = [f"{name}: {one.reason}" for name, one in self.estimates.items() if one.reason]
        low, high = (self.joules.low, self.joules.high) if self.ranges else (math.nan, math.nan)
        return found | {
            "joules_per_read": self.joules_per_read,
            "joules_per_read_low": low,
            "joules_per_read_high": high,
            "seconds_per_read": self.seconds_per_read,
            "note": "; ".join(notes),
            "flags": "; ".join(self.flags),
        }


def mean_ranges(rows: Sequence[PointResult]) -> tuple[PriceRange, ...]:
    """The ranges of the mean joules of several points, operation by operation."""
    found: dict[tuple[str, str], list[PriceRange]] = {}
    for one in (each for row in rows for each in row.ranges):
        found.setdefault((one.price, one.operation), []).append(one)
    means = (
        [math.fsum(ends) / len(rows) for ends in zip(*(one[1:4] for one in each), strict=True)]
        for each in found.values()
    )
    return tuple(
        each[0]._replace(joules=joules, low=low, high=high)
        for each, (joules, low, high) in zip(found.values(), means, strict=True)
    )


def _estimate(found: Mapping[str, Any]) -> Estimate:
    if "note" in found:
        return Estimate.missing(found["note"])
    return Estimate(found["value"], found["low"], found["high"])
