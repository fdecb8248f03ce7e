"""The time left of a run, against runs whose every task takes a known time."""

import json
import math
from collections import Counter

import pytest

from stochsim.runs import Message, Progress, Task
from stochsim.runs.progress import TimeLeft
from stochsim.runs.time_left import left_words
from stochsim.search.run_search import _Settings

SECONDS = {
    "decoder": 20.0,
    "reference": 60.0,
    "float": 5.0,
    "prior_samples": 1.0,
    "float_samples": 1.0,
    "network": 2.0,
    "chip_samples": 0.5,
}


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _run_one(left: TimeLeft, clock: Clock, name: str, kind: str) -> None:
    left.started(name, kind)
    clock.now += SECONDS[kind]
    assert left.finished(name) == kind


def test_a_sweep_s_time_left_is_right_once_each_kind_is_known() -> None:
    """By the share of tasks done it would be 15 times too long at the first stored samples."""
    kinds = ["decoder", "reference", "float", *["network"] * 10, *["chip_samples"] * 100]
    clock = Clock()
    left = TimeLeft(clock)
    ratios = []
    for place, kind in enumerate(kinds):
        _run_one(left, clock, str(place), kind)
        rest = kinds[place + 1 :]
        seconds, is_all = left.seconds(Counter(rest))
        truth = sum(SECONDS[each] for each in rest)
        assert is_all == (not set(rest) - set(kinds[: place + 1]))
        if is_all and rest:
            ratios.append(seconds / truth)
        else:
            assert seconds <= truth + 1e-9 or math.isnan(seconds)
    assert len(ratios) == 99
    assert all(0.999 < ratio < 1.001 for ratio in ratios)
    done = 14
    by_count = sum(SECONDS[kind] for kind in kinds[:done]) / done * (len(kinds) - done)
    assert by_count / sum(SECONDS[kind] for kind in kinds[done:]) > 10


def test_tasks_at_once_share_the_time_left() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    for name in "ab":
        left.started(name, "network")
    clock.now += 2
    for name in "ab":
        left.finished(name)
    assert left.seconds({"network": 8}) == (8.0, True)  # 16 s of work, two at once
    left.started("c", "network")
    left.started("d", "network")
    clock.now += 1
    assert left.seconds({"network": 8})[0] == pytest.approx(7.0)


def test_what_is_not_known_is_not_said() -> None:
    left = TimeLeft(Clock())
    assert math.isnan(left.seconds({"network": 3})[0])
    assert left.seconds({}) == (0.0, True)
    assert left.finished("never started") == ""


@pytest.mark.parametrize(
    ("seconds", "is_all", "words"),
    [
        (math.nan, False, ""),
        (200.4, True, "3:20 left"),
        (200.4, False, "over 3:20 left"),
        (7384, True, "2:03:04 left"),
    ],
)
def test_words(seconds: float, is_all: bool, words: str) -> None:
    assert left_words(seconds, is_all) == words


def _task(kind: str, number: int) -> Task:
    return Task(kind, str(number), (), f"{kind} {number}")


def _seconds_left(bar: Progress) -> float:
    return bar._time.seconds(bar._left())[0]


def test_a_search_s_time_left_is_that_of_its_settings_and_not_of_its_start() -> None:
    """50 settings of 2.5 s each after a start of 87 s: by the share of settings done the bar said
    2,208 s after the first two, where 120 are right.
    """
    bar = _Settings(50, 0)
    clock = Clock()
    bar._time = TimeLeft(clock)
    number = 0
    start = ["decoder", "reference", "float", "prior_samples", "float_samples"]
    ratios = []
    for done in range(2, 50, 2):
        kinds = [*(start if done == 2 else []), *["network", "chip_samples"] * 2]
        for kind in kinds:
            number += 1
            bar.started(_task(kind, number))
            clock.now += SECONDS[kind]
            bar.finished(_task(kind, number).hash)
        bar.reached(done)
        ratios.append(_seconds_left(bar) / (2.5 * (50 - done)))
    bar.close()
    assert all(0.99 < ratio < 1.01 for ratio in ratios)


def test_settings_that_were_stored_already_do_not_count_as_fast() -> None:
    bar = _Settings(50, 0)
    clock = Clock()
    bar._time = TimeLeft(clock)
    for done in (2, 4, 6, 8):  # found in the store
        bar.reached(done)
    assert math.isnan(_seconds_left(bar))
    for number in range(2):
        bar.started(_task("chip_samples", number))
        clock.now += 0.5
        bar.finished(_task("chip_samples", number).hash)
    bar.reached(10)
    assert _seconds_left(bar) == pytest.approx(0.5 * 40)
    bar.close()


def test_the_bar_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [_task("network", number) for number in range(3)]
    bar = Progress(3, 0, tasks)
    bar._time = TimeLeft(clock := Clock())
    bar.started(tasks[0])
    bar.said(Message("progress", tasks[0].hash, {"done": 1, "total": 4}))
    clock.now += 65
    bar.finished(tasks[0].hash)
    bar.close()
    assert "1/3 [" in (said := capsys.readouterr().err)
    assert "2:10 left" in said


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [_task("network", number) for number in range(3)]
    bar = Progress(3, 0, tasks, as_json=True)
    bar._time = TimeLeft(clock := Clock())
    for task in tasks:
        bar.started(task)
    clock.now += 65
    bar.finished(tasks[0].hash)
    bar.failed(tasks[1].hash)
    bar.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["done"] == 0
    last = lines[-1]
    assert (last["total"], last["done"], last["failed"]) == (3, 1, {"network": 1})
    assert last["running"] == ["network 2"]
    assert last["seconds_left"] >= 0


def test_lines_in_a_pipe_are_whole_and_few(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [_task("network", number) for number in range(200)]
    bar = Progress(200, 0, tasks)
    for task in tasks:
        bar.started(task)
        bar.finished(task.hash)
    bar.close()
    said = capsys.readouterr().err
    assert "\r" not in said
    assert [line.split(" [")[0] for line in said.splitlines()] == ["0/200", "200/200"]
