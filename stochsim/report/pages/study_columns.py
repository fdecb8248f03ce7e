"""The tables of a study's page: their columns, and the cells of each result."""

import math
from collections.abc import Callable

from stochsim.energy import PARTS, format_energy
from stochsim.report import ranking
from stochsim.report import text as words
from stochsim.report.figures.panels import has_survival
from stochsim.report.table_cells import (
    Cell,
    Column,
    cost_columns,
    effective_joules_column,
    estimate_cell,
    measure_column,
)
from stochsim.report.variants import ARCHITECTURE_WORDS, varied_axes, widths_label
from stochsim.studies import AXES, Axis, Result, Results, value_text


def survival_cell(row: Result) -> Cell:
    """S, marked by what it means: survives, between, or no better than ignoring the stimulus."""
    if row.survival is None or row.survival.estimate is None:
        return Cell(
            "n/a", note=row.survival.reason if row.survival else "no float network of its kind"
        )
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
    axes.sort(key=lambda axis: axis.is_of_the_chip)
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
    if results.is_uneven:
        hint = "keys that are finished so far: what the row's figures and intervals are over"
        columns.append(Column("keys", hint, lambda row: Cell(row.key)))
    return columns


def main_columns(results: Results) -> list[Column]:
    """The table that answers the question."""
    labelled = any("readout_accuracy" in row.estimates for row in results.summary)
    own = not has_survival(results)
    columns = [
        *_axis_columns(results),
        measure_column("d", "D", "distance to the reference posterior, in reference sd"),
    ]
    if own:
        columns.append(measure_column("elbo_nat", "ELBO [nat]", words.ELBO_HINT, ".2f"))
    else:
        hint = "survival; tinted where the cliff's rule is met"
        columns.append(Column("S", hint, survival_cell))
        columns += _yield_columns(results)
    columns.append(measure_column("mean_error", "mean error", "mean |Δμ| / sd of the reference"))
    if words.has_reconstruction(results):
        hint = "reconstruction error of the reads, in whitened inputs"
        columns.append(measure_column("reconstruction_error", "reconstruction", hint))
    if labelled:
        hint = "share of reads a linear read-out classifies rightly"
        columns.append(measure_column("readout_accuracy", "accuracy", hint))
    hint = "joules per read, reliability included"
    columns.append(Column("energy / read", hint, _energy_cell))
    if ranking.has_dependent_reads(results):
        columns.append(effective_joules_column())
    return columns


def _yield_columns(results: Results) -> list[Column]:
    """The yield over manufactured parts, beside the S of the first; none without parts."""
    if not results.study.grid.chip_keys:
        return []
    hint = "share of chips with S ≥ 0.9, with its Wilson interval; S is of the first chip alone"

    def cell(row: Result) -> Cell:
        found = results.chip_yield(row)
        return Cell("–") if found is None else estimate_cell(found, ".2f")

    return [Column("yield", hint, cell)]


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
            "correlation of log sd across stimuli, per neuron, averaged over used elements",
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
        measure_column("elbo_nat", "ELBO [nat]", words.ELBO_HINT, ".2f"),
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
    if results.study.train.nats_per_joule is not None:
        columns.append(
            Column(
                "λ [nat/J]",
                "the rate between nats and joules that sets c",
                lambda row: Cell(f"{row.nats_per_joule:g}" if row.nats_per_joule else "–"),
            )
        )
    return columns


def _energy_cell(row: Result) -> Cell:
    text = words.energy_words(row)
    if math.isinf(row.per_read_j):
        return Cell(text, note=words.INFINITE_ENERGY)
    return Cell(text, note="" if row.is_quantised else "not on a chip")


def _part_cell(part: str) -> Callable[[Result], Cell]:
    return lambda row: Cell(format_energy(row.energy_j.get(part, 0.0)) if row.energy_j else "n/a")


def table(results: Results, columns: list[Column]) -> list[list[Cell]]:
    """The cells of all finished results."""
    return [[column.cell(row) for column in columns] for row in results.summary]
