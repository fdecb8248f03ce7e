"""Sensitivity of a bill: shares that are elasticities, other prices by pricing again, the five
models of ADCs.
"""

import json
import math

import pytest
from arraytest import array_of
from circuittest import PROGRAMS, deep_program, hardware_of, single_program, some_stimuli

from stochsim.accounting import (
    alternatives,
    compare_adc_models,
    price_shares,
    sensitivity_json,
    sensitivity_text,
)
from stochsim.chip import Chip
from stochsim.energy import (
    ADC_MODELS,
    PRICES,
    Operation,
    Operations,
    part_kind,
    price_operations,
)
from stochsim.hardware import Adc, Timing, preset

X = some_stimuli(3)


def bill_of(program, **parts):
    return Chip(program, hardware_of(program, **parts)).bill(X, 5, 0.0)


def array_bill(name="sram-array-28nm", program=None):
    program = program or deep_program()
    hardware = preset(name).with_precision(3, 3, 3)
    return Chip(program, hardware).bill(X, 5, 0.0)


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("timing", [Timing(), Timing(leakage_w=0.1)])
def test_shares_add_up_to_one(kind, timing):
    rows = price_shares(bill_of(PROGRAMS[kind](), timing=timing))
    assert math.fsum(row.share for row in rows) == pytest.approx(1, rel=1e-13)
    assert [row.joules for row in rows] == sorted((row.joules for row in rows), reverse=True)
    assert len({row.price for row in rows}) == len(rows)
    assert next(row.kinds for row in rows if row.price == "memory-sram-45nm") == (
        "weight_memory",
        "code_memory",
    )


