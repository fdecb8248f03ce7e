"""The smallest studies that still are studies, for tests of sweeps and of the command line; and a
sweep without worker processes.
"""

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
from stochsim.runs import Store, Task
from stochsim.settings import SettingError, write_toml
from stochsim.studies import Study
from stochsim.studies.plan import Plan, plan_study
from stochsim.studies.study_file import read_study

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


def changed(base: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """TINY, or another table, with changes: section__key=value; None takes the key (or the section)
    away.
    """
    table = copy.deepcopy(TINY if base is None else base)
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
    """What a store holds, by task hash: all columns of `results`; empty where there is no store
    yet. Safe while a sweep runs.
    """
    path = folder / "store.sqlite"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return {row[0]: row for row in connection.execute("SELECT * FROM results")}


def answers(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Of each stored row what the key determines: kind, label, settings, result, and the content of
    its artifact.
    """
    artifacts = folder / "artifacts"
    return {
        task: (*row[1:5], _content(artifacts / row[5]) if row[5] else None)
        for task, row in stored_rows(folder).items()
    }


def _content(path: Path) -> tuple[Any, bytes]:
    """A safetensors file as its header and its numbers: the order of what the header says differs
    from writing to writing.
    """
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    return json.loads(whole[8:end]), whole[end:]


def about(study: Study, hardware: Hardware) -> dict[str, str]:
    """The facts that a sweep keeps about its run."""
    versions = {"stochsim": "0.1.0"}
    machine = {"processor": "a processor", "system": "a system"}
    tables = {
        "study": study.to_table(),
        "hardware": hardware.to_table(),
        "versions": versions,
        "machine": machine,
    }
    return {name: json.dumps(table) for name, table in tables.items()}


Answer = Callable[[Task, dict[str, Path], Path], tuple[dict[str, Any], Path | None]]


def store_answers(
    folder: Path, study: Study, answer: Answer, skip: Callable[[Task], bool] = lambda task: False
) -> Path:
    """A run in which `answer(task, needed artifacts, folder)` did every missing task but those to
    skip; in this process, no workers.
    """
    hardware = study.hardware.resolve(Path())
    plan = plan_study(study, hardware)
    with Store.create_or_open(folder) as store:
        store.set_about(about(study, hardware))
        for task in plan.tasks.values():
            if not skip(task) and task.hash not in store.hashes():
                needs = {
                    role: store.row(need).artifact
                    for role, need in task.needs
                    if need in store.hashes()
                }
                result, artifact = answer(
                    task, {role: path for role, path in needs.items() if path is not None}, folder
                )
                store.put(
                    task, result, artifact, 0.5, datetime.datetime.now(datetime.UTC).isoformat()
                )
    return folder


def work(task: Task, needs: dict[str, Path], folder: Path) -> tuple[dict[str, Any], Path | None]:
    """An `answer` that does the real work, in this process."""
    from stochsim.studies.tasks import run_task

    job = {
        "kind": task.kind,
        "hash": task.hash,
        "settings": task.settings,
        "needs": {role: path.name for role, path in needs.items()},
    }
    return run_task(job, folder, lambda done, total: None)


RESULT: dict[str, Any] = {
    "measures": {"d": [0.1, 1 / 3]},
    "accuracy": None,
    "energy": {"parts_j": {"add": 1e-13}, "flags": ["clamped"]},
}
FACTS = {"study": "{}", "versions": '{"numpy": "2.4.0"}'}


def task_of(number: int) -> Task:
    """A task of no study."""
    return Task("chip_samples", json.dumps({"noise": number}), (), f"point {number}")


def put(
    store: Store, number: int, result: dict[str, Any] = RESULT, content: bytes | None = b"array"
) -> Path | None:
    """Store task `number`, with an artifact of this content if any; returns where the artifact was
    before.
    """
    temporary = (
        None if content is None else store.folder / "artifacts" / f".tmp-1-{number}.safetensors"
    )
    if temporary is not None:
        temporary.write_bytes(content or b"")
    store.put(task_of(number), result, temporary, 1.5, "2026-01-01T00:00:00+00:00")
    return temporary


def run_of_twelve(folder: Path) -> Path:
    """A run of 12 stored tasks of no study, each with an artifact."""
    with Store.create_or_open(folder) as store:
        store.set_about(FACTS)
        for number in range(12):
            put(store, number, content=f"array {number}".encode())
    return folder


def all_rows(folder: Path) -> list[Any]:
    """Everything a reader can see of a store, through its own door."""
    with Store.open(folder) as store:
        store.check_artifacts()
        return [store.about(), *(store.row(task) for task in sorted(store.hashes()))]


def complaint(path: Path) -> str:
    """What reading and checking the study at this path says; an empty string where it is valid."""
    try:
        read_study(path)
    except SettingError as error:
        return str(error)
    return ""
