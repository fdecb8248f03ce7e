"""A bill as it is shown: whole texts, whose figures are those of counts and prices by hand."""

import json
import math
from pathlib import Path

import pytest
from shownbills import ARRAY, BILLS, DIGITAL, on_an_array, two_layers

from stochsim.accounting import (
    Bill,
    alternatives,
    compare_adc_models,
    price_shares,
    sensitivity_json,
    sensitivity_text,
)
from stochsim.accounting.bill import seconds_text, share
from stochsim.accounting.coverage import NEVER_COUNTED
from stochsim.chip import bill_of_inputs
from stochsim.energy import ADC_MODELS, Entry, Operation, Operations
from stochsim.hardware import preset
from stochsim.program import random_program
from stochsim.settings import number_text

SHOWN = Path(__file__).resolve().parent / "shown"


@pytest.mark.parametrize("name", BILLS)
def test_a_bill_reads(name: str) -> None:
    assert f"{BILLS[name]()}\n" == (SHOWN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BILLS)
def test_what_decides_it_reads(name: str) -> None:
    found = f"{sensitivity_text(BILLS[name]())}\n\n{compare_adc_models(BILLS[name]())}\n"
    assert found == (SHOWN / f"{name}_sensitivity.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        # 8 bits: ZigZag 701 fJ, Rekhi 300 fJ; a bit of codes 156 fJ, a sum of 26 bits 81 fJ
        (
            {Operation("adc", (8,)): 1, Operation("code_memory", (65536,)): 3},
            "The ADC model decides which part is the most expensive: under adc-zigzag-28nm "
            "converter (60%), under adc-schreier memory (75%), adc-rekhi memory (61%).",
        ),
        (
            {
                Operation("adc", (8,)): 1,
                Operation("code_memory", (65536,)): 100,
                Operation("add", (26,)): 5,
            },
            "The most expensive part is the same under every ADC model, memory (93%), but "
            "the order of parts changes: under adc-schreier memory > add > converter; under "
            "adc-rekhi memory > add > converter.",
        ),
        (
            {Operation("cell"): 1},  # cell-none
            "The order of parts is the same under every ADC model: none costs anything.",
        ),
    ],
)
def test_the_whole_sentence_about_adcs(counts: dict[Operation, float], words: str) -> None:
    bill = Bill(ARRAY, {"weight": Operations(counts)}, {"weight": 1})
    assert compare_adc_models(bill).words == words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ns"),
        (1.5e-10, "0.15 ns"),
        (8.3e-8, "83 ns"),
        (9.994e-7, "999 ns"),
        (9.999996e-7, "1 µs"),
        (1e-6, "1 µs"),
        (9.999996e-4, "1 ms"),
        (1e-3, "1 ms"),
        (2.346e-2, "23.5 ms"),
        (0.9999996, "1 s"),
        (1.0, "1 s"),
        (12.34, "12.3 s"),
    ],
)
def test_seconds_are_rounded_before_their_prefix_is_chosen(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12000, "12,000"), (1e6, "1,000,000"), (1.16667, "1.167"), (8e-8, "8e-08")],
)
def test_counts_in_full_or_to_four_digits(value: float, text: str) -> None:
    assert number_text(value) == text


def test_a_bill_as_plain_values() -> None:
    """Every entry, from counts and prices by hand."""
    bill = two_layers()
    energy = two_layers().energy
    table = json.loads(json.dumps(bill.to_json(), allow_nan=False))
    rows, prices = table.pop("operations"), table.pop("prices")
    assert table.pop("joules_per_read_interval") == [bill.interval.low, bill.interval.high]
    assert table == {
        "hardware": "digital-45nm",
        "stimuli": 2,
        "reads": 3,
        "rho": 1.0,
        "joules_per_read": energy.per_read_j,
        "joules_by_part": energy.parts,
        "joules_by_layer": {
            "first": bill.energy_by_layer["first"].parts,
            "last": bill.energy_by_layer["last"].parts,
        },
        "adc_use": {},
        "cycles_by_layer": {"first": 40, "last": 1.5},
        "clock_hz": 5e8,
        "seconds_per_read": pytest.approx(41.5 / 5e8),
        "flags": list(energy.flags),
        "coverage": {
            "priced": ["multiply", "add", "memory", "random", "reliability", "leakage"],
            "at_zero": {},
            "left_out": list(NEVER_COUNTED),
            "nodes": {
                "28 nm": ["random", "reliability"],
                "45 nm": ["add", "code_memory", "multiply", "weight_memory"],
            },
            "multiply_adds": {"on_chip": 0, "in_float": 0},
            "unpriced": {},
            "at_most_j": 0,
        },
    }
    assert [row["layer"] for row in rows] == ["first"] * 5 + ["last"] * 4
    assert rows[2] == {
        "layer": "first",
        "operation": "weight_memory",
        "arguments": {"total_memory_bits": 2**20},
        "count": 500,
        "price": "memory-sram-45nm",
        "joules_each": pytest.approx(0.643536e-12),
        "joules": pytest.approx(500 * 0.643536e-12),
        "part": "memory",
    }
    assert [one["name"] for one in prices] == [one.name for one in bill.prices]
    assert prices[0].keys() == {"kind", "name", "formula", "unit", "source", "tag", "note"}


