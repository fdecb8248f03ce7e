"""The axes of number formats of weights and inputs: networks of their own, what a chip then
computes, tables, refusals; in searches, too.
"""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import tinyoptimize
from tinystudy import kinds, plan_of, store_answers, study_of, work

from stochsim.cli import main
from stochsim.lowering import to_program
from stochsim.report import console_table, write_results_csv
from stochsim.report.variants import quantised, variants
from stochsim.search.evaluate import setting_plan
from stochsim.settings import SettingError
from stochsim.studies import open_run, plan_study
from stochsim.training import load_network

GRID: dict[str, Any] = {
    "grid__bits": [4],
    "grid__noise": [1],
    "grid__weight_format": ["int4", "fp4-e2m1", "mxfp4"],
    "grid__input_format": ["nf4", "int4"],
}


def test_formats_make_networks_of_their_own_and_own_integers_none() -> None:
    without = plan_of(grid__bits=[4], grid__noise=[1])
    found = plan_of(**GRID)
    assert kinds(found) == kinds(without) | {"network": 6, "chip_samples": 6}
    assert set(without.tasks) < set(found.tasks)  # int4 and int4 are the network as it is
    networks = [one for one in found.tasks.values() if one.kind == "network"]
    names = [json.loads(one.settings) for one in networks]
    assert {(one.get("weight_format"), one.get("input_format")) for one in names} == {
        (weights, inputs) for weights in (None, "fp4-e2m1", "mxfp4") for inputs in (None, "nf4")
    }
    assert any(one.label.endswith("fp4-e2m1 weights, nf4 inputs") for one in networks)
    cells = [(cell["weight_format"], cell["input_format"]) for cell in found.cells]
    assert cells[:2] == [("int4", "nf4"), ("int4", "int4")]


def test_each_width_has_the_formats_of_its_bits() -> None:
    plan = plan_of(
        grid__bits=None,
        grid__weight_bits=[4, 6],
        grid__input_bits=[4],
        grid__output_bits=[4],
        grid__noise=[1],
        grid__weight_format=["fp6-e2m3", "int4", "fp4-e2m1"],
        grid__output_format=["lloyd-4", "int4"],
    )
    cells = [(one["weight_bits"], one["weight_format"], one["output_format"]) for one in plan.cells]
    assert cells == [
        (bits, weights, outputs)
        for bits, weights in ((4, "int4"), (4, "fp4-e2m1"), (6, "fp6-e2m3"))
        for outputs in ("lloyd-4", "int4")
    ]


@pytest.mark.parametrize("architecture", ["single", "deep", "recurrent"])
def test_a_study_trains_and_measures_each_format(tmp_path: Path, architecture: str) -> None:
    measured: dict[str, Any] = {
        "measure__stimuli": 8,
        "measure__reads": 100,
        "grid__architecture": [architecture],
    }
    study = study_of(**GRID | {"grid__input_format": None}, **measured)
    with open_run(store_answers(tmp_path / "run", study, work)) as results:
        rows = {row["weight_format"]: row for row in results.rows}
        table = console_table(results)
        drawn = [row for variant in variants(results) for row in quantised(results, variant)]
        found = results.find(architecture, widths=4, weight_format="mxfp4")
        write_results_csv(results, tmp_path / "results.csv")
        files = {
            name: results.store.row(row.cells[0].network).artifact for name, row in rows.items()
        }
    plain = study_of(grid__bits=[4], grid__noise=[1], **measured)
    with open_run(store_answers(tmp_path / "plain", plain, work)) as results:
        assert rows["int4"].estimates["d"].value == results.rows[0].estimates["d"].value
    assert list(rows) == ["int4", "fp4-e2m1", "mxfp4"]
    assert len({row.estimates["d"].value for row in rows.values()}) == 3
    assert rows["int4"].per_read_j < rows["fp4-e2m1"].per_read_j  # products of 5 bits
    assert found["weight_format"] == "mxfp4"
    assert sorted(map(id, drawn)) == sorted(map(id, rows.values()))
    assert "weight format" in table
    assert all(name in table for name in rows)
    with (tmp_path / "results.csv").open() as file:
        assert [row["weight_format"] for row in csv.DictReader(file)] == list(rows)
    for name, path in files.items():
        assert path is not None
        book = to_program(load_network(path)).first.weight_book
        assert (book and book.name) == {"int4": None}.get(name, "fp4-e2m1")


