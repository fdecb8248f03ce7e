"""What `[tool.hatch.build]` in pyproject.toml puts into a wheel and into an sdist, as lists of
files; nothing is built.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling, of the extra 'dev', is not installed")

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from trove_classifiers import classifiers

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    "stochsim": "stochsim",
    "kernels/stochsim_kernels": "stochsim_kernels",
    "examples": "stochsim/examples",
}
"""Folders of the repository that are shipped, and where they are in a wheel."""

DATA = {".toml", ".html", ".pyi", ".typed"}


def files_of(folder: Path) -> Iterator[Path]:
    """Paths below a folder, relative to it, without what Python itself leaves there."""
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder)


@pytest.fixture(scope="module")
def wheel() -> dict[str, str]:
    """Where each file of a wheel comes from: paths in the wheel to paths in the repository."""
    files = WheelBuilder(str(ROOT)).recurse_included_files()
    return {
        Path(file.distribution_path).as_posix(): Path(file.path).relative_to(ROOT).as_posix()
        for file in files
    }


@pytest.fixture(scope="module")
def sdist() -> set[str]:
    files = SdistBuilder(str(ROOT)).recurse_included_files()
    return {Path(file.relative_path).as_posix() for file in files}


def test_the_wheel_is_the_two_packages_and_the_examples(wheel: dict[str, str]) -> None:
    expected = {
        f"{inside}/{path.as_posix()}": f"{folder}/{path.as_posix()}"
        for folder, inside in SOURCES.items()
        for path in files_of(ROOT / folder)
    }
    assert wheel == expected
    assert {Path(name).suffix for name in wheel} == {".py", *DATA}


@pytest.mark.parametrize(
    "name",
    [
        "stochsim/py.typed",
        "stochsim_kernels/py.typed",
        "stochsim/__init__.pyi",
        "stochsim/energy/nodes.toml",
        "stochsim/energy/book/converters.toml",
        "stochsim/hardware/presets/digital-45nm.toml",
        "stochsim/report/pages/study.html",
        "stochsim/runs/store.py",
        "stochsim/examples/first_light.toml",
        "stochsim/examples/chips/my_rram.toml",
    ],
)
def test_one_file_of_each_sort_is_in_it_by_name(name: str, wheel: dict[str, str]) -> None:
    assert name in wheel


def test_every_stub_of_a_lazy_door_is_in_the_wheel(wheel: dict[str, str]) -> None:
    opened = "= door(__name__, __file__)"
    lazy = [name for name, path in wheel.items() if opened in (ROOT / path).read_text()]
    assert {"stochsim/__init__.py", "stochsim/hardware/__init__.py"} <= set(lazy)
    assert {f"{name}i" for name in lazy} <= set(wheel)


def test_a_rebuild_finds_all_that_it_needs_in_the_sdist(
    wheel: dict[str, str], sdist: set[str]
) -> None:
    assert set(wheel.values()) <= sdist
    for name in ("pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "constraints.txt"):
        assert name in sdist
    assert "tests/packaging/test_distribution_files.py" in sdist
    assert {f"docs/{path.as_posix()}" for path in files_of(ROOT / "docs")} <= sdist
    assert "docs/README.md" in sdist
    assert not [name for name in sdist if name.startswith(("runs/", ".venv/", "dist/"))]


def test_classifiers_are_registered_ones() -> None:
    core = ProjectMetadata(str(ROOT), PluginManager()).core
    assert set(core.classifiers) <= classifiers
    assert not [
        one for one in core.classifiers if one.startswith("License ::")
    ]  # `license` says it
