"""What benchmarks on studies share: a study of benchmarks/studies, run resumably into runs/, its
report page, pictures, a small table.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w
from _bench import Figure, Options

from stochsim.posterior import Estimate
from stochsim.report import save_figures, write_report
from stochsim.settings import read_toml
from stochsim.studies import Result, Results, open_results, run_sweep

STUDIES = Path(__file__).parent / "studies"
RUNS = Path("runs")
Changes = dict[str, dict[str, Any]]
PICTURES = ("survival", "distance", "energy", "scatter")
SHOWN = (
    "d",
    "d_axes",
    "d_projections",
    "mean_error",
    "log_sd_bias",
    "log_sd_correlation",
    "covariance_error",
    "coverage_90",
    "elbo_nat",
)


def run_study(name: str, changes: Changes, folder: str | None = None) -> Results:
    """Run benchmarks/studies/NAME.toml with these changes (section -> field -> value, None drops a
    field) into runs/, or go on with it.

    The results stay open. The run's folder holds report.html, results.csv and timing.csv; what it
    holds already is not done again.
    """
    table = read_toml(STUDIES / f"{name}.toml")
    for section, fields in changes.items():
        table[section] = {
            field: value
            for field, value in (table.get(section, {}) | fields).items()
            if value is not None
        }
    RUNS.mkdir(exist_ok=True)
    study = RUNS / f"{folder or name}.toml"
    study.write_text(tomli_w.dumps(table), encoding="utf-8")
    results = open_results(run_sweep(study, RUNS / (folder or name)))
    print(f"report: {write_report(results)}")
    return results


def publish(
    results: Results, name: str, options: Options, pictures: Sequence[str] = PICTURES
) -> None:
    """Pictures, NAME.csv, one short row per cell over all keys, and NAME.json, study, versions and
    machine, into the folder of --out.
    """
    if options.out is None:
        return
    for path in save_figures(results, options.out):
        if path.stem in pictures:
            path.rename(path.with_name(f"{name}_{path.name}"))
        else:
            path.unlink()
    with (options.out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_header(results))
        writer.writerows(_row(row, results) for row in results.summary)
    about = {
        "study": results.study.to_table(),
        "versions": results.versions,
        "machine": results.machine,
    }
    (options.out / f"{name}.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _header(results: Results) -> list[str]:
    axes = [
        "architecture",
        "method",
        "control",
        "weight_bits",
        "input_bits",
        "output_bits",
        "rho",
        "noise",
        "keys",
        "c_nat",
        "s",
    ]
    measures = [f"{name}{end}" for name in ("survival", *SHOWN) for end in ("", "_low", "_high")]
    return [*axes, *measures, "joules_per_read", "saturated_share", "stochsim"]


def _row(row: Result, results: Results) -> list[str]:
    widths: tuple[Any, ...] = row.widths or ("float",) * 3
    keys = " ".join(str(cell.key) for cell in row.cells)
    axes = [
        row.architecture,
        row.method,
        row.control,
        *widths,
        f"{row.rho:.4g}",
        f"{row.noise:g}",
        keys,
        f"{row.c:g}",
        f"{row.s:g}",
    ]
    survival = row.survival.estimate if row.survival is not None else None
    estimates = [survival or Estimate.missing("n/a"), *(row.estimates[name] for name in SHOWN)]
    numbers = [value for each in estimates for value in (each.value, each.low, each.high)]
    shown = ["" if value != value else f"{value:.4g}" for value in [*numbers, row.per_read_j]]
    return [*map(str, axes), *shown, f"{row.saturated_share:.3g}", results.versions["stochsim"]]


def figure(name: str, estimate: Estimate, unit: str = "1", **more: Any) -> Figure:
    """A benchmark's figure of an estimate."""
    return Figure(name, estimate.value, estimate.low, estimate.high, unit, **more)


def lower_end(name: str, estimate: Estimate, bar: float = 0.0, unit: str = "1") -> Figure:
    """A figure whose value is the lower end of the interval, which should reach the bar."""
    return Figure(
        f"{name}: lower end of the interval",
        estimate.low,
        estimate.low,
        estimate.high,
        unit,
        None,
        bar,
    )
