"""Every setting of Hardware that moves codes acts on every architecture, and on every layer of it;
splits and threads change no code.
"""

import numpy as np
import pytest
from arraytest import array_of
from circuittest import INPUTS, PROGRAMS, hardware_of, some_stimuli
from threadtest import threads

from stochsim.chip import Chip
from stochsim.chip.inputs import Inputs
from stochsim.chip.rng_address import Place
from stochsim.hardware import Adc, Cells, Memory, Noise, RandomSource, load_hardware

pytestmark = [
    pytest.mark.filterwarnings("ignore:the array's ADCs clip"),
    pytest.mark.filterwarnings("ignore::stochsim.chip.CoarseAdcWarning"),
]
X = some_stimuli(4)
TABLE = "drive,p0,p1,p2,p3,p4,p5,p6,p7\n-2,1,0,0,0,0,0,0,0\n2,0,0.1,0.1,0.1,0.1,0.1,0.1,0.4\n"
PAIRS_OF_COLUMNS = {"rows": 4, "signs": "differential"}
IDEAL = array_of(**PAIRS_OF_COLUMNS)
CSV = "g_us,programming_sigma_us\n5,3\n15,3\n"

DIGITAL = {
    "read noise": {"noise": Noise(read_sigma=0.3)},
    "read noise in steps": {"noise": Noise(read_sigma_lsb=0.7)},
    "family": {"noise": Noise(read_sigma=0.3, family="logistic")},
    "lumped weight noise": {"noise": Noise(weight_sigma=0.1)},
    "lumped weight noise in steps": {"noise": Noise(weight_sigma_lsb=0.5)},
    "explicit weight noise": {"noise": Noise(weight_sigma=0.1, weight_noise="explicit")},
    "stochastic dither": {"noise": Noise(dither="stochastic")},
    "triangular dither": {"noise": Noise(dither="triangular")},
    "measured neurons": {"noise": Noise(measured_csv=TABLE)},
    "weight errors": {"memory": Memory(weight_errors=0.1)},
    "transient weight errors": {"memory": Memory(weight_read_errors=0.1)},
    "voltage": {"memory": Memory(voltage_over_vmin=0.8, transient_share=0.5)},
    "code errors": {"memory": Memory(code_errors=0.1)},
    "saturating accumulators": {"accumulator_bits": 4},
    "wrapping accumulators": {"accumulator_bits": 4, "accumulator_overflow": "wrap"},
    "sums in floating point": {"accumulator_format": "fp6-e3m2"},
    "sums rounded at random": {
        "accumulator_format": "fp6-e3m2",
        "accumulator_rounding": "stochastic-8",
    },
    "ideal array of few bits": {"array": array_of(Adc(bits=2), **PAIRS_OF_COLUMNS)},
}
"""Settings that act on any layer, whatever sigma its neurons have."""

SOURCES = {
    "few bits": {"random": RandomSource(threshold_bits=3)},
    "register": {"random": RandomSource(threshold_bits=12, lfsr_bits=12)},
    "shared source": {"random": RandomSource(neurons_per_source=3)},
}
"""Settings that act where neurons have noise."""

INPUT_DITHER = {"input dither": {"noise": Noise(input_dither="stochastic")}}

