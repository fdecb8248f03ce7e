"""Measuring settings: each is a study of one cell, whose tasks go through the sweep's workers into
the run's store.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from stochsim.keys import fold_in
from stochsim.posterior import mean_estimate, survival
from stochsim.runs import Progress, Row, Store, Task, Workers, work_off
from stochsim.search.front import Point
from stochsim.search.measured_setting import Measured
from stochsim.search.request import Request
from stochsim.search.space import Setting
from stochsim.studies import Cell, Plan, by_priority, plan_study, stored_operations

_BOOTSTRAP_KEY = fold_in(
    0, "results"
)  # as a sweep's: the same setting has the same interval in both
LEAST_J = 1e-30
"""Where joules are 0, their logarithm is that of this."""


def setting_plan(request: Request, setting: Setting) -> Plan:
    """The tasks of one setting and its cells, one per key: those of a sweep, with reads averaged
    where the setting says so.

    Training may know the chip (a price of reliability, its noise), so it stands there with the
    precision of its file: the widths are the study's, and networks of equal widths are one task
    however many chips run them.
    """
    chip = request.chip(setting).replace(precision=request.hardware.precision)
    plan = plan_study(request.study(setting), chip)
    return plan if request.reads(setting) == 1 else _averaging(plan, request.reads(setting))


def _averaging(plan: Plan, reads: int) -> Plan:
    tasks = dict(plan.tasks)
    cells = list[Cell]()
    for cell in plan.cells:
        old = tasks.pop(cell.samples)
        settings = json.dumps(json.loads(old.settings) | {"average": reads}, sort_keys=True)
        new = Task(old.kind, settings, old.needs, f"{old.label}, {reads} reads averaged")
        tasks[new.hash] = new
        cells.append(replace(cell, samples=new.hash))
    return Plan(tasks, tuple(cells))


class Evaluator:
    """Measures settings into a store; what is stored already costs nothing again.

    pool: gives the workers, once they are needed. found: where what is measured is put.
    """

    def __init__(
        self,
        request: Request,
        store: Store,
        pool: Callable[[], Workers],
        progress: Progress,
        found: dict[Setting, Measured],
    ) -> None:
        self.request = request
        self._store = store
        self._pool = pool
        self._progress = progress
        self.found = found
        self._done = store.hashes()

    def __call__(self, settings: Sequence[Setting]) -> list[dict[str, Point]]:
        """(log10 joules, distance) of each setting under each model; the distance is 1 − S or D, at
        most that of ignoring the stimulus.
        """
        plans = {setting: setting_plan(self.request, setting) for setting in settings}
        tasks = {name: task for plan in plans.values() for name, task in plan.tasks.items()}
        missing = [task for name, task in tasks.items() if name not in self._done]
        if missing:
            work_off(by_priority(missing), tasks, self._store, self._pool(), self._progress)
            self._done |= {task.hash for task in missing}
        for setting, plan in plans.items():
            self.found[setting] = read_measured(self.request, self._store, setting, plan)
        return [points(self.request, self.found[setting]) for setting in settings]


def points(request: Request, measured: Measured) -> dict[str, Point]:
    """What the search sees of a setting, per ADC model."""
    effective = request.file.objective.minimise == "joules_per_effective_sample"
    joules = {model: measured.joules(model, effective) for model in request.models}
    # beyond the worst that can be shown both figures say no more: a search needs finite ones
    return {
        model: (math.log10(min(max(value, LEAST_J), 1.0)), measured.relative_distance)
        for model, value in joules.items()
    }


def read_measured(request: Request, store: Store, setting: Setting, plan: Plan) -> Measured:
    """One setting from its stored tasks."""
    rows = [store.row(cell.samples) for cell in plan.cells]
    d, blind, full = (
        _distances(store, tasks)
        for tasks in zip(
            *((c.samples, c.prior_samples, c.float_samples) for c in plan.cells), strict=True
        )
    )
    several = len(rows) > 1
    d, blind, full = (array if several else array[0] for array in (d, blind, full))
    return Measured(
        setting=setting,
        chip=request.chip(setting),
        rho=request.file.search.rho,
        reads=request.reads(setting),
        d=mean_estimate(d, _BOOTSTRAP_KEY),
        survival=survival(d, blind, full, _BOOTSTRAP_KEY),
        operations=tuple(stored_operations(row) for row in rows),
        samples_per_effective=_samples_per_effective(rows, request.file.measure.reads),
    )


def _distances(store: Store, tasks: Iterable[str | None]) -> np.ndarray:
    """D of stored tasks, (keys, stimulus)."""
    results = [store.row(str(task)).result for task in tasks]
    return np.array([result.get("measures", result)["d"] for result in results], np.float64)


def _samples_per_effective(rows: list[Row], reads: int) -> float:
    """Samples of a stimulus by its effective ones, mean over stimuli and keys where they vary;
    infinite where nothing does.
    """
    effective = np.array([row.result["effective_samples"] for row in rows], np.float64)
    known = effective[np.isfinite(effective) & (effective > 0)]
    return float((reads / known).mean()) if known.size else math.inf
