"""Cells and columns of the page's tables."""

from collections.abc import Callable
from dataclasses import dataclass

from stochsim.energy import format_energy
from stochsim.posterior import Estimate
from stochsim.report import ranking
from stochsim.report import text as words
from stochsim.studies import Result, Results


@dataclass(frozen=True)
class Cell:
    """One cell of a table: the figure, its interval (may be empty), a note shown on hovering and,
    for S, a class of colour.
    """

    text: str
    interval: str = ""
    note: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its head, what the head says on hovering, and the cell of a result."""

    head: str
    hint: str
    cell: Callable[[Result], Cell]


def estimate_cell(estimate: Estimate | None, spec: str = ".3f") -> Cell:
    """A figure with its 95 % interval."""
    if estimate is None or not estimate.available:
        return Cell("n/a", note="" if estimate is None else estimate.reason)
    return Cell(
        words.number(estimate.value, spec),
        f"{words.number(estimate.low, spec)} to {words.number(estimate.high, spec)}",
    )


def measure_column(name: str, head: str, hint: str, spec: str = ".3f") -> Column:
    """The column of a measure with its interval."""
    return Column(head, hint, lambda row: estimate_cell(row.estimates.get(name), spec))


def effective_joules_column() -> Column:
    """Joules per effective sample."""
    hint = "joules of all reads of a stimulus by what they are worth in independent ones"
    return Column(
        "energy / eff. sample", hint, lambda row: _joules_cell(row.joules_per_effective_sample)
    )


def cost_columns(results: Results) -> list[Column]:
    """Effective samples, joules of each, and the rank by them."""
    ranks = dict(zip(map(id, results.summary), ranking.energy_ranks(results.summary), strict=True))
    hint = "1: fewest joules per effective sample where S survives; –: S does not, or is n/a"
    return [
        measure_column(
            "effective_samples",
            "eff. samples",
            "what the reads of a stimulus are worth in independent ones",
            ".0f",
        ),
        effective_joules_column(),
        Column("energy rank", hint, lambda row: Cell(str(ranks[id(row)] or "–"))),
    ]


def _joules_cell(estimate: Estimate) -> Cell:
    interval = (
        f"{format_energy(estimate.low)} to {format_energy(estimate.high)}"
        if estimate.low < estimate.high
        else ""
    )
    return Cell(ranking.joules_words(estimate), interval, estimate.reason)
