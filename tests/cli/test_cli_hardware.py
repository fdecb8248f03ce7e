"""`stochsim hardware list` and `stochsim hardware show`."""

from pathlib import Path

import pytest
from clitest import refused

from stochsim.cli import main

PRESETS = [
    *(
        "digital-28nm",
        "digital-45nm",
        "in-memory-28nm",
        "pbit-cmos",
        "pbit-tunnel-junction",
        "pcm-array",
        "pcm-array-1-month",
    ),
    *(
        "pcm-hermes-array",
        "rram-array",
        "rram-array-1-day",
        "sram-array-28nm",
        "sram-near-threshold",
        "thermal-floor",
    ),
]


def test_hardware_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hardware", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == PRESETS
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("name", PRESETS)
def test_hardware_show(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hardware", "show", name]) == 0
    said = capsys.readouterr().out
    for word in (name, "formula", "unit", "source"):
        assert word in said


def test_hardware_show_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from stochsim.hardware import preset

    preset("digital-45nm").replace(name="my-chip").write(tmp_path / "chip.toml")
    assert main(["hardware", "show", str(tmp_path / "chip.toml")]) == 0
    assert "my-chip" in capsys.readouterr().out


def test_hardware_show_says_what_a_chip_inherits_and_its_own_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "name = 'mine'\ninherits = 'rram-array-1-day'\nsources = ['my "
        "bench']\n[array]\ncolumns_per_adc = 8\n"
    )
    (tmp_path / "mine.toml").write_text(text + "[timing]\nclock_hz = 1e8\n")
    assert main(["hardware", "show", str(tmp_path / "mine.toml")]) == 0
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "inherits mine.toml -> rram-array-1-day -> rram-array" in said
    for line in (
        "source my bench",
        "array.columns_per_adc 8",
        "timing.clock_hz 100000000.0",
        "array.cells.age_s 86400.0",
    ):
        assert line in said


def test_hardware_show_of_an_unknown_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        refused(["hardware", "show", "digital-45mn"], capsys)
        == "'preset' = 'digital-45mn': did you mean 'digital-45nm'?"
    )
    (tmp_path / "chip.toml").write_text("nam = 'x'")
    line = refused(["hardware", "show", str(tmp_path / "chip.toml")], capsys)
    assert line == f"{tmp_path}/chip.toml:1: unknown key 'nam': did you mean 'name'?"
