"""The command line: bad input ends with code 2, one clear line and nothing written; help needs none
of the heavy packages.
"""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from importprobe import modules_after
from tinystudy import CLI, store_answers, study_of, write_study

from stochsim._version import __version__
from stochsim.cli import main
from stochsim.runs import Store, Task
from stochsim.runs.store import STORE_VERSION

ROOT = Path(__file__).resolve().parents[2]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must end with code 2; returns the one line it says."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("stochsim: ")
    return line.removeprefix("stochsim: ")


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
        ("sweep a.toml --workers 0", "'0' should be a whole number of at least 1"),
        ("sweep a.toml --workers two", "'two' should be a whole number of at least 1"),
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
# sweep/test_study.py.


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"grid__bts": [2]}, ["study.toml: unknown key 'grid.bts'", "did you mean 'bits'"]),
        ({"grid__bits": [9]}, ["'grid.bits.0' = 9", "less than or equal to 8"]),
        ({"grid__bits": [0]}, ["'grid.bits.0' = 0", "greater than or equal to 1"]),
        ({"grid__noise": [-1]}, ["'grid.noise.0' = -1"]),
        ({"grid__noise": [float("nan")]}, ["'grid.noise.0' = nan", "finite"]),
        (
            {"hardware__noise": {"read_sigma": float("nan")}},
            ["'hardware.noise.read_sigma' = nan", "finite"],
        ),
        ({"grid__rho": [-1]}, ["'grid.rho.0' = -1"]),
        ({"grid__rho": [0.5]}, ["'rho' = 0.5: has no default price", "reliability.e0_j"]),
        (
            {"hardware__preset": "digital"},
            ["'preset' = 'digital': ", "did you mean 'digital-45nm'"],
        ),
        ({"hardware": {"file": "none.toml"}}, ["none.toml: cannot be read"]),
        ({"version": 3}, ["'version' = 3", "should be 1"]),
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


@pytest.mark.parametrize("content", [None, "version = = 1", "\x00\xff"])
def test_a_study_that_cannot_be_read(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study.toml"
    if content is not None:
        study.write_text(content, encoding="latin-1")
    line = refused(["sweep", str(study), "--out", str(tmp_path / "run")], capsys)
    assert line.startswith(str(study))
    assert f": {'cannot be read' if content is None else 'not valid TOML'} (" in line
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


def _truncate(run: Path) -> None:
    path = run / "store.sqlite"
    path.write_bytes(path.read_bytes()[:5000])


def _flip(run: Path) -> None:
    path = run / "store.sqlite"
    path.write_bytes(path.read_bytes().replace(b"a processor", b"a_processor"))


def _other_version(run: Path) -> None:
    path = run / "store.sqlite"
    content = bytearray(path.read_bytes())
    content[60:64] = (9).to_bytes(4, "big")  # SQLite's user_version
    path.write_bytes(content)


def _lose_an_artifact(run: Path) -> None:
    next((run / "artifacts").iterdir()).unlink()


def _replace_by_a_folder_of_somebody_else(run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()
    (run / "thesis.tex").write_text("mine")


BROKEN = [
    (_truncate, "damaged"),
    (_flip, "damaged (a row of 'about' does not match its checksum)"),
    (_other_version, f"store version 9, this stochsim reads version {STORE_VERSION}"),
    (_lose_an_artifact, "missing since it was stored"),
    (_replace_by_a_folder_of_somebody_else, "not a run (no store.sqlite)"),
]


def _one_artifact(task: Task, needs: dict[str, Path], folder: Path) -> tuple[dict[str, Any], Path]:
    path = folder / "artifacts" / ".tmp-0.safetensors"
    path.write_bytes(b"numbers")
    return {}, path


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run in which only the decoder is done."""
    return store_answers(
        tmp_path / "begun", study_of(), _one_artifact, lambda task: task.kind != "decoder"
    )


@pytest.mark.parametrize("command", ["sweep", "report"])
@pytest.mark.parametrize(
    ("damage", "complaint"), BROKEN, ids=lambda part: getattr(part, "__name__", "")
)
def test_a_run_that_is_not_whole_is_refused_and_left_as_it_is(
    damage: Any,
    complaint: str,
    command: str,
    begun: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(begun)
    before = {path: path.read_bytes() if path.is_file() else b"" for path in begun.rglob("*")}
    arguments = (
        [command, str(write_study(tmp_path)), "--out", str(begun)]
        if command == "sweep"
        else [command, str(begun)]
    )
    assert complaint in refused(arguments, capsys)
    assert {
        path: path.read_bytes() if path.is_file() else b"" for path in begun.rglob("*")
    } == before


def test_report_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        refused(["report", str(tmp_path / "none")], capsys)
        == f"{tmp_path}/none: not a run (no store.sqlite)"
    )
    Store.create_or_open(tmp_path / "run").close()
    assert (
        refused(["report", str(tmp_path / "run")], capsys)
        == f"{tmp_path}/run: the run has not begun: nothing to report"
    )
    assert not list((tmp_path / "run").glob("report*"))


def test_report_of_a_run_that_has_just_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = store_answers(tmp_path / "run", study_of(), _one_artifact, lambda task: True)
    assert main(["report", str(run)]) == 0
    assert "11 of 11 tasks not stored yet" in capsys.readouterr().out
    assert (run / "report.html").exists()


# Hardware

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
        "bench']\n[array]\ncolumns_per_converter = 8\n"
    )
    (tmp_path / "mine.toml").write_text(text + "[timing]\nclock_hz = 1e8\n")
    assert main(["hardware", "show", str(tmp_path / "mine.toml")]) == 0
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "inherits mine.toml -> rram-array-1-day -> rram-array" in said
    for line in (
        "source my bench",
        "array.columns_per_converter 8",
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
