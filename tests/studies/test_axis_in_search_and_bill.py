"""An axis that is added from outside is found in a search, and by `stochsim energy bill`."""

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import tinyoptimize
from addedaxis import ADDED, SWEPT
from tinystudy import store_answers, study_of, work

from stochsim.cli import main
from stochsim.report.search_tables import write_front_csv
from stochsim.report.search_text import axis_name, axis_words
from stochsim.search.evaluate import setting_plan
from stochsim.settings import SettingError
from stochsim.studies import Axis, Study, plan_study, register, withdraw


def test_a_search_has_it(added: Axis, tmp_path: Path) -> None:
    digital: dict[str, Any] = {
        "hardware__preset": "digital-45nm",
        "search__adc_bits": None,
        "search__rows": None,
    }
    request = tinyoptimize.request_of(search__random_bits=[40, 8], **digital)
    assert request.space.axes["random_bits"] == (8, 40)
    first, second = list(request.space)[:2]
    chips = [request.chip(setting).random.random_bits_per_code for setting in (first, second)]
    assert chips == [8, 40]
    plans = [set(setting_plan(request, setting).tasks) for setting in (first, second)]
    assert len(plans[0] ^ plans[1]) == 2  # the two points
    assert (axis_name("random_bits"), axis_words("random_bits", 40)) == (
        "random bits",
        "random bits 40",
    )
    measured = [tinyoptimize.made(request, second, 0.95, {})]
    write_front_csv(tinyoptimize.outcome_of(request, measured), tmp_path / "front.csv")
    with open(tmp_path / "front.csv", newline="") as file:
        assert next(csv.DictReader(file))["random_bits"] == "40"
    with pytest.raises(SettingError, match=r"'search\.random_bits\.0' = 65"):
        tinyoptimize.request_of(search__random_bits=[65], **digital)


def test_a_search_takes_the_points_of_a_sweep(added: Axis) -> None:
    """A value on an axis of a sweep is the same chip as that value in a search."""
    request = tinyoptimize.request_of(search__rows=[8], search__adc_bits=[6])
    study = request.study(next(iter(request.space)))
    grid = {"rows": [8], "adc_bits": [6]}
    table = study.to_table()
    wide = Study.from_table(table | {"grid": table["grid"] | grid})
    swept_tasks = plan_study(wide, request.hardware).tasks
    assert swept_tasks.keys() == setting_plan(request, next(iter(request.space))).tasks.keys()


# The command line


@pytest.fixture
def trained(added: Axis, tmp_path: Path) -> Path:
    study = study_of(**SWEPT | {"grid__bits": [2]}, train__steps=5)
    return store_answers(tmp_path / "trained", study, work)


def random_j(run: Path, options: str, folder: Path) -> float:
    arguments = ["energy", "bill", str(run), *shlex.split(options)]
    assert main([*arguments, "--json", str(folder / "bill.json")]) == 0
    bill = json.loads((folder / "bill.json").read_text())["bill"]
    return float(bill["joules_by_part"]["random"])


def test_the_bill_of_a_run_is_that_of_the_named_value(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few, many = (random_j(trained, f"--random-bits {bits}", tmp_path) for bits in (16, 32))
    assert few > 0
    assert many / few == pytest.approx(2, rel=1e-9)
    assert random_j(trained, "", tmp_path) == few  # the least
    assert ", random bits 16\n" in capsys.readouterr().out
    assert main(["energy", "bill", str(trained), "--random-bits", "8"]) == 2
    said = capsys.readouterr().err
    assert "'--random-bits' = 8: not in the run's grid; valid: 16, 32" in said
    assert main(["energy", "bill", "5-2", "--random-bits", "8"]) == 2
    assert "'--random-bits' = 8: names a network of a run" in capsys.readouterr().err


def test_its_help_names_it_where_it_is_an_axis(capsys: pytest.CaptureFixture[str]) -> None:
    def said(*command: str) -> str:
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        return " ".join(capsys.readouterr().out.split())

    assert "--random-bits" not in said("energy", "bill")
    assert "random_bits" not in said("optimize")
    register(ADDED)
    try:
        option = "--random-bits RANDOM_BITS drawn for each code (default: the least)"
        assert option in said("energy", "bill")
        assert "random_bits = […] drawn for each code" in said("optimize")
    finally:
        withdraw(ADDED.name)
    with pytest.raises(SystemExit) as caught:
        main(["energy", "bill", "5-2", "--random-bits", "8"])
    assert caught.value.code == 2
    assert "unrecognized arguments: --random-bits" in capsys.readouterr().err
