"""What a study will need before any of it runs: memory of its largest task, disk, a rough time.

Every figure follows from sizes alone. Memory is the peak of a worker process, within a factor of
two of what was measured; time is for one core of 2024 and right within a factor of a few: it is
there to tell minutes from months.
"""

import json
import math
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from stochsim.models import reference_bytes
from stochsim.runs import Task
from stochsim.settings import LARGE_BYTES, SettingError, available_bytes, card, counted
from stochsim.studies.plan import by_priority
from stochsim.studies.study import Study
from stochsim.training import CIRCUIT_BYTES, KEPT_BYTES, PARAMETER_BYTES

_WORKER_BYTES = 480 * 2**20  # Python, torch and compiled kernels
_STIMULI = {"patches": 112_000, "digits": 1_797}
_STIMULI_OF_A_PHOTOGRAPH = 64_000  # of the other kinds
_COPIES_OF_DATA = 4.5
_DRAWS = 10_000  # of a reference posterior, per stimulus
_STEP_S = 3e-3
_FLOPS = 1e10
_KEPT_S = 3e-8  # written, and read again for the gradient, per number that a step keeps
_DRAW_S = 2e-7
_UPDATE_S = 1e-7
_LINE_S = 4e-7
_ROW_BYTES = 8_000
_SMALL_TASK_S = 0.3
FREE_SHARE = 0.9
"""Of the memory, and of the disk, that is free a run may plan with this share."""


class _Term(NamedTuple):
    """Bytes, and the settings by which they grow."""

    bytes: float
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Need:
    """What one task needs: bytes of a worker's memory at its peak, bytes of disk, seconds.

    sizes: the settings that most of the memory grows with, {dotted address: value}.
    """

    label: str
    kind: str
    memory_bytes: int
    disk_bytes: int
    seconds: float
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class Needs:
    """What a run needs in all, with so many workers."""

    tasks: Mapping[str, int]
    cells: int
    workers: int
    largest: Need
    disk_bytes: int
    seconds: float

    @property
    def memory_bytes(self) -> int:
        """Memory of the largest task, in every worker at once."""
        return self.largest.memory_bytes * self.workers

    def __str__(self) -> str:
        """A card: tasks by kind, memory, disk and the rough time."""
        total = sum(self.tasks.values())
        workers = counted(self.workers, "worker", "workers")
        each = bytes_text(self.largest.memory_bytes)
        rows = [
            *_task_rows(self.tasks),
            (
                "memory",
                f"{bytes_text(self.memory_bytes)}: {each} × {workers} ({self.largest.label}); "
                f"{bytes_text(available_bytes())} are free",
            ),
            ("disk", bytes_text(self.disk_bytes)),
            ("time", f"about {seconds_text(self.seconds)}, right within a factor of a few"),
        ]
        what = f"{counted(self.cells, 'cell', 'cells')}, {counted(total, 'task', 'tasks')}"
        return card(f"needs: {what}", rows)


def _task_rows(tasks: Mapping[str, int]) -> list[tuple[str, str]]:
    """Tasks by kind, those that sample in a row of their own."""
    ending = "_samples"
    others = [f"{count:,} {kind}" for kind, count in tasks.items() if not kind.endswith(ending)]
    samples = [
        f"{count:,} {kind.removesuffix(ending)}"
        for kind, count in tasks.items()
        if kind.endswith(ending)
    ]
    return [("tasks", ", ".join(others)), ("samples", ", ".join(samples))]


def needs_of(
    study: Study, tasks: Iterable[Task], workers: int, cells: int, average: int = 1
) -> Needs:
    """What these tasks of a study need with so many workers; average: reads averaged into one
    sample.
    """
    listed = by_priority(tasks)
    if not listed:
        return Needs({}, cells, workers, Need("no task", "", 0, 0, 0.0, {}), 0, 0.0)
    needs = [need_of(study, task, average) for task in listed]
    busy = min(workers, len(needs))
    longest = max(need.seconds for need in needs)
    return Needs(
        Counter(task.kind for task in listed),
        cells,
        busy,
        max(needs, key=lambda need: need.memory_bytes),
        sum(need.disk_bytes for need in needs),
        max(longest, sum(need.seconds for need in needs) / busy),
    )


