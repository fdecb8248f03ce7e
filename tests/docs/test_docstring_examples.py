"""Examples in docstrings run and print what they show; every name at the top has one."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import stochsim

PACKAGE = Path(str(stochsim.__file__)).parent
WITHOUT = {"StochsimError"}
"""Names that nobody builds by hand."""

MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


def run_examples(module: str) -> doctest.TestResults:
    return doctest.testmod(importlib.import_module(module))


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_show(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed, attempted = run_examples(module)
    assert attempted
    assert failed == 0


@pytest.mark.parametrize("name", sorted({*stochsim.__all__} - {"__version__"} - WITHOUT))
def test_every_name_at_the_top_has_an_example(name: str) -> None:
    assert ">>> " in str(inspect.getdoc(getattr(stochsim, name)))


def test_an_example_that_prints_something_else_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrongexample.py").write_text('"""\n>>> 1 + 1\n3\n"""\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert run_examples("wrongexample") == (1, 1)
    assert "Expected:\n    3\nGot:\n    2" in capsys.readouterr().out
