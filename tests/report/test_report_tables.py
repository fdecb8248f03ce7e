"""results.csv, timing.csv and the terminal's table: complete, sorted, the same bytes twice, and
honest about what is n/a.
"""

import csv
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stochsim.report import console_table, write_results_csv, write_timing_csv
from stochsim.settings import StochsimError
from stochsim.studies import MEASURES, open_run

Run = Callable[..., Path]


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def results_rows(run: Path, target: Path) -> list[dict[str, str]]:
    write_results_csv(open_run(run), target)
    return rows_of(target)


def test_equal_results_give_equal_bytes(fake_run: Run, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_results_csv(open_run(fake_run()), tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_every_cell_key_and_measure_is_there_in_order(fake_run: Run, tmp_path: Path) -> None:
    grid = {"bits": [8, 2], "noise": [1, 0.5], "keys": [10, 2], "rho": [1, 0]}
    rows = results_rows(fake_run(grid=grid), tmp_path / "r.csv")
    found = [(row["weight_bits"], row["rho"], row["noise"], row["key"]) for row in rows]
    assert found == [
        (b, rho, m, key)
        for b in ("2", "8")
        for rho in ("0", "1")
        for m in ("0.5", "1")
        for key in ("2", "10", "all")
    ]
    for name in (
        *MEASURES,
        "survival",
        "survival_absolute",
        "d_blind",
        "d_full",
        "log_sd_correlation",
        "readout_accuracy",
    ):
        assert all(
            float(row[f"{name}_low"]) <= float(row[name]) <= float(row[f"{name}_high"])
            for row in rows
        ), name
    assert {row["reads"] for row in rows} == {"200"}


def test_figures_are_those_of_the_results(finished: Path, tmp_path: Path) -> None:
    results = open_run(finished)
    rows = results_rows(finished, tmp_path / "r.csv")
    for row, result in zip(rows, results.rows, strict=True):
        assert result.survival is not None
        assert result.survival.estimate is not None
        assert float(row["survival"]) == pytest.approx(result.survival.estimate.value, rel=1e-5)
        assert float(row["per_read_j"]) == pytest.approx(result.per_read_j, rel=1e-5)
        assert float(row["d_full_high"]) == pytest.approx(result.survival.d_full.high, rel=1e-5)


def test_infinity_is_inf_and_not_available_is_empty_with_a_note(
    finished: Path, tmp_path: Path
) -> None:
    silent = [row for row in results_rows(finished, tmp_path / "r.csv") if row["noise"] == "0"]
    assert {(row["reliability_j"], row["per_read_j"]) for row in silent} == {("inf", "inf")}
    assert {(row["elbo_nat"], row["elbo_nat_low"]) for row in silent} == {("", "")}
    assert all(row["elbo_nat_note"] for row in silent)


def test_survival_is_not_available_where_the_network_does_not_beat_blind(
    fake_run: Run, tmp_path: Path
) -> None:
    def no_better(task: Any, result: dict[str, Any]) -> None:
        if task.kind == "float_samples":
            result["measures"]["d"] = [1.5] * 24

    run = fake_run(change=no_better)
    rows = results_rows(run, tmp_path / "r.csv")
    assert {(row["survival"], row["survival_note"]) for row in rows} == {
        ("", "the network is not significantly better than ignoring the stimulus")
    }
    table = console_table(open_run(run))
    assert "S n/a: the network is not significantly better than ignoring the stimulus" in table
    assert table.count("none (no width tested keeps the whole interval of S >= 0.9)") == 3


def test_own_decoders_have_distance_and_no_survival(fake_run: Run, tmp_path: Path) -> None:
    run = fake_run(train={"decoder": "own"})
    rows = results_rows(run, tmp_path / "r.csv")
    assert {(row["survival"], row["d_blind"], row["survival_note"]) for row in rows} == {
        ("", "", "no common posterior: decoder = own")
    }
    assert all(row["d"] for row in rows)
    table = console_table(open_run(run))
    assert "ELBO [nat]" in table
    assert "cliff at" not in table
    assert table.count("ELBO n/a, at one stimulus or more: the samples make no density") == 1


def test_a_bound_that_every_row_has_is_not_explained(fake_run: Run) -> None:
    run = fake_run(train={"decoder": "own"}, grid={"bits": [4], "noise": [1]})
    assert "ELBO n/a" not in console_table(open_run(run))


def test_a_disk_that_fills_leaves_the_older_file_whole(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "results.csv").write_text("older")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StochsimError, match=r"results.csv: cannot be written \(No space left"):
        write_results_csv(open_run(finished), tmp_path / "results.csv")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


def test_a_folder_that_is_not_there_is_an_error(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StochsimError, match="cannot be written"):
        write_results_csv(open_run(finished), tmp_path / "taken" / "results.csv")


def test_timing_holds_every_task_with_machine_and_versions(finished: Path, tmp_path: Path) -> None:
    results = open_run(finished)
    write_timing_csv(results, tmp_path / "t.csv")
    rows = rows_of(tmp_path / "t.csv")
    assert len(rows) == len(results.plan.tasks)
    assert {(row["seconds"], row["processor"], row["versions"]) for row in rows} == {
        ("1.250", "a processor", "numpy 2.4.0; stochsim 0.1.0")
    }


def test_the_console_table_names_cells_cliffs_and_flags(finished: Path) -> None:
    table = console_table(open_run(finished))
    assert max(map(len, table.splitlines())) <= 110
    assert "cliff at noise x1: 8 bits (S >= 0.9 there, the largest width tested)" in table
    assert "cliff at noise x2: none" in table
    assert "float network D = 0.2" in table
    assert "memory-sram-45nm at 192 to 1536 is outside the model's range" in table
    assert "σ saturated: 40% of the neurons" in table
    assert sum(line.lstrip().startswith(("1 ", "4 ", "8 ")) for line in table.splitlines()) == 9


@pytest.mark.parametrize(
    ("bits", "best", "words"),
    [
        ([1, 4, 6, 8], 6, "6 bits (S >= 0.9 there and at every larger width tested)"),
        ([4, 6, 8], 4, "4 bits (S >= 0.9 at every width tested: it may lie lower still)"),
        ([1, 8], 1, "1 bit (S >= 0.9 at every width tested: it may lie lower still)"),
    ],
)
def test_the_cliff_in_words(fake_run: Run, bits: list[int], best: int, words: str) -> None:
    def good_from_best_on(task: Any, result: dict[str, Any]) -> None:
        if task.kind == "chip_samples" and int(task.label.split("/")[1]) >= best:
            result["measures"]["d"] = list(np.linspace(0.22, 0.24, 24))

    table = console_table(
        open_run(fake_run(grid={"bits": bits, "noise": [1]}, change=good_from_best_on))
    )
    assert f"cliff at noise x1: {words}" in table


def test_untied_bits_are_shown_apart_and_have_a_cliff_per_axis(fake_run: Run) -> None:
    grid = {"weight_bits": [1, 4, 8], "input_bits": [4, 8], "output_bits": [8], "noise": [1]}
    table = console_table(open_run(fake_run(grid=grid)))
    assert "1/4/8" in table
    assert "cliff in weight bits at noise x1, input bits 8, output bits 8: 4 bits" in table
    assert "cliff in input bits at noise x1, weight bits 8, output bits 8: 4 bits" in table
    assert "cliff in output bits" not in table


def test_an_unfinished_run_says_so(fake_run: Run, tmp_path: Path) -> None:
    run = fake_run(skip=lambda task: task.kind == "chip_samples" and "8/8/8" in task.label)
    assert "3 of 17 tasks not stored yet; 6 of 9 cells of the grid are shown" in console_table(
        open_run(run)
    )
    assert {row["weight_bits"] for row in results_rows(run, tmp_path / "r.csv")} == {"1", "4"}
