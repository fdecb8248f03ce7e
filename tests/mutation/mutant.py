"""A mutant: one small change of one file, told by what stands where; a list of them is JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """One change: `before` becomes `after` in line `line` of `file`; `nth` counts, from 0, the same
    change at several places of that line.
    """

    file: str
    line: int
    operator: str
    before: str
    after: str
    nth: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line} [{self.operator}] {self.before}  ->  {self.after}"


@dataclass(frozen=True)
class Change:
    """A mutant with the whole text of its file after the change."""

    mutant: Mutant
    text: str


def write_list(path: Path, seed: int, mutants: Sequence[Mutant]) -> None:
    """Write a list with the seed that drew it."""
    table = {"seed": seed, "mutants": [asdict(one) for one in mutants]}
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_list(path: Path) -> list[Mutant]:
    """Read the mutants of a list."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return [Mutant(**each) for each in table["mutants"]]
