"""The bill: operations times prices, by part."""

import itertools
import math
from decimal import Decimal

import pytest

from stochsim.energy import (
    KINDS,
    PARTS,
    Energy,
    Operation,
    Operations,
    ReliabilityLaw,
    format_energy,
    mixed_nodes,
    price,
    price_operations,
)
from stochsim.settings import SettingError

PRICES = {
    "multiply": price("multiply-qkeras-45nm"),
    "add": price("add-qkeras-45nm"),
    "adc": price("adc-zigzag-28nm"),
    "dac": price("dac-zigzag-28nm"),
    "cell": price("cell-isaac-32nm"),
    "line": price("line-gates-28nm"),
    "weight_memory": price("memory-in-array"),
    "code_memory": price("memory-sram-45nm"),
    "random": price("random-lfsr-28nm"),
    "reliability": ReliabilityLaw(1, 2e-15).price,
    "leakage": price("leakage-power").with_parameters(watts=3e-6),
    "program": price("program-energy").with_parameters(joules=2e-12),
    "float_multiply": price("float-multiply-horowitz-45nm"),
    "float_add": price("float-add-horowitz-45nm"),
}
OPERATIONS = Operations(
    {
        Operation("multiply", (8, 8)): 10,
        Operation("add", (32,)): 10,
        Operation("adc", (4,)): 3,
        Operation("dac", (4,)): 2,
        Operation("cell"): 7,
        Operation("line"): 8,
        Operation("weight_memory", (2**18,)): 100,
        Operation("code_memory", (2**18,)): 64,
        Operation("random"): 32,
        Operation("reliability", (0.5,)): 5,
        Operation("leakage"): 1e-8,
        Operation("program"): 0.25,
        Operation("float_multiply", (16,)): 3,
        Operation("float_add", (32,)): 4,
    }
)


def test_each_operation_lands_in_its_part() -> None:
    energy = price_operations(OPERATIONS, PRICES)
    expected = {
        "multiply": 10 * PRICES["multiply"].energy_j((8, 8)),
        "add": 10 * 0.1e-12,
        "converter": 3 * PRICES["adc"].energy_j((4,)) + 2 * PRICES["dac"].energy_j((4,)),
        "array": 7 * 4.1e-15 + 8 * 0.5 * 0.35e-15 * 0.9**2,
        "memory": 20e-12,
        "random": 32 * 2.55e-15,
        "reliability": 5 * 4e-15,
        "leakage": 1e-8 * 3e-6,
        "programming": 0.25 * 2e-12,
        "float": 3 * 1.1e-12 + 4 * 0.9e-12,
    }
    assert list(energy.parts) == list(expected) == list(PARTS)
    for part, joules in expected.items():
        assert energy.parts[part] == pytest.approx(joules, rel=2e-3)
    assert energy.all_operations_j == pytest.approx(sum(energy.parts.values()))
    assert {kind.part for kind in KINDS.values()} == set(PARTS)


def test_bill_is_linear_and_does_not_depend_on_order() -> None:
    once, thrice = price_operations(OPERATIONS, PRICES), price_operations(OPERATIONS * 3, PRICES)
    assert (thrice / 3).parts == pytest.approx(once.parts)
    assert (once + once + once).parts == pytest.approx(thrice.parts)
    assert price_operations(Operations(dict(reversed(list(OPERATIONS.items())))), PRICES) == once
    assert once + Energy() == once


def test_flags_and_citations_reach_the_bill_once() -> None:
    small = Operations({Operation("code_memory", (100,)): 8})
    energy = price_operations(small, PRICES)
    mixed = "mixed technology nodes: 28 nm (adc, dac, line, random), 32 nm (cell), 45 nm ("
    assert len(energy.flags) == 1
    assert energy.flags[0].startswith("memory-sram-45nm: ")
    assert energy.memory_j == pytest.approx(8 * 0.15626e-12, rel=1e-3)
    total = energy + energy + price_operations(OPERATIONS, PRICES)
    assert (Energy() + energy).flags == energy.flags
    assert total.flags[:-1] == energy.flags
    assert total.flags[-1].startswith(mixed)
    assert (total / 7).flags == total.flags
    assert price_operations(OPERATIONS, PRICES).flags == total.flags[-1:]
    names = [citation.name for citation in total.prices]
    assert len(names) == len(set(names)) == len(PRICES)
    assert {citation.tag for citation in total.prices} == {
        "src",
        "2nd",
        "calc",
        "engineering default",
        "user",
    }


