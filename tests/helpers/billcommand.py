"""`stochsim energy bill` called in this process: what it says, refuses and writes."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from stochsim.cli import main


def said(arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["energy", "bill", *shlex.split(arguments)]) == 0
    return capsys.readouterr().out


def refused(arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["energy", "bill", *shlex.split(arguments)]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    (line,) = found.err.splitlines()
    return line.removeprefix("stochsim: ")


def table_of(arguments: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    path = folder / "bill.json"
    said(f"{arguments} --json {path}", capsys)
    found: dict[str, Any] = json.loads(path.read_text())
    return found
