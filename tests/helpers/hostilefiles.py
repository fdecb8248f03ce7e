"""Hostile files given to a loader, one after the other."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from circuittest import hardware_of, some_stimuli
from hostilevalues import dumped, judged

from stochsim.chip import Chip
from stochsim.program.files import load_program

HERE = 6
"""Hostile values at each place, in turn; more of them where a test is slow."""


def all_judged(
    tables: Iterable[Any], act: Callable[[Any], Any], canary: Path, at_least: int
) -> Counter[str]:
    """How many were loaded and refused: both happen, and none does harm."""
    found = Counter(judged(lambda t=table: act(t), canary, table) for table in tables)
    assert found.total() >= at_least
    assert found["refused"] > found.total() / 4
    return found


def run_program(folder: Path) -> None:
    program = load_program(folder)
    chip = Chip(program, hardware_of(program))
    x = some_stimuli()[:, : program.inputs]
    chip.sample(x, 2, 1)
    chip.bill(x, 1)


def written_program(folder: Path, head: Any, data: bytes) -> Path:
    (folder / "program.json").write_bytes(dumped(head))
    (folder / "program.safetensors").write_bytes(data)
    return folder