ARRAYS = {
    "ADC noise": {"array": array_of(Adc(bits=4, sigma_lsb=0.5), **PAIRS_OF_COLUMNS)},
    "offsets": {"array": array_of(Adc(bits=4, offset_sigma_lsb=0.7), **PAIRS_OF_COLUMNS)},
    "gains": {"array": array_of(Adc(bits=4, gain_sigma=0.2), **PAIRS_OF_COLUMNS)},
    "reference": {
        "array": array_of(
            Adc(bits=4, reference_sigma_lsb=0.7, reference_columns=2), **PAIRS_OF_COLUMNS
        )
    },
    "edges": {"array": array_of(Adc(bits=2, inl_lsb=(0.4, -0.3, 0.4)), **PAIRS_OF_COLUMNS)},
    "calibrated range": {
        "array": array_of(Adc(bits=2, range="calibrated", clip_share=0.1), **PAIRS_OF_COLUMNS)
    },
    "fixed range": {
        "array": array_of(Adc(bits=2, range="fixed", range_max=1.5), **PAIRS_OF_COLUMNS)
    },
    "devices": {
        "array": array_of(
            Adc(bits=8),
            Cells(device="measured", device_csv=CSV),
            cell_bits=2,
            **PAIRS_OF_COLUMNS,
        )
    },
    "cells' noise": {"array": array_of(Adc(bits=4), Cells(read_sigma=0.3), **PAIRS_OF_COLUMNS)},
    "noise of every cell": {
        "array": array_of(
            Adc(bits=4), Cells(read_sigma=0.3, read_noise="explicit"), **PAIRS_OF_COLUMNS
        )
    },
    "shot noise": {"array": array_of(Adc(bits=4), Cells(shot_sigma=0.4), **PAIRS_OF_COLUMNS)},
    "stuck cells": {
        "array": array_of(
            Adc(bits=4), Cells(stuck_at_0_rate=0.2, stuck_at_1_rate=0.1), **PAIRS_OF_COLUMNS
        )
    },
    "array behind lumped noise": {
        "array": array_of(Adc(bits=4), **PAIRS_OF_COLUMNS),
        "noise": Noise(weight_sigma=0.1),
    },
    "array and input dither": {
        "array": array_of(Adc(bits=4, sigma_lsb=0.5), **PAIRS_OF_COLUMNS),
        "noise": Noise(input_dither="stochastic"),
    },
    "array and code errors": {
        "array": array_of(Adc(bits=4, sigma_lsb=0.5), **PAIRS_OF_COLUMNS),
        "memory": Memory(code_errors=0.1),
    },
    "array and register": {
        "array": array_of(Adc(bits=4, sigma_lsb=0.5), **PAIRS_OF_COLUMNS),
        "random": RandomSource(threshold_bits=9, lfsr_bits=9),
    },
}
MIXED = {
    "dithered twice": {
        "noise": Noise(input_dither="stochastic", dither="stochastic", weight_sigma=0.05)
    },
    "dithered, every weight": {
        "noise": Noise(input_dither="stochastic", weight_sigma=0.1, weight_noise="explicit")
    },
    "dithered, errors": {
        "noise": Noise(input_dither="stochastic"),
        "memory": Memory(weight_read_errors=0.05, code_errors=0.05),
    },
    "dithered, own source": {
        "noise": Noise(input_dither="stochastic", weight_sigma=0.1),
        "random": RandomSource(threshold_bits=7, lfsr_bits=9, neurons_per_source=2),
        "memory": Memory(code_errors=0.1),
    },
}
ALL = DIGITAL | SOURCES | INPUT_DITHER | ARRAYS | MIXED
PAIRS = [(kind, name) for kind in ("deep", "recurrent") for name in ALL]
PAIRS += [
    ("single", name)
    for name, parts in ALL.items()
    if "noise" in parts and parts["noise"].input_dither != "none"
]
"""What does not round inputs is tested on the single layer elsewhere."""

LONG = {("recurrent", "noise of every cell"), ("recurrent", "shot noise")}
"""Draws at every cell and step; in the fast tests those of the deep program stand for them."""

PAIRS_BY_TIME = [
    pytest.param(*pair, marks=pytest.mark.slow if pair in LONG else ()) for pair in PAIRS
]


def chip_of(kind, parts, chip_key=3):
    program = PROGRAMS[kind](3)
    return Chip(
        program,
        hardware_of(program, **parts),
        chip_key=chip_key,
        calibration=some_stimuli(50, seed=6),
    )


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_a_setting_moves_the_codes(kind, name):
    plain = chip_of(kind, {"array": IDEAL} if name in ARRAYS else {}).sample(X, 60, 2).codes
    assert (chip_of(kind, ALL[name]).sample(X, 60, 2).codes != plain).mean() > 0.005


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("name", DIGITAL | ARRAYS)
@pytest.mark.parametrize("kind", ["deep", "recurrent"])
def test_a_setting_acts_on_every_layer(kind, name, rows):
    """Layer by layer, on inputs that all reads share and on inputs that differ from read to
    read.
    """
    chip, plain = (
        layers_of(chip_of(kind, parts))
        for parts in (ALL[name], {"array": IDEAL} if name in ARRAYS else {})
    )
    for layer, other in zip(chip, plain, strict=True):
        place = Place(5, 2, 9)
        shape = (10, 20, layer.layer.inputs) if rows else (10, layer.layer.inputs)
        integers = np.random.default_rng(8).integers(-4, 4, shape).astype(np.int8)
        found, expected = np.empty((2, 10, 20, layer.layer.neurons), np.int8)
        layer.draw(integers, place, found)
        other.draw(integers, place, expected)
        assert (found != expected).any()


def layers_of(chip):
    """The layers of a chip in the order in which they run."""
    runner = chip._runner
    if hasattr(runner, "lateral"):
        return [runner.readout, runner.lateral]
    return [*runner.before, runner.readout]


@pytest.mark.parametrize(("kind", "name"), PAIRS_BY_TIME)
def test_threads_splits_and_portions_change_nothing(kind, name, monkeypatch):
    chip = chip_of(kind, ALL[name])
    where = {"first_stimulus": 3, "first_read": 50}
    whole = chip.sample(X, 11, 6, **where).codes
    assert np.array_equal(
        whole, chip_of(kind, ALL[name]).sample(X, 11, 6, **where, count=False).codes
    )
    parts = [
        [chip.sample(X[a:b], d - c, 6, 3 + a, 50 + c).codes for c, d in ((0, 4), (4, 11))]
        for a, b in ((0, 1), (1, 4))
    ]
    assert np.array_equal(whole, np.concatenate([np.concatenate(row, axis=1) for row in parts]))
    with threads():
        assert np.array_equal(whole, chip.sample(X, 11, 6, **where).codes)
    for block in (2 * 11 * 9, 4 * 9):  # the last splits the reads of one stimulus
        for name_of_block in (
            "memory_portions.DRIVES_AT_ONCE",
            "memory_portions.STATES_AT_ONCE",
            "neurons._THRESHOLDS_AT_ONCE",
        ):
            monkeypatch.setattr(f"stochsim.chip.{name_of_block}", block)
        assert np.array_equal(whole, chip.sample(X, 11, 6, **where).codes)


