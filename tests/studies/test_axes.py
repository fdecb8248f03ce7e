"""The table of axes: one more axis, added from outside, is found in grid, plan, CSV and report;
without its entry it is unknown to all of them.
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tinyoptimize
from addedaxis import ADDED, SWEPT, swept
from madeanswers import Made
from tinystudy import complaint, plan_of, store_answers, study_of, write_study

from stochsim import cli
from stochsim.hardware import preset
from stochsim.report import console_table, write_report
from stochsim.report.figures.panels import panel_title, panels
from stochsim.settings import SettingError
from stochsim.studies import AXES, Axis, Results, Study, open_run, register, withdraw
from stochsim.studies.axes import TAKEN


@pytest.fixture
def run(added: Axis, tmp_path: Path) -> Iterator[Results]:
    """A run of 2 widths, 1 noise level and 2 values of the added axis, made up: at 16 random bits
    the posterior survives at 4 bits, at 32 nowhere.
    """
    settings = {task: json.loads(entry.settings) for task, entry in swept().tasks.items()}

    def answer(task: Any, needs: Any, folder: Path) -> Any:
        bits = settings[task.hash].get("hardware", {}).get("random", {})
        good = bits.get("random_bits_per_code") == 16
        made = Made(s_of=lambda widths, noise, rho, key: 0.95 if good and widths[0] == 4 else 0.2)
        return made(task, needs, folder)

    store_answers(
        tmp_path / "run", study_of(**SWEPT), answer, skip=lambda task: task.kind == "decoder"
    )
    with open_run(tmp_path / "run") as results:
        yield results


# The grid


def test_the_grid_takes_its_values(added: Axis) -> None:
    study = study_of(**SWEPT)
    assert study.grid.random_bits == (32, 16)
    assert study.grid.chips() == [{"random_bits": 16}, {"random_bits": 32}]
    assert Study.from_table(study.to_table()) == study
    study.check(study.hardware.resolve(Path()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"grid__random_bits": [65]},
            "'grid.random_bits.0' = 65: should be less than or equal",
        ),
        ({"grid__random_bits": [8.5]}, "'grid.random_bits.0' = 8.5: should be a valid integer"),
        ({"grid__random_bits": []}, "'grid.random_bits' = []: should name at least 1"),
        ({"grid__random_bits": [8, 8]}, "'grid.random_bits' = [8, 8]: names a value twice"),
        ({"grid__random_bit": [8]}, "unknown key 'grid.random_bit': did you mean 'random_bits'?"),
        (
            {"grid__random_bits": [8], "grid__bits": None, "grid__float": True},
            "'grid.random_bits': belongs to quantised networks on the chip, which the grid does "
            "not have",
        ),
        ({"grid__random_bits": [0, 8]}, "'prices.random' = "),
        ({"grid__random_bits": [0, 8]}, "(at random_bits = 0)"),
    ],
)
def test_the_grid_refuses_what_it_cannot_be(
    changes: dict[str, Any], message: str, added: Axis, tmp_path: Path
) -> None:
    assert message in complaint(write_study(tmp_path, **changes))


def test_an_axis_of_a_part_that_the_chip_does_not_have_is_refused(tmp_path: Path) -> None:
    assert complaint(write_study(tmp_path, grid__rows=[8, 16])).endswith(
        "'grid.rows' = [8, 16]: belongs to 'array', which digital-45nm does not have; "
        "valid: take the axis away, or a chip with [array]"
    )


def test_without_its_entry_the_key_is_unknown(tmp_path: Path) -> None:
    assert ADDED.name not in AXES
    assert "unknown key 'grid.random_bits'" in complaint(write_study(tmp_path, **SWEPT))
    with pytest.raises(SettingError, match=r"unknown key 'search\.random_bits'"):
        tinyoptimize.request_of(search__random_bits=[8])


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("noise", "noise.read_sigma", "'name' = 'noise': is an axis already"),
        ("keys", "noise.read_sigma", "'name' = 'keys': is an axis already"),
        ("more_rows", "array.rows", "'setting' = 'array.rows': is an axis already"),
        ("total_j", "noise.read_sigma", "'name' = 'total_j': is a column of results or an"),
        ("workers", "noise.read_sigma", "'name' = 'workers': is a column of results or an"),
        ("d_low", "noise.read_sigma", "'name' = 'd_low': is a column of results or an option"),
        ("taps", "noise.read_sigmaa", r"did you mean 'read_sigma'\?"),
        ("taps", "nois.read_sigma", "'nois' is no section; did you mean 'noise'\\?"),
        ("taps", "array.adc", "'adc' is no setting there; valid: "),
        ("taps", "array.adc.bits.x", "'bits' is no section"),
        ("idle", "", "'setting' = '': should be the address of a setting"),
        ("bits_of_chip", "precision.weight_bits", "other than the precision"),
        ("a b", "random.lfsr_bits", "'name' = 'a b': should be a word of small letters"),
        ("Rows", "random.lfsr_bits", "'name' = 'Rows': should be a word of small letters"),
    ],
)
def test_an_axis_that_is_there_or_has_no_effect_is_refused(
    name: str, setting: str, message: str
) -> None:
    before = list(AXES)
    with pytest.raises(SettingError, match=message):
        register(Axis(name=name, words=name, setting=setting))
    assert list(AXES) == before


# The plan


def test_each_value_has_points_of_its_own_and_nothing_else(added: Axis) -> None:
    before, after = plan_of(grid__noise=[1]), swept()
    assert set(before.tasks) < set(after.tasks)  # 32 is the chip's own value
    new = [after.tasks[task] for task in set(after.tasks) - set(before.tasks)]
    assert sorted(task.kind for task in new) == ["chip_samples", "chip_samples"]
    for task in new:
        hardware = json.loads(task.settings)["hardware"]
        assert hardware["random"]["random_bits_per_code"] == 16
    found = [(cell["random_bits"], cell.weight_bits) for cell in after.cells]
    assert found == [(16, 2), (16, 4), (32, 2), (32, 4)]
    assert len({task.label for task in after.tasks.values()}) == len(after.tasks)


def test_an_axis_may_have_names_for_values(tmp_path: Path) -> None:
    """A study that does not name it is as it was."""
    names = ("none", "stochastic", "triangular")
    before = plan_of(grid__bits=[4]).tasks
    register(
        Axis(
            name="dither",
            words="dither",
            kind=str,
            choices=lambda: names,
            setting="noise.dither",
        )
    )
    try:
        changes = {"grid__dither": ["stochastic", "none"], "grid__bits": [4]}
        cells = plan_of(**changes).cells
        tasks = plan_of(**changes).tasks
        bad = complaint(write_study(tmp_path, grid__dither=["stochstic"]))
        unnamed = plan_of(grid__bits=[4]).tasks
    finally:
        withdraw("dither")
    assert unnamed == before
    assert [cell["dither"] for cell in cells if cell.noise == 1] == ["stochastic", "none"]
    hardware = [json.loads(tasks[cell.samples].settings)["hardware"] for cell in cells]
    assert [chip["noise"]["dither"] for chip in hardware] == [cell["dither"] for cell in cells]
    assert bad.endswith("'grid.dither' = 'stochstic': did you mean 'stochastic'?")


def test_networks_that_are_trained_for_the_chip_differ_too(added: Axis) -> None:
    tasks = plan_of(**SWEPT, train__nats_per_joule=1e15, grid__float=True)
    kinds = [task.kind for task in tasks.tasks.values()]
    assert (kinds.count("float"), kinds.count("network"), kinds.count("chip_samples")) == (2, 4, 4)
    floats = [cell for cell in tasks.cells if cell.widths is None]
    assert [cell["random_bits"] for cell in floats] == [16, 32]


def test_float_networks_that_know_no_chip_stand_there_once(added: Axis) -> None:
    floats = [cell for cell in plan_of(**SWEPT, grid__float=True).cells if cell.widths is None]
    assert [cell["random_bits"] for cell in floats] == [None]


def test_a_study_without_the_axis_has_the_same_tasks(added: Axis) -> None:
    with_entry = plan_of()
    withdraw(added.name)
    without = plan_of()
    register(added)
    assert with_entry == without


# Results, CSV and report


def test_no_axis_can_take_the_name_of_a_column_or_of_an_option(run: Results) -> None:
    """TAKEN has all of them: those of the CSV files, and those of the command line's commands."""
    write_report(run)
    heads = [
        column
        for name in ("results.csv", "timing.csv")
        for column in (run.folder / name).read_text().splitlines()[0].split(",")
    ]
    sources = (Path(cli.__file__).parent).glob("*.py")
    options = {
        option.replace("-", "_")
        for path in sources
        for option in re.findall(r'"--([a-z-]+)"', path.read_text())
    }
    assert {"d", "per_read_j", "seconds"} <= set(heads)
    assert {"workers", "dry_run"} <= options
    axes = {name for axis in AXES.values() for name in (axis.name, axis.grid_key)}
    endings = ("_low", "_high", "_note", "_j")
    free = {name for name in {*heads, *options} - axes - TAKEN if not name.endswith(endings)}
    assert free == set()


