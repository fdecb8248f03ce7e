"""A run that no sweep made: every task of a study stored through the store's own door, with
measures that look like a real one's.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from stochsim.hardware import preset
from stochsim.keys import generator
from stochsim.runs import Store, Task
from stochsim.studies import MEASURES, Study
from stochsim.studies.plan import plan_study

STIMULI, NEURONS, INPUTS = 24, 12, 20
PARTS_J = {
    "multiply": 1.1e-10,
    "add": 7e-11,
    "converter": 2e-11,
    "memory": 3e-11,
    "random": 5e-12,
    "reliability": 4e-12,
}
BASE: dict[str, Any] = {
    "version": 1,
    "model": {"kind": "sparse_coding", "neurons": NEURONS, "noise_sd": 0.5, "laplace_scale": 1.0},
    "data": {"kind": "digits", "size": 8, "components": INPUTS},
    "hardware": {"preset": "in-memory-28nm"},
    "grid": {"bits": [1, 4, 8], "noise": [0, 1, 2]},
    "measure": {"stimuli": STIMULI, "reads": 200, "directions": 16},
}


@dataclass
class Fake:
    """How the run's tasks are answered; `skip` says which tasks stay undone, `change` edits the
    result of one.
    """

    study: Study
    skip: Callable[[Task], bool] = lambda task: False
    change: Callable[[Task, dict[str, Any]], None] = lambda task, result: None

    def write(self, folder: Path) -> Path:
        hardware = preset(str(self.study.hardware.preset))
        plan = plan_study(self.study, hardware)
        with Store.create_or_open(folder) as store:
            store.set_about(
                {
                    "study": json.dumps(self.study.to_table()),
                    "hardware": json.dumps(hardware.to_table()),
                    "versions": json.dumps({"stochsim": "0.1.0", "numpy": "2.4.0"}),
                    "machine": json.dumps({"processor": "a processor", "system": "a system"}),
                }
            )
            for task in plan.tasks.values():
                if not self.skip(task):
                    result, arrays = _answer(task, plan.tasks)
                    self.change(task, result)
                    path = folder / "artifacts" / f".tmp-{task.hash}.safetensors"
                    if arrays is not None:
                        save_file(arrays, path)
                    store.put(
                        task,
                        result,
                        path if arrays is not None else None,
                        1.25,
                        "2026-01-01T00:00:00+00:00",
                    )
        return folder


def _answer(
    task: Task, tasks: dict[str, Task]
) -> tuple[dict[str, Any], dict[str, np.ndarray] | None]:
    random = generator(7, task.kind, task.label)
    settings = json.loads(task.settings)
    needs = dict(task.needs)
    if task.kind in ("decoder", "float", "network"):
        return {"terms": {"total": 1.0}, "saturated_share": 0.0}, {
            "decoder": random.normal(size=(INPUTS, NEURONS)).astype(np.float32)
        }
    if task.kind == "reference":
        state = {
            "rhat": np.full(STIMULI, 1.004),
            "ess_per_draw": np.full(STIMULI, 0.9),
            "thinning": np.full(STIMULI, 5),
        }
        return {"diagnostics": {"exact": "False", "chains": "4"}}, state | {
            "draws": np.zeros((STIMULI, 40, NEURONS), np.float32)
        }
    if task.kind == "prior_samples":
        return _distances(1.5 + 0.05 * random.random(STIMULI)), None
    if task.kind == "float_samples":
        return {
            "measures": _measures(0.2 + 0.02 * random.random(STIMULI), random),
            "accuracy": _accuracy(random),
        }, _pictures(random)
    if task.kind == "control":
        measures = _measures(0.6 + 0.02 * random.random(STIMULI), random)
        return {"measures": measures, "accuracy": None, "facts": {"step": 0.25}}, _pictures(random)
    return _point(
        random, json.loads(tasks[needs["network"]].settings)["widths"], settings["noise"]
    ), _pictures(random)


def _point(random: np.random.Generator, widths: list[int], noise: float) -> dict[str, Any]:
    """Nearer with every bit, best at noise 1; at 1 bit worse than blind by far."""
    distance = (
        0.22
        + 0.02 * random.random(STIMULI)
        + 0.8 * abs(noise - 1)
        + sum(2.0 * 3.0 ** (1 - width) for width in widths)
    )
    parts = {part: joules * sum(widths) / 3 for part, joules in PARTS_J.items()}
    parts["reliability"] = np.inf if noise == 0 else parts["reliability"] / noise
    measures = _measures(distance, random)
    if noise == 0:
        measures |= {"elbo_nat": [np.nan] * STIMULI, "gaussian_kl_nat": [np.nan] * STIMULI}
    flag = (
        f"memory-sram-45nm at {64 * sum(widths)} is outside the model's range (from 65536), "
        "using the value at 65536"
    )
    bill = {"parts_j": parts, "flags": [flag]}
    saturated = 0.4 if min(widths) == 1 else 0.0
    counted = {
        "effective_samples": [200.0] * STIMULI,
        "independent": True,
        "operations": [["random", [], 32.0]],
    }
    return {
        "measures": measures,
        "accuracy": _accuracy(random),
        "energy": bill,
        "saturated_share": saturated,
        **counted,
    }


def _distances(values: np.ndarray) -> dict[str, list[float]]:
    return {"d": list(values), "d_axes": list(values * 0.9), "d_projections": list(values * 1.1)}


def _measures(distance: np.ndarray, random: np.random.Generator) -> dict[str, list[float]]:
    return {name: list(random.random(STIMULI)) for name in MEASURES} | _distances(distance)


def _accuracy(random: np.random.Generator) -> list[float]:
    return list(0.8 + 0.1 * random.random(STIMULI))


def _pictures(random: np.random.Generator) -> dict[str, np.ndarray]:
    names = ("mean", "sd", "reference_mean", "reference_sd")
    return {name: random.random((STIMULI, NEURONS)).astype(np.float32) for name in names}


@pytest.fixture(scope="session")
def fake_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that writes a run: sections of the study by name, `skip` and `change` of Fake;
    returns the run's folder.
    """

    def write(skip: Any = None, change: Any = None, **sections: Any) -> Path:
        fake = Fake(Study.from_table(BASE | sections))
        fake.skip = skip or fake.skip
        fake.change = change or fake.change
        return fake.write(tmp_path_factory.mktemp("run") / "run")

    return write


@pytest.fixture(scope="session")
def finished(fake_run: Callable[..., Path]) -> Path:
    """A finished run of the base study: tied bits, one rho, one key."""
    return fake_run()
