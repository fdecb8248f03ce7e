"""A whole search: settings really measured (in this process), stopped and gone on with, and the
command itself.
"""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tinyoptimize import changed, request_of, write_file
from tinystudy import CLI, stored_rows, work

import stochsim.search.evaluate
from stochsim.cli import main
from stochsim.runs import Task
from stochsim.runs.store import Store
from stochsim.search import run_optimize
from stochsim.search.evaluate import read_measured, setting_plan
from stochsim.studies.tasks import _averaged


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Do tasks without worker processes; returns the kinds that were done."""
    done: list[str] = []

    def work_off(
        missing: Sequence[Task], tasks: Mapping[str, Task], store: Store, pool: Any, progress: Any
    ) -> None:
        for task in missing:
            needs = {role: store.row(need).artifact for role, need in task.needs}
            result, artifact = work(
                task, {role: path for role, path in needs.items() if path is not None}, store.folder
            )
            store.put(task, result, artifact, 0.5, "2026-01-01T00:00:00+00:00")
            done.append(task.kind)

    monkeypatch.setattr(stochsim.search.evaluate, "work_off", work_off)
    monkeypatch.setattr("stochsim.search.run_search.Workers", lambda *_: _NoWorkers())
    return done


class _NoWorkers:
    def __enter__(self) -> "_NoWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_search_measures_stops_goes_on_and_reports(
    tmp_path: Path, in_this_process: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file(tmp_path, search__reads=[1, 2], objective__keep="D <= 99")
    run = tmp_path / "run"
    assert main(["optimize", str(path), "--out", str(run), "--trials", "3"]) == 0
    assert in_this_process.count("chip_samples") == 3
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("The cheapest setting that keeps D ≤ 99 is ")
    assert said.endswith(f"report: {run / 'optimize.html'}")
    first = stored_rows(run)
    in_this_process.clear()
    assert main(["optimize", str(path), "--out", str(run), "--trials", "5"]) == 0
    assert in_this_process.count("chip_samples") == 2
    assert {"decoder", "reference", "prior_samples", "float", "float_samples"} & set(
        in_this_process
    ) == set()
    assert {task: row for task, row in stored_rows(run).items() if task in first} == first
    assert len((run / "front.csv").read_text().splitlines()) == 6
    in_this_process.clear()
    pages = (run / "optimize.html").read_bytes()
    assert main(["optimize", str(path), "--out", str(run), "--trials", "5"]) == 0
    assert in_this_process == []
    assert (run / "optimize.html").read_bytes() == pages


def test_what_is_measured_is_what_a_sweep_stores(
    tmp_path: Path, in_this_process: list[str]
) -> None:
    path = write_file(tmp_path, search__weight_bits=[4], search__rows=None, objective__keys=[0, 1])
    outcome = run_optimize(path, tmp_path / "run", trials=2)
    with Store.open(tmp_path / "run") as store:
        request = outcome.request
        for measured in outcome.measured:
            plan = setting_plan(request, measured.setting)
            results = [store.row(cell.samples).result for cell in plan.cells]
            assert len(results) == 2
            assert measured.d.value == pytest.approx(
                np.mean([result["measures"]["d"] for result in results]), rel=1e-12
            )
            stored = np.mean([sum(result["energy"]["parts_j"].values()) for result in results])
            assert measured.joules("zigzag") == pytest.approx(
                stored, rel=1e-9
            )  # the preset's own ADC price
            assert read_measured(request, store, measured.setting, plan).d == measured.d
            assert measured.samples_per_effective == pytest.approx(1, rel=0.3)


def test_a_mean_of_reads_is_one_sample(tmp_path: Path, in_this_process: list[str]) -> None:
    values = np.arange(24.0).reshape(1, 6, 4)
    assert np.array_equal(_averaged(values, 3), [[[4, 5, 6, 7], [16, 17, 18, 19]]])
    assert _averaged(values, 1) is values
    path = write_file(
        tmp_path,
        search__weight_bits=[4],
        search__rows=[8],
        search__adc_bits=[6],
        search__reads=[1, 16],
    )
    outcome = run_optimize(path, tmp_path / "run")
    one, many = sorted(outcome.measured, key=lambda each: each.reads)
    assert many.joules("walden") == pytest.approx(16 * one.joules("walden"), rel=1e-9)
    with Store.open(tmp_path / "run") as store:
        sd = [_mean_sd(store, outcome, each) for each in (one, many)]
    assert sd[1] == pytest.approx(sd[0] / 4, rel=0.15)  # sigma / sqrt(16)


def _mean_sd(store: Store, outcome: Any, measured: Any) -> float:
    from safetensors.numpy import load_file

    plan = setting_plan(outcome.request, measured.setting)
    return float(load_file(store.row(plan.cells[0].samples).artifact)["sd"].mean())


def test_a_folder_holds_no_address_of_a_database(
    tmp_path: Path, in_this_process: list[str]
) -> None:
    address = f"sqlite:///{tmp_path / 'secret.sqlite'}"
    path = write_file(tmp_path, storage=address)
    run_optimize(path, tmp_path / "run", trials=1)
    assert not (tmp_path / "run" / "optuna.sqlite").exists()
    with Store.open(tmp_path / "run") as store:
        about = store.about()
    assert "secret" not in json.dumps(about)
    assert {"search", "optimize", "hardware", "versions", "machine"} == set(about)
    assert "optuna" in json.loads(about["versions"])


def test_formats_are_measured_and_named(
    tmp_path: Path, in_this_process: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_file(
        tmp_path,
        search__output_bits=None,
        search__output_format=["int4", "fp4-e2m1"],
        search__weight_bits=[4],
        search__rows=None,
        search__adc_bits=[6],
        objective__keep="D <= 99",
    )
    run = tmp_path / "run"
    assert main(["optimize", str(path), "--out", str(run), "--dry-run"]) == 0
    assert not run.exists()
    capsys.readouterr()
    assert main(["optimize", str(path), "--out", str(run)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.match(r"The cheapest setting that keeps D ≤ 99 is (int4|fp4-e2m1) outputs: ", said)
    assert re.search(r"A: (int4|fp4-e2m1) outputs", said)
    assert in_this_process.count("network") == 1
    assert in_this_process.count("chip_samples") == 2
    with (run / "front.csv").open() as file:
        rows = {row["output_format"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"int4", "fp4-e2m1"}
    assert rows["int4"]["d"] != rows["fp4-e2m1"]["d"]
    page = (run / "optimize.html").read_text()
    assert re.search(r"output format: (int4 → fp4-e2m1|fp4-e2m1 → int4)", page)


@pytest.mark.slow
def test_the_command_with_workers(tmp_path: Path) -> None:
    import subprocess

    path = write_file(tmp_path)
    done = subprocess.run(
        [*CLI, "optimize", str(path), "--out", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Optuna" not in done.stderr
    assert "Warning" not in done.stderr
    assert "6/6" in done.stderr
    assert len((tmp_path / "run" / "front.csv").read_text().splitlines()) == 7


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["optimize", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line.removeprefix("stochsim: ")


@pytest.mark.parametrize(
    ("changes", "more", "part"),
    [
        (
            {"search__wieght_bits": [2]},
            [],
            "unknown key 'search.wieght_bits': did you mean 'weight_bits'?",
        ),
        ({"objective__keep": "S above 0.9"}, [], "'objective.keep' = 'S above 0.9'"),
        (
            {},
            ["--storage", "somewhere"],
            "'storage' = 'somewhere': should be the address of a database",
        ),
    ],
)
def test_bad_input_ends_with_2_and_nothing_written(
    changes: dict[str, Any],
    more: list[str],
    part: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_file(tmp_path, **changes)
    assert part in refused([str(path), "--out", str(tmp_path / "run"), *more], capsys)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused([str(tmp_path / "none.toml")], capsys).endswith(
        "none.toml: cannot be read (No such file or directory)"
    )


def test_somebody_elses_folder_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    assert "is not empty and not a run" in refused(
        [str(write_file(tmp_path)), "--out", str(tmp_path / "run")], capsys
    )


def test_help_teaches_and_loads_nothing_heavy(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["optimize", "--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    for word in (
        "[search]",
        "[objective]",
        'keep = "S >= 0.9"',
        "--trials",
        "--storage",
        "examples/cheapest_chip.toml",
        "adc_bits",
    ):
        assert word in said


def test_the_tiny_file_is_a_request() -> None:
    assert request_of().space.size == 8
    assert changed()["version"] == 1
