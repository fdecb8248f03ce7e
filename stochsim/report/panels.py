"""What a figure over bits shows: one panel per ρ and bit axis, one line per noise level."""

from dataclasses import dataclass

from stochsim.posterior import Estimate
from stochsim.report import words
from stochsim.sweep import Result, Results


@dataclass(frozen=True)
class Panel:
    """Finished cells of one ρ along one bit axis, the other widths at their largest: per noise level, (width, cell) in order of width."""

    rho: float
    axis: str
    fixed: str
    widths: tuple[int, ...]
    lines: dict[float, list[tuple[int, Result]]]


def panels(results: Results) -> list[list[Panel]]:
    """Rows of panels: one row per ρ, one column per bit axis that is swept."""
    return [[_panel(results, rho, axis) for axis in words.swept_axes(results)] for rho in sorted(results.study.grid.rho)]


def _panel(results: Results, rho: float, axis: str) -> Panel:
    largest = words.largest_widths(results)
    held = {} if axis == "bits" else {name: width for name, width in largest.items() if name != axis}
    lines: dict[float, list[tuple[int, Result]]] = {}
    for row in results.summary:
        if row.rho == rho and all(getattr(row, name) == width for name, width in held.items()):
            width = row.weight_bits if axis == "bits" else getattr(row, axis)
            lines.setdefault(row.noise, []).append((width, row))
    fixed = ", ".join(f"{name.removesuffix('_bits')} {width}" for name, width in held.items())
    return Panel(rho, axis, fixed, words.widths_tested(results, axis), {noise: lines[noise] for noise in sorted(lines)})


def panel_title(results: Results, panel: Panel) -> str:
    """What tells this panel from its neighbours."""
    rho = f"ρ = {panel.rho:g}" if len(results.study.grid.rho) > 1 else ""
    return "; ".join(part for part in (rho, f"{panel.fixed} bits" if panel.fixed else "") if part)


def has_survival(results: Results) -> bool:
    """False where every network learned its own decoder, so that there is no S."""
    return results.study.train.decoder == "shared"


def shown(results: Results, row: Result) -> Estimate | None:
    """What a figure over bits plots: S, or D where there is no S; None where S is n/a."""
    return words.available(row.survival) if has_survival(results) else row.estimates["d"]


def pareto_front(rows: list[Result]) -> list[Result]:
    """Cells of finite energy that no other cell beats in both joules per read and D, by rising joules."""
    finite = [row for row in rows if row.total_j < float("inf")]
    front: list[Result] = []
    for row in sorted(finite, key=lambda row: (row.total_j, row.estimates["d"].value)):
        if not front or row.estimates["d"].value < front[-1].estimates["d"].value:
            front.append(row)
    return front
