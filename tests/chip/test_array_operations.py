"""What an array does, counted by hand on the smallest one; counts follow the data.

And the arrays that come with the package.
"""

import numpy as np
import pytest
from arraytest import (
    array_of,
    hardware_for,
    input_digits,
    operations_of,
    product_of,
    program_of,
    random_inputs,
    random_weights,
    slice_digits,
)

from stochsim.chip import Chip
from stochsim.energy import Operation, Operations
from stochsim.hardware import Adc, Cells, preset
from stochsim.program import Layer, Quantizer, single_layer

# 3 inputs, 2 neurons; weights of 2 bits and inputs of 2 bits. Stored shifted by 2: 3 1 2 and 2 0 1.
WEIGHTS = np.array([[1, -1, 0], [0, -2, -1]], np.int8)
X = np.array([[1, -2, 0], [-2, -2, -2]], np.int8)  # on the lines: 3 0 2, and 0 0 0


def counts(array, reads=5, x=X, weights=WEIGHTS):
    return operations_of(product_of(weights, array, 2, 2), x, reads)


def test_offset_columns_by_hand():
    """Cells of 1 bit: columns of neuron 0's low and high bits, then neuron 1's; lines carry low
    bits 1 0 0, then high bits 1 0 1.
    """
    found = counts(array_of(Adc(bits=3), rows=2, columns=3))
    # low bits of 3 1 2 / 2 0 1: 1 1 0 / 0 0 1; high bits: 1 0 1 / 1 0 0. Row 0 holds 3 ones, row 1
    # one, row 2 two.
    assert found == {
        Operation("multiply", (1, 1)): 5
        * (1 + 2)
        * 4,  # active rows: 1 in the first cycle, 2 in the second; 4 cells on each
        Operation("cell"): 5 * (3 + 3 + 2),  # row 0 in both cycles, row 2 in the second
        Operation("line"): 5
        * 2
        * 2
        * 3,  # row 0 rises once and stays, row 2 rises once; each crosses 2 tiles of 3 columns
        Operation("dac", (1,)): 5
        * 2
        * 2
        * 3
        * 2,  # 2 stimuli, 2 cycles, 3 rows, 4 columns in tiles of 3
        Operation("adc", (3,)): 5
        * 2
        * 2
        * 2
        * 2
        * 2,  # 2 stimuli, 2 tiles of rows, 2 slices, 2 cycles, 2 neurons
        Operation("add", (8,)): 5 * 2 * 2 * 2 * 2 * 2,  # 2 tiles × 3 × 3 × 7 = 126, and a sign
    }


def test_wide_cells_and_cycles_by_hand():
    """Cells and cycles of 2 bits: one slice, one cycle; currents are shares of 3 × 3."""
    found = counts(array_of(Adc(bits=5), cell_bits=2, cycle_bits=2))
    assert found == {
        Operation("multiply", (2, 2)): 5 * 2 * 2,
        Operation("cell"): pytest.approx(5 * (3 * (3 + 2) + 2 * (2 + 1)) / 9),
        Operation("line"): 5 * 2 * 128,  # the whole tile of 128 columns, of which 2 are used
        Operation("dac", (2,)): 5 * 2 * 3,
        Operation("adc", (5,)): 5 * 2 * 2,
        Operation("add", (6,)): 5 * 2 * 2,  # 31, and a sign
    }


def test_cells_of_eight_bits_by_hand():
    """Weights 5 and -128, stored as 133 and 0, in one cell each of 255 steps; inputs of 2 bits as
    above, 3 0 and 0 0 on lines of 2 bits.
    """
    product = product_of(
        np.array([[5, -128]], np.int8), array_of(Adc(bits=12), cell_bits=8, cycle_bits=2), 8, 2
    )
    found = operations_of(product, np.array([[1, -2], [-2, -2]], np.int8), 5)
    assert found == {
        Operation("multiply", (8, 2)): 5,
        Operation("cell"): pytest.approx(5 * 3 * 133 / (255 * 3)),
        Operation("line"): 5 * 128,
        Operation("dac", (2,)): 5 * 2 * 2,
        Operation("adc", (12,)): 5 * 2,
        Operation("add", (13,)): 5 * 2,  # 4,095, and a sign
    }