def announce_needs(needs: Needs) -> None:
    """Say on the screen what memory a run is about to take, where that is more than 1 GB."""
    if needs.memory_bytes > LARGE_BYTES:
        each = bytes_text(needs.largest.memory_bytes)
        workers = counted(needs.workers, "worker", "workers")
        print(
            f"this run takes up to {bytes_text(needs.memory_bytes)} of memory: {each} × {workers} "
            f"({needs.largest.label}); {bytes_text(available_bytes())} are free",
            file=sys.stderr,
            flush=True,
        )


def check_needs(needs: Needs, folder: Path) -> None:
    """Raise SettingError where a run would need more memory, or more disk under `folder`, than is
    free.
    """
    free = available_bytes()
    if needs.memory_bytes > FREE_SHARE * free:
        raise _too_large(needs, free)
    free = shutil.disk_usage(_existing(folder)).free
    if needs.disk_bytes > FREE_SHARE * free:
        rule = (
            f"its results need {bytes_text(needs.disk_bytes)} of disk, {bytes_text(free)} are free "
            f"under {_existing(folder)}; valid: fewer stimuli, neurons or keys"
        )
        raise SettingError.of((), rule=rule)


def _too_large(needs: Needs, free: int) -> SettingError:
    largest = needs.largest
    workers = counted(needs.workers, "worker", "workers")
    fewer = ", or fewer workers" if needs.workers > 1 else ""
    rule = (
        f"{largest.label} needs {bytes_text(largest.memory_bytes)} × {workers} = "
        f"{bytes_text(needs.memory_bytes)} of memory, {bytes_text(free)} are free; valid: less of "
        f"these{fewer}"
    )
    return SettingError.of(tuple(largest.sizes), tuple(largest.sizes.values()), rule)


def _existing(folder: Path) -> Path:
    """The innermost folder of a path that is there."""
    folder = folder.absolute()
    return next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))


def need_of(study: Study, task: Task, average: int = 1) -> Need:
    """What one task of a study needs."""
    settings = json.loads(task.settings)
    sizes = _Sizes.of(study, settings, average)
    if task.kind in ("decoder", "float", "network"):
        terms, disk, seconds = _training(sizes)
    elif task.kind == "reference":
        terms, disk, seconds = _reference(sizes)
    else:
        terms, disk, seconds = _samples(sizes)
    stimuli = _STIMULI.get(study.data.kind, _STIMULI_OF_A_PHOTOGRAPH)
    data = stimuli * sizes.inputs * 8 * _COPIES_OF_DATA
    memory = _WORKER_BYTES + data + sum(term.bytes for term in terms)
    fields = max(terms, key=lambda term: term.bytes).fields
    return Need(
        task.label,
        task.kind,
        math.ceil(memory),
        math.ceil(disk) + _ROW_BYTES,
        _SMALL_TASK_S + seconds,
        {name: _value(study, name) for name in fields},
    )


def _value(study: Study, address: str) -> int:
    section, name = address.split(".")
    return int(getattr(getattr(study, section), name))


class _Sizes(NamedTuple):
    """The sizes that a task's needs follow from."""

    inputs: int
    neurons: int
    hidden: int
    is_recurrent: bool
    circuit_steps: int
    steps: int
    batch: int
    stimuli: int
    reads: int
    average: int
    directions: int

    @classmethod
    def of(cls, study: Study, settings: dict[str, Any], average: int) -> "_Sizes":
        kind = settings.get("architecture", {}).get("kind") or max(
            study.grid.architecture, key=("single", "recurrent", "deep").index
        )
        network = study.network.architecture(kind)
        return cls(
            study.data.components,
            study.model.neurons,
            network.hidden_per_neuron * study.model.neurons if kind == "deep" else 0,
            kind == "recurrent",
            network.steps if kind == "recurrent" else 1,
            study.train.steps,
            study.train.batch,
            study.measure.stimuli,
            study.measure.reads,
            average,
            study.measure.directions,
        )

    @property
    def parameters(self) -> float:
        """Numbers that are learned, the decoder among them."""
        own = self.inputs * self.neurons
        if self.hidden:
            own = self.inputs * self.hidden + 2 * self.hidden * self.neurons
        return self.inputs * self.neurons + own + self.neurons**2 * self.is_recurrent