@pytest.mark.parametrize(("kind", "name"), PAIRS_BY_TIME)
def test_key_stimulus_read_and_chip_change_the_draws(kind, name):
    """chip_key does where something is drawn once per chip, and only there."""
    chip = chip_of(kind, ALL[name])
    base = chip.sample(X, 40, 6).codes
    for other in ({"key": 7}, {"first_stimulus": 1}, {"first_read": 1}):
        assert (chip.sample(X, 40, **{"key": 6, **other}).codes != base).mean() > 0.01
    per_chip = name in ("weight errors", "voltage", "offsets", "gains", "devices", "stuck cells")
    assert (
        np.array_equal(chip_of(kind, ALL[name], chip_key=4).sample(X, 40, 6).codes, base)
        != per_chip
    )


def test_layers_of_one_chip_have_draws_of_their_own():
    """The same weights twice: their memories err at other places, and their neurons draw other
    noise.
    """
    chip = chip_of("deep", {"memory": Memory(weight_errors=0.2), "noise": Noise(read_sigma=0.5)})
    hidden = chip._runner.hidden
    flips = [
        layer.product.weight_codes != layer.layer.weight_codes
        for layer in (*hidden, chip._runner.readout)
    ]
    assert not np.array_equal(flips[0][:5, :6], flips[1][:5, :6])
    assert not np.array_equal(flips[1][:5, :6], flips[2][:5, :6])
    head = chip._runner.head.layer
    last = chip._runner.readout
    integers = np.zeros((1, 6), np.int8)
    found = np.empty((2, 1, 200, 5), np.int8)
    for layer, out in zip((head, last), found, strict=True):
        layer.draw(integers, Place(1, 0, 0), out)
    found = found.reshape(2, -1).astype(float)
    assert abs(np.corrcoef(found)[0, 1]) < 5 / np.sqrt(found.shape[1])


@pytest.mark.parametrize("kind", ["deep", "recurrent"])
def test_the_range_of_deeper_adcs_is_set_on_the_codes_before_them(kind):
    """The codes hold all of each layer's own partial sums but 2.5 % at either end; other
    calibration stimuli, another range.
    """
    program = PROGRAMS[kind](3)
    seen = some_stimuli(50)
    array = array_of(
        Adc(bits=4, range="calibrated", clip_share=0.05),
        rows=40,
        signs="differential",
        cell_bits=2,
        cycle_bits=3,
    )
    layers, others = (
        layers_of(Chip(program, hardware_of(program, array=array), calibration=x))
        for x in (seen, 0.01 * seen)
    )
    first = program.input.integers(program.input.codes(seen))
    if kind == "recurrent":
        reads = [first, Chip(program, hardware_of(program)).sample(seen, 1, 0).codes[:, 0]]
    else:
        second = layers[0].codes(first, 1, Place(0, 0, 0))[:, 0]
        third = layers[1].codes(second, 1, Place(0, 0, 0))[:, 0]
        reads = [first, second, third, third]
    for layer, other, integers in zip(layers, others, reads, strict=True):
        sums = layer.product._clean_sums(integers)
        low = np.quantile(sums, 0.025, method="lower")
        high = np.quantile(sums, 0.975, method="higher")
        assert layer.product.range.lsb == (high - low) / 15
        assert abs(layer.product.range.lsb * layer.product.range.c_min - low) <= (high - low) / 30
        assert layer.product.range.lsb != other.product.range.lsb


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("name", ["rram-array", "pcm-array", "sram-array-28nm", "digital-45nm"])
def test_every_wiring_runs_on_a_preset_with_data_to_calibrate_on(kind, name):
    """Prices of a preset belong to its array, whatever the calibration runs on."""
    x = some_stimuli(20)
    chip = Chip(PROGRAMS[kind](4), load_hardware(name, bits=4), calibration=x)
    assert np.ptp(chip.sample(x, 3, 0).codes) > 1


def test_inputs_are_told_apart_from_the_first_layer():
    """Dither and neurons draw other integers under one key."""
    program = PROGRAMS["recurrent"](8)
    inputs = Inputs(program.input, hardware_of(program, noise=Noise(input_dither="stochastic")))
    x = np.full((1, INPUTS), 0.5 * program.input.scale)
    up = inputs.integers(x, 400, Place(3, 0, 0))[0, :, :5].astype(float)
    neurons = (
        Chip(PROGRAMS["single"](8), hardware_of(program))
        .sample(np.zeros((1, INPUTS)), 400, 3)
        .codes[0]
        .astype(float)
    )
    assert set(np.unique(up)) == {0.0, 1.0}
    for n in range(5):
        assert abs(np.corrcoef(up[:, n], neurons[:, n])[0, 1]) < 5 / np.sqrt(400)
