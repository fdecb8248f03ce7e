"""Results as tables: results.csv (what the key determines), timing.csv (what it does not), and a
plain-text table for the terminal.
"""

import contextlib
import csv
import io
import os
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stochsim.energy import PARTS
from stochsim.posterior import Estimate, Survival
from stochsim.report import ranking
from stochsim.report import text as words
from stochsim.report.variants import (
    is_varied,
    network_words,
    price_of_reliability,
    variant_at,
    varied_axes,
    widths_label,
)
from stochsim.settings import StochsimError
from stochsim.studies import BIT_AXES, FLOAT, MEASURES, Result, Results, column_axes, value_text

_CSV_MEASURES = (*MEASURES, "log_sd_correlation", "readout_accuracy")
_CSV_COSTS = ("effective_samples", "joules_per_effective_sample")
CONSOLE_COLUMNS = 110
_PER_EFFECTIVE = "per eff."
_PRICE = ("c", "s", "exchange_nat_per_j")


def _columns(results: Results) -> list[str]:
    estimates = [
        *_CSV_MEASURES,
        *_CSV_COSTS,
        "survival",
        "survival_absolute",
        "d_blind",
        "d_full",
        "d_full_best",
    ]
    axes = [axis.name for axis in column_axes(results.study.grid)]
    names = [*axes, *_PRICE]
    for name in estimates:
        names += [name, f"{name}_low", f"{name}_high", f"{name}_note"]
    joules = [*(f"{part}_j" for part in PARTS), "total_j", "energy_rank"]
    return [*names, *joules, "saturated_share", "flags", "facts", "reads", "stimuli", "directions"]


def write_results_csv(results: Results, path: Path) -> None:
    """Every figure that the key determines, one row per finished cell and key, sorted; joules per
    read, intervals of 95 %.

    energy_rank: 1 is the fewest joules per effective sample among the cells of its key where S
    survives (its lower bound reaches 0.9); empty for all others. Equal results give equal bytes. An
    estimate that is n/a leaves its three cells empty and its reason in NAME_note; infinity is
    "inf". Raises StochsimError where the file cannot be written; then an older one stays whole.
    """
    columns = _columns(results)
    measure = results.study.measure
    fixed = {
        "reads": str(measure.reads),
        "stimuli": str(measure.stimuli),
        "directions": str(measure.directions),
    }
    ranked = zip(results.rows, ranking.energy_ranks(results.rows), strict=True)
    _write_csv(
        path,
        columns,
        (
            _csv_row(row) | fixed | {"energy_rank": "" if rank is None else str(rank)}
            for row, rank in ranked
        ),
    )


def _csv_row(row: Result) -> dict[str, str]:
    cells = {name: _axis_cell(name, value) for name, value in row.values.items()}
    cells |= {name: _plain(getattr(row, name)) for name in ("c", "s")}
    cells |= {"exchange_nat_per_j": "" if row.exchange is None else _plain(row.exchange)}
    cells |= {
        "facts": "; ".join(f"{name} {_plain(value)}" for name, value in sorted(row.facts.items()))
    }
    absent = Estimate.missing(
        "not measured of controls" if row.control else "not measured: the data have no labels"
    )
    for name in (*_CSV_MEASURES, *_CSV_COSTS):
        cells |= _estimate_cells(name, row.estimates.get(name, absent))
    cells |= _survival_cells("survival", row.survival, row)
    cells |= _survival_cells("survival_absolute", row.survival_absolute, row)
    if row.survival is not None:
        cells |= _estimate_cells("d_blind", row.survival.d_blind) | _estimate_cells(
            "d_full", row.survival.d_full
        )
    if row.survival_absolute is not None:
        cells |= _estimate_cells("d_full_best", row.survival_absolute.d_full)
    cells |= (
        {f"{part}_j": _plain(row.energy_j.get(part, 0.0)) for part in PARTS} if row.energy_j else {}
    )
    cells |= {
        "total_j": _plain(row.total_j),
        "saturated_share": _plain(row.saturated_share),
        "flags": "; ".join(row.flags),
    }
    return cells


def _axis_cell(name: str, value: Any) -> str:
    """A value on an axis; "float" for widths of what has none, else empty where there is none."""
    if value is None:
        return FLOAT if name in BIT_AXES else ""
    return _plain(value) if isinstance(value, float) else str(value)


def _survival_cells(name: str, survival: Survival | None, row: Result) -> dict[str, str]:
    if survival is None:
        return {
            f"{name}_note": "no common posterior: decoder = own"
            if row.cells[0].blind is None
            else "no float network of its kind"
        }
    return _estimate_cells(name, survival.estimate or Estimate.missing(survival.reason))


def _estimate_cells(name: str, estimate: Estimate) -> dict[str, str]:
    figures = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {column: _plain(value) for column, value in figures.items()} | {
        f"{name}_note": estimate.reason
    }


def _plain(value: float) -> str:
    return "" if value != value else f"{value + 0.0:.6g}"  # + 0.0: minus zero prints as zero


