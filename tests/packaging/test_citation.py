"""CITATION.cff says what pyproject.toml and the package say."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from stochsim._version import __version__

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    """CITATION.cff, its dates and numbers as text, as its format reads them."""
    return yaml.load((ROOT / "CITATION.cff").read_text(encoding="utf-8"), yaml.BaseLoader)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_it_has_what_the_format_asks_for(citation: dict[str, Any]) -> None:
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["authors"] == [{"name": "The stochsim developers"}]
    assert citation["message"]
    assert citation["abstract"].count("?") == 1


def test_it_agrees_with_the_package(citation: dict[str, Any], project: dict[str, Any]) -> None:
    assert citation["version"] == __version__ == project["version"]
    assert citation["title"] == project["name"]
    assert citation["license"] == project["license"]
    assert citation["keywords"] == project["keywords"]
    urls = project.get("urls", {}).values()
    assert [citation["repository-code"]] if "repository-code" in citation else list(urls) == []


def test_it_refers_to_the_paper_that_the_readme_names(citation: dict[str, Any]) -> None:
    (paper,) = citation["references"]
    families = [author["family-names"] for author in paper["authors"]]
    assert paper["title"]
    assert f"({', '.join(families)} {paper['year']}" in (ROOT / "README.md").read_text("utf-8")