def test_differential_columns_by_hand():
    """One bit of magnitude in two columns per neuron, converted as one."""
    weights = np.array([[1, -1, 0], [0, 1, -1]], np.int8)
    found = counts(array_of(Adc(bits=3), signs="differential"), weights=weights)
    assert found == {
        Operation("multiply", (1, 1)): 5 * 3 * 4,
        Operation("cell"): 5
        * (1 + 1 + 1),  # row 0 holds one 1 and is on twice, row 2 holds one and is on once
        Operation("line"): 5 * 2 * 128,
        Operation("dac", (1,)): 5 * 2 * 2 * 3,
        Operation("adc", (3,)): 5 * 2 * 1 * 1 * 2 * 2,
        Operation("add", (5,)): 5 * 2 * 1 * 1 * 2 * 2,  # 3 × -4 = -12
    }


def test_currents_are_those_of_the_cells_as_programmed():
    """Cells that are all stuck at full conductance draw all there is, active rows × columns; cells
    that reach half of it, half.
    """
    found = counts(array_of(Adc(bits=3), Cells(stuck_at_1_rate=1.0)))
    assert found[Operation("cell")] == found[Operation("multiply", (1, 1))]
    half = "g_us,programming_sigma_us,mean_us\n0,0,0\n10,0,5\n"
    found = counts(array_of(Adc(bits=3), Cells(device="measured", device_csv=half)))
    assert found[Operation("cell")] == counts(array_of(Adc(bits=3)))[Operation("cell")] / 2


def off_current_of(device, x=X, **geometry):
    """What a product of WEIGHTS on cells of this noiseless device (g_min, g_max) in µS reports."""
    text = "g_us,programming_sigma_us\n" + "".join(f"{g_us},0\n" for g_us in device)
    cells = Cells(device="measured", device_csv=text)
    return counts(array_of(Adc(bits=5), cells, **geometry), x=x)[Operation("cell")]


@pytest.mark.parametrize("g_min_us", [1, 5, 10])
def test_cells_at_level_0_draw_the_off_current(g_min_us):
    """on + (all - on) g_min/g_max. Row 0 is active twice, with 3 ones in its 4 cells; row 2 once,
    with 2 ones: 8 of 12 cells are on.
    """
    ratio = g_min_us / 20
    assert off_current_of((g_min_us, 20)) == pytest.approx(5 * (8 + 4 * ratio), rel=1e-6)
    assert off_current_of((0, 20)) == 5 * 8


def test_levels_between_draw_their_own_current():
    """Cells of 2 bits from 10 to 40 µS: code c draws (10 + 10 c)/40. Row 0 holds 3 and 2 and is
    driven by 3, row 2 holds 2 and 1 and is driven by 2; a digit of 3 at 40 µS is one.
    """
    rows = 3 * (40 + 30) + 2 * (30 + 20)
    found = off_current_of((10, 40), cell_bits=2, cycle_bits=2)
    assert found == pytest.approx(5 * rows / (3 * 40), rel=1e-6)


def test_both_columns_of_a_pair_draw_the_off_current():
    """Row 0 is active twice and holds 1 of weight 1, row 2 once and holds 1 of weight -1: 3 cells
    on, and of the two pairs of columns on 3 active rows 9 are off.
    """
    text = "g_us,programming_sigma_us\n5,0\n20,0\n"
    array = array_of(Adc(bits=5), Cells(device="measured", device_csv=text), signs="differential")
    found = counts(array, weights=np.array([[1, -1, 0], [0, 1, -1]], np.int8))
    assert found[Operation("cell")] == pytest.approx(5 * (3 + 9 / 4), rel=1e-6)


@pytest.mark.parametrize(("signs", "missing"), [("offset", 0.15), ("differential", 0.36)])
def test_a_preset_device_with_a_low_ratio(signs, missing):
    """50 to 225 µS with programming errors of 3 to 4 µS: over 8,192 cells and more the mean of
    their currents is off by 0.05 % (one standard deviation). A bill of the current above g_min
    alone misses the share `missing`.
    """
    weights, x = random_weights(4, 16, 128), random_inputs(4, 8, 128)
    array = array_of(Adc(bits=8), Cells(device="rram-milo"), signs=signs)
    product = product_of(weights, array)
    on = np.abs(slice_digits(weights, 4, 1, signs)).sum(axis=(0, 1))
    every = 16 * (4 if signs == "offset" else 6)
    active = input_digits(x, 4, 1).sum(axis=(0, 1))
    expected = float(active @ (on + (every - on) * 50 / 225))
    found = operations_of(product, x, 1)[Operation("cell")]
    assert found == pytest.approx(expected, rel=2e-3)
    assert 1 - float(active @ on) / expected > missing - 0.02