def test_the_csv_has_its_column(run: Results) -> None:
    write_report(run)
    with open(run.folder / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["weight_bits"], row["random_bits"]) for row in rows] == [
        ("2", "16"),
        ("2", "32"),
        ("4", "16"),
        ("4", "32"),
    ]
    assert next(iter(csv.reader([",".join(rows[0])])))[8:10] == ["key", "random_bits"]


def test_a_cell_is_found_by_its_value(run: Results) -> None:
    for bits in (16, 32):
        found = run.find(widths=4, random_bits=bits)
        assert (found["random_bits"], found.chip_settings) == (bits, (("random_bits", bits),))
    assert run.find(widths=4)["random_bits"] == 16


def test_each_value_has_a_cliff(run: Results) -> None:
    found = {row["settings"]: row["cliff"] for row in run.cliffs()}
    assert found == {(("random_bits", 16),): 4, (("random_bits", 32),): None}


def test_the_report_names_it(run: Results) -> None:
    page = write_report(run).read_text(encoding="utf-8")
    assert '<th title="drawn for each code">random bits</th>' in page
    assert "2 values of random bits" in page
    assert "(random bits 16) the posterior survives" in page
    titles = [panel_title(run, panel) for row in panels(run) for panel in row]
    assert titles == ["random bits 16", "random bits 32"]
    table = console_table(run)
    assert "random bits  bits" in table
    assert "random bits 32: cliff at noise x1: none" in table


# A setting by its address


def test_settings_are_changed_at_once_and_checked_again() -> None:
    chip = preset("sram-array-28nm")
    other = chip.with_({"array.rows": 8, "array.adc.bits": 3})
    assert other.array is not None
    assert chip.array is not None
    assert (other.array.rows, other.array.adc.bits) == (8, 3)
    back = {"array.rows": chip.array.rows, "array.adc.bits": chip.array.adc.bits}
    provenance = {"sources": chip.sources, "description": chip.description}
    assert other.with_(back | provenance) == chip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"aray.rows": 8}, "unknown key 'aray': did you mean 'array'?"),
        ({"memory.voltage": 1.0}, "unknown key 'memory.voltage': did you mean"),
        ({"array.rwos": 8}, "unknown key 'array.rwos': did you mean 'rows'?"),
        ({"name.first": "x"}, "unknown key 'name.first': 'name' is a value, no section"),
        ({"precision.weight_bits": 9}, "'precision.weight_bits' = 9: should be less than"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        preset("digital-45nm").with_(values)
    assert str(caught.value).startswith(message)
