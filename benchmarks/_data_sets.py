"""How far the cliff and the gains of noise-aware training move from data set to data set: the
same study on each, a row per data set and architecture, and the range over them.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from _bench import Figure, Options
from _studies import Changes, figure, lower_end, run_study

from stochsim.posterior import Estimate
from stochsim.report import ARCHITECTURE_WORDS
from stochsim.studies import Results

ALIKE = ("patches", "china", "flower")
"""Trained and tested on photographs alike."""
SHIFTED = ("china-to-flower",)
"""Trained on one photograph, tested on another, of less contrast."""
OTHERS = ("post-training", "quantisation-aware")
SHIFTED_BITS = 7
BAR = 0.9


@dataclass(frozen=True)
class DataSetRow:
    """One architecture on one data set: its cliff in bits (infinite where there is none), S by
    width, and what noise-aware training gains over another method by (width, method).
    """

    data: str
    architecture: str
    cliff: float
    survival: dict[int, Estimate]
    gains: dict[tuple[int, str], Estimate]

    @property
    def is_shifted(self) -> bool:
        """Whether it was tested on another kind of pictures than it was trained on."""
        return self.data in SHIFTED

    @property
    def least_and_most_gain(self) -> tuple[float, float]:
        """Over widths and methods; NaN where none is available."""
        return span([each.value for each in self.gains.values() if each.available])


def span(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest, NaN of none."""
    return (min(values), max(values)) if values else (math.nan, math.nan)


def data_set_rows(
    name: str, ending: str, changes: Changes, bits: Sequence[int], compared: Sequence[int]
) -> list[DataSetRow]:
    """Run the study NAME on every data set, noise-aware at these bits, by all methods at the
    compared ones, at noise x1 and rho = 0; what NAME's own run holds of patches is not done again.
    """
    rows = []
    for kind in (*ALIKE, *SHIFTED):
        folder = f"{name}{ending}" if kind == "patches" else f"{name}_{kind}{ending}"
        asked = changes | {"data": {"kind": kind}}
        survival, cliffs = _survival(name, folder, asked, bits)
        gains = _gains(name, folder, asked, compared)
        for architecture, found in survival.items():
            own = (cliffs[architecture], found, gains[architecture])
            rows.append(DataSetRow(kind, architecture, *own))
    return rows


def _grid(changes: Changes, **fields: Any) -> Changes:
    grid = changes.get("grid", {}) | {"noise": [1], "rho": [0]} | fields
    return changes | {"grid": grid}


def _survival(
    name: str, folder: str, changes: Changes, bits: Sequence[int]
) -> tuple[dict[str, dict[int, Estimate]], dict[str, float]]:
    """S by architecture and width, and the cliffs by architecture."""
    with run_study(name, _grid(changes, bits=[*bits]), folder) as results:
        found: dict[str, dict[int, Estimate]] = {}
        for kind in results.study.grid.architecture:
            found[kind] = {width: _of(results, kind, width) for width in bits}
        cliffs = {row["architecture"]: row["cliff"] for row in results.cliffs()}
    return found, {kind: float(cliff or math.inf) for kind, cliff in cliffs.items()}


def _of(results: Results, kind: str, width: int) -> Estimate:
    survival = results.find(kind, width, method="noise-aware").survival
    if survival is None or survival.estimate is None:
        return Estimate.missing(survival.reason if survival else "no common posterior")
    return survival.estimate


def _gains(
    name: str, folder: str, changes: Changes, bits: Sequence[int]
) -> dict[str, dict[tuple[int, str], Estimate]]:
    """What S of noise-aware training exceeds that of others by, paired, by architecture."""
    grid = _grid(changes, bits=[*bits], method=[*OTHERS, "noise-aware"], float=False)
    found: dict[str, dict[tuple[int, str], Estimate]] = {}
    with run_study(name, grid, folder) as results:
        for kind in results.study.grid.architecture:
            found[kind] = {}
            for width in bits:
                aware = results.find(kind, width, method="noise-aware")
                for other in OTHERS:
                    row = results.find(kind, width, method=other)
                    found[kind][width, other] = results.survival_difference(aware, row)
    return found


def data_set_figures(rows: Sequence[DataSetRow]) -> list[Figure]:
    """Cliff and gains of every data set and architecture; their range over the data sets that are
    alike; S of the shifted ones at 7 bits, whose lower end should reach 0.9.
    """
    figures = [each for row in rows for each in _figures_of(row)]
    for kind in dict.fromkeys(row.architecture for row in rows):
        alike = [row for row in rows if row.architecture == kind and not row.is_shifted]
        figures += _ranges(ARCHITECTURE_WORDS[kind], alike)
    for row in rows:
        if row.is_shifted and SHIFTED_BITS in row.survival:
            found = row.survival[SHIFTED_BITS]
            name = f"{_place(row)}, {SHIFTED_BITS} bits: S"
            figures.append(lower_end(name, found, BAR) if found.available else figure(name, found))
    return figures


def _place(row: DataSetRow) -> str:
    return f"{row.data}, {ARCHITECTURE_WORDS[row.architecture]}"


def _figures_of(row: DataSetRow) -> list[Figure]:
    cliff = Figure(f"{_place(row)}: cliff", row.cliff, row.cliff, row.cliff, "bits", better="lower")
    gains = [
        figure(f"{_place(row)}, {width} bits: S noise-aware less {other}, paired", gain)
        for (width, other), gain in row.gains.items()
    ]
    return [cliff, *gains]


def _ranges(words: str, alike: Sequence[DataSetRow]) -> list[Figure]:
    """Least and largest over data sets, as the interval; the value is that of the first."""
    against = ", ".join(row.data for row in alike)
    cliffs = [row.cliff for row in alike]
    name = f"{words}, over {len(alike)} data sets: range of"
    found = [Figure(f"{name} the cliff", cliffs[0], *span(cliffs), "bits", against, None, "lower")]
    for place in alike[0].gains:
        gains = [row.gains[place].value for row in alike if row.gains[place].available]
        width, other = place
        if gains:
            title = f"{name} S noise-aware less {other}, {width} bits"
            found.append(Figure(title, gains[0], *span(gains), "1", against))
    return found


def write_data_sets(rows: Sequence[DataSetRow], name: str, options: Options) -> None:
    """NAME_data_sets.csv into the folder of --out: a row per data set and architecture."""
    if options.out is None:
        return
    widths = list(rows[0].survival)
    ends = ("", "_low", "_high")
    header = ["data", "is_shifted", "architecture", "cliff", "least_gain", "most_gain"]
    header += [f"survival_{width}_bits{end}" for width in widths for end in ends]
    with (options.out / f"{name}_data_sets.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            numbers = [row.cliff, *row.least_and_most_gain]
            for each in row.survival.values():
                numbers += [each.value, each.low, each.high]
            shown = ["" if value != value else f"{value:.4g}" for value in numbers]
            writer.writerow([row.data, row.is_shifted, row.architecture, *shown])
