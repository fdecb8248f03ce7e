"""A user's own device from CSV."""

from pathlib import Path

import numpy as np
import pytest

from stochsim.hardware import Hardware, preset
from stochsim.hardware.measured_files import (
    read_channel,
    read_channel_text,
    read_device,
    read_device_text,
    with_measured_files,
)
from stochsim.keys import generator
from stochsim.settings import SettingError

DEVICE = """\
# programmed and read back
g_us, programming_sigma_us, mean_us, read_sigma_us

5, 1.0, 6.0, 0.10
10, 2.0, 10.0, 0.20
30, 1.0, 28.0, 0.40
"""
CHANNEL = """\
drive,p0,p1,p2,p3
-1,1,0,0,0
0,0.1,0.2,0.3,0.4
2,0,0,0.25,0.75
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "measured.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_device_interpolates_between_its_rows(write) -> None:
    found = read_device(write(DEVICE))
    assert (found.g_min_us, found.g_max_us) == (5.0, 30.0)
    target = np.array([5.0, 7.5, 10.0, 15.0, 30.0])
    np.testing.assert_allclose(found.programming_sigma_us(target), [1.0, 1.5, 2.0, 1.75, 1.0])
    np.testing.assert_allclose(found.read_sigma_us(target), [0.1, 0.15, 0.2, 0.25, 0.4])
    np.testing.assert_allclose(
        found.read_sigma_us(np.array([1.0, 99.0])), [0.1, 0.4]
    )  # noise may move a cell beyond the file
    normal = generator(1).standard_normal(5)
    programmed = found.programmed_us(target, generator(1))
    np.testing.assert_allclose(
        programmed,
        np.array([6.0, 8.0, 10.0, 14.5, 28.0]) + np.array([1.0, 1.5, 2.0, 1.75, 1.0]) * normal,
    )


def test_without_the_optional_columns_the_mean_is_the_target_and_reads_are_quiet(write) -> None:
    found = read_device(write("programming_sigma_us,g_us\n0,1\n0,2\n"))
    np.testing.assert_array_equal(
        found.programmed_us(np.array([1.0, 1.5]), generator(1)), [1.0, 1.5]
    )
    np.testing.assert_array_equal(found.read_sigma_us(np.array([1.0, 1.5])), 0.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DEVICE.replace("30,", "9,"), r":6: 'g_us' = 9.0: should be above the row before"),
        (DEVICE.replace("2.0", "-2.0"), r":5: 'programming_sigma_us' = -2.0: should be at least 0"),
        (
            DEVICE.replace("0.40", "high"),
            r":6: 'read_sigma_us' = 'high': should be a finite number",
        ),
        (DEVICE.replace("0.40", "nan"), r":6: 'read_sigma_us' = 'nan': should be a finite number"),
        (DEVICE.replace(", 0.40", ""), r":6: 3 values: should be 4"),
        (
            DEVICE.replace("mean_us", "mean"),
            r": 'column' = 'mean': no such column; did you mean 'mean_us'",
        ),
        (DEVICE.replace("mean_us", "g_us"), r"occurs twice"),
        (
            DEVICE.replace("programming_sigma_us, ", "")
            .replace(", 1.0, ", ", ")
            .replace(", 2.0, ", ", "),
            r"'programming_sigma_us' is missing",
        ),
        ("g_us,programming_sigma_us\n1,2\n", r"1 rows of numbers: should be at least 2"),
        ("", r"0 rows"),
    ],
)
def test_a_bad_device_file_is_refused_by_line(write, text, words) -> None:
    with pytest.raises(SettingError, match=rf"measured\.csv.*{words}"):
        read_device(write(text))


def test_a_spreadsheet_s_byte_order_mark_is_no_part_of_the_first_name(tmp_path) -> None:
    (tmp_path / "measured.csv").write_text(
        DEVICE.removeprefix("# programmed and read back\n"), encoding="utf-8-sig"
    )
    assert read_device(tmp_path / "measured.csv").g_max_us == 30


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(SettingError, match=r"none\.csv: cannot be read"):
        read_device(tmp_path / "none.csv")


def test_a_file_that_is_not_text(tmp_path) -> None:
    (tmp_path / "image.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(SettingError, match=r"image\.csv: not UTF-8 text"):
        read_channel(tmp_path / "image.csv")


def test_a_channel_is_linear_in_the_drive_and_held_beyond_its_ends(write) -> None:
    channel = read_channel(write(CHANNEL))
    assert (channel.levels, channel.bits) == (4, 2)
    drive = np.array([[-7.0, -1.0, -0.5], [0.0, 1.0, 99.0]])
    expected = {
        (0, 0): [1, 1, 1],
        (0, 1): [1, 1, 1],
        (0, 2): [0.55, 0.65, 0.8],  # halfway from (1, 1, 1) to (.1, .3, .6)
        (1, 0): [0.1, 0.3, 0.6],
        (1, 1): [0.05, 0.15, 0.425],
        (1, 2): [0, 0, 0.25],
    }
    below = channel.below(drive)
    assert below.shape == (2, 3, 3)
    assert below.flags.c_contiguous
    for (stimulus, neuron), values in expected.items():
        np.testing.assert_allclose(below[stimulus, :, neuron], values, rtol=1e-12)


def test_probabilities_rounded_in_the_file_are_scaled_to_one(write) -> None:
    channel = read_channel(write("drive,p0,p1\n0,0.3333333,0.6666670\n1,0,1\n"))
    np.testing.assert_allclose(channel.probabilities.sum(axis=1), 1, rtol=1e-15)
    assert np.all(channel.below(generator(1).uniform(-1, 2, (50, 3))) <= 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CHANNEL.replace("0.4", "0.40001"), r":3: the probabilities sum to 1\.00001"),
        (CHANNEL.replace("2,0,0", "0,0,0"), r":4: 'drive' = 0.0: should be above the row before"),
        (CHANNEL.replace("0.1,0.2", "-0.1,0.4"), r":3: 'p0' = -0\.1: should be from 0 to 1"),
        (
            "drive,p0,p1,p2\n0,0,0,1\n1,0,0,1\n",
            r": 'columns' = \['drive', 'p0', 'p1', 'p2'\]: should be .* 2, 4, 8",
        ),
        ("drive,p0\n0,1\n1,1\n", r"should be .* 2, 4, 8"),
        (CHANNEL.replace("drive", "x"), r": 'columns' = \['x', 'p0'"),
        (CHANNEL.replace("p1", "p9"), r": 'columns' = \['drive', 'p0', 'p9'"),
        ("drive,p0,p1\n0,0,1\n", r"1 rows of numbers"),
    ],
)
def test_a_bad_channel_file_is_refused_by_line(write, text, words) -> None:
    with pytest.raises(SettingError, match=rf"measured\.csv.*{words}"):
        read_channel(write(text))


def test_a_hardware_table_takes_the_text_of_the_files_that_it_names(tmp_path) -> None:
    (tmp_path / "cell.csv").write_text(DEVICE)
    (tmp_path / "neuron.csv").write_text(CHANNEL)
    table = {
        "noise": {"measured_csv": "neuron.csv"},
        "array": {"cells": {"device_csv": "cell.csv"}},
        "name": "chip",
    }
    filled = with_measured_files(table, tmp_path)
    assert table["noise"]["measured_csv"] == "neuron.csv"
    assert filled == {
        "noise": {"measured_csv": CHANNEL},
        "array": {"cells": {"device_csv": DEVICE}},
        "name": "chip",
    }
    assert with_measured_files(filled, tmp_path / "elsewhere") == filled
    np.testing.assert_array_equal(read_channel_text(CHANNEL).drives, [-1, 0, 2])
    assert read_device_text(DEVICE).g_max_us == 30


@pytest.mark.parametrize(
    "table",
    [{}, {"noise": {}}, {"noise": 3, "array": {"cells": "x"}}, {"noise": {"measured_csv": ""}}],
)
def test_a_hardware_table_without_files_stays_as_it_is(table, tmp_path) -> None:
    assert with_measured_files(table, tmp_path) == table


def test_a_file_that_a_hardware_table_names_is_checked_where_it_is_named(tmp_path) -> None:
    (tmp_path / "neuron.csv").write_text(CHANNEL.replace("0.4", "0.5"))
    with pytest.raises(SettingError, match=r"neuron\.csv:3: the probabilities sum to 1\.1"):
        with_measured_files({"noise": {"measured_csv": "neuron.csv"}}, tmp_path)
    with pytest.raises(SettingError, match=r"cell\.csv: cannot be read"):
        with_measured_files({"array": {"cells": {"device_csv": "cell.csv"}}}, tmp_path)


def test_a_field_beyond_the_reader_is_an_error_with_its_line() -> None:
    with pytest.raises(SettingError, match=r"here:2: not a CSV file"):
        read_channel_text("drive,p0,p1\n" + "1" * 200_000 + ",0,1\n", "here")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("g_us,programming_sigma_us\n0,1e308\n10,1\n", "should be at most 1e\\+09 µS"),
        ('g_us,programming_sigma_us\n0,1\n10,"1\n', "not a CSV file"),
    ],
)
def test_devices_beyond_measure_and_open_quotes_are_refused(text: str, rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        read_device_text(text)


def cells(text: str) -> Hardware:
    edit = {"array.cells.device": "measured", "array.cells.device_csv": text}
    return preset("rram-array").with_({**edit, "array.cells.age_s": None})


def neurons(text: str) -> Hardware:
    return preset("digital-45nm").with_({"noise.measured_csv": text})


@pytest.mark.parametrize(
    ("build", "field"), [(cells, "array.cells.device_csv"), (neurons, "noise.measured_csv")]
)
@pytest.mark.parametrize("name", ["my_cells.csv", "/data/a/b", "g_us;programming_sigma_us"])
def test_a_file_name_in_python_is_refused_where_the_text_is_meant(build, field, name) -> None:
    """It passed for a table without rows, of a Noise until a Chip was made."""
    with pytest.raises(SettingError) as caught:
        build(name)
    assert str(caught.value).startswith(
        f"'{field}' = '{name}': is one line: should be the text of a CSV file"
    )


def test_the_text_of_a_file_is_taken_in_python(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text(DEVICE)
    assert cells((tmp_path / "cells.csv").read_text()).array.cells.device_csv == DEVICE
    assert neurons(CHANNEL).noise.measured_csv == CHANNEL
    assert neurons("").noise.measured_csv == ""


def test_an_heir_of_measured_cells_is_told_how_to_leave_an_inherited_age_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "cells.csv").write_text(DEVICE)
    heir = tmp_path / "heir.toml"
    text = "name = 'heir'\ninherits = 'rram-array'\n{}[array.cells]\ndevice = 'measured'\n"
    heir.write_text(text.format("") + "device_csv = 'cells.csv'\n")
    with pytest.raises(SettingError) as caught:
        Hardware.read(heir)
    advice = 'without = ["array.cells.age_s"]'
    assert f"leave it out; of a base or an edited chip: '{advice}' in a file" in str(caught.value)
    heir.write_text(text.format(f"{advice}\n") + "device_csv = 'cells.csv'\n")
    assert Hardware.read(heir).array.cells.age_s is None
