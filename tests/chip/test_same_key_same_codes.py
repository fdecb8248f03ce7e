"""Same key, same codes: whatever the threads, the splits and the blocks.

Same chip key, same chip, for all its reads.
"""

import numpy as np
import pytest
from arraytest import array_of, hardware_for, program_of, random_inputs, random_weights
from threadtest import threads

from stochsim.chip import Chip
from stochsim.hardware import Adc, Cells, Memory, Noise, RandomSource

pytestmark = pytest.mark.filterwarnings("ignore::stochsim.chip.CoarseAdcWarning")
X = random_inputs(4, 5, 20).astype(float)
TABLE = "drive,p0,p1,p2,p3,p4,p5,p6,p7\n-4,1,0,0,0,0,0,0,0\n4,0,0.1,0.1,0.1,0.1,0.1,0.1,0.4\n"
NOISY = Adc(bits=5, sigma_lsb=0.7)
DIFFERENT = Adc(
    bits=5,
    sigma_lsb=0.7,
    offset_sigma_lsb=0.5,
    gain_sigma=0.02,
    reference_sigma_lsb=0.4,
    reference_columns=3,
)
CHIPS = {
    "array": {"array": array_of(NOISY, rows=9)},
    "ADCs that differ": {"array": array_of(DIFFERENT, rows=9)},
    "devices": {
        "array": array_of(
            NOISY,
            Cells(device="pcm-joshi", read_sigma=0.1),
            rows=9,
            cell_bits=3,
            cycle_bits=2,
            signs="differential",
        )
    },
    "noise of every cell": {
        "array": array_of(
            NOISY, Cells(read_sigma=0.1, read_noise="explicit"), rows=20, cell_bits=4, cycle_bits=4
        )
    },
    "stuck cells": {
        "array": array_of(NOISY, Cells(stuck_at_0_rate=0.1, stuck_at_1_rate=0.1)),
        "memory": Memory(weight_errors=0.05),
    },
    "narrow accumulators": {"array": array_of(NOISY, signs="differential"), "accumulator_bits": 6},
    "own source": {
        "random": RandomSource(threshold_bits=7, lfsr_bits=9, neurons_per_source=2),
        "memory": Memory(code_errors=0.1),
    },
    "own source of an array": {
        "random": RandomSource(threshold_bits=7, lfsr_bits=9),
        "array": array_of(NOISY),
    },
    "code errors": {"memory": Memory(code_errors=0.1), "array": array_of(NOISY)},
    "transient weight errors": {"memory": Memory(weight_read_errors=0.05, weight_errors=0.05)},
    "noise of every weight": {"noise": Noise(weight_sigma=0.1, weight_noise="explicit")},
    "measured": {"noise": Noise(measured_csv=TABLE), "array": array_of(NOISY)},
}
PER_CHIP = ("ADCs that differ", "devices", "stuck cells", "transient weight errors")


def chip_of(name, sigma=0.3, chip_key=0, output_bits=3):
    program = program_of(random_weights(4, 7, 20), 4, 4, output_bits, sigma, 1.0)
    return Chip(program, hardware_for(program, **CHIPS[name]), chip_key=chip_key)


@pytest.mark.parametrize("name", CHIPS)
def test_threads_splits_and_blocks_change_nothing(name, monkeypatch):
    chip = chip_of(name)
    whole = chip.sample(X, 11, 6, first_stimulus=3, first_read=50).codes
    assert np.array_equal(
        whole, chip_of(name).sample(X, 11, 6, first_stimulus=3, first_read=50).codes
    )
    parts = [
        [chip.sample(X[a:b], d - c, 6, 3 + a, 50 + c).codes for c, d in ((0, 4), (4, 11))]
        for a, b in ((0, 2), (2, 5))
    ]
    assert np.array_equal(whole, np.concatenate([np.concatenate(row, axis=1) for row in parts]))
    with threads():
        assert np.array_equal(whole, chip.sample(X, 11, 6, first_stimulus=3, first_read=50).codes)
    for name_of_block in (
        "memory_portions.DRIVES_AT_ONCE",
        "memory_portions.STATES_AT_ONCE",
        "neurons._THRESHOLDS_AT_ONCE",
    ):
        for block in (2 * 11 * 7, 8 * 7 * 4, 4 * 7):  # the last splits the reads of one stimulus
            monkeypatch.setattr(f"stochsim.chip.{name_of_block}", block)
            assert np.array_equal(
                whole, chip.sample(X, 11, 6, first_stimulus=3, first_read=50).codes
            )


@pytest.mark.parametrize("name", CHIPS)
def test_key_stimulus_and_read_change_the_draws(name):
    chip = chip_of(name)
    base = chip.sample(X, 40, 6).codes
    for other in ({"key": 7}, {"first_stimulus": 1}, {"first_read": 1}):
        assert (chip.sample(X, 40, **{"key": 6, **other}).codes != base).mean() > 0.05


@pytest.mark.parametrize("name", CHIPS)
def test_chip_key_chooses_the_chip(name):
    """What is drawn once per chip differs between chips, and is all that differs."""
    base = chip_of(name, chip_key=1).sample(X, 40, 6).codes
    assert np.array_equal(base, chip_of(name, chip_key=1).sample(X, 40, 6).codes)
    assert np.array_equal(base, chip_of(name, chip_key=2).sample(X, 40, 6).codes) == (
        name not in PER_CHIP
    )


@pytest.mark.parametrize(
    "parts",
    [
        {"array": array_of(Adc(bits=5, offset_sigma_lsb=2.0, gain_sigma=0.05), cell_bits=4)},
        {
            "array": array_of(
                Adc(bits=5),
                Cells(device="measured", device_csv="g_us,programming_sigma_us\n5,2\n15,2\n"),
            )
        },
        {"array": array_of(Adc(bits=5), Cells(stuck_at_0_rate=0.1))},
        {"memory": Memory(weight_errors=0.1)},
    ],
)
def test_what_is_drawn_per_chip_is_the_same_at_all_reads(parts):
    """Without noise of reads, every read and every key gives one code; the ideal chip has
    others.
    """
    program = program_of(random_weights(4, 7, 20), 4, 4, 8, 0.0, 0.125)
    chip = Chip(program, hardware_for(program, **parts))
    ideal = Chip(program, hardware_for(program))
    codes = chip.sample(X, 30, 6).codes
    assert not np.ptp(codes, axis=1).any()
    assert np.array_equal(
        codes[:, :5], chip.sample(X, 5, 99, first_stimulus=40, first_read=1000).codes
    )
    assert (codes != ideal.sample(X, 30, 6).codes).mean() > 0.2


def test_noise_of_an_array_is_apart_from_that_of_its_neurons():
    """One key for both: an ADC's noise and the neuron's do not covary, so variances add.

    False-fail rate below 1e-6.
    """
    weights = np.zeros((64, 8), np.int8)
    weights[:, :4] = 1
    program = program_of(weights, 4, 4, 8, 1.0, 0.125)
    array = array_of(Adc(bits=6, sigma_lsb=2.0), signs="differential", cell_bits=3, cycle_bits=4)
    x = np.zeros((1, 8))
    noisy, quiet = Chip(program, hardware_for(program, array)), Chip(program, hardware_for(program))
    own = noisy.product.sums(x.astype(np.int8), 2000, 6, 0, 0)[0] * program.readout.weight_scale
    neurons = quiet.sample(x, 2000, 6).values[0].astype(float)
    product = (own - own.mean()) * (neurons - neurons.mean())
    assert abs(product.mean()) < 5 * product.std() / np.sqrt(product.size)
