"""What a figure over bits shows: one panel per ρ, architecture, method, chip and bit axis, one line
per noise level.
"""

import itertools
from dataclasses import dataclass

from stochsim.posterior import Estimate
from stochsim.report import text as words
from stochsim.report.variants import Variant, network_words, quantised
from stochsim.studies import Result, Results

MOST_COLUMNS = 3


@dataclass(frozen=True)
class Panel:
    """Finished cells of one variant and ρ along one bit axis, other widths at their largest: per
    noise level, (width, cell) by width.
    """

    variant: Variant
    rho: float
    axis: str
    fixed: str
    widths: tuple[int, ...]
    lines: dict[float, list[tuple[int, Result]]]


def panels(results: Results) -> list[list[Panel]]:
    """Rows of panels: one row per ρ, method and chip, one column per architecture and bit axis;
    where these are many, architectures are rows.
    """
    grid = results.study.grid
    axes = words.swept_axes(results)
    chips = [tuple(chip.items()) for chip in grid.ways()]
    kinds = [grid.architecture]
    if len(grid.architecture) * len(axes) > MOST_COLUMNS:
        kinds = [(kind,) for kind in grid.architecture]
    rows = itertools.product(sorted(grid.rho), grid.method, chips, kinds)
    return [
        [_panel(results, Variant(kind, method, chip), rho, axis) for kind in some for axis in axes]
        for rho, method, chip, some in rows
    ]


def _panel(results: Results, variant: Variant, rho: float, axis: str) -> Panel:
    largest = words.largest_widths(results)
    others = (
        {} if axis == "bits" else {name: width for name, width in largest.items() if name != axis}
    )
    lines: dict[float, list[tuple[int, Result]]] = {}
    for row in quantised(results, variant):
        if row.rho == rho and all(getattr(row, name) == width for name, width in others.items()):
            width = getattr(row, "weight_bits" if axis == "bits" else axis)
            lines.setdefault(row.noise, []).append((width, row))
    fixed = ", ".join(f"{name.removesuffix('_bits')} {width}" for name, width in others.items())
    return Panel(
        variant,
        rho,
        axis,
        fixed,
        words.widths_tested(results, axis),
        {noise: lines[noise] for noise in sorted(lines)},
    )


def panel_title(results: Results, panel: Panel) -> str:
    """What distinguishes this panel from its neighbours."""
    rho = f"ρ = {panel.rho:g}" if len(results.study.grid.rho) > 1 else ""
    return "; ".join(
        part
        for part in (
            network_words(results, *panel.variant),
            rho,
            f"{panel.fixed} bits" if panel.fixed else "",
        )
        if part
    )


def has_survival(results: Results) -> bool:
    """False where every network learned a decoder for itself, so that there is no S."""
    return results.study.train.decoder == "shared"


def shown(results: Results, row: Result) -> Estimate | None:
    """What a figure over bits plots: S, or D where there is no S; None where S is n/a."""
    return words.available(row.survival) if has_survival(results) else row.estimates["d"]


def pareto_front(rows: list[Result]) -> list[Result]:
    """Cells of finite energy that no other cell beats in both joules per read and D, by rising
    joules.
    """
    finite = [row for row in rows if row.per_read_j < float("inf")]
    front: list[Result] = []
    for row in sorted(finite, key=lambda row: (row.per_read_j, row.estimates["d"].value)):
        if not front or row.estimates["d"].value < front[-1].estimates["d"].value:
            front.append(row)
    return front
