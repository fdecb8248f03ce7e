"""From the store to results: every cell's measures with intervals, survival, the cliff, and the rows of results.csv and timing.csv."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from stochsim.hardware import Hardware
from stochsim.keys import fold_in
from stochsim.posterior import Estimate, Survival, cliff, log_sd_correlation, mean_estimate, survival
from stochsim.settings import StochsimError
from stochsim.sweep.plan import Cell, Plan, plan_study
from stochsim.sweep.store import Row, Store
from stochsim.sweep.study import Study

Floats = NDArray[np.floating]
MEASURES = (
    "d",
    "d_axes",
    "d_projections",
    "mean_error",
    "log_sd_bias",
    "log_sd_rms",
    "zero_sd_share",
    "covariance_error",
    "pattern_correlation",
    "coverage_50",
    "coverage_90",
    "gaussian_kl_nat",
    "mmd_squared",
    "reconstruction_error",
    "elbo_nat",
)
_BOOTSTRAP_KEY = fold_in(0, "results")
ALL_KEYS = "all"


@dataclass(frozen=True)
class Result:
    """One cell of the grid, for one key or for all keys together."""

    weight_bits: int
    input_bits: int
    output_bits: int
    rho: float
    noise: float
    key: str
    cells: tuple[Cell, ...]
    estimates: dict[str, Estimate]
    survival: Survival | None
    survival_absolute: Survival | None
    energy_j: dict[str, float]
    flags: tuple[str, ...]
    saturated_share: float

    @property
    def widths(self) -> tuple[int, int, int]:
        """(weight, input, output) bits."""
        return self.weight_bits, self.input_bits, self.output_bits

    @property
    def total_j(self) -> float:
        """Joules per read of the whole network, the price of reliability included; infinite at noise 0."""
        return float(sum(self.energy_j.values()))


@dataclass(frozen=True)
class Pictures:
    """Per stimulus and neuron: mean and sd of the chip's reads and of the reference, (stimulus, neuron)."""

    mean: Floats
    sd: Floats
    reference_mean: Floats
    reference_sd: Floats


