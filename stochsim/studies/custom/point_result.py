"""A finished point of a study with axes, as its run stores it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior import Estimate
from stochsim.studies.custom.points import unpacked

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class PointResult:
    """One finished point: its place on the axes, estimates by measure, joules and seconds of a read
    (NaN without a bill), joules by part, doubts about prices.
    """

    point: Mapping[str, Any]
    estimates: Mapping[str, Estimate]
    joules_per_read: float
    seconds_per_read: float
    parts_j: Mapping[str, float]
    flags: tuple[str, ...]
    per_stimulus: Mapping[str, Floats]

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
        )

    def columns(self) -> dict[str, Any]:
        """A row of a table: axes, each measure with the ends of its interval, joules, seconds."""
        found = dict(self.point)
        for name, one in self.estimates.items():
            found |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        notes = [f"{name}: {one.reason}" for name, one in self.estimates.items() if one.reason]
        return found | {
            "joules_per_read": self.joules_per_read,
            "seconds_per_read": self.seconds_per_read,
            "note": "; ".join(notes),
            "flags": "; ".join(self.flags),
        }


def _estimate(found: Mapping[str, Any]) -> Estimate:
    if "note" in found:
        return Estimate.missing(found["note"])
    return Estimate(found["value"], found["low"], found["high"])