def test_what_decides_a_bill_as_plain_values() -> None:
    bill = on_an_array()
    table = json.loads(json.dumps(sensitivity_json(bill), allow_nan=False))
    assert table.keys() == {"prices", "alternatives", "adc_models", "words"}
    total_j = bill.per_read_j
    assert table["prices"][1] == {
        "price": "add-qkeras-45nm",
        "kinds": ["add"],
        "tag": "src",
        "joules": pytest.approx(64 * 62.5e-15),
        "share": pytest.approx(64 * 62.5e-15 / total_j),
    }
    none = next(row for row in table["alternatives"] if row["price"] == "adc-none")
    others_j = total_j - bill.energy.converter_j
    assert none == {
        "kind": "adc",
        "price": "adc-none",
        "tag": "engineering default",
        "per_read_j": pytest.approx(others_j),
        "ratio": pytest.approx(others_j / total_j),
    }
    walden_j = 500 * 5e-15 * 2**6
    walden = table["adc_models"][2]
    parts = walden.pop("joules_by_part")
    assert parts == pytest.approx(bill.energy.parts | {"converter": walden_j})
    assert walden == {
        "model": "walden",
        "price": "adc-walden",
        "tag": "unv",
        "joules_per_read": pytest.approx(others_j + walden_j),
        "converter_share": pytest.approx(walden_j / (others_j + walden_j)),
        "ratio": pytest.approx((others_j + walden_j) / total_j),
    }
    assert table["words"] == compare_adc_models(bill).words


def test_a_bill_at_other_prices_keeps_all_but_these() -> None:
    bill = two_layers()
    other = bill.with_hardware(preset("digital-45nm"))
    assert (other.stimuli, other.reads, other.rho) == (2, 3, 1.0)
    assert (other.counts, other.cycles) == (bill.counts, bill.cycles)
    assert other.energy.leakage_j == 0


def test_a_chip_whose_own_adc_is_free_says_what_another_would_do() -> None:
    free = Entry(kind="adc", formula="0*bits", unit="J per conversion", source="a wish", tag="user")
    prices = ARRAY.prices.model_copy(update={"own": {"free": free}, "adc": "free"})
    counts = {"weight": Operations({Operation("adc", (6,)): 1})}
    bill = Bill(ARRAY.replace(prices=prices), counts, {"weight": 1})
    assert compare_adc_models(bill).words == (
        "The ADC model decides which part is the most expensive: under free nothing, under "
        + ", ".join(f"{name} converter (100%)" for name in ADC_MODELS.values())
        + "."
    )


@pytest.mark.parametrize(
    ("joules", "total_j", "part"),
    [
        (3e-15, 4e-15, 0.75),
        (0.0, 0.0, 0.0),
        (0.0, 1e-15, 0.0),
        (1.0, math.inf, 0.0),
        (math.inf, math.inf, 1.0),
    ],
)
def test_a_share_of_nothing_and_of_the_infinite(joules: float, total_j: float, part: float) -> None:
    assert share(joules, total_j) == pytest.approx(part)


def test_free_prices_stand_last_by_name_and_no_total_has_a_ratio_to_nothing() -> None:
    counts = {Operation("cell"): 1, Operation("dac", (1,)): 1}
    bill = Bill(ARRAY, {"weight": Operations(counts)}, {"weight": 1})
    assert [(row.price, row.joules, row.share) for row in price_shares(bill)] == [
        ("cell-none", 0, 0),
        ("dac-zigzag-28nm", 0, 0),
    ]
    others = alternatives(bill)
    assert others
    assert all(math.isnan(row.ratio) for row in others)
    table = sensitivity_json(bill)
    assert {row["ratio"] for row in table["alternatives"]} == {None}
    assert {one["ratio"] for one in table["adc_models"]} == {None}


@pytest.mark.parametrize("watts", [1e-3, 0.0])
def test_seconds_of_leakage_are_counted_where_a_price_is_named(watts: float) -> None:
    """By the power of the chip, or by the price of leakage, whatever its watts are."""
    program, read = random_program((6, 4), (4, 4, 4), 1.0)
    chip = preset("digital-45nm").with_precision(4, 4, 4)
    leaking = chip.with_price("leakage", "leakage-power", watts=watts)
    bill = bill_of_inputs(program, leaking, read, 3, 0.0)
    seconds = bill.operations["layer 1"].count("leakage")
    assert seconds == pytest.approx(1 / 1e9, rel=1e-12)
    assert bill.energy.leakage_j == pytest.approx(watts * seconds, rel=1e-12)
    assert bill_of_inputs(program, chip, read, 3, 0.0).operations["layer 1"].count("leakage") == 0


def test_one_other_price_is_shown_too() -> None:
    counts = {Operation("float_add", (16,)): 1}
    bill = Bill(DIGITAL, {"x": Operations(counts)}, {"x": 1})
    rows = [row.price for row in alternatives(bill)]
    assert len(rows) == 1
    lines = sensitivity_text(bill).splitlines()
    assert lines[-len(rows) - 1].startswith("operation  in place of")
    assert [line.split()[2] for line in lines[-len(rows) :]] == rows


def test_only_noise_levels_share_a_row() -> None:
    """Products of two widths are two rows, whatever layer they are in."""
    counts = {Operation("multiply", (4, 8)): 2, Operation("multiply", (8, 8)): 3}
    bill = Bill(DIGITAL, {"x": Operations(counts)}, {"x": 1})
    rows = [line.split() for line in str(bill).splitlines() if line.startswith("x      multiply")]
    assert [(row[3].rstrip(","), row[-5]) for row in rows] == [("4", "2"), ("8", "3")]
