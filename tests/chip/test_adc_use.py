"""How ADCs stand against the partial sums that they convert: steps within ±1 sd and the share
clipped, against plain NumPy; ranges set on data wherever there is any; the words about coarse ones.
"""

import warnings

import numpy as np
import pytest
from arraytest import (
    array_of,
    exact_sums,
    hardware_for,
    input_digits,
    product_of,
    program_of,
    random_inputs,
    random_weights,
    slice_digits,
    sums_of,
)

from stochsim.accounting import AdcUse, coarse_adcs
from stochsim.chip import Chip, CoarseAdcWarning
from stochsim.chip.coarse_adcs import adc_uses
from stochsim.hardware import Adc, Array, Cells, preset
from stochsim.program import random_program
from stochsim.settings import SettingError

COARSE = pytest.mark.filterwarnings("ignore::stochsim.chip.CoarseAdcWarning")
WEIGHTS, X = random_weights(4, 32, 256), random_inputs(4, 40, 256)
INHERITED = {"bits": 6, "range": "full"}
GEOMETRY = {"rows": 256, "cell_bits": 2, "signs": "offset"}


def partial_sums(weights, x, cell_bits, signs):
    """Noiseless partial sums of one tile and 1-bit cycles, in plain NumPy."""
    digits = input_digits(x, 4, 1).astype(float)
    cells = slice_digits(weights, 4, cell_bits, signs).astype(float)
    return np.concatenate([(line @ one.T).ravel() for line in digits for one in cells])


def chip_with(adc, calibration=None, **geometry):
    program = program_of(WEIGHTS)
    array = array_of(Adc(**adc), **(GEOMETRY | geometry))
    return Chip(program, hardware_for(program, array), calibration=calibration)


def test_a_full_range_inherited_by_256_rows_is_coarse_and_says_so():
    """Digits of 0 and 1 and cells of 0 to 3: the sum of 256 products has a variance of about
    256 (E x²w² - E² xw) = 256 (7/4 - 9/16) = 304, so about 2 × 17.4 of 768/63 = 12.2 within ±1 sd.
    """
    chip = chip_with(INHERITED)
    with pytest.warns(CoarseAdcWarning, match=r"coarse ADCs: [23]\.\d* steps of 6 bits within"):
        chip.sample(X, 1, 0)
    use = chip.adc_use["readout"]
    sums = partial_sums(WEIGHTS, X[:16], 2, "offset")
    assert use.step == 768 / 63
    assert use.steps_within_sd == pytest.approx(2 * sums.std() / (768 / 63), rel=1e-12)
    assert use.steps_within_sd == pytest.approx(2 * np.sqrt(304) / (768 / 63), rel=0.1)
    assert use.clipped == 0
    assert use.is_coarse


@pytest.mark.parametrize(("bits", "words"), [(1, "of 1 bit within"), (2, "of 2 bits within")])
def test_one_bit_is_no_bits(bits, words):
    chip = chip_with({"bits": bits, "range": "full"})
    with pytest.warns(CoarseAdcWarning, match=f"coarse ADCs: .* steps {words}"):
        chip.sample(X, 1, 0)


def test_where_there_is_data_the_range_is_set_on_it():
    """Which "auto" and "calibrated" do alike; "auto" without data is "full"."""
    told = chip_with({"bits": 6, "range": "calibrated"}, X)
    with warnings.catch_warnings(action="error"):
        found = chip_with({"bits": 6}, X)
        codes = found.sample(X, 2, 0).codes
    assert np.array_equal(codes, told.sample(X, 2, 0).codes)
    sums = partial_sums(WEIGHTS, X, 2, "offset")
    ends = [
        np.quantile(sums, 5e-5, method="lower"),
        np.quantile(sums, 1 - 5e-5, method="higher"),
    ]
    use = found.adc_use["readout"]
    assert use.is_calibrated
    assert use.step == pytest.approx((ends[1] - ends[0]) / 63)
    assert use.steps_within_sd == pytest.approx(2 * sums.std() / use.step, rel=1e-12)
    assert use.steps_within_sd > 8
    with pytest.warns(CoarseAdcWarning):
        without = chip_with({"bits": 6}).sample(X, 2, 0).codes
    with pytest.warns(CoarseAdcWarning):
        full = chip_with(INHERITED).sample(X, 2, 0).codes
    assert np.array_equal(without, full)
    assert not np.array_equal(without, codes)


