"""The pages of docs/ run: Python blocks one after another, quick commands as they stand; of the
other commands the arguments are parsed, and the files that they name are read.
"""

import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from documents import (
    PAGES,
    README,
    ROOT,
    blocks,
    commands,
    files,
    is_printed,
    page_name,
    printed,
    read,
)

from stochsim.cli import main
from stochsim.cli.command_line import build_parser
from stochsim.hardware import Hardware
from stochsim.search import OptimizeFile, objective_of_file
from stochsim.settings import read_toml
from stochsim.silicon import load_macro
from stochsim.studies import Study, read_custom_study

QUICK = {"--help", "--version", "hardware", "energy", "examples"}
"""First words after `stochsim` of commands that end at once."""

ELSEWHERE = {README, ROOT / "docs" / "energy_bill.md"}
"""Pages whose Python blocks tests of their own run."""

RUNNING = [page for page in PAGES if page not in ELSEWHERE and blocks(read(page), "python")]
COMMANDS = sorted({tuple(found) for page in PAGES for found in commands(read(page), "stochsim")})
FILES = {name: text for page in PAGES for name, text in files(read(page)).items()}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, as the current folder: a copy of the examples, and the files that pages
    have the reader write.
    """
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_something_to_run() -> None:
    assert {page.stem.removeprefix("quick_start_") for page in RUNNING} == {
        "accumulators",
        "atlas",
        "block_scales",
        "clusters",
        "chip",
        "few_bit_weights",
        "formats_of_networks",
        "number_formats",
        "own_search",
        "own_studies",
        "silicon",
        "silicon_accuracy",
        "posterior",
        "quantised_networks",
        "several_inputs",
        "torch",
        "train_converted",
    }
    assert {command[1] for command in COMMANDS} >= {*QUICK, "sweep", "optimize", "report"}
    assert {
        "my_chip.toml",
        "my_macro.toml",
        "my_own_study.toml",
        "my_study.toml",
        "own_search.toml",
    } == set(FILES)


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("page", RUNNING, ids=page_name)
def test_python_blocks_run_and_print_what_the_page_shows(page: Path) -> None:
    text = read(page)
    shown = "".join(block.text for block in blocks(text, "text"))
    output = printed(text, page_name(page))
    assert output
    assert is_printed(shown, output, rel=0.2), output


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("command", COMMANDS, ids=shlex.join)
def test_stochsim_commands(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    _, *words = command
    if "copy" in words:  # what is there already is never overwritten
        shutil.rmtree("examples")
    if words[0] in QUICK:
        assert _exit_code(words) == 0
        assert capsys.readouterr().out
    else:
        build_parser().parse_args(words)
    missing = [word for word in words if word.endswith(".toml") and not Path(word).exists()]
    assert not missing


def _exit_code(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("name", FILES)
def test_toml_files_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    table = read_toml(Path(name))
    if "search" in table:
        OptimizeFile.from_table(table)
    elif "grid" in table:
        study = Study.read(name)
        study.check(study.hardware.resolve(Path()))
    elif "axes" in table:  # whose functions and data are the reader's
        lines = [f"def {function}(*given):\n    return None\n" for function in ("build", "margin")]
        Path("my_networks.py").write_text("".join(lines))
        np.savez(table["data"], stimuli=np.zeros((3, 2)), truth=np.zeros(3, int))
        assert len(read_custom_study(name, allow_code=True).points) == 6
        if "objective" in table:
            assert objective_of_file(name).bounds
    elif "energy" in table:
        assert load_macro(name).name == table["name"]
    else:
        assert Hardware.read(name).name == table["name"]


def test_every_toml_block_is_a_file() -> None:
    for page in PAGES:
        assert len(blocks(read(page), "toml")) == len(files(read(page))), page_name(page)


def test_make_targets_exist() -> None:
    targets = re.findall(r"^([a-z][\w-]*):", read(ROOT / "Makefile"), re.MULTILINE)
    assert {"setup", "demo", "test", "lint", "bench", "docs"} <= set(targets)
    for page in PAGES:
        words = [word for command in commands(read(page), "make") for word in command[1:]]
        assert {word for word in words if "=" not in word} <= set(targets), page_name(page)
