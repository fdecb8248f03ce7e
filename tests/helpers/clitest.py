"""A command that must fail, and the one line that it then says."""

import pytest

from stochsim.cli import main


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must end with code 2; returns the one line it says."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("stochsim: ")
    return line.removeprefix("stochsim: ")