@COARSE
@pytest.mark.parametrize("signs", ["offset", "differential"])
def test_a_range_set_on_data_rounds_less(signs):
    """The squared error of the sums is that of uniform rounding, Σ place² step²/12, within 15 %:
    far below the full range's.
    """
    errors = {}
    for name in ("calibrated", "full"):
        array = array_of(Adc(bits=8, range=name), **(GEOMETRY | {"signs": signs}))
        product = product_of(WEIGHTS, array, calibration=X.astype(float))
        error = sums_of(product, X)[:, 0] - exact_sums(WEIGHTS, X)
        errors[name] = np.mean((error - error.mean()) ** 2)
        if name == "calibrated":
            step = product.range.lsb
            squares = (16.0 ** np.arange(2)).sum() * (4.0 ** np.arange(4)).sum()
            assert step % 1 != 0
            assert errors[name] == pytest.approx(squares * step**2 / 12, rel=0.15)
    assert errors["calibrated"] < errors["full"] / 3


@COARSE
def test_a_full_range_that_loses_nothing_is_kept():
    """9 rows of 1-bit cells in 4 bits: steps of 1, noiseless sums as exact as digital ones; in 3
    bits, or with conductances between the steps, the range is set on the data.
    """
    weights, x = random_weights(4, 5, 9), random_inputs(4, 30, 9)
    for adc, cells, expected in (
        (Adc(bits=4), Cells(), False),
        (Adc(bits=3), Cells(), True),
        (Adc(bits=4), Cells(wire_ohm=1e-9), True),
    ):
        product = product_of(weights, array_of(adc, cells, rows=9), calibration=x.astype(float))
        assert product.range.is_calibrated == expected
        exact = np.array_equal(sums_of(product, x)[:, 0], exact_sums(weights, x))
        assert exact or expected


def test_sums_that_are_never_near_0_get_a_range_that_is_not():
    """Bright inputs on offset columns: all codes lie between the least and the largest sum."""
    weights = np.full((4, 64), 7, np.int8)
    weights[:, ::4] = -8
    x = np.full((30, 64), 7, np.int8)
    x[:, :10] = random_inputs(4, 30, 10)
    array = array_of(Adc(bits=4), rows=64)
    product = product_of(weights, array, calibration=x.astype(float))
    sums = partial_sums(weights, x, 1, "offset")
    found = product.range
    assert sums.min() > 30
    assert abs(found.lsb * found.c_min - sums.min()) <= found.lsb / 2
    assert abs(found.lsb * found.c_max - sums.max()) <= found.lsb / 2
    exact = exact_sums(weights, x)
    far = product_of(weights, array_of(Adc(bits=4, range="fixed", range_max=64.0), rows=64))
    near, wide = (np.abs(sums_of(one, x)[:, 0] - exact).mean() for one in (product, far))
    assert near < wide / 2


def test_a_card_and_a_bill_say_how_coarse_the_adcs_are():
    chip = chip_with(INHERITED)
    assert "not compared with any data yet" in str(chip)
    with pytest.warns(CoarseAdcWarning):
        bill = chip.bill(X)
    assert "ADCs of 1 of 1 layer are coarse, below 8 steps" in str(chip)
    assert "warning: coarse ADCs: " in str(bill)
    assert "ADCs of readout: " in str(bill)
    assert any(flag.startswith("coarse ADCs") for flag in bill.flags)
    assert bill.to_json()["adc_use"]["readout"]["steps_within_sd"] < 8
    fine = chip_with({"bits": 8}, X)
    assert "coarse" not in str(fine)
    assert "coarse" not in str(fine.bill(X))