def test_an_unverified_price_is_flagged_where_it_is_counted() -> None:
    prices = {**PRICES, "adc": price("adc-walden"), "random": price("random-mtj-pbit")}
    energy = price_operations(
        Operations({Operation("adc", (4,)): 1, Operation("random"): 0}), prices
    )
    assert energy.flags == ("unsourced: adc-walden was not checked against a source",)
    assert price_operations(
        OPERATIONS, {**prices, "adc": PRICES["adc"], "random": PRICES["random"]}
    ).flags == mixed_nodes(price_operations(OPERATIONS, PRICES).nodes)


def test_a_parameter_outside_its_range_is_clamped_and_flagged() -> None:
    steep, clamped = (price("adc-walden").with_parameters(fom_fj=fom) for fom in (10, 25))
    once = Operations({Operation("adc", (4,)): 1})
    energy = price_operations(once, {"adc": clamped})
    assert (
        energy.converter_j
        == price_operations(once, {"adc": steep}).converter_j
        == pytest.approx(160e-15)
    )
    assert (
        "adc-walden: fom_fj at 25 is outside the model's range (up to 10), using the value at 10"
        in energy.flags
    )


def test_voltage_reaches_the_converters_and_their_citation() -> None:
    low, high = (price_operations(OPERATIONS, PRICES, voltage_v) for voltage_v in (0.45, 0.9))
    assert high.converter_j == pytest.approx(4 * low.converter_j)
    assert low.multiply_j == high.multiply_j
    assert any("V = 0.45" in citation.formula for citation in low.prices)


def test_infinite_reliability_is_kept_and_printed() -> None:
    energy = price_operations(Operations({Operation("reliability", (0,)): 5}), PRICES)
    assert (
        energy.reliability_j
        == energy.all_operations_j
        == (energy + energy).all_operations_j
        == (energy / 10).per_read_j
        == math.inf
    )
    assert str(energy) == "∞ (reliability ∞)"


def test_a_kind_without_a_price_is_an_error() -> None:
    others = {kind: entry for kind, entry in PRICES.items() if kind != "reliability"}
    said = "'operation' = 'reliability': has no price; valid: multiply"
    with pytest.raises(SettingError, match=said):
        price_operations(OPERATIONS, others)


@pytest.mark.parametrize("divisor", [0, -1, math.nan, math.inf])
def test_bad_divisors_are_errors(divisor: float) -> None:
    with pytest.raises(SettingError, match=r"'number' = .*finite and above 0"):
        Energy() / divisor


@pytest.mark.parametrize("joules", [math.nan, -1e-15])
def test_bad_joules_are_errors(joules: float) -> None:
    with pytest.raises(SettingError, match="'add_j' = "):
        Energy({"add": joules})
    with pytest.raises(SettingError, match="'joules' = "):
        format_energy(joules)


@pytest.mark.parametrize(
    ("joules", "text"),
    [
        (324e-15, "324 fJ"),
        (14.56e-12, "14.6 pJ"),
        (12.724e-18, "12.7 aJ"),
        (2.871e-21, "0.00287 aJ"),
        (999.96e-15, "1.00 pJ"),
        (1e-15, "1.00 fJ"),
        (1.5, "1.50 J"),
        (20000.0, "20000 J"),
        (2.5e-3, "2.50 mJ"),
        (7e-6, "7.00 µJ"),
        (123.4e-9, "123 nJ"),
        (0.0, "0 J"),
        (math.inf, "∞"),
    ],
)
def test_format_energy(joules: float, text: str) -> None:
    assert format_energy(joules) == text


PREFIXES = {0: "", -3: "m", -6: "µ", -9: "n", -12: "p", -15: "f", -18: "a"}
MANTISSAS = "1 1.0004 1.005 1.2345 5 9.4 9.49 9.94 9.95 9.949 9.994 9.995 9.9949 9.9996 9.999996"


