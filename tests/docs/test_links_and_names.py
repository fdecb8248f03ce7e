"""What README and docs/ name is there: links, paths, Python names, settings by their address."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from documents import GUIDES, PAGES, README, ROOT, blocks, code_spans, links, page_name, read

import stochsim
from docs.settings_tables import inner_settings
from stochsim.accounting import Bill
from stochsim.chip import Samples
from stochsim.hardware import Hardware
from stochsim.lowering import ChipModule

PICTURES = ROOT / "benchmarks" / "results"
"""An sdist is without the pictures here."""

MADE = ("stochsim/examples/", "tests/mutation/drawn/seed_7.json")
"""Paths that are there in a wheel, or after a command."""

FOLDERS = ("stochsim", "kernels", "docs", "examples", "benchmarks", "tests")
OBJECTS: dict[str, type] = {
    "bill": Bill,
    "samples": Samples,
    "hardware": Hardware,
    "small": ChipModule,
}
"""What these names in code font are objects of."""

SECTIONS = tuple(
    name for name, field in Hardware.model_fields.items() if inner_settings(field.annotation)
)
HANDWRITTEN = [page for page in PAGES if not read(page).startswith("<!-- Written by")]


@pytest.mark.parametrize("page", [*PAGES, *GUIDES], ids=page_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [page.parent / link.partition("#")[0] for link in links(read(page))]
    if not list(PICTURES.glob("*.png")):
        targets = [one for one in targets if one.suffix != ".png"]
    assert not [target for target in targets if not target.exists()]


@pytest.mark.parametrize("page", [*PAGES, *GUIDES], ids=page_name)
def test_every_path_exists(page: Path) -> None:
    named = set(paths(read(page))) - set(MADE)
    assert not [path for path in named if not (ROOT / path).exists()]


def paths(text: str) -> list[str]:
    """Paths in code font and in shell blocks that begin with a folder of the repository; patterns
    and those with a NAME to put in are left out.
    """
    shell = [block.text for block in blocks(text, "sh", "bash")]
    pattern = rf"(?<![\w/.~])(?:{'|'.join(FOLDERS)})/[\w/.-]*"
    found = re.findall(pattern, "\n".join([*code_spans(text), *shell]))
    return [path.rstrip(".") for path in found if not re.search(r"[A-Z]{4}", path)]


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / link).resolve() for link in links(read(index))}
    assert set(PAGES) - {index} <= named


def test_pages_can_be_read_in_one_go() -> None:
    by_hand = [page for page in HANDWRITTEN if page.stem != "energy_bill"]
    assert {page_name(page): n for page in by_hand if (n := len(read(page).split())) > 900} == {}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_python_name_resolves(page: Path) -> None:
    text = read(page)
    names = [*imported_names(text), *mentioned_names(text)]
    assert not [name for name in names if not resolves(name)]


def imported_names(text: str) -> list[str]:
    """Names that the Python blocks import from stochsim, with their module in front."""
    trees = [ast.parse(block.text) for block in blocks(text, "python")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return [
        f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("stochsim")
        for alias in node.names
    ]


def mentioned_names(text: str) -> list[str]:
    """Names such as stochsim.x.y in code font."""
    found = [re.findall(r"\bstochsim(?:\.[A-Za-z_]\w*)+", span) for span in code_spans(text)]
    return [name for names in found for name in names]


def resolves(name: str) -> bool:
    """Whether a dotted name can be had from the package."""
    found: Any = stochsim
    for part in name.split(".")[1:]:
        path = getattr(found, "__name__", "")
        found = getattr(found, part, None) or _module(f"{path}.{part}")
        if found is None:
            return False
    return True


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_attribute_and_every_address_of_a_setting_exists(page: Path) -> None:
    spans = code_spans(read(page))
    attributes = [found for span in spans if (found := re.match(r"(\w+)\.(\w+)\b", span))]
    known = [found for found in attributes if found[1] in OBJECTS]
    assert not [found[0] for found in known if not has(OBJECTS[found[1]], found[2])]
    assert not [address for address in addresses(spans) if not is_setting(address)]


def addresses(spans: list[str]) -> list[str]:
    """Dotted addresses that begin with a section of a chip; names of files are left out."""
    found = [span for span in spans if re.fullmatch(rf"(?:{'|'.join(SECTIONS)})\.[\w.]+", span)]
    return [span for span in found if not span.endswith((".csv", ".toml"))]


def has(cls: type, name: str) -> bool:
    """Whether objects of the class have this attribute."""
    fields = {**getattr(cls, "__dataclass_fields__", {}), **getattr(cls, "model_fields", {})}
    return hasattr(cls, name) or name in {**fields, **cls.__annotations__}


def is_setting(address: str) -> bool:
    """Whether a chip can have a setting at this dotted address."""
    cls: Any = Hardware
    for part in address.split("."):
        if cls is None or part not in cls.model_fields:
            return False
        cls = next((inner for inner, _ in inner_settings(cls.model_fields[part].annotation)), None)
    return True


def test_what_is_not_there_is_seen() -> None:
    assert resolves("stochsim.load_hardware")
    assert resolves("stochsim.program.random_program")
    assert not resolves("stochsim.load_software")
    assert not resolves("stochsim.program.nothing.at_all")
    assert is_setting("array.cells.age_s")
    assert not is_setting("array.cells.age")
    assert addresses(["array.cells.age", "timing.csv", "bill.x"]) == ["array.cells.age"]
    assert has(Bill, "per_read_j")
    assert not has(Bill, "per_read")
    assert paths("`tests/none.py`, `benchmarks/NAME.py`") == ["tests/none.py"]
    assert imported_names("```python\nfrom stochsim.chip import Chip\n```\n") == [
        "stochsim.chip.Chip"
    ]
    assert mentioned_names("`stochsim.Chip(…)` and stochsim.no") == ["stochsim.Chip"]
    assert README in PAGES