def test_a_line_that_falls_and_rises_is_charged_each_time():
    """Digits 1 0 1 1, 0 1 0 1 and 1 1 1 1 of 4-bit inputs from idle: 3, 3 and 1 changes."""
    product = product_of(random_weights(4, 1, 3), array_of(), 4, 4)
    x = np.array([[13 - 8, 10 - 8, 15 - 8]], np.int8)
    assert operations_of(product, x, 1)[Operation("line")] == (3 + 3 + 1) * 128


def test_the_whole_chip_by_hand():
    """The array's own counts, and beside them codes stored at every read, weights read per
    stimulus, random bits and held neurons.
    """
    program = program_of(WEIGHTS, 2, 2, 4, sigma=0.5)
    chip = Chip(program, hardware_for(program, array_of(Adc(bits=3), rows=2, columns=3)))
    expected = counts(array_of(Adc(bits=3), rows=2, columns=3)) | {
        Operation("weight_memory", (12,)): 2 * 12,
        Operation("code_memory", (14,)): 2 * 5 * 14,
        Operation("random"): 2 * 5 * 2 * 32,
        Operation("reliability", (0.5,)): 2 * 5 * 2,
    }
    assert chip.sample(X.astype(float), 5, 1).operations == Operations(expected)
    assert chip.sample(X.astype(float), 5, 1, count=False).operations == Operations()
    assert np.array_equal(
        chip.sample(X.astype(float), 5, 1).codes,
        chip.sample(X.astype(float), 5, 1, count=False).codes,
    )


def test_counts_follow_the_data_and_add_over_stimuli_and_reads():
    product = product_of(WEIGHTS, array_of(Adc(bits=3)), 2, 2)
    idle = operations_of(product, X[1:], 5)
    assert all(
        idle.get(Operation(*kind), 0) == 0 for kind in (("multiply", (1, 1)), ("cell",), ("line",))
    )
    assert idle[Operation("adc", (3,))] > 0
    whole = Operations(operations_of(product, X, 5))
    assert whole == Operations(idle) + Operations(operations_of(product, X[:1], 5))
    assert whole == Operations(operations_of(product, X, 2)) + Operations(
        operations_of(product, X, 3)
    )


@pytest.mark.filterwarnings("ignore::stochsim.chip.CoarseAdcWarning")
@pytest.mark.parametrize(
    ("name", "least"), [("sram-array-28nm", 0.99), ("rram-array", 0.99), ("pcm-array", 0.95)]
)
def test_presets_sample_and_cost(name, least):
    """4-bit codes of 150 inputs, two tiles: mean codes go with those of the digital chip, and every
    part of the array is billed.
    """
    random = np.random.default_rng(5)
    layer = Layer(
        random_weights(4, 10, 150),
        4,
        0.05,
        Quantizer(4, 0.4),
        Quantizer(4, 0.6),
        random.normal(0, 0.2, 10),
        np.full(10, 0.4),
    )
    program = single_layer(layer)
    x = random.normal(0, 1, (12, 150))
    hardware = preset(name)
    found = Chip(program, hardware, chip_key=3).sample(x, 40, 1)
    digital = Chip(program, preset("digital-45nm")).sample(x, 40, 1)
    means = [one.codes.mean(axis=1).ravel() for one in (found, digital)]
    assert np.corrcoef(*means)[0, 1] > least
    assert not np.array_equal(found.codes, digital.codes)
    energy = hardware.energy(found.operations, 0.0)
    assert energy.multiply_j + energy.array_j > 0
    assert energy.add_j > 0
    assert energy.converter_j > 0
    assert energy.memory_j > 0
    silent = hardware.energy(
        Chip(program, hardware).sample(np.full((12, 150), -9.0), 40, 1).operations, 0.0
    )
    assert silent.multiply_j == silent.array_j == 0
    assert silent.converter_j <= energy.converter_j
