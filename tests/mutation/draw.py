"""Draw mutants of the code that prices and counts, by a seed, and write them as a list.

    python -m tests.mutation.draw --seed 1          # from the repository's root

writes `tests/mutation/drawn/seed_1.json`: 40 mutants, each of an operator drawn uniformly and then
of a place drawn uniformly, at most one in a line. Commit the list before it is run, so that nobody
can choose.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from .mutant import Change, Mutant, write_list
from .sites import changes, definitions
from .targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
DRAWN = Path(__file__).resolve().parent / "drawn"
HOW_MANY = 40


def all_mutants(root: Path) -> list[Mutant]:
    """Every mutant of every target, in the order of the files."""
    return [
        change.mutant
        for file, names in TARGETS.items()
        for change in _changes_of(file, (root / file).read_text(encoding="utf-8"), names)
    ]


def _changes_of(file: str, source: str, names: Sequence[str]) -> list[Change]:
    found = changes(file, source)
    if not names:
        return found
    spans = definitions(source)
    return [one for one in found if any(one.mutant.line in spans[name] for name in names)]


def drawn(mutants: list[Mutant], seed: int, how_many: int) -> list[Mutant]:
    """This number of these mutants, fewer where there are no more lines."""
    chance = random.Random(seed)
    groups: dict[str, list[Mutant]] = defaultdict(list)
    for one in mutants:
        groups[one.operator].append(one)
    found: list[Mutant] = []
    while groups and len(found) < how_many:
        operator = chance.choice(sorted(groups))
        chosen = groups[operator].pop(chance.randrange(len(groups[operator])))
        if not groups[operator]:
            del groups[operator]
        if (chosen.file, chosen.line) not in {(one.file, one.line) for one in found}:
            found.append(chosen)
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--mutants", type=int, default=HOW_MANY, help="how many")
    given = parser.parse_args()
    mutants = all_mutants(ROOT)
    found = drawn(mutants, given.seed, given.mutants)
    path = DRAWN / f"seed_{given.seed}.json"
    write_list(path, given.seed, found)
    print(f"{len(found)} of {len(mutants)} mutants: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
