"""Mutated inputs at every door: what is taken, what is refused with an error of ours, and faults.

Every public function of Python with wrong arguments, and every format of files with wrong bytes,
values and sums. A fault is an error of another kind, a crash or a hang, over 5 s or 1 GB, a file
left behind by an input that was refused, a message that is empty, without end or not for a
terminal, and samples or joules that are not finite. Inputs follow from the seed, the door's name
and the input's number alone, so a fault is run again by `--only NAME --first NUMBER --inputs 1`.

    python benchmarks/fuzz.py --inputs 200000          a quarter of an hour on one core
    python benchmarks/fuzz.py --inputs 2000 --only chip
"""

import argparse
import contextlib
import faulthandler
import functools
import hashlib
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import _fuzz_doors
import _fuzz_files as files
import numba
import numpy as np
import torch
from _bench import Figure, Options, markdown
from _fuzz_broken_files import mutated
from _fuzz_judge import FAULTS, MOST_BYTES, MOST_SECONDS, REFUSED, TAKEN, Judged, judge
from _fuzz_parts import MOST_WORK, WORK, Door
from _fuzz_values import Random, mutant, shown

_LONGEST_SILENCE = 60.0
"""Seconds without a word after which an input counts as hanging, and its process is ended."""

_QUICK = 4_000

_SLOW_SHARE = 0.05
"""Of the inputs of another format, how many a slow one gets."""


class Case(NamedTuple):
    """One input: the door's name, its number, what was changed, and the call."""

    door: str
    number: int
    what: str
    act: Callable[[], Any]


@functools.cache
def python_doors_by_name() -> dict[str, Door]:
    """Every door of Python."""
    return _fuzz_doors.doors()


