"""A run as its store has it: the study, its plan, what tasks measured, how long they took."""

import json
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from stochsim.hardware import Hardware
from stochsim.keys import fold_in
from stochsim.posterior import Estimate
from stochsim.runs import Row, Store
from stochsim.settings import StochsimError, open_arrays, shown_path, strict
from stochsim.studies.element_use import used_elements
from stochsim.studies.plan import Plan, plan_study
from stochsim.studies.planner import Cell
from stochsim.studies.result import Pictures, measure_estimate
from stochsim.studies.stored_effective import all_effective_samples
from stochsim.studies.study import Study

Floats = NDArray[np.floating]
BOOTSTRAP_KEY = fold_in(0, "results")


class StoredRun:
    """A run that has begun: its study, its plan, and the tasks that are done."""

    def __init__(self, store: Store) -> None:
        about = store.about()
        if "study" not in about:
            raise StochsimError(f"{store.folder}: the run has not begun: nothing to report")
        self.folder = store.folder
        self.store = store
        tables = {
            name: strict.table(
                name, strict.read_json(about.get(name, ""), f"{store.folder}: {name}")
            )
            for name in ("study", "hardware", "versions", "machine")
        }
        self.study = Study.from_table(tables["study"], str(store.folder))
        self.hardware = Hardware.from_table(tables["hardware"])
        self.versions: dict[str, str] = _texts(tables["versions"])
        self.machine: dict[str, str] = _texts(tables["machine"])
        self.plan: Plan = plan_study(self.study, self.hardware)
        self.done = store.hashes()
        self._used: dict[str, NDArray[np.bool_]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    @property
    def missing(self) -> int:
        """Tasks of the study that are not stored yet."""
        return sum(task not in self.done for task in self.plan.tasks)

    def stored(self, task: str) -> Row:
        """The row of a task."""
        return self.store.row(task)

    def per_task(self, tasks: Iterable[str], measure: str = "d") -> Floats:
        """One of MEASURES of stored tasks, such as the samples of a row's cells:
        (task, stimulus), or (stimulus,) of one task; NaN where it was n/a.
        """
        rows = []
        for task in tasks:
            row = self.stored(task)
            measures = row.result.get("measures", row.result)
            if not isinstance(measures, dict) or measure not in measures:
                where = shown_path(self.folder)
                raise StochsimError(f"{where}: the result of '{row.label}' has no '{measure}'")
            try:
                rows.append(np.asarray(measures[measure], np.float64))
            except (TypeError, ValueError):
                where = shown_path(self.folder)
                rule = f"the '{measure}' of '{row.label}' is no list of numbers"
                raise StochsimError(f"{where}: {rule}") from None
        return rows[0] if len(rows) == 1 else np.stack(rows)

    def pictures(self, cell: Cell) -> Pictures:
        """The arrays for a scatter of one cell."""
        artifact = self.stored(cell.samples).artifact
        assert artifact is not None
        return Pictures(**load_file(artifact))

    def used(self, cell: Cell) -> NDArray[np.bool_]:
        """Whether the cell uses each element of the dictionary that its reference posterior is
        under, (neuron,), as `used_elements` decides; all of them, where that is not stored.
        """
        source = dict(self.plan.tasks[cell.reference].needs)["source"]
        if source not in self.done:
            return np.ones(self.study.model.neurons, bool)
        if source not in self._used:
            artifact = self.stored(source).artifact
            assert artifact is not None
            with open_arrays(artifact) as file:
                self._used[source] = used_elements(file.get_tensor("decoder"))
        return self._used[source]

    def estimate_of(self, task: str | None, name: str = "d") -> Estimate:
        """Mean with interval of a measure of stored samples."""
        return (
            Estimate.missing("not measured")
            if task is None
            else measure_estimate(name, self.per_task([task], name), BOOTSTRAP_KEY)
        )

    def timing(self) -> list[dict[str, Any]]:
        """Seconds of every stored task of the study, in the plan's order; of points the effective
        samples of all stimuli, else 0.
        """
        stored = [self.stored(task) for task in self.plan.tasks if task in self.done]
        return [_timed(row) for row in stored]

    @property
    def decoder_task(self) -> Row:
        """The task of the first key's decoder, whose artifact is the dictionary."""
        key = min(self.study.grid.keys)
        tasks = [
            task
            for task in self.plan.tasks.values()
            if task.kind == "decoder" and json.loads(task.settings)["key"] == key
        ]
        return self.stored(tasks[0].hash)


def _timed(row: Row) -> dict[str, Any]:
    own = {name: getattr(row, name) for name in ("kind", "hash", "seconds", "finished")}
    return {"task": row.label, "effective_samples": all_effective_samples(row), **own}


def _texts(table: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in table.items()}
