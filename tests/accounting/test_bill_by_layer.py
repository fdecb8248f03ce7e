"""The bill by layer: its sums are the chip's operations and joules, its counts are those counted by
hand on small layers.
"""

import json
import math

import pytest
from arraytest import array_of
from billtest import CHIPS, X
from circuittest import (
    INPUTS,
    PROGRAMS,
    deep_program,
    hardware_of,
    recurrent_program,
    single_program,
)

from stochsim.accounting import Bill
from stochsim.chip import Chip
from stochsim.energy import PARTS, Operation, Operations
from stochsim.hardware import Adc, Reliability, Timing, preset
from stochsim.settings import SettingError

NAMES = {
    "single": ["readout"],
    "deep": ["hidden 1", "hidden 2", "log_sigma", "readout"],
    "recurrent": ["readout", "lateral"],
}


def bill_of(program, reads=10, rho=0.0, **parts):
    return Chip(program, hardware_of(program, **parts)).bill(X, reads, rho)


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("kind", PROGRAMS)
def test_layers_add_up_to_the_chip(kind, name):
    """In counts exactly, but for the last places of sums of currents; in joules by layer, by part
    and by row.
    """
    program = PROGRAMS[kind]()
    hardware = hardware_of(program, **CHIPS[name])
    chip = Chip(program, hardware)
    bill = chip.bill(X, 10, 0.0)
    whole = chip.operations(X, 10)
    assert [layer for layer in bill.counts if layer != "input"] == NAMES[kind]
    assert ("input" in bill.counts) == (name == "input dither")
    assert set(bill.total_operations) == set(whole)
    for operation, count in whole.items():
        assert bill.total_operations[operation] == (
            pytest.approx(count, rel=1e-13) if operation.kind == "cell" else count
        )
    assert bill.per_read_j == pytest.approx(
        hardware.energy(whole, 0.0).all_operations_j / 40, rel=1e-13
    )
    layers = bill.energy_by_layer
    for part in PARTS:
        assert bill.energy.parts[part] == pytest.approx(
            math.fsum(each.parts[part] for each in layers.values()), rel=1e-13
        )
    for rows in (bill.table(), bill.operation_table()):
        assert math.fsum(row["joules"] for row in rows) == pytest.approx(bill.per_read_j, rel=1e-13)
    assert math.fsum(row["share"] for row in bill.table()) == pytest.approx(1, rel=1e-13)


def test_a_single_layer_by_hand():
    """7 inputs, 5 neurons, 3 bits; 10 reads of each stimulus share its weights."""
    found = bill_of(single_program(), reliability=Reliability(s=0.5)).operations["readout"]
    assert found == Operations(
        {
            Operation("multiply", (3, 3)): 35,
            Operation("add", (9,)): 35,
            Operation("dac", (3,)): 7,
            Operation("adc", (3,)): 5,
            Operation("weight_memory", (105,)): 105 / 10,
            Operation("code_memory", (36,)): 36,
            Operation("random"): 5 * 32,
            Operation("reliability", (0.3 / 0.5,)): 5,
        }
    )


def test_a_deep_program_by_hand():
    """Layers of 7 × 9, 9 × 6 and twice 6 × 5: memories are priced by their whole size; log_sigma's
    codes are read by the last layer.
    """
    found = bill_of(deep_program()).operations
    weights, codes = Operation("weight_memory", (3 * 177,)), Operation("code_memory", (3 * 32,))
    for layer, products, moved, dac, adc in (
        ("hidden 1", 63, 16, 7, 9),
        ("hidden 2", 54, 15, 9, 6),
        ("log_sigma", 30, 11, 6, 5),
        ("readout", 30, 11 + 5, 6, 5),
    ):
        counted = found[layer]
        assert counted[Operation("multiply", (3, 3))] == products
        assert counted[weights] == 3 * products / 10
        assert counted[codes] == 3 * moved
        assert (counted[Operation("dac", (3,))], counted[Operation("adc", (3,))]) == (dac, adc)
        assert counted.count("reliability") == (5 if layer == "readout" else 0)
        assert counted.count("random") == (5 * 32 if layer == "readout" else 0)
    assert [found[layer].count("add") for layer in NAMES["deep"]] == [63, 54, 30, 30]


def test_a_recurrent_program_by_hand():
    """7 inputs, 5 neurons, 4 steps: neurons, their noise and both additions belong to `lateral`."""
    found = bill_of(recurrent_program(sigma=0.25)).operations
    codes, weights = Operation("code_memory", (36,)), Operation("weight_memory", (3 * 60,))
    assert found["readout"] == Operations(
        {
            Operation("multiply", (3, 3)): 35,
            Operation("add", (9,)): 35,
            Operation("dac", (3,)): 7,
            weights: 105 / 10,
            codes: 21,
        }
    )
    assert found["lateral"] == Operations(
        {
            Operation("multiply", (3, 3)): 4 * 25,
            Operation("add", (9,)): 4 * (25 + 10),
            Operation("dac", (3,)): 4 * 5,
            Operation("adc", (3,)): 4 * 5,
            weights: 75 / 10,
            codes: 4 * 30,
            Operation("random"): 4 * 5 * 32,
            Operation("reliability", (0.25,)): 4 * 5,
        }
    )


def test_reads_of_one_chain_share_what_they_share():
    """First read after 4 steps, 9 more every 2: 22 steps for 10 reads, and one product of the
    stimulus.
    """
    program = recurrent_program(sigma=0.25)
    bill = Chip(program, hardware_of(program)).bill(X, 10, 0.0, steps_between_reads=2)
    assert bill.operations["readout"].count("multiply") == 35 / 10
    assert bill.operations["lateral"].count("reliability") == 5 * 22 / 10
    assert bill.cycles == {"readout": 1 / 10, "lateral": 22 / 10}