def test_a_share_is_the_elasticity():
    """A price that is twice as high moves the total by its share: the total is linear in each."""
    bill = array_bill()
    table = bill.hardware.price_table(0.0)
    for row in price_shares(bill):
        dearer = {
            kind: one.times(2, "2") if one.name == row.price else one for kind, one in table.items()
        }
        total_j = (
            price_operations(
                bill.total_operations, dearer, bill.hardware.prices.voltage_v
            ).all_operations_j
            / bill.draws
        )
        assert total_j / bill.per_read_j - 1 == pytest.approx(row.share, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("bill", [bill_of(deep_program()), array_bill()], ids=["digital", "array"])
def test_alternatives_are_the_same_operations_priced_again(bill):
    """And by hand: the total less the joules of the kind, plus its counts times the other price."""
    own = bill.hardware.price_table(0.0)
    rows = alternatives(bill)
    for row in rows:
        other = bill.hardware.with_price(row.kind, row.price)
        assert row.per_read_j == (other.energy(bill.total_operations, 0.0) / bill.draws).per_read_j
        of_kind = [
            (one, count) for one, count in bill.total_operations.items() if one.kind == row.kind
        ]
        voltage_v = bill.hardware.prices.voltage_v
        before, after = (
            sum(n * price.energy_j(one.args, voltage_v) for one, n in of_kind)
            for price in (own[row.kind], PRICES[row.price])
        )
        assert row.per_read_j == pytest.approx(
            bill.per_read_j + (after - before) / bill.draws, rel=1e-9
        )
        assert row.ratio == pytest.approx(row.per_read_j / bill.per_read_j, rel=1e-12)
    counted = {one.kind for one in bill.total_operations} - {"reliability"}
    wanted = {
        (kind, one.name)
        for kind in counted
        for one in PRICES.values()
        if one.kind == part_kind(kind)
        and one.name != own[kind].name
        and one.tag != "unv"
        and not one.required
    }
    assert {(row.kind, row.price) for row in rows} == wanted
    assert len(wanted) > 20


def test_prices_that_the_chip_refuses_are_left_out():
    """Programming without reads that share it; watts that the book does not give."""
    rows = alternatives(bill_of(single_program(), timing=Timing(leakage_w=0.1)))
    assert not [row for row in rows if row.kind == "leakage"]
    assert not any(row.tag == "unv" for row in rows)


def test_all_five_models_of_adcs():
    bill = array_bill()
    found = compare_adc_models(bill)
    assert [one.model for one in found.models] == list(ADC_MODELS)
    conversions = [
        (one, n / bill.draws) for one, n in bill.total_operations.items() if one.kind == "adc"
    ]
    others_j = bill.per_read_j - sum(
        n * PRICES["adc-zigzag-28nm"].energy_j(one.args, 0.9) for one, n in conversions
    )
    for one in found.models:
        converted_j = sum(
            n * PRICES[one.price].energy_j(operation.args, 0.9) for operation, n in conversions
        )
        assert one.energy.per_read_j == pytest.approx(others_j + converted_j, rel=1e-12)
        assert one.converter_share == pytest.approx(
            one.energy.converter_j / one.energy.per_read_j, rel=1e-15
        )
        assert one.ratio == pytest.approx(one.energy.per_read_j / bill.per_read_j, rel=1e-15)
    assert found.models[0].energy == bill.energy == found.own.energy
    said = str(found)
    for one in found.models:
        assert f"{one.price}" in said
        assert f"[{one.tag}]" in said
    assert any("unsourced: adc-rekhi" in flag for flag in found.models[-1].energy.flags)


def test_the_chip_s_own_parameters_stay_with_its_own_model():
    """An ADC at 1 GHz is dearer than the book's default; the row of its model is the chip's
    own.
    """
    program = single_program()
    hardware = (
        preset("sram-array-28nm")
        .with_precision(3, 3, 3)
        .with_price("adc", "adc-accelergy", frequency_hz=1e9)
    )
    found = compare_adc_models(Chip(program, hardware).bill(X, 5, 0.0))
    (accelergy,) = (one for one in found.models if one.model == "accelergy")
    assert accelergy.ratio == 1
    assert accelergy.energy == found.own.energy


def made_bill(**counts):
    """A bill of the array preset with these operations alone."""
    bill = array_bill(program=single_program())
    widths = {"adc": (8,), "code_memory": (65536,), "add": (26,)}
    operations = Operations(
        {Operation(kind, widths[kind]): count for kind, count in counts.items()}
    )
    return type(bill)(bill.hardware, {"weight": operations}, {"weight": 1})


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        # 8 bits: ZigZag 701 fJ, Rekhi 300 fJ; a bit of codes 156 fJ, a sum 81 fJ
        (
            {"adc": 100, "code_memory": 1},
            "The order of parts is the same under every ADC model: converter > memory.",
        ),
        (
            {"adc": 1, "code_memory": 3},
            "decides which part is the most expensive: under adc-zigzag-28nm converter (60%), "
            "under",
        ),
        (
            {"adc": 1, "code_memory": 100, "add": 5},
            "the same under every ADC model, memory (93%), but the order of parts changes: under",
        ),
    ],
)
def test_a_sentence_says_what_the_model_changes(counts, words):
    assert words in compare_adc_models(made_bill(**counts)).words


def test_a_chip_without_adcs_says_so():
    found = compare_adc_models(bill_of(single_program()))
    assert found.models == ()
    assert str(found) == found.words == "No ADCs: adc-none prices them, so no ADC model enters."


@pytest.mark.parametrize("bill", [bill_of(deep_program()), array_bill()], ids=["digital", "array"])
def test_text_and_json(bill):
    said = sensitivity_text(bill)
    table = json.loads(json.dumps(sensitivity_json(bill), allow_nan=False))
    first = price_shares(bill)[0]
    assert said.splitlines()[1].split()[0] == first.price == table["prices"][0]["price"]
    assert f"{first.share / 10:+.2%}" in said.splitlines()[1]
    assert len(table["alternatives"]) == len(alternatives(bill))
    assert table["words"] == compare_adc_models(bill).words
    for row in alternatives(bill):
        assert row.price in said


def test_an_infinite_bill_has_shares_and_json():
    """Neurons without noise at ρ = 0: reliability is all of it, and no ratio is a number."""
    program = single_program()
    array = array_of(Adc(bits=6))
    bill = Chip(
        program,
        hardware_of(program, array=array).with_price("adc", "adc-zigzag-28nm"),
        sigma_scale=0.0,
    ).bill(X, 2, 0.0)
    assert price_shares(bill)[0].share == 1
    assert {row.share for row in price_shares(bill)[1:]} == {0}
    json.dumps(sensitivity_json(bill), allow_nan=False)
    assert "reliability" in compare_adc_models(bill).words
