"""What the page prints beside its tables, as plain text: key figures, cliffs, captions."""

import itertools
import math

from stochsim.posterior import Estimate
from stochsim.report import ranking
from stochsim.report import text as words
from stochsim.report.figures.panels import pareto_front
from stochsim.report.variants import (
    bits_words,
    network_words,
    quantised,
    row_words,
    variant_at,
    variants,
)
from stochsim.studies import Result, Results


def headline(results: Results) -> Result | None:
    """The cell the key figures describe: the cliff at the headline noise and smallest ρ; where
    there is none, the cell of least D there.

    Of several architectures or methods the lowest cliff, of equal ones the cell of least D; a float
    network where nothing is quantised.
    """
    rho = min(results.study.grid.rho)
    noise = words.nearest_noise(results)
    cliffs = {
        variant_at(each): each["result"]
        for each in words.main_cliffs(results)
        if (each["rho"], each["noise"]) == (rho, noise)
    }
    found = [row for row in cliffs.values() if row is not None]
    if found:
        return min(found, key=lambda row: (sum(row.widths or ()), row.estimates["d"].value))
    rows = words.results_at(results, rho, noise)
    rows = rows or [
        row for row in results.summary if row.is_float and (row.rho, row.noise) == (rho, noise)
    ]
    return min(rows, key=lambda row: row.estimates["d"].value, default=None)


def key_figures(results: Results) -> list[tuple[str, str, str]]:
    """(name, figure, what it is beside) of the first screen."""
    row = headline(results)
    if row is None:
        return []
    named = row_words(results, row)
    place = f"{named}{', ' if named else ''}{bits_words(row)}, noise {words.noise_label(row.noise)}"
    parts = {part: joules for part, joules in row.energy_j.items() if math.isfinite(joules)}
    largest = max(parts, key=lambda part: parts[part], default="")
    share = (
        f"most of it {largest}: {parts[largest] / row.per_read_j:.0%}"
        if 0 < row.per_read_j < math.inf
        else words.INFINITE_ENERGY
    )
    figures = (
        [("Energy per read", words.energy_words(row), f"{place}; {share}")]
        if row.is_quantised
        else []
    )
    distance = row.estimates["d"]
    if row.survival is not None:
        s = words.available(row.survival)
        figures.insert(
            0,
            (
                "Survival S",
                words.number(s.value, ".2f") if s else "n/a",
                f"{_range(s, '.3f')}; {place}" if s else row.survival.reason,
            ),
        )
        full, blind = (
            words.number(each.value, ".2f") for each in (row.survival.d_full, row.survival.d_blind)
        )
        scale = f"{_range(distance)}; float network {full}, ignoring the stimulus {blind}"
    else:
        scale = f"{_range(distance)}; {place}"
    figures.append(("Distance D, in reference sd", words.number(distance.value, ".2f"), scale))
    figures.append(_task_figure(results, row))
    return [*figures, *([found] if (found := ranking.cheapest_figure(results)) else [])]


def _range(estimate: Estimate, spec: str = ".2f") -> str:
    return f"95 %: {words.number(estimate.low, spec)} to {words.number(estimate.high, spec)}"


def _task_figure(results: Results, row: Result) -> tuple[str, str, str]:
    accuracy = row.estimates.get("readout_accuracy")
    if accuracy is not None:
        return "Read-out accuracy", words.number(accuracy.value, ".1%"), _range(accuracy, ".1%")
    if not words.has_reconstruction(results):
        coverage = row.estimates["coverage_90"]
        return (
            "Coverage of the 90 % interval",
            words.number(coverage.value, ".1%"),
            _range(coverage, ".1%"),
        )
    error = row.estimates["reconstruction_error"]
    full = results.estimate_of(row.cells[0].float_samples, "reconstruction_error")
    return (
        "Reconstruction error",
        words.number(error.value, ".2f"),
        f"{_range(error)}; float network {words.number(full.value, '.2f')}",
    )


def cliff_rows(results: Results, everything: bool = False) -> list[list[str]]:
    """Network (where there are several), noise, ρ and axis of each cliff, the cliff in words, and S
    and joules there.
    """
    rows = []
    for found in results.cliffs() if everything else words.main_cliffs(results):
        result = found.get("result")
        axis = words.AXIS_WORDS[found["axis"]] + words.fixed_words(found)
        survival = words.estimate_words(words.available(result.survival)) if result else "–"
        named = network_words(results, *variant_at(found))
        cells = [
            *([named] if named else []),
            words.noise_label(found["noise"]),
            f"{found['rho']:g}",
            axis,
            words.cliff_words(results, found),
        ]
        if not everything:
            cells += [survival, words.energy_words(result) if result else "–"]
        rows.append(cells)
    return rows


def energy_caption(results: Results) -> str:
    """What the energy figure leaves out, and its Pareto front in words."""
    sentences = []
    for variant, rho in itertools.product(variants(results), sorted(results.study.grid.rho)):
        rows = [row for row in quantised(results, variant) if row.rho == rho]
        parts = (
            network_words(results, *variant),
            f"ρ = {rho:g}" if len(results.study.grid.rho) > 1 else "",
        )
        opening = ", ".join(part for part in parts if part)
        opening += ": " if opening else ""
        front = ", ".join(
            f"{bits_words(row)} {words.noise_label(row.noise)}" for row in pareto_front(rows)
        )
        infinite = [row for row in rows if math.isinf(row.per_read_j)]
        sentences += [f"{opening}Pareto front (line): {front}."] if front else []
        if infinite:
            named = "; ".join(
                f"{bits_words(row)} {words.noise_label(row.noise)}, D = "
                f"{words.number(row.estimates['d'].value, '.2f')}"
                for row in infinite
            )
            sentences.append(
                f"{opening}Off the front, for no noise at all costs infinite joules: {named}."
            )
    return " ".join(sentences)
