"""The pages that are made from the code are what the code gives, and every setting has a line."""

from typing import Annotated, Literal

import pytest
from documents import ROOT, read
from pydantic import Field

from docs.generate import PAGES
from docs.settings_tables import WORDS, default_text, range_text, sections, settings_table
from stochsim.energy import FACTS, PRICES
from stochsim.hardware import Hardware, Noise, devices, presets
from stochsim.search import OptimizeFile
from stochsim.settings import Settings
from stochsim.studies import Study


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_script_gives(name: str) -> None:
    assert read(ROOT / "docs" / name) == PAGES[name](), "run: python -m docs.generate"


def test_every_line_is_of_a_setting() -> None:
    """And every setting has a line, or its page could not be written."""
    found = [one.settings for file in (Hardware, Study, OptimizeFile) for one in sections("", file)]
    fields = {
        (each.__name__, name) for cls in found for each in cls.__mro__ for name in own_fields(each)
    }
    assert {(cls, name) for cls, names in WORDS.items() for name in names} <= fields


def own_fields(cls: type) -> set[str]:
    return set(cls.model_fields) if issubclass(cls, Settings) else set()


def test_a_setting_without_a_line_is_an_error() -> None:
    class Unknown(Settings):
        new: int = 1

    with pytest.raises(KeyError, match=r"no line for Unknown\.new"):
        settings_table(Unknown)


def test_every_name_that_can_be_chosen_is_on_its_page() -> None:
    chips = read(ROOT / "docs" / "chip_files.md")
    assert not [name for name in (*presets(), *devices()) if f"\n| `{name}` |" not in chips]
    prices = read(ROOT / "docs" / "prices.md")
    assert not [name for name in (*PRICES, *FACTS) if f"\n| `{name}` |" not in prices]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Annotated[int, Field(ge=1, le=8)], "whole, 1 to 8"),
        (Annotated[int, Field(ge=1)] | None, "whole, at least 1"),
        (Annotated[float, Field(gt=0, le=2.5)], "above 0 and at most 2.5"),
        (Annotated[float, Field(ge=0, le=1e100)], "at least 0"),
        (Literal["lumped", "explicit"], '`"lumped"`, `"explicit"`'),
        (tuple[Annotated[int, Field(ge=0)], ...], "list of: whole, at least 0"),
        (tuple[float, float], "two values, lower and upper"),
        (dict[str, bool], "table of: `true` or `false`"),
        (str, "text"),
    ],
)
def test_ranges_in_words(annotation: object, words: str) -> None:
    assert range_text(annotation) == words


def test_defaults_as_a_file_gives_them() -> None:
    fields = Noise.model_fields
    assert default_text(fields["family"]) == '`"gaussian"`'
    assert default_text(fields["read_sigma"]) == "`0`"
    assert default_text(Hardware.model_fields["name"]) == "needed"
    assert default_text(Hardware.model_fields["accumulator_bits"]) == "–"


@pytest.mark.long
@pytest.mark.slow
def test_the_page_of_modules_is_what_conversion_gives():
    """None is refused, and none is far from torch."""
    from docs.module_kinds import KINDS, page, tried

    assert read(ROOT / "docs" / "torch_modules.md") == page(), "run: python -m docs.module_kinds"
    assert len(KINDS) >= 60
    for name in KINDS:
        found = tried(name)
        assert found.where != "refused", name
        assert found.error < 0.02, name