@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
def test_a_bill_flags_what_clips():
    """A range to 210 leaves some 40 % of the sums beyond it."""
    bill = chip_with({"bits": 8, "range": "fixed", "range_max": 210.0}, X).bill(X)
    share = np.mean(partial_sums(WEIGHTS, X, 2, "offset") > 210 * (1 + 0.5 / 255))
    assert 0.3 < share < 0.5
    assert bill.flags[-1] == (
        f"clipping ADCs: {share:.2%} of the partial sums of 'readout' lie beyond the range"
    )
    assert not any("clipping" in flag for flag in chip_with({"bits": 8}, X).bill(X).flags)


@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
def test_stimuli_that_clip_are_in_the_bill_of_a_calibrated_chip():
    """Calibrated on inputs of -8 and -7, whose rows are off in all cycles but the first."""
    low = np.where(X > 0, -7, -8).astype(np.int8)
    chip = chip_with({"bits": 8, "range": "calibrated", "clip_share": 0.0}, low)
    assert chip.adc_use["readout"].clipped == 0
    bill = chip.bill(X)
    ends = partial_sums(WEIGHTS, low, 2, "offset")
    half = np.ptp(ends) / 255 / 2
    sums = partial_sums(WEIGHTS, X[:16], 2, "offset")
    share = np.mean(sums > ends.max() + half)
    assert share > 0.05
    assert chip.adc_use["readout"].clipped == pytest.approx(share, abs=0.01)
    assert bill.adc_use == chip.adc_use
    assert any(flag.startswith("clipping ADCs: ") for flag in bill.flags)
    assert f"{chip.adc_use['readout'].clipped:.2%} clipped" in str(chip)


class _Seen:
    """A layer whose ADCs meet these partial sums."""

    def __init__(self, name: str, sums: np.ndarray) -> None:
        self.name = name
        self.product = self
        self.adc_use = AdcUse.of(sums, 2.0, (0, 15), False)


def test_a_layer_of_groups_is_as_coarse_and_clips_as_much_as_any_of_them():
    """Codes hold sums up to 31: of one group's 22.5, 23.5 … 41.5, 11 of 20 lie beyond; the sums of
    the others are all the same, or few steps apart.
    """
    coarse, clips, same = np.arange(7.0), np.arange(22.5, 42), np.full(5, 3.0)
    groups = [_Seen("conv", one) for one in (same, coarse, clips)]
    for order in (groups, groups[::-1]):
        use = adc_uses(order)["conv"]
        assert use.sd == coarse.std()
        assert use.clipped == 11 / 20


@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
@COARSE
def test_a_card_shows_the_coarsest_layer_and_the_one_that_clips_most():
    """8 rows in the second layer give sums of up to 8, which the range holds; 64 in the first give
    more.
    """
    program, _ = random_program((64, 8, 3), (4, 4, 4), sigma=30.0)
    stimuli = np.random.default_rng(0).normal(size=(20, 64))
    adc = Adc(bits=8, range="fixed", range_max=8.0)
    chip = Chip(program, hardware_for(program, array_of(adc, rows=64)))
    chip.sample(stimuli, 4, 0)
    uses = chip.adc_use
    assert uses["layer 2"].clipped == 0 < uses["layer 1"].clipped
    assert uses["layer 2"].steps_within_sd < uses["layer 1"].steps_within_sd
    rows = [" ".join(line.split()) for line in str(chip).splitlines()]
    assert f"ADCs layer 2: {uses['layer 2'].brief}" in rows
    assert f"clipping layer 1: {uses['layer 1'].brief}" in rows


def test_warnings_come_once_and_at_the_users_line():
    chip = chip_with(INHERITED)
    with pytest.warns(CoarseAdcWarning) as caught:
        chip.sample(X, 1, 0)
    assert [one.filename for one in caught] == [__file__]
    with warnings.catch_warnings(action="error"):
        chip.sample(X, 1, 1)


