"""What the page prints, as plain text and lists of cells: the key figures, the tables, the
captions.
"""

import itertools
import math
from collections.abc import Callable

from stochsim.energy import PARTS, format_energy
from stochsim.posterior import Estimate
from stochsim.report import ranking
from stochsim.report import text as words
from stochsim.report.figures.panels import has_survival, pareto_front
from stochsim.report.table_cells import (
    Cell,
    Column,
    cost_columns,
    effective_joules_column,
    estimate_cell,
    measure_column,
)
from stochsim.report.variants import (
    ARCHITECTURE_WORDS,
    bits_words,
    network_words,
    quantised,
    row_words,
    variant_at,
    variants,
    varied_axes,
    widths_label,
)
from stochsim.studies import AXES, Axis, Result, Results, value_text


def survival_cell(row: Result) -> Cell:
    """S, marked by what it means: survives, between, or no better than ignoring the stimulus."""
    if row.survival is None or row.survival.estimate is None:
        return Cell("n/a", note=row.survival.reason if row.survival else "no common posterior")
    cell = estimate_cell(row.survival.estimate)
    mark = "between"
    if words.survives(row):
        mark = "survives"
    elif row.survival.estimate.low <= 0:
        mark = "lost"
    return Cell(cell.text, cell.interval, "", mark)


def network_columns(results: Results) -> list[Column]:
    """The axes on which networks differ, and the control where the study has any."""
    axes = varied_axes(results)
    axes += [AXES["control"]] if results.study.grid.control else []
    axes.sort(key=lambda axis: bool(axis.setting))
    return [Column(axis.head or axis.words, axis.hint, _axis_cell(axis)) for axis in axes]


def _axis_cell(axis: Axis) -> Callable[[Result], Cell]:
    if axis.name == "architecture":
        return lambda row: Cell(ARCHITECTURE_WORDS[row.architecture])
    return lambda row: Cell(value_text(row[axis.name]))


def _axis_columns(results: Results) -> list[Column]:
    tied = results.study.grid.bits is not None or not results.study.grid.widths()
    columns = [
        *network_columns(results),
        Column(
            "bits" if tied else "bits w/i/o",
            "bits of weights, inputs and outputs",
            lambda row: Cell(widths_label(row)),
        ),
        Column(
            "noise",
            "multiple of the trained σ",
            lambda row: Cell(words.noise_label(row.noise)),
        ),
    ]
    if len(results.study.grid.rho) > 1:
        columns.append(
            Column("ρ", "exponent of the price of reliability", lambda row: Cell(f"{row.rho:g}"))
        )
    return columns


def main_columns(results: Results) -> list[Column]:
    """The table that answers the question."""
    labelled = any("readout_accuracy" in row.estimates for row in results.summary)
    own = not has_survival(results)
    columns = [
        *_axis_columns(results),
        measure_column("d", "D", "distance to the reference posterior, in reference sd"),
    ]
    columns += (
        [measure_column("elbo_nat", "ELBO [nat]", "evidence lower bound per stimulus", ".2f")]
        if own
        else []
    )
    columns += (
        []
        if own
        else [Column("S", "survival; tinted where the cliff's rule is met", survival_cell)]
    )
    columns += [measure_column("mean_error", "mean error", "mean |Δμ| / sd of the reference")]
    if words.has_reconstruction(results):
        columns += [
            measure_column(
                "reconstruction_error",
                "reconstruction",
                "reconstruction error of the reads, in whitened inputs",
            )
        ]
    columns += (
        [
            measure_column(
                "readout_accuracy",
                "accuracy",
                "share of reads a linear read-out classifies rightly",
            )
        ]
        if labelled
        else []
    )
    columns += [
        Column(
            "energy / read",
            "joules per read, reliability included",
            lambda row: Cell(words.energy_words(row)),
        )
    ]
    return [
        *columns,
        *([effective_joules_column()] if ranking.has_dependent_reads(results) else []),
    ]