class Results:
    """All that a finished (or partly finished) run holds; cells that are not stored yet are left out and counted."""

    def __init__(self, store: Store) -> None:
        about = store.about()
        if "study" not in about:
            raise StochsimError(f"{store.folder}: the run has not begun: nothing to report")
        self.folder, self.store = store.folder, store
        self.study = Study.from_table(json.loads(about["study"]), str(store.folder))
        self.hardware = Hardware.from_table(json.loads(about["hardware"]))
        self.versions: dict[str, str] = json.loads(about["versions"])
        self.machine: dict[str, str] = json.loads(about["machine"])
        self.plan: Plan = plan_study(self.study, self.hardware)
        self._done = store.hashes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    @property
    def missing(self) -> int:
        """Tasks of the study that are not stored yet."""
        return sum(task not in self._done for task in self.plan.tasks)

    @cached_property
    def rows(self) -> list[Result]:
        """One Result per finished cell and key, and one over all keys where there are several; sorted by axes, then key."""
        groups: dict[tuple[Any, ...], list[Cell]] = {}
        for cell in self.plan.cells:
            if all(need in self._done for need in (cell.point, cell.full, cell.blind) if need is not None):
                groups.setdefault((cell.weight_bits, cell.input_bits, cell.output_bits, cell.rho, cell.noise), []).append(cell)
        rows = []
        for _, cells in sorted(groups.items()):
            rows += [self._result([cell], str(cell.key)) for cell in sorted(cells, key=lambda cell: cell.key)]
            if len(self.study.grid.keys) > 1 and len(cells) == len(self.study.grid.keys):
                rows.append(self._result(cells, ALL_KEYS))
        return rows

    @cached_property
    def summary(self) -> list[Result]:
        """One Result per cell: over all keys where there are several, else of the one key."""
        several = len(self.study.grid.keys) > 1
        return [row for row in self.rows if (row.key == ALL_KEYS) == several]

    def _stored(self, task: str) -> Row:
        return self.store.row(task)

    def _measure(self, tasks: Iterable[str], name: str) -> Floats:
        """(keys, stimulus), or (stimulus,) for one key; NaN where it was n/a."""
        rows = []
        for task in tasks:
            result = self._stored(task).result
            rows.append(np.asarray(result.get("measures", result)[name], np.float64))
        return rows[0] if len(rows) == 1 else np.stack(rows)

    def _result(self, cells: list[Cell], key: str) -> Result:
        points = [self._stored(cell.point) for cell in cells]
        tasks = [cell.point for cell in cells]
        estimates = {name: mean_estimate(self._measure(tasks, name), _BOOTSTRAP_KEY) for name in MEASURES}
        estimates["log_sd_correlation"] = self._correlation(cells)
        if points[0].result["accuracy"] is not None:
            accuracy = np.array([point.result["accuracy"] for point in points])
            estimates["readout_accuracy"] = mean_estimate(accuracy[0] if len(cells) == 1 else accuracy, _BOOTSTRAP_KEY)
        bills = [point.result["energy"] for point in points]
        first = cells[0]
        return Result(
            *(first.weight_bits, first.input_bits, first.output_bits, first.rho, first.noise, key, tuple(cells), estimates),
            survival=self._survival(cells, [cell.full for cell in cells]),
            survival_absolute=self._survival(cells, [self._best_full(cell.key) for cell in cells]),
            energy_j={part: float(np.mean([bill["parts_j"][part] for bill in bills])) for part in bills[0]["parts_j"]},
            flags=tuple(sorted({flag for bill in bills for flag in bill["flags"]})),
            saturated_share=float(np.mean([point.result["saturated_share"] for point in points])),
        )

    def _survival(self, cells: list[Cell], full: list[str | None]) -> Survival | None:
        blind = [cell.blind for cell in cells]
        if any(task is None for task in [*full, *blind]):
            return None
        points = self._measure([cell.point for cell in cells], "d")
        blinds, fulls = (self._measure([str(task) for task in tasks], "d") for tasks in (blind, full))
        return survival(points, blinds, fulls, _BOOTSTRAP_KEY)

    def _best_full(self, key: int) -> str | None:
        """The float samples with the smallest mean D among all rho of this key: what S_abs compares with."""
        tasks = {cell.full for cell in self.plan.cells if cell.key == key and cell.full in self._done}
        return min(tasks, key=lambda task: (float(self._measure([task], "d").mean()), task)) if tasks else None

    def _correlation(self, cells: list[Cell]) -> Estimate:
        """Correlation of log sd across stimuli, per neuron, then averaged; interval over neurons (and keys)."""
        rows = []
        for cell in cells:
            pictures = self.pictures(cell)
            rows.append(log_sd_correlation(pictures.sd, pictures.reference_sd))
        return mean_estimate(rows[0] if len(rows) == 1 else np.stack(rows), _BOOTSTRAP_KEY, "the chip's sd is 0 or constant")

    def pictures(self, cell: Cell) -> Pictures:
        """The arrays for a scatter of one cell."""
        artifact = self._stored(cell.point).artifact
        assert artifact is not None
        return Pictures(**load_file(artifact))

    def estimate_of(self, task: str | None, name: str = "d") -> Estimate:
        """Mean with interval of a measure of a stored "full" or "blind" task."""
        return Estimate.missing("not measured") if task is None else mean_estimate(self._measure([task], name), _BOOTSTRAP_KEY)

    def cliffs(self) -> list[dict[str, Any]]:
        """The cliff per noise level and rho along each bit axis, the other widths named: rows with noise, rho, axis, fixed, cliff."""
        found = []
        for axis, fixed_of, width_of in self._axes():
            lines: dict[tuple[Any, ...], list[Result]] = {}
            for row in self.summary:
                if row.survival is not None:
                    lines.setdefault((row.rho, row.noise, fixed_of(row)), []).append(row)
            for (rho, noise, fixed), rows in sorted(lines.items()):
                width = cliff([width_of(row) for row in rows], [row.survival for row in rows if row.survival])
                found.append({"axis": axis, "fixed": fixed, "rho": rho, "noise": noise, "cliff": width})
        return found

    def _axes(self) -> list[tuple[str, Callable[[Result], str], Callable[[Result], int]]]:
        if self.study.grid.bits is not None:
            return [("bits", lambda row: "", lambda row: row.weight_bits)]
        names = ("weight_bits", "input_bits", "output_bits")
        axes: list[tuple[str, Callable[[Result], str], Callable[[Result], int]]] = []
        for name in names:
            others = [other for other in names if other != name]

            def fixed_of(row: Result, others: list[str] = others) -> str:
                return ", ".join(f"{other} {getattr(row, other)}" for other in others)

            def width_of(row: Result, name: str = name) -> int:
                return int(getattr(row, name))

            axes.append((name, fixed_of, width_of))
        return axes

    def timing(self) -> list[dict[str, Any]]:
        """Seconds of every stored task of the study, in the plan's order."""
        stored = [self._stored(task) for task in self.plan.tasks if task in self._done]
        return [{"kind": r.kind, "task": r.label, "hash": r.hash, "seconds": r.seconds, "finished": r.finished} for r in stored]

    @property
    def decoder_task(self) -> Row:
        """The first key's decoder: its artifact holds the dictionary."""
        key = min(self.study.grid.keys)
        tasks = [task for task in self.plan.tasks.values() if task.kind == "decoder" and json.loads(task.settings)["key"] == key]
        return self._stored(tasks[0].hash)


def collect(run_folder: Path) -> Results:
    """Open a run and read its results; raises StochsimError where there is no run, or the store or an artifact is damaged."""
    store = Store.open(run_folder)
    store.check_artifacts()
    return Results(store)
