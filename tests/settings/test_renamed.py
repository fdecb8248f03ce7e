"""A renamed key is refused under its old name, and the error names the new one: in a file and its
line, in Python, and in a dotted address.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinyoptimize
from circuittest import hardware_of, recurrent_program
from tinystudy import complaint, write_study

from stochsim.chip import Chip, FloatChip
from stochsim.cli import main
from stochsim.energy import Operation
from stochsim.hardware import load_hardware, preset
from stochsim.settings import (
    RENAMED_KEYS,
    RENAMED_VALUES,
    SettingError,
    nearest,
    renamed_arguments,
    strict,
    with_setting,
)
from stochsim.studies import Axis, register
from stochsim.training import TrainSettings


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"train__exchange": 1e12}, "train.exchange"),
        ({"measure__thin": 2}, "measure.thin"),
        ({"grid__converter_bits": [4]}, "grid.converter_bits"),
        ({"hardware__array": {"converter": {"bits": 4}}}, "hardware.array.converter"),
    ],
)
def test_a_studys_old_keys_name_the_new_ones(
    tmp_path: Path, changes: dict[str, Any], key: str
) -> None:
    old = key.split(".")[-1]
    said = complaint(write_study(tmp_path, **changes))
    assert said.endswith(f"unknown key '{key}': '{old}' is now '{RENAMED_KEYS[old]}'")


def test_a_chip_files_old_keys_name_the_new_ones_and_their_lines(tmp_path: Path) -> None:
    chip = tmp_path / "chip.toml"
    for lines, said in (
        ("[array.converter]\nbits = 6", "'array.converter': 'converter' is now 'adc'"),
        (
            "[array]\ncolumns_per_converter = 2",
            "'array.columns_per_converter': 'columns_per_converter' is now 'columns_per_adc'",
        ),
    ):
        chip.write_text(f"name = 'chip'\ninherits = 'rram-array'\n{lines}\n")
        with pytest.raises(SettingError) as caught:
            load_hardware(chip)
        line = 3 if "[array.converter]" in lines else 4
        assert str(caught.value) == f"{chip}:{line}: unknown key {said}"


def test_a_searchs_old_keys_name_the_new_ones(tmp_path: Path) -> None:
    for change, said in (
        ({"search__converter_bits": [4]}, "'converter_bits' is now 'adc_bits'"),
        ({"objective__converters": ["zigzag"]}, "'converters' is now 'adc_models'"),
    ):
        with pytest.raises(SettingError, match=said):
            tinyoptimize.request_of(**change)


def test_an_old_address_names_the_new_one() -> None:
    said = "unknown key 'array.converter': 'converter' is now 'adc'"
    with pytest.raises(SettingError, match=said):
        preset("rram-array").with_({"array.converter.bits": 6})


def test_an_old_option_names_the_new_one(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--converter-bits", "4"], ["--converter-bits=4"]):
        with pytest.raises(SystemExit) as ended:
            main(["energy", "bill", "8-4", "--hardware", "rram-array", *words])
        assert ended.value.code == 2
        said = f"unrecognized arguments: {' '.join(words)}; '--converter-bits' is now '--adc-bits'"
        assert said in capsys.readouterr().err


def test_old_settings_in_python_name_the_new_ones() -> None:
    said = "unknown key 'exchange': 'exchange' is now 'nats_per_joule'"
    with pytest.raises(SettingError, match=said):
        TrainSettings(steps=1, exchange=1e12)
    with pytest.raises(SettingError, match=said):
        with_setting(TrainSettings(steps=1), {"exchange": 1e12})


@pytest.mark.parametrize(("old", "new"), RENAMED_KEYS.items())
def test_every_old_key_is_answered_where_the_new_one_is_known(old: str, new: str) -> None:
    assert str(SettingError.unknown(old, [new, "rows"])).endswith(f"'{old}' is now '{new}'")
    with pytest.raises(SettingError, match=f"unknown key 'head.{old}': '{old}' is now '{new}'"):
        strict.exact_table("head", {old: 1}, [new])


def test_an_old_key_is_not_renamed_where_the_new_one_is_unknown() -> None:
    assert "is now" not in str(SettingError.unknown("exchange", ["rows", "changes"]))


@renamed_arguments(width="bits")
def _twice(bits: int, *, rows: int = 1) -> int:
    """Twice the bits of as many rows."""
    return 2 * bits * rows


def test_an_old_argument_names_the_new_one() -> None:
    assert (_twice(3, rows=2), _twice(bits=3), _twice.__name__) == (12, 6, "_twice")
    with pytest.raises(TypeError, match=r"_twice\(\): 'width' is now 'bits'"):
        _twice(width=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'row'"):
        _twice(3, row=2)


THIN = "'thin' is now 'steps_between_reads'"


def test_chips_answer_their_old_arguments() -> None:
    program = recurrent_program()
    chip = Chip(program, hardware_of(program))
    x = np.zeros((1, program.inputs))
    calls: list[Callable[..., Any]] = [
        lambda **old: chip.sample(x, 2, 0, **old),
        lambda **old: chip.operations(x, 2, **old),
        lambda **old: chip.bill(x, 2, **old),
        lambda **old: chip.workload(2, x=x, **old),
        chip.reads_are_independent,
        chip.register_period,
    ]
    for call in calls:
        call(steps_between_reads=1)
        with pytest.raises(TypeError, match=THIN):
            call(thin=1)
    with pytest.raises(TypeError, match=r"Chip.__init__\(\): 'noise' is now 'sigma_scale'"):
        Chip(program, hardware_of(program), noise=2.0)
    with pytest.raises(TypeError, match="'noise' is now 'sigma_scale'"):
        FloatChip(program, noise=2.0)


@pytest.mark.parametrize(("old", "new"), RENAMED_VALUES.items())
def test_an_old_name_among_choices_says_the_new_one(old: str, new: str) -> None:
    assert nearest(old, ["decoder", new]) == f"'{old}' is now '{new}'"
    assert "is now" not in nearest(old, ["decoder", "network"])


def test_an_axis_of_an_old_kind_of_task_names_the_new_one() -> None:
    axis = Axis(name="mine", words="mine", setting="array.columns", tasks=("point",))
    with pytest.raises(SettingError) as caught:
        register(axis)
    said = "'tasks' = 'point': no kind of task; 'point' is now 'chip_samples'"
    assert str(caught.value) == said


def test_an_old_kind_of_operation_names_the_new_one() -> None:
    with pytest.raises(SettingError, match="'hold' is now 'reliability'"):
        Operation("hold", (0.5,))