def detail_columns(results: Results) -> list[Column]:
    """Everything else that was measured."""
    survival = _survival_columns() if has_survival(results) else []
    paid = [part for part in PARTS if any(row.energy_j.get(part, 0.0) for row in results.summary)]
    return [
        *_axis_columns(results),
        measure_column("d_axes", "D axes", "Wasserstein-2 averaged over coordinate axes"),
        measure_column("d_projections", "D proj.", "Wasserstein-2 averaged over random directions"),
        *survival,
        *_measure_columns(),
        *cost_columns(results),
        *(Column(part, "joules per read", _part_cell(part)) for part in paid),
        *_price_columns(results),
    ]


def _survival_columns() -> list[Column]:
    return [
        Column(
            "D blind",
            "draws that ignore the stimulus",
            lambda row: estimate_cell(row.survival.d_blind if row.survival else None),
        ),
        Column(
            "D full",
            "the float network without hardware noise",
            lambda row: estimate_cell(row.survival.d_full if row.survival else None),
        ),
        Column(
            "S abs",
            "S against the best float network of the sweep",
            lambda row: estimate_cell(words.available(row.survival_absolute)),
        ),
    ]


def _measure_columns() -> list[Column]:
    return [
        measure_column("log_sd_bias", "log sd bias", "mean of log(sd chip / sd reference)"),
        measure_column("log_sd_rms", "log sd RMS", "root mean square of the same"),
        measure_column(
            "log_sd_correlation",
            "log sd corr.",
            "correlation of log sd across stimuli, per neuron, averaged",
        ),
        measure_column("zero_sd_share", "zero sd", "share of neurons whose reads are constant"),
        measure_column(
            "covariance_error", "cov. error", "relative Frobenius error of the covariance"
        ),
        measure_column(
            "pattern_correlation", "cov. pattern", "correlation of the covariances' entries"
        ),
        measure_column(
            "coverage_50", "cover 50 %", "share of reference draws inside the chip's central 50 %"
        ),
        measure_column(
            "coverage_90", "cover 90 %", "share of reference draws inside the chip's central 90 %"
        ),
        measure_column(
            "gaussian_kl_nat",
            "KL [nat]",
            "KL between Gaussians of equal moments; n/a where one is singular",
            ".3g",
        ),
        measure_column("mmd_squared", "MMD²", "squared maximum mean discrepancy", ".3g"),
        measure_column(
            "elbo_nat", "ELBO [nat]", "n/a at noise 0, where the entropy of the noise is −∞", ".2f"
        ),
        Column(
            "σ at bound",
            "share of neurons whose σ sits at its bound",
            lambda row: Cell(f"{row.saturated_share:.1%}"),
        ),
    ]


def _price_columns(results: Results) -> list[Column]:
    """The price of reliability, and what set it."""
    columns = [
        Column(
            "c [nat]",
            "the price of reliability that the network was trained under",
            lambda row: Cell(f"{row.c:.4g}"),
        )
    ]
    if results.study.train.exchange is not None:
        columns.append(
            Column(
                "λ [nat/J]",
                "the exchange rate that sets c",
                lambda row: Cell(f"{row.exchange:g}" if row.exchange else "–"),
            )
        )
    return columns


def _part_cell(part: str) -> Callable[[Result], Cell]:
    return lambda row: Cell(format_energy(row.energy_j.get(part, 0.0)) if row.energy_j else "n/a")


def table(results: Results, columns: list[Column]) -> list[list[Cell]]:
    """The cells of all finished results."""
    return [[column.cell(row) for column in columns] for row in results.summary]


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
        f"most of it {largest}: {parts[largest] / row.total_j:.0%}"
        if 0 < row.total_j < math.inf
        else "noise 0 has no finite price"
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
    full = results.estimate_of(row.cells[0].full, "reconstruction_error")
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
        infinite = [row for row in rows if math.isinf(row.total_j)]
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
