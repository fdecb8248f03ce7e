"""Reading a price book: what is shown is what is evaluated, and every entry of the shipped book is
complete.
"""

from pathlib import Path

import pytest
from bookfile import GOOD, write

from stochsim.energy import ARGUMENTS, FACTS, KINDS, PRICES, TAGS, THERMAL_J, part_kind
from stochsim.energy.formula import parse_formula
from stochsim.energy.price_book import read_book
from stochsim.settings import SettingError


def test_a_good_book(tmp_path: Path) -> None:
    prices, facts = read_book(write(tmp_path, GOOD))
    assert prices["adc-mine"].energy_j((3,)) == pytest.approx(6e-15, rel=1e-15)
    assert facts == {}


@pytest.mark.parametrize(
    ("unit", "joules"),
    [("J", 6.0), ("mJ", 6e-3), ("µJ", 6e-6), ("nJ", 6e-9), ("pJ", 6e-12), ("aJ", 6e-18)],
)
def test_the_prefix_of_the_unit_scales(tmp_path: Path, unit: str, joules: float) -> None:
    text = GOOD.replace("fJ per conversion", f"{unit} per conversion")
    prices, _ = read_book(write(tmp_path, text))
    assert prices["adc-mine"].energy_j((3,)) == pytest.approx(joules, rel=1e-15)


def test_the_least_that_an_entry_may_say(tmp_path: Path) -> None:
    """Bounds themselves are valid where they are bounds: nothing for a price, 1 bit for a width,
    one letter for a source, and any node and voltage above 0.
    """
    text = GOOD.replace('formula = "2*bits"', "table = { 1 = 0.0, 2 = 0.5 }\nnode_nm = 0.5")
    text = text.replace("my desk", "x") + "voltage_v = 0.25\nvalid.bits = [1, 1]\n"
    prices, _ = read_book(write(tmp_path, text))
    mine = prices["adc-mine"]
    assert (mine.energy_j((1,)), mine.node_nm, mine.voltage_v) == (0.0, 0.5, 0.25)
    assert mine.flags((1,)) == ()
    assert len(mine.flags((2,))) == 1


def test_widths_of_a_table_may_stand_in_any_order(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace('formula = "2*bits"', "table = { 10 = 3.0, 4 = 1.0 }"))
    mine = read_book(path)[0]["adc-mine"]
    assert [mine.energy_j((bits,)) for bits in (1, 4, 5, 10)] == pytest.approx(
        [1e-15, 1e-15, 3e-15, 3e-15], rel=1e-15
    )
    assert mine.definitions == "table by bits = {4: 1, 10: 3}"


@pytest.mark.parametrize(
    ("lines", "has_voltage"),
    [
        ('formula = "x"\ndefine.x = "bits*V"', True),
        ('formula = "x*V"\ndefine.x = "bits"', True),
        ('formula = "x"\ndefine.x = "bits"', False),
    ],
)
def test_the_voltage_counts_in_the_formula_and_in_definitions(
    tmp_path: Path, lines: str, has_voltage: bool
) -> None:
    path = write(tmp_path, GOOD.replace('formula = "2*bits"', lines))
    mine = read_book(path)[0]["adc-mine"]
    assert mine.has_voltage == has_voltage
    factor = 0.5 if has_voltage else 1.0
    assert mine.energy_j((3,), 0.5) == pytest.approx(factor * 3e-15, rel=1e-15)


def test_a_table_of_what_has_no_width_has_one_entry_that_counts(tmp_path: Path) -> None:
    text = GOOD.replace('"adc"', '"random"').replace('formula = "2*bits"', "table = { 1 = 2.0 }")
    mine = read_book(write(tmp_path, text))[0]["adc-mine"]
    assert mine.energy_j(()) == pytest.approx(2e-15, rel=1e-15)


def test_definitions_use_those_before_them(tmp_path: Path) -> None:
    lines = 'formula = "y"\ndefine.x = "2*bits"\ndefine.y = "x + 1"'
    path = write(tmp_path, GOOD.replace('formula = "2*bits"', lines))
    mine = read_book(path)[0]["adc-mine"]
    assert mine.energy_j((3,)) == pytest.approx(7e-15, rel=1e-15)
    assert mine.citation().formula == "y, x = 2*bits, y = x + 1"


@pytest.mark.parametrize(
    ("table", "figure"),
    [("value = 3.25", "3.25 ×"), ("range = [2.0, 3.5]", "2 to 3.5 ×")],
)
def test_a_fact_has_a_value_or_a_range(tmp_path: Path, table: str, figure: str) -> None:
    head = '[facts.f]\nwhat = "a ratio"\nunit = "×"\nsource = "x"\ntag = "src"\n'
    assert read_book(write(tmp_path, f"{head}{table}\n"))[1]["f"].figure == figure
    for both in ("", "value = 1.0\nrange = [1.0, 2.0]\n"):
        with pytest.raises(
            SettingError,
            match=r"'facts\.f\.value' = .* and 'facts\.f\.range' = .*: a fact has either",
        ):
            read_book(write(tmp_path, f"{head}{both}"))


def test_nothing_is_valid_of_a_price_that_nothing_moves(tmp_path: Path) -> None:
    text = GOOD.replace('"adc"', '"random"').replace("2*bits", "2") + "valid.bits = [1, 2]\n"
    with pytest.raises(SettingError, match=r"'prices\.adc-mine\.valid\.bits': nothing varies here"):
        read_book(write(tmp_path, text))


def test_what_is_shown_is_what_is_evaluated() -> None:
    """The formula of a citation, read again, times the prefix of its unit, gives the joules; tables
    and definitions are shown beside it.
    """
    prefixes = {"": 1.0, "p": 1e-12, "f": 1e-15, "a": 1e-18}
    read_again = 0
    for name, price in PRICES.items():
        citation = price.citation()
        assert (citation.name, citation.unit, citation.tag) == (name, price.unit, price.tag)
        assert price.definitions in citation.formula
        assert all(
            f"{parameter} = {value:g}" in citation.formula
            for parameter, value in price.parameters.items()
        )
        if not (price.definitions or price.required):
            args = (8.0,) * len(ARGUMENTS[price.kind])
            values = {
                **dict(zip(ARGUMENTS[price.kind], args, strict=True)),
                **price.parameters,
                "V": 0.7,
                "kT": THERMAL_J,
            }
            scale = prefixes[citation.unit.partition("J per ")[0]]
            assert parse_formula(price.formula, values)(values) * scale == pytest.approx(
                price.energy_j(args, 0.7), rel=1e-15
            )
            assert citation.formula.startswith(price.formula)
            read_again += 1
    assert read_again > 30


def test_every_price_is_complete_and_every_kind_has_one() -> None:
    for name, price in PRICES.items():
        assert price.name == name
        assert price.source
        assert price.tag in TAGS
        assert price.unit.lstrip("mµnpfa").startswith("J per ")
    assert {part_kind(kind) for kind in KINDS} - {"reliability"} == {
        price.kind for price in PRICES.values()
    }
    assert all(fact.source and fact.tag in TAGS and fact.tag != "unv" for fact in FACTS.values())


def test_facts_are_those_of_their_sources() -> None:
    figures = {
        "array-noise": "3.3 ×",
        "over-scaling-stutz-1": "20 %",
        "over-scaling-stutz-2.5": "30 %",
        "over-scaling-eden": "21 to 37 %",
        "over-scaling-neuralfuse": "24 %",
        "mac-rekhi": "300 fJ",
    }
    assert {name: FACTS[name].figure for name in figures} == figures
