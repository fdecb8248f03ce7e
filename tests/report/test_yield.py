"""The yield over manufactured parts in results.csv and on the page, beside the S of one."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from stochsim.report import console_table, write_report
from stochsim.runs import Task
from stochsim.studies import open_run

ON_ARRAY: dict[str, Any] = {"hardware": {"preset": "rram-array"}}
GRID: dict[str, Any] = {"bits": [8], "noise": [1]}
STIMULI = 24


def bad_from_the_twelfth(task: Task, result: dict[str, Any]) -> None:
    """D of parts 12 to 19 is in the middle between the float network's and blind draws'."""
    if json.loads(task.settings).get("chip_key", 0) >= 12:
        result["measures"]["d"] = [0.85] * STIMULI


@pytest.fixture
def run(fake_run: Callable[..., Path]) -> Path:
    grid = GRID | {"chip_keys": list(range(20))}
    return fake_run(change=bad_from_the_twelfth, grid=grid, **ON_ARRAY)


def rows_of(run: Path) -> list[dict[str, str]]:
    with open(run / "results.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_part_has_a_row_and_all_have_one_yield(run: Path) -> None:
    write_report(run)
    rows = rows_of(run)
    assert [row["chip_key"] for row in rows] == [str(key) for key in range(20)]
    assert sum(float(row["survival"]) >= 0.9 for row in rows) == 12
    expected = stats.binomtest(12, 20).proportion_ci(method="wilson")
    found = {(row["chip_yield"], row["chip_yield_low"], row["chip_yield_high"]) for row in rows}
    assert found == {("0.6", f"{expected.low:.6g}", f"{expected.high:.6g}")}


def test_the_page_shows_one_part_and_the_yield(run: Path) -> None:
    page = write_report(run).read_text(encoding="utf-8")
    assert "Figures are of one of 20 chips (chip key 0); the yield is the share of chips" in page
    assert ">yield</th>" in page
    assert '0.60<span class="interval">0.39 to 0.78</span>' in page
    assert page.count(">8</td>") < 4  # one row of each table, not twenty


def test_the_screen_shows_one_part_and_the_yield(run: Path) -> None:
    screen = " ".join(console_table(open_run(run)).split())
    expected = stats.binomtest(12, 20).proportion_ci(method="wilson")
    assert " S yield " in screen
    assert f" 0.60 [{expected.low:.2f}, {expected.high:.2f}] " in screen
    assert "Figures are of one of 20 chips (chip key 0); the yield is the share" in screen


def test_the_screen_says_that_few_parts_give_no_yield(fake_run: Callable[..., Path]) -> None:
    run = fake_run(grid=GRID | {"chip_keys": [3, 1]}, **ON_ARRAY)
    screen = " ".join(console_table(open_run(run)).split())
    assert " S yield " not in screen
    assert "Figures are of one of 2 chips (chip key 1); a yield takes 20 chips or more" in screen


def test_without_parts_nothing_names_them(fake_run: Callable[..., Path]) -> None:
    run = fake_run(grid=GRID, **ON_ARRAY)
    assert "chip key" not in console_table(open_run(run))
    assert "yield" not in write_report(run).read_text(encoding="utf-8")
    assert not {"chip_key", "chip_yield"} & set(rows_of(run)[0])


def test_coarse_adcs_are_one_flag_of_the_page(fake_run: Callable[..., Path]) -> None:
    """Of two widths that differ in the number of steps alone: their range."""

    def coarse(task: Task, result: dict[str, Any]) -> None:
        if task.kind == "chip_samples":
            steps = "2.91" if "at 8/8/8" in task.label else "3.5"
            flag = f"coarse ADCs: {steps} steps of 6 bits within ±1 sd of the partial sums"
            result["energy"]["flags"] = [flag]

    run = fake_run(change=coarse, grid=GRID | {"bits": [4, 8]}, **ON_ARRAY)
    page = write_report(run).read_text(encoding="utf-8")
    assert "coarse ADCs: 2.91 to 3.5 steps of 6 bits within ±1 sd of the partial sums" in page
