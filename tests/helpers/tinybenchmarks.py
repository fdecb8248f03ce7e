"""Benchmarks on studies made tiny: their own grids, with model, data, training and measures of
tinystudy; workers in this process.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest
import tomli_w
from tinystudy import TINY, Answer, store_answers

from stochsim.runs.workers import Message, RunJob
from stochsim.settings import read_toml
from stochsim.studies import Study

STUDIES = Path(__file__).resolve().parents[2] / "benchmarks" / "studies"
KINDS = ("single", "deep", "recurrent")
WORDS = {"single": "single-layer", "deep": "multi-layer", "recurrent": "recurrent"}
LOWER = ": lower end of the interval"


class Here:
    """One worker in this process; `done` lists the kinds of the tasks that all of them did."""

    done: list[str] = []  # noqa: RUF012

    def __init__(self, count: int, folder: Path, run: RunJob) -> None:
        self.folder = folder
        self.said = list[Message]()
        self.run = run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.said == []

    @property
    def idle(self) -> int:
        """One at a time."""
        return int(not self.said)

    def give(self, task_hash: str, job: dict[str, Any]) -> None:
        """Do the job at once."""
        result, artifact = self.run(job, self.folder, lambda done, total: None)
        Here.done.append(str(job["kind"]))
        content = {
            "result": json.loads(json.dumps(result)),
            "artifact": str(artifact) if artifact else None,
            "seconds": 0.5,
        }
        self.said.append(Message("result", task_hash, content))

    def messages(self) -> Iterator[Message]:
        """What was done."""
        while self.said:
            yield self.said.pop()


def tiny_table(name: str, **grid: Any) -> dict[str, Any]:
    """A benchmark's study with these fields of its grid changed."""
    table = read_toml(STUDIES / f"{name}.toml")
    table |= {section: TINY[section] for section in ("model", "data", "train", "measure")}
    return table | {"grid": table["grid"] | grid}


def use_tiny_study(
    studies: ModuleType, monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, **grid: Any
) -> None:
    """Let benchmarks/_studies.py read tiny_table(...) and run it into folder/runs."""
    (folder / "studies").mkdir()
    (folder / "studies" / f"{name}.toml").write_text(tomli_w.dumps(tiny_table(name, **grid)))
    monkeypatch.setattr(studies, "STUDIES", folder / "studies")
    monkeypatch.setattr(studies, "RUNS", folder / "runs")


def use_made_answers(studies: ModuleType, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    """Let its sweeps be answered by `answer`, and write no page."""
    monkeypatch.setattr(
        studies, "run_sweep", lambda path, run: store_answers(run, Study.read(path), answer)
    )
    monkeypatch.setattr(studies, "write_report", lambda results: results.folder / "report.html")


def kind_of(label: str) -> str:
    """The architecture that a task's label names."""
    return next((kind for kind in KINDS[1:] if kind in label), "single")