def _training(sizes: _Sizes) -> tuple[list[_Term], float, float]:
    """Terms of memory, bytes of disk, seconds: parameters with gradients and Adam's moments, what
    a step keeps of every stimulus of its batch, and the covariance of a circuit.
    """
    kept = sizes.inputs + sizes.neurons + 2 * sizes.hidden
    circuit = CIRCUIT_BYTES * sizes.neurons**2 * sizes.is_recurrent
    terms = [
        _Term(PARAMETER_BYTES * sizes.parameters, ("model.neurons",)),
        _Term(KEPT_BYTES * sizes.batch * kept, ("train.batch", "model.neurons")),
        _Term(circuit, ("model.neurons",)),
    ]
    work = 6.0 * sizes.batch * sizes.parameters + 200.0 * sizes.neurons**3 * sizes.is_recurrent
    step_s = _STEP_S + work / _FLOPS + _KEPT_S * sizes.batch * kept
    return terms, 4.0 * sizes.parameters, sizes.steps * step_s


def _draws(sizes: _Sizes) -> float:
    return float(sizes.stimuli * _DRAWS * sizes.neurons)


def _pairs(sizes: _Sizes) -> float:
    return float(sizes.stimuli * sizes.neurons**2)


def _reference(sizes: _Sizes) -> tuple[list[_Term], float, float]:
    """Draws in float32 and their copies while they are made, and covariances in float64."""
    fields = ("measure.stimuli", "model.neurons")
    terms = [_Term(reference_bytes(sizes.stimuli, sizes.neurons), fields)]
    updates = sizes.stimuli * 50_800 * sizes.neurons * (1 + sizes.neurons / 64)
    seconds = _DRAW_S * _draws(sizes) + _UPDATE_S * updates + 1e-10 * sizes.neurons**3
    return terms, 4 * _draws(sizes) + 8 * _pairs(sizes), seconds


def _samples(sizes: _Sizes) -> tuple[list[_Term], float, float]:
    """A reference, the reads and their values, and projections of both on all directions."""
    reads = float(sizes.stimuli * sizes.reads * sizes.neurons)
    lines = float(sizes.stimuli * sizes.reads * (sizes.directions + sizes.neurons))
    terms = [
        _Term(9.0 * _draws(sizes) + 32.0 * _pairs(sizes), ("measure.stimuli", "model.neurons")),
        _Term(32.0 * reads * sizes.average, ("measure.stimuli", "measure.reads", "model.neurons")),
        _Term(6.0 * lines, ("measure.directions", "measure.stimuli", "measure.reads")),
    ]
    drawn = reads * sizes.average * sizes.circuit_steps * (1 + sizes.hidden / sizes.neurons)
    seconds = _DRAW_S * drawn + _LINE_S * lines + 1e-9 * sizes.neurons * reads
    return terms, 16.0 * sizes.stimuli * sizes.neurons + 450 * sizes.stimuli, seconds


def bytes_text(count: float) -> str:
    """Bytes with a binary prefix: "1.5 GiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024:
            return (
                f"{count:.0f} {unit}" if count >= 100 or unit == "bytes" else f"{count:.1f} {unit}"
            )
        count /= 1024
    return f"{count:,.0f} PiB"


def seconds_text(seconds: float) -> str:
    """Seconds in the unit that a person would take: "40 s", "12 min", "3 h", "20 days"."""
    for unit, length, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 72)):
        if seconds < most * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds / 86400:,.0f} days"
