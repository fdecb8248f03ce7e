"""The verdict: the first sentences of the page.

Everything is computed from the results, nothing is assumed.
"""

from typing import Any

from stochsim.posterior import CLIFF_SURVIVAL
from stochsim.report import text as words
from stochsim.report.variants import (
    Variant,
    bits_words,
    float_words,
    network_words,
    variant_at,
    variants,
)
from stochsim.studies import Result, Results


def verdict(results: Results) -> list[str]:
    """What survives at the headline noise, and its joules per read: a sentence per ρ (and per bit
    axis where they sweep apart).

    Of several architectures or methods one sentence each, at the smallest ρ; of float networks
    their distances.
    """
    if not results.summary:
        return ["No cell of the grid is stored yet."]
    several = len(variants(results)) > 1
    rhos = sorted(results.study.grid.rho)[: 1 if several else None]
    sentences = []
    for rho in rhos:
        for variant in variants(results):
            sentences += _variant_verdict(results, rho, variant)
    return sentences + words.part_words(results) + _float_verdict(results)


def _variant_verdict(results: Results, rho: float, variant: Variant) -> list[str]:
    noise = words.nearest_noise(results)
    rows = words.results_at(results, rho, noise, variant)
    opening = f"At noise {words.noise_label(noise)}" + (
        f" and ρ = {rho:g}" if len(results.study.grid.rho) > 1 else ""
    )
    named = network_words(results, *variant)
    opening += f" ({named})" if named else ""
    if not rows:
        return [f"{opening} no cell of a network on the chip is stored yet."]
    if rows[0].survival is None:
        return [_own_verdict(opening, rows)]
    cliffs = [
        each
        for each in words.main_cliffs(results)
        if (each["rho"], each["noise"], variant_at(each)) == (rho, noise, variant)
    ]
    return [_cliff_verdict(opening, found, rows, results) for found in cliffs]


def _float_verdict(results: Results) -> list[str]:
    """The distances of float networks at the smallest ρ and the headline noise."""
    rho = min(results.study.grid.rho)
    noise = words.nearest_noise(results)
    rows = [row for row in results.summary if row.is_float and (row.rho, row.noise) == (rho, noise)]
    if not rows:
        return []
    opening = f"Float networks at ρ = {rho:g}, noise {words.noise_label(noise)}"
    named = [f"{float_words(row)} D = {words.estimate_words(row.estimates['d'])}" for row in rows]
    return [f"{opening}: {', '.join(named)}."]


def _own_verdict(opening: str, rows: list[Result]) -> str:
    best = min(rows, key=lambda row: row.estimates["d"].value)
    distance = words.estimate_words(best.estimates["d"])
    place = f"at {bits_words(best)} and {words.energy_words(best)} per read"
    return (
        f"{opening} the smallest distance, each network to its own posterior, is D = "
        f"{distance}, {place}."
    )


def _cliff_verdict(
    opening: str, found: dict[str, Any], rows: list[Result], results: Results
) -> str:
    axis = words.AXIS_WORDS[found["axis"]] if found["axis"] != "bits" else "bits"
    beside = f" (with{words.fixed_words(found)[1:]})" if found["fixed"] else ""
    result = found["result"]
    so_far = " so far" if results.missing else ""
    if result is not None:
        width = f"{found['cliff']} {axis if found['cliff'] != 1 else axis.removesuffix('s')}"
        alone = found["cliff"] == words.widths_tested(results, found["axis"])[-1]
        where = (
            f"only at {width}{beside}, the largest width tested"
            if alone
            else f"down to {width}{beside}, the cliff{so_far}"
        )
        survival = words.estimate_words(words.available(result.survival))
        return (
            f"{opening} the posterior survives {where}: S = {survival}, at "
            f"{words.energy_words(result)} per read."
        )
    known = [row for row in rows if words.available(row.survival) is not None]
    if not known:
        reason = rows[0].survival.reason if rows[0].survival else ""
        return f"{opening} survival is n/a: {reason}."
    best = max(known, key=lambda row: row.survival.estimate.value)  # type: ignore[union-attr]
    survival = words.estimate_words(words.available(best.survival))
    return (
        f"{opening} no number of {axis}{beside} keeps S ≥ {CLIFF_SURVIVAL:g}{so_far}: the best, "
        f"{bits_words(best)}, has S = {survival} at {words.energy_words(best)} per read."
    )
