"""What a chip refuses, and what it warns of: the message names the field, its value, the rule and
what would do.
"""

import re
import warnings

import numpy as np
import pytest
from arraytest import (
    array_of,
    hardware_for,
    product_of,
    program_of,
    random_inputs,
    random_weights,
    sums_of,
)

from stochsim.chip import Chip, FloatChip, digital_product
from stochsim.hardware import Adc, Cells, Noise, load_hardware
from stochsim.program import float_single, random_program
from stochsim.settings import SettingError

WEIGHTS = random_weights(4, 5, 60)
X = random_inputs(4, 4, 60).astype(float)


def chip_of(array=None, weights=WEIGHTS, bits=4, chip_key=0, calibration=None, **parts):
    program = program_of(weights, bits, bits, 3, 0.3)
    return Chip(
        program, hardware_for(program, array, **parts), chip_key=chip_key, calibration=calibration
    )


@pytest.mark.parametrize("chip_key", [-1, 2**64, 1.0, True, "a"])
def test_chip_keys_are_keys(chip_key):
    with pytest.raises(
        SettingError, match=r"'chip_key' = .*: should be an integer from 0 to 18446744073709551615"
    ):
        chip_of(chip_key=chip_key)


def test_a_calibrated_range_needs_stimuli():
    array = array_of(Adc(range="calibrated"))
    with pytest.raises(
        SettingError,
        match=r"'array.adc.range' = 'calibrated': .* needs calibration = stimuli \(stimulus, "
        r"input\)",
    ):
        chip_of(array)
    with pytest.raises(SettingError, match=r"\(stimulus, 60\)"):
        chip_of(array, calibration=X[:, :59])
    with pytest.raises(SettingError, match="row 0, column 0 is nan"):
        chip_of(array, calibration=np.full((2, 60), np.nan))
    assert chip_of(array, calibration=X).sample(X, 2, 1).codes.shape == (4, 2, 5)


def test_sums_beyond_32_bits_are_refused():
    """255 × 255 × 4095 for each of 60 tiles: 16 × 10^9."""
    weights = random_weights(8, 5, 60)
    bound = 60 * 255 * 255 * 4095
    with pytest.raises(
        SettingError,
        match=f"'array.adc.bits' = 12: outputs could reach {bound}, beyond 32 bits: fewer tiles",
    ):
        chip_of(array_of(Adc(bits=12), rows=1), weights, 8)
    assert chip_of(array_of(Adc(bits=12), rows=60), weights, 8).product.range.lsb == 1


def test_wires_that_take_too_much_are_refused_with_what_would_do():
    with pytest.raises(
        SettingError,
        match=r"'wire_ohm' = 1000.0: the largest relative drop is .* at most .* ohm here",
    ) as caught:
        chip_of(array_of(Adc(bits=7), Cells(wire_ohm=1000.0)))
    allowed = float(re.search(r"at most (\S+) ohm", str(caught.value))[1])
    chip_of(array_of(Adc(bits=7), Cells(wire_ohm=0.8 * allowed)))


def test_reference_noise_beyond_what_can_be_drawn():
    """A rule of the moves' table, on the coarsest grid of 1/8 step."""
    with pytest.raises(
        SettingError,
        match=r"'array.adc.reference_sigma_lsb' = 40.0: should be at most 39.25",
    ):
        chip_of(array_of(Adc(bits=6, reference_sigma_lsb=40.0)))
    product = product_of(
        WEIGHTS, array_of(Adc(bits=6, reference_sigma_lsb=39.0, reference_columns=5))
    )
    assert np.std(sums_of(product, X, 50)) > 0


def test_measured_neurons_have_the_bits_of_the_program():
    table = "drive,p0,p1,p2,p3\n-1,1,0,0,0\n1,0,0,0,1\n"
    with pytest.raises(
        SettingError,
        match=r"'noise.measured_csv': has codes of 2 bits: should be 3, as the program's outputs",
    ):
        chip_of(noise=Noise(measured_csv=table))


def test_drives_of_an_array_differ_from_read_to_read():
    chip = chip_of(array_of(Adc(bits=7)))
    for ask in (chip.drive, chip.thresholds, chip.probabilities):
        with pytest.raises(
            SettingError, match=r"digital-45nm has an array: its drives differ from read to read"
        ):
            ask(X)


