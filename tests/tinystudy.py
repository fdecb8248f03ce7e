"""The smallest studies that still are studies, for tests of sweeps and of the command line; and a sweep without worker processes."""

import copy
import datetime
import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from stochsim.hardware import Hardware
from stochsim.settings import write_toml
from stochsim.sweep import Store, Study
from stochsim.sweep.plan import Plan, Task, plan_study

TINY: dict[str, Any] = {
    "version": 1,
    "model": {"kind": "linear_gaussian", "neurons": 8, "noise_sd": 0.5},
    "data": {"kind": "patches", "size": 4, "components": 8},
    "train": {"steps": 30, "batch": 32, "learning_rate": 5e-3},
    "hardware": {"preset": "digital-45nm"},
    "grid": {"bits": [2, 4], "noise": [0, 1]},
    "measure": {"stimuli": 8, "reads": 100, "directions": 8},
}
"""11 tasks: decoder, reference, blind, float, full, two networks, four points."""

CLI = [sys.executable, "-m", "stochsim.cli"]


def changed(**changes: Any) -> dict[str, Any]:
    """TINY with changes: section__key=value; None takes the key (or the section) away."""
    table = copy.deepcopy(TINY)
    for place, value in changes.items():
        *sections, key = place.split("__")
        section = table
        for name in sections:
            section = section.setdefault(name, {})
        if value is None:
            section.pop(key, None)
        else:
            section[key] = value
    return table


def study_of(**changes: Any) -> Study:
    """The Study of changed(...)."""
    return Study.from_table(changed(**changes))


def write_study(folder: Path, name: str = "study.toml", **changes: Any) -> Path:
    """The study of changed(...) as a TOML file."""
    path = folder / name
    write_toml(path, changed(**changes))
    return path


def plan_of(**changes: Any) -> Plan:
    """The plan of changed(...)."""
    study = study_of(**changes)
    return plan_study(study, study.hardware.resolve(Path()))


def kinds(plan: Plan) -> dict[str, int]:
    """Tasks by kind."""
    names = [task.kind for task in plan.tasks.values()]
    return {name: names.count(name) for name in sorted(set(names))}


def stored_rows(folder: Path) -> dict[str, tuple[Any, ...]]:
    """What a store holds, by task hash: all columns of `results`; empty where there is no store yet. Safe while a sweep runs."""
    path = folder / "store.sqlite"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return {row[0]: row for row in connection.execute("SELECT * FROM results")}


def answers(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Of each stored row what the key determines: kind, label, settings, result, and the content of its artifact."""
    artifacts = folder / "artifacts"
    return {task: (*row[1:5], _content(artifacts / row[5]) if row[5] else None) for task, row in stored_rows(folder).items()}


def _content(path: Path) -> tuple[Any, bytes]:
    """A safetensors file as its header and its numbers: the order of what the header says differs from writing to writing."""
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    return json.loads(whole[8:end]), whole[end:]


def about(study: Study, hardware: Hardware) -> dict[str, str]:
    """The facts that a sweep keeps about its run."""
    versions, machine = {"stochsim": "0.1.0"}, {"processor": "a processor", "system": "a system"}
    tables = {"study": study.to_table(), "hardware": hardware.to_table(), "versions": versions, "machine": machine}
    return {name: json.dumps(table) for name, table in tables.items()}


Answer = Callable[[Task, dict[str, Path], Path], tuple[dict[str, Any], Path | None]]


def store_answers(folder: Path, study: Study, answer: Answer, skip: Callable[[Task], bool] = lambda task: False) -> Path:
    """A run in which `answer(task, needed artifacts, folder)` did every task but those to skip; in this process, without workers."""
    hardware = study.hardware.resolve(Path())
    plan = plan_study(study, hardware)
    with Store.create_or_open(folder) as store:
        store.set_about(about(study, hardware))
        for task in plan.tasks.values():
            if not skip(task):
                needs = {role: store.row(need).artifact for role, need in task.needs if need in store.hashes()}
                result, artifact = answer(task, {role: path for role, path in needs.items() if path is not None}, folder)
                store.put(task, result, artifact, 0.5, datetime.datetime.now(datetime.UTC).isoformat())
    return folder


def work(task: Task, needs: dict[str, Path], folder: Path) -> tuple[dict[str, Any], Path | None]:
    """An `answer` that does the real work, in this process."""
    from stochsim.sweep.work import run_task

    job = {"kind": task.kind, "hash": task.hash, "settings": task.settings, "needs": {role: path.name for role, path in needs.items()}}
    return run_task(job, folder, lambda done, total: None)
