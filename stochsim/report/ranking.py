"""Which cells keep the posterior at the fewest joules per effective sample.

A cell that does not keep it has no rank, however cheap.
"""

import math

from stochsim.energy import format_energy
from stochsim.posterior import CLIFF_SURVIVAL, Estimate
from stochsim.report import text as words
from stochsim.report.figures.panels import has_survival
from stochsim.report.variants import bits_words, quantised, row_words
from stochsim.studies import Result, Results


def may_be_ranked(row: Result) -> bool:
    """Whether the 95 % lower bound of S reaches 0.9 and joules per effective sample are known and
    finite.
    """
    return words.survives(row) and math.isfinite(row.joules_per_effective_sample.value)


def energy_ranks(rows: list[Result]) -> list[int | None]:
    """The place of each row among those of its key that may be ranked, 1 the cheapest, equals
    sharing one; None for all others. Rows over several keys are ranked together.
    """
    costs: dict[str, list[float]] = {}
    for row in rows:
        if may_be_ranked(row):
            costs.setdefault(row.ranked_with, []).append(row.joules_per_effective_sample.value)
    return [
        1 + sum(cost < row.joules_per_effective_sample.value for cost in costs[row.ranked_with])
        if may_be_ranked(row)
        else None
        for row in rows
    ]


def cheapest(results: Results) -> Result | None:
    """The finished cell of fewest joules per effective sample among those that may be ranked."""
    ranked = zip(results.summary, energy_ranks(results.summary), strict=True)
    return next((row for row, rank in ranked if rank == 1), None)


def has_dependent_reads(results: Results) -> bool:
    """Whether some cell's reads depend on each other, so that reads and effective samples
    differ.
    """
    return any(row.independent is False for row in results.summary)


def joules_words(estimate: Estimate) -> str:
    """Joules per effective sample with a prefix; n/a where they are."""
    return format_energy(estimate.value) if estimate.available else "n/a"


def cheapest_figure(results: Results) -> tuple[str, str, str] | None:
    """(name, figure, what it is beside) of the first screen; None where nothing is on a chip."""
    name = "Cheapest per effective sample"
    row = cheapest(results)
    if row is None:
        return (name, "n/a", _no_rank_words(results)) if quantised(results) else None
    named = row_words(results, row)
    samples = row.effective_samples
    place = f"{named}{', ' if named else ''}{bits_words(row)}, noise {words.noise_label(row.noise)}"
    worth = f"{samples.value:.0f} of {results.study.measure.reads} reads"
    how = (
        "all reads are independent"
        if row.independent
        else f"its reads depend on each other and are worth {worth}"
    )
    return name, joules_words(row.joules_per_effective_sample), f"{place}; {how}"


def _no_rank_words(results: Results) -> str:
    """Why no cell is ranked."""
    if not has_survival(results):
        return "there is no S here, so no cell is ranked"
    kept = [row for row in quantised(results) if words.survives(row)]
    if not kept:
        return f"no cell keeps S ≥ {CLIFF_SURVIVAL:g}{' so far' if results.missing else ''}"
    reasons = {row.joules_per_effective_sample.reason or "joules are infinite" for row in kept}
    return f"where S ≥ {CLIFF_SURVIVAL:g}: {'; '.join(sorted(reasons))}"