@pytest.mark.parametrize("kind", ["digital", "array", "float"])
def test_too_many_codes_are_refused_before_they_are_allocated(kind, monkeypatch):
    """4 stimuli × 10^6 reads × 5 neurons: 20 MB of codes, 8 times as much of a float network's
    values, where 10 MB are free.
    """
    if kind == "float":
        chip = FloatChip(float_single(WEIGHTS.astype(float), np.zeros(5), np.ones(5), 0.0))
    else:
        chip = chip_of(array_of(Adc(bits=7)) if kind == "array" else None)
    monkeypatch.setattr("stochsim.settings.free_memory.available_bytes", lambda: 10 * 2**20)
    monkeypatch.setattr(np, "empty", lambda *_, **__: pytest.fail("allocated"))
    with pytest.raises(
        SettingError,
        match=r"samples of 4 × 1000000 × 5 need 0\.\d GiB, 0.0 GiB are free: take fewer stimuli or "
        r"reads",
    ):
        chip.sample(X, 1_000_000, 1)


def test_adc_tables_that_do_not_fit_are_refused_before_they_are_allocated(monkeypatch):
    """Shot-like noise of 500 LSB at 12 bits: thousands of codes for each of 64 standard
    deviations.
    """
    array = array_of(Adc(bits=12, sigma_lsb=500.0), Cells(shot_sigma=50.0), signs="differential")
    monkeypatch.setattr("stochsim.settings.free_memory.available_bytes", lambda: 2**30)
    with pytest.raises(
        SettingError,
        match=r"'array': the ADCs' tables of \d+ × 8202 need .* GiB, 1.0 GiB are free: "
        r".*adc.bits",
    ):
        chip_of(array)


@pytest.mark.parametrize("signs", ["offset", "differential"])
def test_clipping_warns_once_with_the_range_that_would_not(signs):
    """The share of clipped partial sums of the first stimuli, and a range_max; with it, and on data
    that do not clip, nothing is said.
    """
    chip = chip_of(array_of(Adc(bits=5, range="fixed", range_max=4.0), signs=signs))
    with pytest.warns(
        UserWarning,
        match=r"clip [\d.]+% of the partial sums of the first 4 stimuli \(more than 0.1%\)",
    ) as caught:
        chip.sample(X, 2, 1)
    message = str(caught[0].message)
    assert caught[0].filename == __file__  # the caller of sample, not its inside
    partial = chip.product._clean_sums(X.astype(np.int8))
    top = 4.0 / 31 * 31.5 if signs == "offset" else 4.0 / 16 * 15.5
    beyond = (partial > top) | (partial < (-0.5 if signs == "offset" else -4.0 / 16 * 16.5))
    assert f"{beyond.mean():.2%}" in message
    enough = float(re.search(r"range_max = (\S+) would clip none", message)[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chip.sample(X, 2, 1)  # said once
        wide = chip_of(array_of(Adc(bits=5, range="fixed", range_max=enough), signs=signs))
        wide.sample(X, 2, 1)
        assert wide.product.range.share_outside(partial) == 0
        chip_of(array_of(Adc(bits=5, range="fixed", range_max=4.0), signs=signs)).sample(
            np.full((2, 60), -8.0), 2, 1
        )
    close = product_of(
        WEIGHTS, array_of(Adc(bits=5, range="fixed", range_max=0.9 * enough), signs=signs)
    )
    assert close.range.share_outside(partial) > 0


def test_noise_of_more_weights_than_are_numbered_is_refused(monkeypatch):
    program, _ = random_program((6, 3), (4, 4, 4), sigma=2.0)
    hardware = load_hardware("digital-45nm", bits=4)
    noise = Noise(weight_sigma=0.1, weight_noise="explicit")
    Chip(program, hardware.replace(noise=noise))
    monkeypatch.setattr(digital_product, "MOST_NUMBERED", 17)
    with pytest.raises(SettingError, match=r"'noise\.weight_noise'.* up to 17 weights.*has 18"):
        Chip(program, hardware.replace(noise=noise))
    Chip(program, hardware.replace(noise=Noise(weight_sigma=0.1)))