def in_decimals(joules: float, digits: int) -> str:
    """The same text by decimal arithmetic: rounded first, then the largest prefix that fits."""
    rounded = Decimal(f"{joules:.{digits - 1}e}")
    power = next((each for each in PREFIXES if rounded >= Decimal(10) ** each), -18)
    value = rounded.scaleb(-power)
    places = max(0, digits - 1 - value.adjusted())
    return f"{value:.{places}f} {PREFIXES[power]}J"


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5])
def test_energy_is_rounded_before_its_prefix_is_chosen(digits: int) -> None:
    """At every border of a prefix and of a number of digits, from 1e-20 to 1e5 J."""
    for mantissa, power in itertools.product(MANTISSAS.split(), range(-20, 5)):
        joules = float(f"{mantissa}e{power}")
        assert format_energy(joules, digits) == in_decimals(joules, digits), joules


@pytest.mark.parametrize(
    ("joules", "text"),
    [
        (999.9996e-12, "1.00 nJ"),
        (999.4e-12, "999 pJ"),
        (999999.0, "1.00e+06 J"),
        (1e6, "1.00e+06 J"),
        (9.994e5, "999000 J"),
        (12345678.0, "1.23e+07 J"),
    ],
)
def test_format_energy_at_a_border(joules: float, text: str) -> None:
    assert format_energy(joules) == text


def test_energy_as_text_names_the_parts_that_cost() -> None:
    assert str(Energy({"add": 2e-12, "memory": 1.5e-9})) == "1.50 nJ (add 2.00 pJ, memory 1.50 nJ)"
    assert str(Energy()) == "0 J"


TOTALS = ("all_operations_j", "per_read_j", "per_sample_j")


def test_a_total_says_of_what_it_is_and_no_other_is_there() -> None:
    """`total_j` was of all reads here, and per read in a bill."""
    whole = price_operations(OPERATIONS, PRICES)
    read = whole / 4
    sample = whole.divided(4, "sample")
    for energy, own in zip((whole, read, sample), TOTALS, strict=True):
        assert getattr(energy, own) == pytest.approx(sum(energy.parts.values()))
        for other in {*TOTALS, "total_j"} - {own}:
            with pytest.raises(AttributeError, match=f": '{own}', not '{other}'"):
                getattr(energy, other)
    assert read.per_read_j == sample.per_sample_j == pytest.approx(whole.all_operations_j / 4)
    assert [f"{one}".split(" (")[0] for one in (whole, read)] == [
        format_energy(whole.all_operations_j),
        f"{format_energy(read.per_read_j)} per read",
    ]


def test_joules_of_different_things_do_not_add_up_and_are_divided_once() -> None:
    whole = price_operations(OPERATIONS, PRICES)
    with pytest.raises(SettingError, match="'all_operations_j' and 'per_read_j' do not add up"):
        _ = whole + whole / 2
    with pytest.raises(SettingError, match="these are joules of one read already"):
        _ = whole / 2 / 2
    with pytest.raises(SettingError, match="'per' = 'reads': did you mean 'read'"):
        whole.divided(2, "reads")
    assert (whole / 2 + whole / 2).per_read_j == pytest.approx(whole.all_operations_j)


def test_prices_of_several_nodes_are_flagged_whenever_they_come_together() -> None:
    """Each alone is of one node; free prices, and those without a node, mix nothing."""
    alone = [
        price_operations(Operations({Operation(kind, args): 1}), PRICES)
        for kind, args in (("add", (16,)), ("random", ()), ("leakage", ()))
    ]
    assert [each.flags for each in alone] == [(), (), ()]
    both = ("mixed technology nodes: 28 nm (random), 45 nm (add)",)
    assert (alone[0] + alone[1]).flags == both
    assert (alone[0] + alone[2]).flags == ()
    assert sum(alone, Energy()).flags == both
    free = price_operations(
        Operations({Operation("add", (16,)): 1, Operation("random"): 0}), PRICES
    )
    assert free.flags == ()
    adc = price("adc-accelergy").with_parameters(node_nm=7.0)
    model = price_operations(
        Operations({Operation("adc", (8,)): 1, Operation("random"): 1}), {**PRICES, "adc": adc}
    )
    assert model.flags == ("mixed technology nodes: 7 nm (adc), 28 nm (random)",)
    assert adc.note.endswith("node_nm = 7, not 32 as in the source")