def write_timing_csv(results: Results, path: Path) -> None:
    """Seconds of every stored task with the machine and the versions they were measured on: what a
    key does not determine.

    seconds_per_effective_sample: of points, the seconds of the task, all its measuring included, by
    the effective samples of all stimuli.
    """
    about = {
        "processor": results.machine.get("processor", ""),
        "system": results.machine.get("system", ""),
    }
    about["versions"] = "; ".join(
        f"{name} {version}" for name, version in sorted(results.versions.items())
    )
    columns = [
        "kind",
        "task",
        "hash",
        "seconds",
        "seconds_per_effective_sample",
        "finished",
        *about,
    ]
    _write_csv(path, columns, (_timing_row(entry) | about for entry in results.timing()))


def _timing_row(entry: dict[str, Any]) -> dict[str, str]:
    each = (
        f"{entry['seconds'] / entry['effective_samples']:.3g}"
        if entry["effective_samples"] > 0
        else ""
    )
    plain = {name: str(entry[name]) for name in ("kind", "task", "hash", "finished")}
    return plain | {"seconds": f"{entry['seconds']:.3f}", "seconds_per_effective_sample": each}


def _write_csv(path: Path, columns: list[str], rows: Iterable[dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())


def write_whole(path: Path, text: str) -> None:
    """Write a file under a temporary name, then rename it, so that nobody reads half of it; raises
    StochsimError where that fails.
    """
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StochsimError(f"{path}: cannot be written ({error.strerror})") from None


def console_table(results: Results) -> str:
    """A table for the terminal, at most 110 columns wide, with the cliff per noise level and ρ in
    words below it.
    """
    baselines = words.baselines(results)
    below = [*([""] if baselines else []), *baselines, "", *_closing(results)]
    rows = _console_rows(results)
    if rows[0][-1] == _PER_EFFECTIVE and len(_aligned(rows)[0]) > CONSOLE_COLUMNS:
        rows = [row[:-1] for row in rows]
    legend = (
        [f"{_PER_EFFECTIVE}: energy per effective sample"] if rows[0][-1] == _PER_EFFECTIVE else []
    )
    lines = [*_opening(results), *legend, "", *_aligned(rows), *below]
    return "\n".join(
        textwrap.fill(line, CONSOLE_COLUMNS, subsequent_indent="  ")
        if len(line) > CONSOLE_COLUMNS
        else line
        for line in lines
    )


def _opening(results: Results) -> list[str]:
    measure = results.study.measure
    opening = (
        f"n = {measure.reads} reads of each of {measure.stimuli} stimuli; [95 % interval]; "
        f"D "
        f"in sd of the reference; energy per read"
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
    several_rhos = len(results.study.grid.rho) > 1
    own = results.study.train.decoder == "own"
    labels = any("readout_accuracy" in row.estimates for row in results.summary)
    kinds = is_varied(results, "architecture")
    ways = is_varied(results, "method") or bool(results.study.grid.control)
    chip_axes = [axis for axis in varied_axes(results) if axis.setting]
    dependent = ranking.has_dependent_reads(results)
    recon = words.has_reconstruction(results) and not (
        kinds and (ways or dependent or chip_axes)
    )  # for want of room
    heads = [
        *(["network"] if kinds else []),
        *(["method"] if ways else []),
        *(axis.words for axis in chip_axes),
        "bits",
        "noise",
        *(["rho"] if several_rhos else []),
        "D",
        "ELBO [nat]" if own else "S",
        *(["recon."] if recon else []),
        *(["accuracy"] if labels else []),
        "energy",
        *([_PER_EFFECTIVE] if dependent else []),
    ]
    rows = [heads]
    for row in results.summary:
        second = row.estimates["elbo_nat"] if own else words.available(row.survival)
        measured = [
            row.estimates["d"],
            second,
            *([row.estimates["reconstruction_error"]] if recon else []),
        ]
        measured += [row.estimates.get("readout_accuracy")] if labels else []
        first = [
            *([row.architecture] if kinds else []),
            *([row.control or row.method] if ways else []),
            *(value_text(row[axis.name]) for axis in chip_axes),
        ]
        cells = [
            *first,
            widths_label(row),
            words.noise_label(row.noise, "x"),
            *([f"{row.rho:g}"] if several_rhos else []),
        ]
        joules = [
            words.energy_words(row),
            *([ranking.joules_words(row.joules_per_effective_sample)] if dependent else []),
        ]
        rows.append([*cells, *(words.estimate_words(each, ".2f") for each in measured), *joules])
    return rows


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


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
    reasons = sorted(
        {
            row.survival.reason
            for row in results.summary
            if row.survival is not None and row.survival.reason
        }
    )
    lines += [f"S n/a: {reason}" for reason in reasons]
    lines += [words.OWN_DECODER] if results.study.train.decoder == "own" else []
    return [*lines, *(f"flag: {flag}" for flag in words.flag_words(results))]
