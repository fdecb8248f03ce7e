"""Mutated inputs at every door, a bounded share of what benchmarks/fuzz.py runs; and the judge
finds each kind of fault.
"""

import gc
import os
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stochsim.chip import Samples
from stochsim.energy import Operations
from stochsim.settings import SettingError, StochsimError

EACH_OF_PYTHON = 25
EACH_OF_FILES = 60
EXAMPLES = 6_000


@pytest.fixture
def fuzz(load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark, in a folder that inputs may write into."""
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    found: ModuleType = load("fuzz")
    return found


def faults(fuzz: ModuleType, folder: Path, kind: str, each: int, seed: int = 0) -> list[str]:
    """What was found at all doors of a kind, with so many inputs each."""
    found = []
    doors = fuzz.names_of_doors(kind)
    for door, count in fuzz.shares(doors, each * len(doors)).items():
        fuzz.warm_up(door, folder)
        for case in fuzz.cases(door, seed, 0, count, folder):
            judged = fuzz.judged(case, folder)
            if judged.outcome in fuzz.FAULTS:
                found.append(f"{judged.outcome}: {case.door} {case.number}: {case.what}; {judged}")
    return found


@pytest.mark.slow
def test_every_door_of_python(fuzz: ModuleType, tmp_path: Path) -> None:
    assert faults(fuzz, tmp_path, "python: ", EACH_OF_PYTHON) == []


@pytest.mark.slow
def test_every_format_of_files(fuzz: ModuleType, tmp_path: Path) -> None:
    assert faults(fuzz, tmp_path, "file: ", EACH_OF_FILES) == []


NOTHING_THERE = "open_run load_network load_program load_converted Reference.load run_sweep"
REFUSED = {*NOTHING_THERE.split(), "run_optimize", "write_report", "Study.read", "Hardware.read"}
REFUSED |= {"energy / number", "read_custom_study", "merge_runs"}
"""Doors whose right arguments name a file that is not there, or joules of a read already."""


@pytest.mark.slow
def test_right_arguments_are_taken(fuzz: ModuleType, tmp_path: Path) -> None:
    """Of every other door: a door with a misspelt argument would refuse all that is tried."""
    found = {}
    for name, door in fuzz.python_doors_by_name().items():
        judged = fuzz.judge(lambda door=door: door.call(**door.arguments()), None)
        found[name] = (judged.outcome, judged.said)
    refused = {name: said for name, (outcome, said) in found.items() if outcome != "taken"}
    assert {name: said for name, said in refused.items() if name not in REFUSED} == {}


NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=20),
    st.binary(max_size=9),
)
ARRAYS = arrays.arrays(
    dtype=st.one_of(
        arrays.floating_dtypes(), arrays.integer_dtypes(), arrays.unicode_string_dtypes(max_len=3)
    ),
    shape=arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
)
VALUES = st.recursive(
    st.one_of(NUMBERS, ARRAYS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=6,
)


@pytest.mark.slow
def test_values_of_any_kind_at_any_argument(fuzz: ModuleType, tmp_path: Path) -> None:
    """As Hypothesis makes them: one argument of one door is any value at all."""
    doors = fuzz.python_doors_by_name()
    found: list[str] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(sorted(doors)), st.integers(0, 30), VALUES)
    def holds(name: str, place: int, value: Any) -> None:
        arguments = doors[name].arguments()
        free = [one for one in arguments if one not in doors[name].frozen]
        chosen = free[place % len(free)]
        arguments[chosen] = fuzz.of_bounded_work(chosen, value)
        case = fuzz.Case(name, 0, chosen, lambda: doors[name].call(**arguments))
        judged = fuzz.judged(case, tmp_path)
        if judged.outcome in fuzz.FAULTS:
            found.append(f"{name}, {chosen} = {fuzz.shown(value)}: {judged}")

    holds()
    assert not found, "\n".join(found)


def nothing() -> None:
    """Take the input."""


def refuse() -> None:
    raise SettingError.of("bits", 9, "should be from 1 to 8")


def leave_a_file() -> None:
    Path("left").write_text("x", encoding="utf-8")
    refuse()


def fail() -> None:
    raise KeyError("bits")


def say_nothing() -> None:
    raise SettingError("")


class Unescaped(StochsimError):
    def __str__(self) -> str:
        return "\x1b[2J"


def write_to_the_terminal() -> None:
    raise Unescaped("")


def give_no_number() -> Samples:
    return Samples(None, Operations(), None, np.full((1, 1, 1), np.nan, np.float32))


JUDGED = [
    (nothing, "taken"),
    (refuse, "refused"),
    (leave_a_file, "left a file"),
    (fail, "raw error"),
    (say_nothing, "bad message"),
    (write_to_the_terminal, "bad message"),
    (give_no_number, "not finite"),
]


@pytest.mark.parametrize(("act", "outcome"), JUDGED)
def test_each_kind_of_fault_is_found(
    act: Any, outcome: str, fuzz: ModuleType, tmp_path: Path
) -> None:
    assert fuzz.judge(act, tmp_path / "out").outcome == outcome


def test_what_is_slow_or_large_is_found(
    fuzz: ModuleType, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = load("_fuzz_judge")
    monkeypatch.setattr(judge, "MOST_SECONDS", 0.05)
    assert judge.judge(lambda: time.sleep(0.07)).outcome == "slow"
    assert judge.judge(lambda: time.sleep(30)).outcome == "slow"
    monkeypatch.setattr(judge, "MOST_SECONDS", 5.0)
    monkeypatch.setattr(judge, "MOST_BYTES", 10**7)
    gc.collect()  # what earlier tests left, freed meanwhile, would make room for as much
    load("_memory").give_back_freed_memory()
    assert judge.judge(lambda: np.ones(4 * 10**7).sum()).outcome == "large"
    assert judge.judge(nothing).outcome == "taken"


def test_a_process_that_ends_is_found_and_the_rest_goes_on(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner's side: of a pipe that breaks within an input, that one is the fault."""
    runner = object.__new__(fuzz.Runner)
    words = iter([("runs", 4, "x = 1"), EOFError()])

    def said() -> Any:
        found = next(words)
        if isinstance(found, Exception):
            raise found
        return found

    runner.pipe = SimpleNamespace(poll=lambda _: True, recv=said)
    runner.process = SimpleNamespace(exitcode=-11, kill=lambda: None, join=lambda: None)
    listening = runner._listen()
    number, what, judged = next(listening)
    assert (number, what, judged.outcome) == (4, "x = 1", "crash")
    assert "-11" in judged.said
    with pytest.raises(StopIteration) as end:
        next(listening)
    assert end.value.value == 4


def test_inputs_follow_from_seed_door_and_number(fuzz: ModuleType, tmp_path: Path) -> None:
    door = "python: Quantizer"
    first = [case.what for case in fuzz.cases(door, 0, 0, 20, tmp_path)]
    again = [case.what for case in fuzz.cases(door, 0, 10, 10, tmp_path)]
    assert first[10:] == again
    assert first != [case.what for case in fuzz.cases(door, 1, 0, 20, tmp_path)]
    assert os.listdir(tmp_path) == ["out"]
