"""An array that loses nothing gives the integer product exactly, on every way through it; its chip
then draws the digital chip's codes.
"""

import numpy as np
import pytest
from arraytest import (
    array_of,
    exact_sums,
    hardware_for,
    product_of,
    program_of,
    random_inputs,
    random_weights,
    sums_of,
    wide_enough,
)

from stochsim.chip import Chip
from stochsim.hardware import Adc, Cells, Memory, Noise, RandomSource

# weight bits, input bits, cell bits, cycle bits, rows: partial sums within 12 bits of the ADC
GEOMETRIES = [
    (1, 1, 1, 1, 64),
    (1, 3, 1, 2, 5),
    (2, 1, 1, 1, 7),
    (2, 8, 1, 8, 3),
    (3, 2, 2, 1, 20),
    (4, 4, 1, 1, 128),
    (4, 4, 3, 2, 13),
    (5, 3, 2, 3, 17),
    (6, 7, 4, 3, 11),
    (7, 6, 3, 6, 4),
    (8, 8, 1, 1, 9),
    (8, 5, 4, 4, 6),
    (8, 8, 4, 7, 1),
    (8, 4, 8, 1, 8),
    (8, 4, 7, 2, 5),
    (7, 4, 6, 1, 32),
    (8, 2, 5, 2, 21),
]
WAYS = {
    "as it comes": ({}, {}),
    "on a grid": ({"offset_sigma_lsb": 1e-9}, {}),
    "fine conductances": ({}, {"wire_ohm": 1e-9}),
    "single cells": ({}, {"read_sigma": 1e-9, "read_noise": "explicit"}),
}


def assert_exact(geometry, signs, way):
    """23 inputs, 5 neurons; weights and inputs of every size, the outermost codes among them, -1
    and 1 at one bit.
    """
    weight_bits, input_bits, cell_bits, cycle_bits, rows = geometry
    if signs == "differential":
        cell_bits = min(cell_bits, max(1, weight_bits - 1))
    adc, cells = WAYS[way]
    weights, x = random_weights(weight_bits, 5, 23), random_inputs(input_bits, 3, 23)
    x[0] = np.where(x[0] > 0, x.max(), x.min())
    bits = wide_enough(rows, cell_bits, cycle_bits, signs)
    array = array_of(
        Adc(bits=bits, **adc),
        Cells(**cells),
        rows=rows,
        cell_bits=cell_bits,
        cycle_bits=cycle_bits,
        signs=signs,
    )
    sums = sums_of(product_of(weights, array, weight_bits, input_bits), x, reads=2)
    assert np.array_equal(sums, np.repeat(exact_sums(weights, x)[:, None], 2, axis=1))


@pytest.mark.parametrize("signs", ["offset", "differential"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_equals_the_integer_product(geometry, signs):
    assert_exact(geometry, signs, "as it comes")


@pytest.mark.parametrize("signs", ["offset", "differential"])
@pytest.mark.parametrize("way", [way for way in WAYS if way != "as it comes"])
def test_equals_the_integer_product_on_every_way(way, signs):
    for geometry in (*GEOMETRIES[:1], GEOMETRIES[7], GEOMETRIES[9], GEOMETRIES[11], GEOMETRIES[13]):
        assert_exact(geometry, signs, way)


def test_the_four_ways_are_four():
    """Packed bits or partial sums one by one; partial sums or positions on a grid as states; whole
    or 1/256 cell steps.
    """
    weights = random_weights(4, 5, 23)
    found = {}
    for name, (adc, cells) in WAYS.items():
        product = product_of(weights, array_of(Adc(bits=8, **adc), Cells(**cells)))
        found[name] = (product.fused, product.conversion.gain.size > 0, product.cells.unit)
    assert found == {
        "as it comes": (True, False, 1),
        "on a grid": (True, True, 1),
        "fine conductances": (False, True, 256),
        "single cells": (False, True, 256),
    }
    assert not product_of(weights, array_of(cell_bits=2, cycle_bits=2)).fused
    assert product_of(weights, array_of(Adc(bits=5), Cells(read_sigma=0.1))).fused
    assert not product_of(weights, array_of(Adc(bits=5), Cells(read_sigma=0.1), cycle_bits=2)).fused


@pytest.mark.parametrize("signs", ["offset", "differential"])
def test_an_adc_too_narrow_by_one_code_is_not_exact(signs):
    """The check above can fail: 9 rows in 3 bits."""
    weights, x = random_weights(4, 5, 9), random_inputs(4, 4, 9)
    narrow = sums_of(product_of(weights, array_of(Adc(bits=3), signs=signs)), x)
    assert not np.array_equal(narrow[:, 0], exact_sums(weights, x))


@pytest.mark.parametrize(("bits", "output_bits"), [(1, 1), (2, 4), (4, 8), (8, 6)])
@pytest.mark.parametrize("signs", ["offset", "differential"])
def test_a_chip_on_it_draws_the_codes_of_the_digital_chip(bits, output_bits, signs):
    """Equal drives and equal random numbers of the neurons: equal codes, with any noise of
    theirs.
    """
    program = program_of(random_weights(bits, 6, 23), bits, bits, output_bits, sigma=0.5)
    x = random_inputs(bits, 4, 23).astype(float)
    array = array_of(Adc(bits=5), rows=10, signs=signs)
    parts = [
        {},
        {"noise": Noise(family="logistic", read_sigma=0.3, weight_sigma=0.01)},
        {"noise": Noise(dither="stochastic")},
        {"memory": Memory(weight_errors=0.02, code_errors=0.05)},
        {
            "random": RandomSource(threshold_bits=6, lfsr_bits=9, neurons_per_source=2),
            "memory": Memory(code_errors=0.05),
        },
    ]
    for part in parts:
        if part.get("memory", Memory()).weight_errors and signs == "differential" and bits > 1:
            # a flipped bit can give the one code that has no negative; an array holds its neighbour
            # instead
            continue
        digital = Chip(program, hardware_for(program, None, **part)).sample(x, 60, 8).codes
        assert np.array_equal(
            Chip(program, hardware_for(program, array, **part)).sample(x, 60, 8).codes, digital
        )
        assert len(np.unique(digital)) > 1


def test_the_code_without_a_negative_becomes_its_neighbour_in_differential_columns():
    """-8 of a flipped bit: offset columns hold it, differential ones hold -7."""
    weights = np.array([[0, 1, -1, 7]], np.int8)
    flipped = Memory(weight_errors=1.0)  # every bit: W becomes -1 - W
    x = np.eye(4, dtype=np.int8)
    assert sums_of(product_of(weights, array_of(), memory=flipped), x)[:, 0, 0].tolist() == [
        -1,
        -2,
        0,
        -8,
    ]
    assert sums_of(product_of(weights, array_of(signs="differential"), memory=flipped), x)[
        :, 0, 0
    ].tolist() == [-1, -2, 0, -7]
