"""Results as a plain-text table for the terminal."""

import textwrap
from collections.abc import Callable

from stochsim.report import flag_text, ranking
from stochsim.report import text as words
from stochsim.report.variants import (
    is_varied,
    network_words,
    price_of_reliability,
    variant_at,
    varied_axes,
    widths_label,
)
from stochsim.settings import ruled_columns
from stochsim.studies import LEAST_PARTS, Axis, Result, Results, value_text

CONSOLE_COLUMNS = 110
_PER_EFFECTIVE = "per eff."
TextColumn = tuple[str, Callable[[Result], str]]
"""A column's head, and the words of a result in it."""


def console_table(results: Results) -> str:
    """A table for the terminal, at most 110 columns wide, with the cliff per noise level and ρ in
    words below it.
    """
    baselines = words.baselines(results)
    below = [*([""] if baselines else []), *baselines, "", *_closing(results)]
    rows = _console_rows(results)
    if rows[0][-1] == _PER_EFFECTIVE and len(ruled_columns(rows, left=0)[0]) > CONSOLE_COLUMNS:
        rows = [row[:-1] for row in rows]
    legend = (
        [f"{_PER_EFFECTIVE}: energy per effective sample"] if rows[0][-1] == _PER_EFFECTIVE else []
    )
    lines = [*_opening(results), *legend, "", *ruled_columns(rows, left=0), *below]
    return "\n".join(
        textwrap.fill(line, CONSOLE_COLUMNS, subsequent_indent="  ")
        if len(line) > CONSOLE_COLUMNS
        else line
        for line in lines
    )


def _opening(results: Results) -> list[str]:
    measure = results.study.measure
    keys = len(results.study.grid.keys)
    opening = (
        f"n = {measure.reads} reads of each of {measure.stimuli} stimuli"
        f"{f' at each of {keys} keys' if keys > 1 else ', one key'}; [95 % interval over stimuli"
        f"{' and keys' if keys > 1 else ''}]; D in sd of the reference; energy per read"
    )
    reliability = f"price of reliability: {price_of_reliability(results)}"
    missing = words.missing_words(results)
    legend = "bits: one number where all three are equal, else weights/inputs/outputs"
    untied = results.study.grid.bits is None and results.study.grid.widths()
    chains = words.chain_words(results)
    return [
        *([missing] if missing else []),
        opening,
        *([chains] if chains else []),
        reliability,
        *([legend] if untied else []),
    ]


def _console_rows(results: Results) -> list[list[str]]:
    """The heads, then a line of cells for each finished result."""
    columns = [*_place_columns(results), *_measured_columns(results)]
    return [
        [head for head, _ in columns],
        *([cell(row) for _, cell in columns] for row in results.summary),
    ]


def _place_columns(results: Results) -> list[TextColumn]:
    """Where in the grid a result is."""
    columns: list[TextColumn] = []
    if is_varied(results, "architecture"):
        columns.append(("network", lambda row: row.architecture))
    if _has_ways(results):
        columns.append(("method", lambda row: row.control or row.method))
    columns += [
        (axis.words, _axis_words(axis)) for axis in varied_axes(results) if axis.is_of_the_chip
    ]
    columns.append(("bits", widths_label))
    columns.append(("noise", lambda row: words.noise_label(row.noise, "x")))
    if len(results.study.grid.rho) > 1:
        columns.append(("rho", lambda row: f"{row.rho:g}"))
    if results.is_uneven:
        columns.append(("keys", lambda row: row.key))
    return columns


def _measured_columns(results: Results) -> list[TextColumn]:
    """What was measured there, and what a read costs."""
    columns = [("D", _estimate_words("d"))]
    if results.study.train.decoder == "own":
        columns.append(("ELBO [nat]", _estimate_words("elbo_nat")))
    else:
        columns.append(
            ("S", lambda row: words.estimate_words(words.available(row.survival), ".2f"))
        )
        columns += _yield_column(results)
    if _has_room_for_reconstruction(results):
        columns.append(("recon.", _estimate_words("reconstruction_error")))
    if any("readout_accuracy" in row.estimates for row in results.summary):
        name = "readout_accuracy"  # not measured of controls
        columns.append(
            ("accuracy", lambda row: words.estimate_words(row.estimates.get(name), ".2f"))
        )
    columns.append(("energy", words.energy_words))
    if ranking.has_dependent_reads(results):
        columns.append(
            (_PER_EFFECTIVE, lambda row: ranking.joules_words(row.joules_per_effective_sample))
        )
    return columns


def _yield_column(results: Results) -> list[TextColumn]:
    """The yield over manufactured parts, beside the S of the first; none of too few parts."""
    if len(results.study.grid.chip_keys or ()) < LEAST_PARTS:
        return []
    return [("yield", lambda row: words.estimate_words(results.chip_yield(row), ".2f"))]


def _has_ways(results: Results) -> bool:
    """Whether networks differ in the method of training, or controls stand beside them."""
    return is_varied(results, "method") or bool(results.study.grid.control)


def _has_room_for_reconstruction(results: Results) -> bool:
    """Where several architectures stand beside methods, settings of the chip or chains of reads,
    the table is wide enough without it.
    """
    chip_axes = any(axis.is_of_the_chip for axis in varied_axes(results))
    wide = _has_ways(results) or ranking.has_dependent_reads(results) or chip_axes
    crowded = is_varied(results, "architecture") and wide
    return words.has_reconstruction(results) and not crowded


def _axis_words(axis: Axis) -> Callable[[Result], str]:
    return lambda row: value_text(row[axis.name])


def _estimate_words(name: str) -> Callable[[Result], str]:
    return lambda row: words.estimate_words(row.estimates[name], ".2f")


def _closing(results: Results) -> list[str]:
    several_rhos = len(results.study.grid.rho) > 1
    lines = []
    for found in words.main_cliffs(results):
        rho = f", rho {found['rho']:g}" if several_rhos else ""
        axis = "" if found["axis"] == "bits" else f" in {words.AXIS_WORDS[found['axis']]}"
        named = network_words(results, *variant_at(found))
        place = (
            f"{named}{': ' if named else ''}cliff{axis} at noise "
            f"{words.noise_label(found['noise'], 'x')}{rho}{words.fixed_words(found)}"
        )
        lines.append(f"{place}: {words.cliff_words(results, found, '>=')}")
    lines += words.part_words(results)
    lines += words.absences(results)
    lines += [words.INFINITE_ENERGY] if words.has_infinite_energy(results) else []
    lines += [words.OWN_DECODER] if results.study.train.decoder == "own" else []
    return [*lines, *(f"flag: {flag}" for flag in flag_text.flag_words(results))]