def test_steps_of_one_cell_step_are_not_coarse():
    """They tell every partial sum from the next; and sums that are all the same tell nothing."""
    few = AdcUse.of(np.array([3.0, 4, 5, 5]), 1.0, (0, 15), False)
    assert few.steps_within_sd < 8
    assert not few.is_coarse
    assert few._replace(step=1.5).is_coarse
    assert not few._replace(step=1.5, sd=0.0).is_coarse
    assert coarse_adcs({"a": few}) == ""


@pytest.mark.parametrize(("largest", "share"), [(15.0, 0.0), (10.0, 4 / 16), (1.0, 14 / 16 - 0.0)])
def test_the_share_clipped_by_hand(largest, share):
    """Sums 0 to 15; codes up to `largest` take half a step more: 10 holds 0 to 10 of 16 codes by
    2/3, up to 10.33.
    """
    sums = np.arange(16.0)
    found = AdcUse.of(sums, largest / 15, (0, 15), False).clipped
    assert found == np.mean(sums > largest * (1 + 0.5 / 15))
    assert found == pytest.approx(share, abs=1 / 16 + 1e-12)


@pytest.mark.parametrize(("range_max", "code"), [(1e6, "0"), (1e-3, "63")])
def test_a_fixed_range_that_no_data_supports_is_an_error(range_max, code):
    """One code for every sum of offset columns that are never 0, whatever the inputs."""
    weights = np.full((4, 64), 7, np.int8)
    x = np.full((30, 64), 7, np.int8)
    x[:, :10] = random_inputs(4, 30, 10)
    array = array_of(Adc(bits=6, range="fixed", range_max=range_max), rows=64)
    sums = partial_sums(weights, x, 1, "offset")
    most = f"{sums.max():g}"
    match = rf"'array.adc.range_max' = .* to {most}, the code {code}; valid: about {most}"
    with pytest.raises(SettingError, match=match):
        product_of(weights, array, calibration=x.astype(float))
    product_of(weights, array)  # without data there is nothing to hold it against


@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
@COARSE
def test_a_fixed_range_around_0_alone_is_an_error_in_differential_columns():
    """Whole sums but 0 lie beyond 1e-9 and get an outer code, -32 or 31; a range to 1 holds -1."""

    def chip(range_max):
        adc = {"bits": 6, "range": "fixed", "range_max": range_max}
        return chip_with(adc, X, signs="differential")

    sums = partial_sums(WEIGHTS, X, 2, "differential")
    ends = f"{sums.min():g} to {sums.max():g}"
    valid = f"{np.abs(sums).max() * 32 / 31:g}"
    with pytest.raises(SettingError, match=rf"{ends}, but those of one code .* about {valid}"):
        chip(1e-9)
    assert chip(1.0).adc_use["readout"].clipped == np.mean((sums < -1) | (sums > 0))
    assert chip(float(valid)).adc_use["readout"].clipped == 0


@pytest.mark.parametrize(
    "array", [None, array_of(Adc(bits=6)), array_of(cells=Cells(wire_ohm=1.0))]
)
def test_calibration_without_stimuli_is_an_error(array):
    program = program_of(WEIGHTS)
    for empty in (np.zeros((0, 256)), []):
        with pytest.raises(
            SettingError, match=r"'calibration' = .*one stimulus at least"
        ) as caught:
            Chip(program, hardware_for(program, array), calibration=empty)
        assert caught.value.field == ("calibration",)
    Chip(program, hardware_for(program, array), calibration=X[:1].astype(float))


@pytest.mark.parametrize("range_max", [1.0, 1e-6, 1e-9, 1e-12, 1e-14])
def test_a_range_far_too_small_clips_at_its_end(range_max):
    """On a grid too, whose integers hold sums of 10^16 steps: each of 4 × 4 conversions of 40 gives
    the last code of 63, and their places add up to 15 × 15.
    """
    weights, x = np.full((1, 40), 7, np.int8), np.full((1, 40), 7, np.int8)
    adc = Adc(bits=6, range="fixed", range_max=range_max, offset_sigma_lsb=1e-9)
    product = product_of(weights, array_of(adc, rows=40))
    product._is_looked_at = True
    assert product._codes(product.cells.unsigned(x), 1, 3, 0, 0)[0, 0, 0] == 15 * 15 * 63


