"""Prices and facts as they are shown: whole texts, one of each way a price can be."""

from pathlib import Path

import pytest

from stochsim.energy import FACTS, Entry, price
from stochsim.energy.book_text import fact_lines, fact_text, list_lines, price_lines

SHOWN = Path(__file__).resolve().parent / "shown"
PRICES = (
    "adc-zigzag-28nm",  # voltage
    "adc-isaac-32nm",  # table, valid up to its widest entry
    "memory-sram-45nm",  # definition, valid on both sides, scaled
    "adc-walden",  # parameter with a range, unverified
    "adc-accelergy",  # two parameters, valid from a bound on
    "multiply-horowitz-45nm",  # table by two arguments
    "memory-sram-horowitz-45nm",  # formula over a table
    "leakage-power",  # parameter without a value
    "multiply-qkeras-45nm",  # two arguments
    "random-lfsr-28nm",  # no argument, refused beside scaling
)


@pytest.mark.parametrize("name", PRICES)
def test_all_about_a_price(name: str) -> None:
    text = (SHOWN / f"{name}.txt").read_text(encoding="utf-8")
    assert "\n".join(price_lines(price(name))) + "\n" == text


def test_all_about_a_fact() -> None:
    name = "over-scaling-eden"
    text = (SHOWN / f"{name}.txt").read_text(encoding="utf-8")
    assert "\n".join(fact_text(FACTS[name])) + "\n" == text


def test_the_voltage_that_is_given_is_shown_and_paid() -> None:
    lines = price_lines(price("adc-zigzag-28nm"), 0.45)
    assert "  voltage    V = 0.45" in lines
    assert "  4     81.1 fJ" in lines


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("add-qkeras-45nm", "4 8 16 24 32 48"),
        ("dac-zigzag-28nm", "1 2 4 6 8 10 12 16"),
        ("memory-dram", "1024 16384 262144 2^22 2^26 2^30"),
        ("float-multiply-horowitz-45nm", "16 32"),
        ("float-add-horowitz-45nm", "16 32"),
    ],
)
def test_the_arguments_that_a_table_shows(name: str, arguments: str) -> None:
    lines = price_lines(price(name))
    start = next(i for i, line in enumerate(lines) if line.endswith("  energy"))
    values = lines[start + 1 :]
    if "" in values:
        values = values[: values.index("")]
    assert " ".join(line.split()[0] for line in values) == arguments


def test_from_a_million_on_an_argument_is_a_power_of_two() -> None:
    entry = Entry(
        kind="memory",
        formula="total_memory_bits",
        unit="aJ per bit",
        source="a desk",
        tag="user",
        valid={"total_memory_bits": (999_999, 1_000_000)},
    )
    lines = price_lines(entry.price("mine", ""))
    start = next(i for i, line in enumerate(lines) if line.endswith("  energy"))
    assert lines[start + 1 : start + 3] == [
        "  999999             1.00 pJ",
        "  2^19.9316          1.00 pJ",
    ]


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("adc-thermal", "floor: a physical lower bound, not a prediction"),
        ("adc-none", "engineering default: a choice of this project, not a published figure"),
        ("add-horowitz-45nm", "2nd: read only in another work that quotes the source"),
        ("adc-wan-130nm", "calc: arithmetic on sourced figures"),
    ],
)
def test_a_tag_is_explained(name: str, tag: str) -> None:
    assert f"  tag        {tag}" in price_lines(price(name))


def test_a_list_is_aligned_with_a_heading() -> None:
    names = ("adc-walden", "random-lfsr-28nm", "adc-isaac-32nm")
    isaac = "{4: 0.79, 5: 0.99, 6: 1.2, 7: 1.42, 8: 1.67, 9: 1.97, 10: 2.38}"
    assert list_lines(map(price, names)) == [
        "price             kind    tag   node   unit               formula",
        "adc-walden        adc     unv          fJ per conversion  fom_fj*2**bits",
        "random-lfsr-28nm  random  calc  28 nm  fJ per bit         2.55",
        f"adc-isaac-32nm    adc     src   32 nm  pJ per conversion  table by bits = {isaac}",
    ]
    assert fact_lines([FACTS["over-scaling-eden"]]) == [
        "fact               tag  figure      what                                  source",
        "over-scaling-eden  src  21 to 37 %  DRAM energy saved by a lower voltage  EDEN",
    ]