def test_random_bits_of_inputs_belong_to_the_stimuli():
    plain, dithered = (
        bill_of(deep_program(), **CHIPS[name]) for name in ("digital", "input dither")
    )
    assert dithered.operations["input"] == Operations({Operation("random"): 16 * INPUTS})
    assert {
        name: found for name, found in dithered.operations.items() if name != "input"
    }.keys() == plain.operations.keys()


@pytest.mark.parametrize("kind", PROGRAMS)
def test_weights_read_at_every_read(kind):
    """Only that count moves: by the number of reads."""
    usual, every = (
        bill_of(PROGRAMS[kind](), **CHIPS[name]) for name in ("digital", "weights at every read")
    )
    for layer, found in every.operations.items():
        for operation, count in found.items():
            times = 10 if operation.kind == "weight_memory" else 1
            assert count == pytest.approx(times * usual.operations[layer][operation], rel=1e-15)
    alone = [
        bill_of(PROGRAMS[kind](), 1, **CHIPS[name]).operations
        for name in ("digital", "weights at every read")
    ]
    assert alone[0] == alone[1]


def programmed(bill, cells):
    return {
        name: found.count("program") for name, found in bill.operations.items()
    } == pytest.approx(cells, rel=1e-12)


def test_programming_is_spread_over_the_reads_of_one():
    """3-bit weights: 3 cells each as offset, 2 × 2 in differential pairs."""
    for signs, cells in (("offset", 3), ("differential", 4)):
        array = array_of(Adc(bits=6), rows=4, signs=signs).model_copy(
            update={"reads_per_programming": 1000}
        )
        program = recurrent_program()
        plain = hardware_of(program, array=array_of(Adc(bits=6), rows=4, signs=signs))
        hardware = plain.replace(
            array=array, prices=plain.prices.with_price("program", "program-energy", joules=1e-12)
        )
        bill = Chip(program, hardware).bill(X, 10, 0.0)
        assert programmed(bill, {"readout": cells * 35 / 1000, "lateral": cells * 25 / 1000})
        assert bill.energy.programming_j == pytest.approx(cells * 60 / 1000 * 1e-12, rel=1e-12)
        assert programmed(Chip(program, plain).bill(X, 10, 0.0), {"readout": 0, "lateral": 0})


def test_leakage_is_watts_times_the_time_of_a_read():
    timing = Timing(clock_hz=2e8, multipliers=8, leakage_w=3e-3)
    bill = bill_of(deep_program(), timing=timing)
    assert bill.cycles == {"hidden 1": 8, "hidden 2": 7, "log_sigma": 4, "readout": 4}
    assert bill.energy.leakage_j == pytest.approx(3e-3 * 23 / 2e8, rel=1e-12)
    assert bill.energy_by_layer["hidden 1"].leakage_j == pytest.approx(3e-3 * 8 / 2e8, rel=1e-12)
    assert bill_of(deep_program()).total_operations.count("leakage") == 0


def test_rho_is_the_program_s_unless_given():
    program = single_program()  # rho 0.5 has no default price
    chip = Chip(program, hardware_of(program, reliability=Reliability(e0_j=1e-15)))
    assert chip.bill(X).rho == 0.5
    assert chip.bill(X, rho=2.0).energy.reliability_j == pytest.approx(
        5 * 1e-15 / 0.3**2, rel=1e-12
    )


def test_a_bill_without_noise_is_infinite_and_still_text_and_json():
    program = single_program()
    bill = Chip(program, hardware_of(program), sigma_scale=0.0).bill(X, 2, 0.0)
    assert bill.per_read_j == math.inf
    assert "∞" in str(bill)
    table = json.loads(json.dumps(bill.to_json(), allow_nan=False))
    assert table["joules_per_read"] is None
    assert [row["share"] for row in bill.table() if row["part"] == "reliability"] == [1.0]


def test_text_and_json_say_the_same():
    bill = bill_of(deep_program())
    said = str(bill)
    table = bill.to_json()
    assert said.splitlines()[0].startswith("digital-45nm: ")
    assert "(mean over 4 stimuli × 10 reads)" in said
    assert (
        f"latency per read: {bill.total_cycles:g} cycles (hidden 1 1, hidden 2 1, "
        "log_sigma 1, readout 1)" in said
    )
    warnings = [
        line.removeprefix("warning: ") for line in said.splitlines() if line.startswith("warning: ")
    ]
    assert warnings == table["flags"] == list(bill.flags)
    assert len(warnings) == 3  # both memories are below 64 kbit, and the random bits of 28 nm
    for one in bill.prices:
        assert f"price {one.name} [{one.tag}] {one.formula} ({one.unit}): {one.source}" in said
    assert "reliability (noise levels: " in said
    assert table["joules_per_read"] == bill.per_read_j
    assert sum(row["joules"] for row in table["operations"]) == pytest.approx(
        bill.per_read_j, rel=1e-12
    )
    assert table["cycles_by_layer"] == bill.cycles


@pytest.mark.parametrize("field", ["stimuli", "reads"])
def test_a_bill_of_nothing_is_refused(field):
    with pytest.raises(SettingError, match=f"'{field}' = 0: should be an integer from 1"):
        Bill(preset("digital-45nm"), {}, {}, **{field: 0})