def random_of(seed: int, door: str, number: int) -> Random:
    """The random numbers of one input."""
    digest = hashlib.sha256(f"{seed}/{door}/{number}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def python_case(name: str, door: Door, number: int, random: Random) -> Case:
    """A call with one argument wrong, or now and then two."""
    arguments = door.arguments()
    free = [one for one in arguments if one not in door.frozen]
    chosen = {free[int(random.integers(len(free)))]}
    if random.random() < 0.2:
        chosen.add(free[int(random.integers(len(free)))])
    for one in sorted(chosen):
        arguments[one] = of_bounded_work(one, mutant(arguments[one], random))
    what = ", ".join(f"{one} = {shown(arguments[one])}" for one in sorted(chosen))
    return Case(name, number, what, lambda: door.call(**arguments))


def of_bounded_work(name: str, value: Any) -> Any:
    """The value, or what asks for more than any machine has where it asks for a long run."""
    if isinstance(value, torch.Tensor):
        return value
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if name in WORK and MOST_WORK < float(value) < 2**60:
            return 2**60
    return value


def file_case(name: str, own: files.Format, number: int, random: Random, folder: Path) -> Case:
    """A format's files with one of them wrong, read in a folder."""
    given = mutated(files.files_of(name), random)
    changed = [one for one, data in given.items() if data != files.files_of(name)[one]]
    what = "; ".join(f"{one}: {given[one][:200]!r}" for one in changed)[:400]
    files.write_files(given, folder)
    return Case(name, number, what, lambda: own.read(folder))


def names_of_doors(only: str) -> list[str]:
    """Python's and those of files, whose name holds `only`."""
    every = [f"python: {one}" for one in python_doors_by_name()]
    every += [f"file: {one}" for one in files.formats()]
    return [one for one in every if only in one]


def cases(door: str, seed: int, first: int, count: int, folder: Path) -> Iterator[Case]:
    """So many inputs of a door, from number `first` on."""
    kind, _, name = door.partition(": ")
    own = python_doors_by_name()[name] if kind == "python" else None
    for number in range(first, first + count):
        random = random_of(seed, door, number)
        if own is not None:
            yield python_case(door, own, number, random)._replace(door=door)
        else:
            made = file_case(name, files.formats()[name], number, random, folder / "in")
            yield made._replace(door=door)


def work(pipe: Connection, seed: int, made: dict[str, files.Files]) -> None:
    """Run inputs as they are asked for; says the number of each before it is run."""
    faulthandler.enable(file=open(os.devnull, "wb"))  # noqa: SIM115 - as long as the process
    numba.set_num_threads(1)
    torch.set_num_threads(1)
    files.MADE.update(made)
    with tempfile.TemporaryDirectory() as own:
        folder = Path(own)
        (folder / "out").mkdir()
        os.chdir(folder / "out")
        while (asked := pipe.recv()) is not None:
            door, first, count = asked
            warm_up(door, folder)
            for case in cases(door, seed, first, count, folder):
                pipe.send(("runs", case.number, case.what))
                pipe.send(("done", case.number, judged(case, folder)))
            pipe.send(("end", 0, ""))


def warm_up(door: str, folder: Path) -> None:
    """The right input, so that what is compiled or cached once is not charged to a wrong one."""
    kind, _, name = door.partition(": ")
    with contextlib.suppress(Exception, SystemExit), contextlib.redirect_stdout(None):
        if kind == "python":
            own = python_doors_by_name()[name]
            own.call(**own.arguments())
        else:
            files.write_files(files.files_of(name), folder / "in")
            files.formats()[name].read(folder / "in")
    empty(folder / "out")


def judged(case: Case, folder: Path) -> Judged:
    """What came of a case; the folder that it may write into is emptied."""
    found = judge(case.act, folder / "out")
    os.chdir(folder / "out")
    empty(folder / "out")
    return found


def empty(folder: Path) -> None:
    """Take away all that lies in a folder."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


class Runner:
    """A process that runs inputs, made anew after one that ended it."""

    def __init__(self, seed: int, doors: list[str]) -> None:
        self.seed = seed
        of_files = [one.removeprefix("file: ") for one in doors if one.startswith("file: ")]
        self.made = {name: files.files_of(name) for name in of_files}
        self.start()

    def start(self) -> None:
        """A fresh process."""
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=work, args=(theirs, self.seed, self.made), daemon=True
        )
        self.process.start()
        theirs.close()

    def run(self, door: str, first: int, count: int) -> Iterator[tuple[int, str, Judged]]:
        """Number, what was changed and what came of it, of so many inputs of a door."""
        end = first + count
        while first < end:
            self.pipe.send((door, first, end - first))
            last = yield from self._listen()
            if last is None:
                return
            first = last + 1
            self.start()

    def _listen(self) -> Any:
        """Results until the end; the number of the input that ended the process, if one did."""
        number, what = -1, ""
        while True:
            try:
                alive = self.pipe.poll(_LONGEST_SILENCE)
                word, number_of, found = self.pipe.recv() if alive else ("hangs", number, "")
            except (EOFError, OSError):
                word, number_of, found = "crash", number, f"exit code {self.process.exitcode}"
            if word == "end":
                return None
            if word == "runs":
                number, what = number_of, found
            elif word == "done":
                yield number, what, found
            elif number < 0:
                raise RuntimeError(f"the fuzzer itself ended: {found}")
            else:
                self.process.kill()
                self.process.join()
                yield number, what, Judged("crash", f"{word} {found}", _LONGEST_SILENCE, 0)
                return number

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError, BrokenPipeError):
            self.pipe.send(None)
        self.process.join(10)


class Tally:
    """Counts by group of doors, the worst seconds and bytes, and all faults."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.faults: list[dict[str, Any]] = []
        self.most_seconds = 0.0
        self.most_bytes = 0

    def add(self, door: str, number: int, what: str, found: Judged) -> None:
        """Count one input."""
        self.counts.setdefault(group_of(door), Counter())[found.outcome] += 1
        self.most_seconds = max(self.most_seconds, found.seconds)
        self.most_bytes = max(self.most_bytes, found.bytes)
        if found.outcome in FAULTS:
            fault = {"door": door, "number": number, "what": what, "fault": found.outcome}
            self.faults.append({**fault, "said": found.said})

    @property
    def inputs(self) -> int:
        """How many were run."""
        return sum(counts.total() for counts in self.counts.values())

    def lines(self) -> list[str]:
        """A line for each group: inputs, taken, refused, faults."""
        heads = f"{'format':<24}{'inputs':>9}{'taken':>9}{'refused':>9}{'faults':>8}"
        rows = [heads]
        for group, counts in sorted(self.counts.items()):
            wrong = sum(counts[one] for one in FAULTS)
            rows.append(
                f"{group:<24}{counts.total():>9,}{counts[TAKEN]:>9,}{counts[REFUSED]:>9,}{wrong:>8,}"
            )
        rows.append(
            f"{'all':<24}{self.inputs:>9,}{self._all(TAKEN):>9,}{self._all(REFUSED):>9,}"
            f"{len(self.faults):>8,}"
        )
        return rows

    def figures(self) -> list[Figure]:
        """Faults of each group, of which there should be none."""
        found = []
        for group, counts in sorted(self.counts.items()):
            wrong = sum(counts[one] for one in FAULTS)
            words = f"faults of {counts.total():,} inputs, {counts[TAKEN]:,} of them taken"
            found.append(Figure(group, wrong, wrong, wrong, words, bar=0, better="lower"))
        return found

    def _all(self, outcome: str) -> int:
        return sum(counts[outcome] for counts in self.counts.values())


def group_of(door: str) -> str:
    """Python's doors together, files by format, command lines together."""
    kind, _, name = door.partition(": ")
    if kind == "python":
        return "Python"
    return "command lines" if name.startswith("command") else name.partition(",")[0]


def shares(doors: list[str], inputs: int) -> dict[str, int]:
    """Inputs of each door: as many each, of slow formats few."""
    weights = {door: _SLOW_SHARE if _is_slow(door) else 1.0 for door in doors}
    whole = sum(weights.values())
    return {door: max(1, round(inputs * weight / whole)) for door, weight in weights.items()}


def _is_slow(door: str) -> bool:
    kind, _, name = door.partition(": ")
    return kind == "file" and files.formats()[name].slow


def run_all(options: argparse.Namespace) -> Tally:
    """All inputs, one after another, in a process of their own; Ctrl-C keeps what was found."""
    tally = Tally()
    doors = names_of_doors(options.only)
    runner = Runner(options.seed, doors)
    started = time.monotonic()
    said = started
    try:
        for door, count in shares(doors, options.inputs).items():
            for number, what, found in runner.run(door, options.first, count):
                tally.add(door, number, what, found)
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    rate = tally.inputs / (said - started)
                    left = (options.inputs - tally.inputs) / rate / 60
                    words = f"{tally.inputs:,} inputs, {len(tally.faults)} faults"
                    print(f"{words}, {left:.0f} min left", flush=True)
    except KeyboardInterrupt:
        print("stopped")
    runner.close()
    return tally


def main() -> int:
    """Run, print the table and the faults; 1 where there is a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=200_000, help="in all (default 200,000)")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK:,} inputs")
    parser.add_argument("--seed", type=int, default=0, help="of all inputs")
    parser.add_argument("--only", default="", metavar="TEXT", help="doors whose name holds this")
    parser.add_argument("--first", type=int, default=0, help="number of each door's first input")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write counts and faults here")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write a page with the table here")
    options = parser.parse_args()
    options.inputs = _QUICK if options.quick else options.inputs
    tally = run_all(options)
    print("\n".join(tally.lines()))
    print(
        f"longest input {tally.most_seconds:.2f} s (bound {MOST_SECONDS:g} s), largest "
        f"{tally.most_bytes / 1e6:.0f} MB (bound {MOST_BYTES / 1e6:.0f} MB)"
    )
    for one in tally.faults[:20]:
        print(f"{one['fault']}: {one['door']} {one['number']}: {one['what']}\n    {one['said']}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        page = markdown("fuzz", __doc__ or "", tally.figures(), Options(options.quick, None, None))
        (options.out / "fuzz.md").write_text(page, encoding="utf-8")
    if options.json:
        table = {"counts": tally.counts, "faults": tally.faults}
        options.json.write_text(json.dumps(table, indent=1), encoding="utf-8")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
