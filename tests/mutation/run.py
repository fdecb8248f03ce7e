"""Run a drawn list of mutants: does a test fail for each of them?

    python -m tests.mutation.run --seed 1          # from the repository's root

copies the tracked files of the repository into a temporary folder, runs TESTS there once without a
change (all must pass), and then once for each mutant until one fails. The checkout is never
touched. Prints a line per mutant and the survivors; ends with status 1 if more than 2 of 40 live.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .draw import DRAWN, ROOT
from .mutant import Mutant, read_list
from .sites import changes, plain
from .targets import TARGETS, TESTS

MOST_THAT_LIVE = 2 / 40
LONGEST_S = 900  # a mutant that hangs is killed too


def copy_of_tree(root: Path, folder: Path) -> None:
    """Copy the tracked files, as they are in the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)


def near_first(file: str) -> list[str]:
    """TESTS with those of the file's own package first: they are the likeliest to fail."""
    package = file.split("/")[1]
    return sorted(TESTS, key=lambda tests: f"tests/{package}" not in tests)


def killer(folder: Path, order: Sequence[str]) -> str:
    """The first test that fails in this copy, "" if all pass."""
    for tests in order:
        places = tests.split()
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *places]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=_environment(folder),
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
            )
        except subprocess.TimeoutExpired:
            return f"{places[0]}: no end"
        if done.returncode != 0:
            return _failed(done.stdout) or f"{places[0]}: {done.stdout[-300:]}{done.stderr[-300:]}"
    return ""


def _environment(folder: Path) -> dict[str, str]:
    """With the copy first, and without bytecode: a mutant may be as old and as long as the last."""
    places = os.pathsep.join((str(folder), str(folder / "kernels")))
    return os.environ | {"PYTHONPATH": places, "PYTHONDONTWRITEBYTECODE": "1"}


def _failed(output: str) -> str:
    lines = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0][:150] if lines else ""


def text_of(mutant: Mutant, source: str) -> str:
    """The file's text with the change; raises LookupError where the code is another by now."""
    for change in changes(mutant.file, source):
        if change.mutant == mutant:
            return change.text
    raise LookupError(f"the code has changed, draw a new list: {mutant}")


def lives(mutant: Mutant, source: str, folder: Path) -> bool:
    """Whether all tests pass in the copy with this change of a source, which is taken back."""
    place = folder / mutant.file
    began = time.monotonic()
    place.write_text(text_of(mutant, source), encoding="utf-8")
    found = killer(folder, near_first(mutant.file))
    place.write_text(plain(mutant.file, source), encoding="utf-8")
    print(f"{'killed' if found else 'LIVES '} {time.monotonic() - began:5.0f} s  {mutant}")
    print(f"         {found}", flush=True)
    return not found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True, help="of the list to run")
    mutants = read_list(DRAWN / f"seed_{parser.parse_args().seed}.json")
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        copy_of_tree(ROOT, folder)
        sources = {file: (folder / file).read_text(encoding="utf-8") for file in TARGETS}
        for file, source in sources.items():
            (folder / file).write_text(plain(file, source), encoding="utf-8")
        if found := killer(folder, TESTS):
            sys.exit(f"without a mutant: {found}")
        alive = [one for one in mutants if lives(one, sources[one.file], folder)]
    print(f"\n{len(alive)} of {len(mutants)} live", *alive, sep="\n")
    sys.exit(len(alive) > MOST_THAT_LIVE * len(mutants))


if __name__ == "__main__":
    main()
