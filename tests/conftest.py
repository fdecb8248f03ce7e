"""Fixtures for tests of several folders."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module of the benchmarks by name, as the scripts themselves do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module
