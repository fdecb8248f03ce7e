"""Results as CSV files: results.csv (what the key determines), timing.csv (what it does not)."""

import contextlib
import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stochsim.energy import PARTS
from stochsim.posterior import Estimate, Survival
from stochsim.report import ranking
from stochsim.settings import StochsimError
from stochsim.studies import BIT_AXES, FLOAT, MEASURES, Result, Results, column_axes

_CSV_MEASURES = (*MEASURES, "log_sd_correlation", "readout_accuracy")
_CSV_COSTS = ("effective_samples", "joules_per_effective_sample")
_PRICE = ("c", "s", "nats_per_joule")


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
    estimates += ["chip_yield"] if results.study.grid.chip_keys else []
    axes = [axis.name for axis in column_axes(results.study.grid)]
    names = [*axes, *_PRICE]
    for name in estimates:
        names += [name, f"{name}_low", f"{name}_high", f"{name}_note"]
    joules = [*(f"{part}_j" for part in PARTS), "per_read_j", "energy_rank"]
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
            _csv_row(row)
            | _yield_cells(results.chip_yield(row))
            | fixed
            | {"energy_rank": "" if rank is None else str(rank)}
            for row, rank in ranked
        ),
    )


def _csv_row(row: Result) -> dict[str, str]:
    cells = {name: _axis_cell(name, value) for name, value in row.values.items()}
    cells |= {name: _plain(getattr(row, name)) for name in ("c", "s")}
    cells |= {"nats_per_joule": "" if row.nats_per_joule is None else _plain(row.nats_per_joule)}
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
        "per_read_j": _plain(row.per_read_j),
        "saturated_share": _plain(row.saturated_share),
        "flags": "; ".join(row.flags),
    }
    return cells


def _yield_cells(found: Estimate | None) -> dict[str, str]:
    """The yield of a row's setting, the same for all its parts; {} without parts."""
    return {} if found is None else _estimate_cells("chip_yield", found)


def _axis_cell(name: str, value: Any) -> str:
    """A value on an axis; "float" for widths of what has none, else empty where there is none."""
    if value is None:
        return FLOAT if name in BIT_AXES else ""
    return _plain(value) if isinstance(value, float) else str(value)


def _survival_cells(name: str, survival: Survival | None, row: Result) -> dict[str, str]:
    if survival is None:
        return {
            f"{name}_note": "no common posterior: decoder = own"
            if row.cells[0].prior_samples is None
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
