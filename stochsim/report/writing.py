"""A run's report: one page, and its tables beside it."""

import importlib.util
from pathlib import Path

from stochsim.report.csv_tables import write_results_csv, write_timing_csv, write_whole
from stochsim.report.pages import custom_page, study_page
from stochsim.settings import AnyPath
from stochsim.studies import CustomRun, Results, open_run


def write_report(run: AnyPath | Results | CustomRun) -> Path:
    """Write report.html and results.csv into a run's folder, finished or not, and timing.csv beside
    them or, of a study with axes, results.parquet where pyarrow and pandas are installed; returns
    the page's path.

    run: the folder, or its results where they are open already. Raises StochsimError where there is
    no run, the store is damaged, or a file cannot be written.

    >>> import stochsim as ss
    >>> from stochsim.settings import write_toml
    >>> write_toml("study.toml", {
    ...     "version": 1,
    ...     "model": {"kind": "linear_gaussian", "neurons": 4, "noise_sd": 0.5},
    ...     "data": {"kind": "digits", "size": 8, "components": 8},
    ...     "train": {"steps": 20},
    ...     "hardware": {"preset": "digital-45nm"},
    ...     "grid": {"bits": [4], "noise": [1.0]},
    ...     "measure": {"stimuli": 8, "reads": 100},
    ... })
    >>> _ = ss.run_sweep("study.toml", "runs/study", workers=1)
    >>> ss.write_report("runs/study").name
    'report.html'
    """
    if isinstance(run, CustomRun):
        write_custom_results(run)
        return _written(run.folder, custom_page.render(run))
    if isinstance(run, Results):
        write_results_csv(run, run.folder / "results.csv")
        write_timing_csv(run, run.folder / "timing.csv")
        return _written(run.folder, study_page.render(run))
    found = open_run(run)
    if isinstance(found, CustomRun):
        return write_report(found)
    with found:
        return write_report(found)


def write_custom_results(run: CustomRun) -> list[Path]:
    """Write results.csv of a study with axes, and results.parquet where pyarrow and pandas are
    installed, into the run's folder; returns the paths.
    """
    paths = [run.write_csv(run.folder / "results.csv")]
    if all(importlib.util.find_spec(name) for name in ("pandas", "pyarrow")):
        paths.append(run.write_parquet(run.folder / "results.parquet"))
    return paths


def _written(folder: Path, text: str) -> Path:
    page = folder / "report.html"
    write_whole(page, text)
    return page
