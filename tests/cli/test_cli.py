"""The command line: bad input ends with code 2, one clear line and nothing written; help needs none
of the heavy packages.
"""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clitest import refused
from importprobe import modules_after
from tinystudy import CLI, write_study

from stochsim._version import __version__
from stochsim.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["sweep", "--help"],
        ["report", "--help"],
        ["hardware", "show", "--help"],
    ],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert modules_after(arguments) == set()


def test_the_check_above_can_fail_and_listing_hardware_needs_no_torch() -> None:
    assert "pydantic" in modules_after(["hardware", "list"])
    assert not {"torch", "numba", "matplotlib", "skimage"} & modules_after(["hardware", "list"])


def test_help_names_the_commands_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    for word in (
        "sweep",
        "report",
        "hardware",
        "examples/first_light.toml",
        "Exit codes: 0 done, 2",
        "130",
    ):
        assert word in said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"stochsim {__version__}\n"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "required: COMMAND"),
        ("swep", "invalid choice: 'swep'"),
        ("sweep", "required: FILE.toml"),
        ("sweep a.toml --workers 0", "'0' should be a whole number from 1 to"),
        ("sweep a.toml --workers two", "'two' should be a whole number from 1 to"),
        ("sweep a.toml --bits 3", "unrecognized arguments: --bits 3"),
        ("report", "required: RUN"),
        ("hardware", "required: ACTION"),
        ("hardware show", "required: name"),
    ],
)
def test_a_wrong_command_ends_with_2(
    line: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(shlex.split(line))
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


# Bad input of a sweep: one line, nothing written. What each line says in full is in
# tests/studies/test_study_refusals.py.


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"grid__bts": [2]}, [":30: unknown key 'grid.bts'", "did you mean 'bits'"]),
        ({"grid__bits": [9]}, ["'grid.bits.0' = 9", "less than or equal to 8"]),
        ({"grid__bits": [0]}, ["'grid.bits.0' = 0", "greater than or equal to 1"]),
        ({"grid__noise": [-1]}, ["'grid.noise.0' = -1"]),
        ({"grid__noise": [float("nan")]}, ["'grid.noise.0' = nan", "finite"]),
        (
            {"hardware__noise": {"read_sigma": float("nan")}},
            ["'hardware.noise.read_sigma' = nan", "finite"],
        ),
        ({"grid__rho": [-1]}, ["'grid.rho.0' = -1"]),
        ({"grid__rho": [0.5]}, ["'grid.rho' = 0.5: has no default price", "reliability.e0_j"]),
        (
            {"hardware__preset": "digital"},
            ["'hardware.preset' = 'digital': ", "did you mean 'digital-45nm'"],
        ),
        ({"hardware": {"file": "none.toml"}}, ["none.toml: cannot be read"]),
        ({"version": 3}, ["'version' = 3", "should be 1"]),
        ({"train__device": "tpu"}, ["'train.device' = 'tpu'", "not to be had here"]),
        ({"measure__stimuli": 10**6}, ["'measure.stimuli' = 1000000", "at most 12000"]),
        (
            {"data": {"kind": "digits", "size": 8, "components": 64}},
            ["'components' = 64", "rank 61"],
        ),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, dict) else "",
)
def test_a_bad_study_ends_with_2_and_nothing_written(
    changes: dict[str, Any], parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path, **changes)
    line = refused(["sweep", str(study), "--out", str(tmp_path / "runs" / "a")], capsys)
    assert all(part in line for part in parts)
    assert list(tmp_path.iterdir()) == [study]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        ("version = = 1", "not valid TOML"),
        ("\x00\xff", "not UTF-8 text"),
    ],
)
def test_a_study_that_cannot_be_read(
    content: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study.toml"
    if content is not None:
        study.write_text(content, encoding="latin-1")
    line = refused(["sweep", str(study), "--out", str(tmp_path / "run")], capsys)
    assert line.startswith(str(study))
    assert f": {says} (" in line
    assert not (tmp_path / "run").exists()


def test_without_out_the_run_is_named_after_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").write_text("a file")
    assert (
        refused(["sweep", str(write_study(tmp_path, "mine.toml"))], capsys)
        == "runs/mine: is a file, not a run's folder"
    )


def test_ctrl_c_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stochsim.studies.run_sweep", interrupted)
    assert main(["sweep", str(tmp_path / "study.toml")]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


def test_a_closed_pipe_is_no_traceback() -> None:
    with subprocess.Popen(
        [*CLI, "hardware", "show", "digital-45nm"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_as_a_module_and_as_a_command() -> None:
    for command in (CLI, [str(Path(sys.executable).with_name("stochsim"))]):
        done = subprocess.run(
            [*command, "hardware", "show", "nothing"], capture_output=True, text=True, cwd=ROOT
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("stochsim: 'preset' = 'nothing': valid: ")
        assert len(done.stderr.splitlines()) == 1
