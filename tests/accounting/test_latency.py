"""Cycles of a read: the documented formulas by hand, and each setting that enters them."""

import pytest
from arraytest import array_of, program_of, random_weights
from circuittest import (
    PROGRAMS,
    deep_program,
    hardware_of,
    recurrent_program,
    single_program,
    some_stimuli,
)

from stochsim.accounting import layer_cycles
from stochsim.accounting.fixed_operations import cells_of
from stochsim.chip import Chip
from stochsim.hardware import Adc, Array, Noise, Timing, preset

X = some_stimuli(2)


@pytest.mark.parametrize(("multipliers", "cycles"), [(1, 35), (8, 5), (34, 2), (35, 1), (256, 1)])
def test_a_digital_layer(multipliers, cycles):
    """⌈7 × 5 / multipliers⌉."""
    program = single_program()
    hardware = hardware_of(program, timing=Timing(multipliers=multipliers))
    assert layer_cycles(program.readout.shape, hardware) == cycles
    assert Chip(program, hardware).bill(X).cycles == {"readout": cycles}


@pytest.mark.parametrize(
    ("array", "cycles"),
    [
        (Array(), 8 * 1 * 1 + 1),
        (Array(cycle_bits=2), 4 + 1),
        (Array(cycle_bits=3), 3 + 1),
        (Array(columns_per_adc=16), 8 * 16 + 1),
        (Array(adc=Adc(cycles=5)), 8 * 5 + 1),
        (
            Array(cycle_bits=4, columns_per_adc=8, adc=Adc(cycles=3)),
            2 * 8 * 3 + 1,
        ),
        (
            Array(rows=4, columns=4),
            8 + 1,
        ),  # tiles work in parallel; their input lines have DACs
        (Array(cell_bits=4, signs="differential"), 8 + 1),
    ],
)
def test_a_layer_on_an_array(array, cycles):
    """Input cycles × columns per ADC × cycles per conversion + 1, for 8-bit inputs; whatever
    the sizes of the layer.
    """
    chip = preset("sram-array-28nm").with_precision(8, 8, 8).with_price("dac", "dac-isaac-32nm")
    for shape in ((3, 5), (40, 300)):
        program = program_of(random_weights(8, *shape), 8, 8)
        assert layer_cycles(program.readout.shape, chip.replace(array=array)) == cycles


def test_layers_follow_one_another():
    program = deep_program()
    bill = Chip(program, hardware_of(program, timing=Timing(clock_hz=5e8, multipliers=10))).bill(
        X, 3, 0.0
    )
    assert bill.cycles == {"hidden 1": 7, "hidden 2": 6, "log_sigma": 3, "readout": 3}
    assert bill.total_cycles == 19
    assert bill.seconds == 19 / 5e8


@pytest.mark.parametrize("dithered", [False, True])
def test_steps_follow_one_another(dithered):
    """Four steps; the stimulus's product is made once, or at every step where inputs are
    dithered.
    """
    program = recurrent_program()
    hardware = hardware_of(
        program,
        timing=Timing(multipliers=10),
        noise=Noise(input_dither="stochastic" if dithered else "none"),
    )
    assert Chip(program, hardware).bill(X).cycles == {
        "readout": 4 * (4 if dithered else 1),
        "lateral": 4 * 3,
    }
    on_array = hardware.replace(array=array_of(rows=4), timing=Timing())
    assert Chip(program, on_array).bill(some_stimuli(1)).cycles == {
        "readout": 4 * (4 if dithered else 1),
        "lateral": 4 * 4,
    }  # 3 input cycles and 1


def test_reads_of_one_chain():
    """The first after four steps, the others two steps later each: the mean over reads; all ways
    apart from steps_between_reads are one read's own.
    """
    program = recurrent_program()
    hardware = hardware_of(program, timing=Timing(multipliers=10))
    assert Chip(program, hardware).bill(X, 10).cycles == Chip(program, hardware).bill(X).cycles
    assert Chip(program, hardware).bill(X, 10, steps_between_reads=2).cycles == {
        "readout": 4 / 10,
        "lateral": 3 * (4 + 9 * 2) / 10,
    }
    assert (
        Chip(program, hardware).bill(X, 1, steps_between_reads=2).cycles
        == Chip(program, hardware).bill(X).cycles
    )


@pytest.mark.parametrize("kind", PROGRAMS)
def test_the_clock_moves_seconds_alone(kind):
    program = PROGRAMS[kind]()
    slow, fast = (
        Chip(program, hardware_of(program, timing=Timing(clock_hz=hz))).bill(X, 2, 0.0)
        for hz in (1e8, 1e9)
    )
    assert slow.cycles == fast.cycles
    assert slow.seconds == pytest.approx(10 * fast.seconds, rel=1e-15)
    assert slow.total_operations == fast.total_operations


def test_sharing_adcs_changes_no_operation():
    """As many conversions, one after the other."""
    program = single_program()
    alone, shared = (
        Chip(
            program,
            hardware_of(program, array=array_of(Adc(bits=6), columns_per_adc=n)),
        ).bill(X, 2, 0.0)
        for n in (1, 4)
    )
    assert alone.total_operations == shared.total_operations
    assert (alone.total_cycles, shared.total_cycles) == (3 + 1, 3 * 4 + 1)


@pytest.mark.parametrize(("signs", "cells"), [("offset", 3), ("differential", 4)])
def test_cells_are_those_that_the_product_has(signs, cells):
    program = single_program()
    array = array_of(Adc(bits=6), signs=signs)
    product = Chip(program, hardware_of(program, array=array)).product
    assert cells_of(program.readout.shape, array) == product.cells.codes.size == cells * 35