def test_bills_of_a_run_name_the_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = study_of(**GRID | {"grid__input_format": None, "measure__reads": 100})
    run = str(store_answers(tmp_path / "run", study, work))
    said = {}
    for name in (None, "int4", "fp4-e2m1"):
        assert main(["energy", "bill", run, *(["--weight-format", name] if name else [])]) == 0
        said[name] = capsys.readouterr().out
    assert said[None] == said["int4"]
    assert "fp4-e2m1 weights" in said["fp4-e2m1"]
    assert main(["energy", "bill", run, "--weight-format", "nf4"]) == 2
    assert "'--weight-format' = 'nf4': not in the run's grid" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"grid__weight_format": ["fp6-e2m3"]}, "has 6 bits, and no weights of the grid do"),
        ({"grid__bits": [3, 4]}, r"'grid.weight_format' = .*should name a format of 3 bits too"),
        (
            {"grid__input_format": ["nf5"]},
            r"'grid.input_format' = 'nf5': is no format of inputs.*did you mean 'nf4'",
        ),
        ({"grid__input_format": ["mxfp4"]}, r"'grid.input_format' = 'mxfp4'"),
        ({"grid__input_format": ["uint4"]}, r"'grid.input_format' = 'uint4': .*both signs"),
        ({"grid__weight_format": ["lloyd-4"]}, r"'grid.weight_format' = 'lloyd-4'"),
        ({"grid__weight_format": ["int4", "int4"]}, "names a value twice"),
        ({"grid__bits": None, "grid__float": True}, "quantised networks on the chip"),
        (
            {"grid__architecture": ["deep"], "network__layer_bits": {"hidden": 3}},
            r"'grid.weight_format' = .* and 'network.layer_bits' = .*a format has one width",
        ),
        (
            {"train__weight_scales": "per-channel"},
            r"'grid.weight_format' = 'mxfp4' and 'train.weight_scales' = 'per-channel'",
        ),
        (
            {"hardware__memory": {"weight_errors": 0.01}},
            r"'grid.weight_format' = 'fp4-e2m1': should be integers on digital-45nm",
        ),
        (
            {"hardware__preset": "sram-array-28nm"},
            r"'grid.input_format' = 'nf4': its values are integers of 22 bits",
        ),
        (
            {
                "grid__method": ["noise-aware"],
                "hardware__noise": {"input_dither": "stochastic"},
            },
            r"'grid.input_format' = 'nf4': noise-aware training has no model",
        ),
    ],
)
def test_formats_that_no_network_has(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        _check(**(GRID | changes))


def _check(**changes: Any) -> None:
    study = study_of(**changes)
    study.check(study.hardware.resolve(Path()))


SEARCH: dict[str, Any] = {
    "hardware__preset": "digital-45nm",
    "search__adc_bits": None,
    "search__rows": None,
    "search__weight_bits": None,
    "search__input_bits": None,
    "search__output_bits": None,
    "search__weight_format": ["fp4-e2m1", "int3"],
    "search__input_format": ["int4"],
    "search__output_format": ["lloyd-4", "int5"],
}


def test_a_search_over_formats_takes_the_tasks_of_a_study() -> None:
    request = tinyoptimize.request_of(**SEARCH)
    space = request.space
    assert space.size == 4
    assert space.free == ("weight_format", "output_format")
    setting = next(iter(space))
    grid = request.study(setting).grid
    assert grid.widths() == [(4, 4, 4)]
    assert (grid.weight_format, grid.input_format) == (("fp4-e2m1",), ("int4",))
    widths = [request.study(one).grid.widths()[0] for one in space]
    assert widths == [(4, 4, 4), (4, 4, 5), (3, 4, 4), (3, 4, 5)]
    chip = request.chip(setting).replace(precision=request.hardware.precision)
    swept = plan_study(request.study(setting), chip).tasks
    assert setting_plan(request, setting).tasks == swept


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (
            {"hardware__preset": "sram-array-28nm", "search__weight_format": ["int4", "nf4"]},
            r"'search.weight_format' = 'nf4': its values are integers of 22 bits",
        ),
        ({"search__weight_bits": [4]}, r"'search.weight_format' = .* and 'search.weight_bits'"),
        (
            {"search__architecture": "deep", "search__layer_bits": {"hidden": [3]}},
            r"'search.weight_format' = .*'network.layer_bits'",
        ),
    ],
)
def test_what_a_search_may_not_have(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        tinyoptimize.request_of(**SEARCH | changes)