def test_partial_sums_beyond_31_bits_are_refused():
    """Each of 20,000 rows gives up to 255 × 255 of 1/256 steps: 3.3e11."""
    weights, x = random_weights(8, 1, 20_000), random_inputs(8, 1, 20_000)
    array = Array(rows=65536, cell_bits=8, cycle_bits=8, adc=Adc(bits=8))
    measured = array.replace(cells=array.cells.replace(wire_ohm=1e-9))
    with pytest.raises(
        SettingError, match=r"'array.rows' = 65536 and .* valid: array.rows of at most"
    ):
        product_of(weights, measured, 8, 8)
    assert sums_of(product_of(weights[:, :99], array, 8, 8), x[:, :99]).shape == (1, 1, 1)


def test_a_published_description_with_7_bit_cells():
    """SONOS cells of 7 bits and a sign: one slice, read 8-bit weights; noiseless sums within what
    programming errors of 16 µS/127 steps allow.
    """
    weights, x = random_weights(8, 6, 48), random_inputs(4, 20, 48)
    sonos = preset("rram-array").with_(
        {
            "array.cell_bits": 7,
            "array.cells.device": "sonos",
            "array.cells.age_s": None,
            "precision.weight_bits": 8,
            "precision.output_bits": 8,
            "array.adc.sigma_lsb": 0.0,
        }
    )
    program = program_of(weights, 8, 4)
    product = Chip(program, sonos, calibration=x.astype(float)).product
    assert product.cells.slices == 1
    relative = np.corrcoef(sums_of(product, x)[:, 0].ravel(), exact_sums(weights, x).ravel())[0, 1]
    assert relative > 0.98


@pytest.mark.parametrize(
    "wrong", [[], [["a", 0], 1.0], 5, "ab", np.zeros((0, 6)), np.zeros((2, 5))]
)
@pytest.mark.parametrize("name", ["rram-array", "digital-45nm"])
def test_what_is_no_calibration_data_is_refused_by_that_name(name, wrong):
    program, _ = random_program((6, 3), (4, 4, 4), sigma=0.5)
    with pytest.raises(SettingError, match="'calibration' = "):
        Chip(program, preset(name).with_precision(4, 4, 4), calibration=wrong)


@pytest.mark.parametrize(("cell_step", "is_coarse"), [(0.3, True), (0.95, False), (1.0, False)])
def test_steps_of_one_tell_cell_steps_apart_and_no_smaller_ones(cell_step, is_coarse):
    """Sums of 0 to 3 cell steps, sd √1.25 of them, and an ADC of steps of 1: 2.24 cell_step steps
    within ±1 sd, which lose nothing where a cell step is about that of the ADC.
    """
    sums = cell_step * np.tile(np.arange(4.0), 5)
    use = AdcUse.of(sums, 1.0, (0, 7), True, cell_step)
    assert use.steps_within_sd == pytest.approx(2 * np.sqrt(1.25) * cell_step)
    assert use.is_coarse == is_coarse
    assert bool(coarse_adcs({"readout": use})) == is_coarse


@pytest.mark.parametrize(("bits", "warns"), [(4, True), (6, False)])
def test_sums_that_wires_have_made_small_need_fine_steps(bits, warns):
    """Behind 300 Ω a segment all sums lie within few cell steps: steps of the ADC are below 1,
    and yet of 4 bits a fifteenth of their whole range.
    """
    program, x = random_program((64, 6), (4, 4, 4), sigma=0.5)
    wires = {"array.cells.wire_ohm": 300.0, "array.cells.wire_model": "nodal"}
    changes = wires | {"array.adc.bits": bits}
    hardware = preset("rram-array").with_precision(4, 4, 4).with_(changes)
    stimuli = np.random.default_rng(0).normal(size=(40, 64)) * np.abs(x["layer 1"]).max()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use = Chip(program, hardware, calibration=stimuli).adc_use["layer 1"]
    assert use.step < 1
    assert [one.category for one in caught] == [CoarseAdcWarning] * warns
    assert use.is_coarse == warns
