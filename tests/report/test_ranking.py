"""Ranks by joules per effective sample: the cheapest cell that keeps the posterior, and no cell
that does not, however cheap.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from madeanswers import STIMULI, Made
from tinystudy import store_answers, study_of

from stochsim.report import console_table, write_report, write_results_csv, write_timing_csv
from stochsim.report.pages.sections import key_figures
from stochsim.report.pages.study_columns import detail_columns, main_columns
from stochsim.report.ranking import cheapest, energy_ranks
from stochsim.studies import Results, open_run

Maker = Callable[..., Results]
SURVIVAL = {2: 0.89, 4: 0.95, 8: 1.0}
SAMPLES = {2: 100.0, 4: 50.0, 8: 80.0}
"""Of 100 reads of 3 pJ each: 3, 6 and 3.75 pJ per effective sample."""


def samples_of(widths: list[int], noise: float) -> list[float]:
    return [SAMPLES[widths[0]]] * STIMULI


THREE = Made(lambda widths, noise, rho, key: SURVIVAL[widths[0]], effective_of=samples_of)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Maker]:
    """A function: made(answers, section__key=value, ...) gives the results of a made-up run at 2, 4
    and 8 bits, noise 1.
    """
    with ExitStack() as stack:

        def make(answers: Made = THREE, **changes: Any) -> Results:
            given = {
                "grid__bits": [2, 4, 8],
                "grid__noise": [1],
                "measure__stimuli": STIMULI,
            } | changes
            return stack.enter_context(
                open_run(store_answers(tmp_path / "run", study_of(**given), answers))
            )

        yield make


def rows_of(results: Results, write: Callable[[Results, Path], None]) -> list[dict[str, str]]:
    path = results.folder.parent / "table.csv"
    write(results, path)
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def figure(results: Results) -> tuple[str, str]:
    """The key figure and what stands beside it."""
    return next(
        (text, beside)
        for name, text, beside in key_figures(results)
        if name == "Cheapest per effective sample"
    )


def test_a_cheaper_cell_that_does_not_survive_has_no_rank(made: Maker) -> None:
    """S = 0.89 at 3 pJ, 0.95 at 6 pJ, 1 at 3.75 pJ."""
    results = made()
    costs = [row.joules_per_effective_sample.value for row in results.rows]
    assert costs == pytest.approx([3e-12, 6e-12, 3.75e-12])
    assert energy_ranks(results.rows) == [None, 2, 1]
    found = rows_of(results, write_results_csv)
    assert [(row["weight_bits"], row["energy_rank"]) for row in found] == [
        ("2", ""),
        ("4", "2"),
        ("8", "1"),
    ]
    assert [float(row["joules_per_effective_sample"]) for row in found] == pytest.approx(costs)
    assert [row["effective_samples"] for row in found] == ["100", "50", "80"]
    assert [row["effective_samples_note"] for row in found] == ["", "", ""]
    assert cheapest(results) is results.summary[2]
    assert figure(results) == ("3.75 pJ", "8 bits, noise ×1; all reads are independent")


def test_at_the_rule_itself_a_cell_is_ranked(made: Maker) -> None:
    """The rule of the cliff, the lower end of the interval of S at 0.9 or above: had it 0.91 the
    cheapest would rank first.
    """
    results = made(
        Made(
            lambda widths, noise, rho, key: max(0.91, SURVIVAL[widths[0]]), effective_of=samples_of
        )
    )
    assert energy_ranks(results.rows) == [1, 3, 2]


def test_a_value_above_with_an_interval_that_reaches_below_is_not_ranked(made: Maker) -> None:
    results = made(Made(lambda widths, noise, rho, key: 0.91, rough=0.2))
    for row in results.rows:
        assert row.survival is not None
        assert row.survival.estimate is not None
        assert row.survival.estimate.low < 0.9 < row.survival.estimate.value
    assert energy_ranks(results.rows) == [None] * 3


def test_cells_without_survival_or_finite_joules_are_not_ranked(made: Maker) -> None:
    results = made(Made(effective_of=samples_of), grid__noise=[0, 1])
    assert energy_ranks(results.rows) == [None, 1, None, 3, None, 2]
    assert {
        row["joules_per_effective_sample"]
        for row in rows_of(results, write_results_csv)
        if row["noise"] == "0"
    } == {"inf"}


def test_equals_share_a_rank(made: Maker) -> None:
    assert energy_ranks(made(Made()).rows) == [1, 1, 1]


def test_each_key_has_ranks_of_its_own(made: Maker) -> None:
    """Key 1 loses 8 bits: there 4 bits are first; over both keys neither width of the two but 4
    bits survives.
    """
    answers = Made(
        lambda widths, noise, rho, key: 0.5 if (widths[0], key) == (8, 1) else SURVIVAL[widths[0]],
        effective_of=samples_of,
    )
    results = made(answers, grid__keys=[0, 1])
    ranks = {
        (row.widths[0], row.key): rank
        for row, rank in zip(results.rows, energy_ranks(results.rows), strict=True)
        if row.widths
    }
    assert {place: rank for place, rank in ranks.items() if rank} == {
        (4, "0"): 2,
        (8, "0"): 1,
        (4, "1"): 1,
        (4, "all"): 1,
    }
    assert cheapest(results) is next(row for row in results.summary if row.weight_bits == 4)


@pytest.mark.parametrize(
    ("answers", "changes", "why"),
    [
        (Made(lambda widths, noise, rho, key: 0.5), {}, "no cell keeps S ≥ 0.9"),
        (Made(blind=0.25), {}, "no cell keeps S ≥ 0.9"),
        (
            Made(effective_of=lambda widths, noise: None),
            {},
            "where S ≥ 0.9: stored by an older version",
        ),
        (
            Made(effective_of=lambda widths, noise: [np.nan] * STIMULI),
            {},
            "where S ≥ 0.9: the reads do not vary",
        ),
        (Made(), {"grid__noise": [0]}, "where S ≥ 0.9: joules are infinite"),
        (Made(), {"train__decoder": "own"}, "there is no S here, so no cell is ranked"),
    ],
)
def test_where_no_cell_is_ranked_the_figure_says_why(
    answers: Made, changes: dict[str, Any], why: str, made: Maker
) -> None:
    results = made(answers, **changes)
    assert cheapest(results) is None
    assert figure(results) == ("n/a", why)
    assert {row["energy_rank"] for row in rows_of(results, write_results_csv)} == {""}


def test_a_study_of_float_networks_alone_has_no_such_figure(made: Maker) -> None:
    results = made(grid__bits=None, grid__float=True)
    assert "Cheapest per effective sample" not in [name for name, _, _ in key_figures(results)]
    notes = {row["effective_samples_note"] for row in rows_of(results, write_results_csv)}
    assert notes == {"counted of networks on the chip alone"}


def test_dependent_reads_have_a_column_of_their_own(made: Maker) -> None:
    """Where all are independent, joules per effective sample are those of a read: the first table
    leaves them out.
    """
    results = made()
    heads = [column.head for column in main_columns(results)]
    assert "energy / eff. sample" not in heads
    assert [column.head for column in detail_columns(results)].count("energy / eff. sample") == 1
    assert "per eff." not in console_table(results)


def test_chains_are_told_of(made: Maker) -> None:
    answers = Made(effective_of=samples_of, dependent=True)
    results = made(answers, grid__architecture=["recurrent"], measure__steps_between_reads=3)
    table = console_table(results)
    assert "per eff.: energy per effective sample" in table
    assert "  per eff.\n" in table
    assert "recurrent networks on the chip: one chain per stimulus, a read every 3 steps" in table
    assert max(map(len, table.splitlines())) <= 110
    assert "energy / eff. sample" in [column.head for column in main_columns(results)]
    assert figure(results) == (
        "3.00 pJ",
        "2 bits, noise ×1; its reads depend on each other and are worth 100 of 100 reads",
    )
    ranks = next(column for column in detail_columns(results) if column.head == "energy rank")
    assert [ranks.cell(row).text for row in results.summary] == ["1", "3", "2"]


@pytest.mark.parametrize("dependent", [False, True])
def test_the_page_names_chains_where_there_are_any(
    dependent: bool, fake_run: Callable[..., Path]
) -> None:
    def chained(task: Any, result: dict[str, Any]) -> None:
        if task.kind == "chip_samples":
            result |= {
                "independent": not dependent,
                "effective_samples": list(np.linspace(50, 70, 24)),
            }

    grid = {"architecture": ["recurrent"], "bits": [1, 8], "noise": [1]}
    measure = {"stimuli": 24, "reads": 200, "directions": 16} | (
        {"steps_between_reads": 1} if dependent else {}
    )
    page = write_report(fake_run(change=chained, grid=grid, measure=measure)).read_text(
        encoding="utf-8"
    )
    assert "Cheapest per effective sample" in page
    for words in (
        "a read every step",
        "D is too large",
        "shift register",
        "its reads depend on each other and are worth 60 of 200 reads",
    ):
        assert (words in page) == dependent


@pytest.mark.parametrize(("labels", "shown"), [(True, False), (False, True)])
def test_a_table_that_is_too_wide_for_the_terminal_leaves_the_column_out(
    labels: bool, shown: bool, made: Maker
) -> None:
    grid = {
        "architecture": ["single", "deep", "recurrent"],
        "method": ["post-training", "quantisation-aware"],
        "bits": [2, 4],
    }
    answers = Made(effective_of=samples_of, dependent=True, accuracy=0.7 if labels else None)
    data = {"kind": "digits" if labels else "patches", "size": 8, "components": 8}
    table = console_table(
        made(answers, grid=grid, grid__bits=[2, 4], data=data, measure__steps_between_reads=1)
    )
    assert max(map(len, table.splitlines())) <= 110
    assert ("per eff." in table) == shown
    assert sum(line.startswith("-----") for line in table.splitlines()) == 1  # no row is broken


def test_timing_has_seconds_per_effective_sample_of_points_alone(made: Maker) -> None:
    """Half a second for 8 stimuli of 100, 50 and 80 samples."""
    results = made()
    found = {
        row["task"]: row["seconds_per_effective_sample"]
        for row in rows_of(results, write_timing_csv)
    }
    points = [task.label for task in results.plan.tasks.values() if task.kind == "chip_samples"]
    assert [float(found.pop(label)) for label in points] == pytest.approx(
        [0.5 / 800, 0.5 / 400, 0.5 / 640], rel=5e-3
    )
    assert set(found.values()) == {""}
