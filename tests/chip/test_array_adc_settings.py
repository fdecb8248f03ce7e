"""Each setting of an array and its ADCs moves the sums as predicted, one test per setting;
those of its cells have a file of their own.

Noiseless settings are compared with the rule in plain NumPy (`arraytest.converted_sums`). Noise is
compared with its variance: an ADC's sigma of one step and more, plus the 1/12 of rounding,
which is then right to 2e-7 of itself (Poisson summation: the first term is 4 exp(-2 π² σ²)(σ² +
…)).
"""

import itertools

import numpy as np
import pytest
from arraytest import (
    array_of,
    assert_variance,
    converted_sums,
    exact_sums,
    input_digits,
    operations_of,
    places,
    product_of,
    random_inputs,
    random_weights,
    slice_digits,
    sums_of,
)
from stattest import assert_mean

from stochsim.energy import Operation
from stochsim.hardware import Adc, Cells
from stochsim.hardware.wires import relative_drop

WEIGHTS = random_weights(4, 8, 48)
pytestmark = pytest.mark.filterwarnings("ignore::stochsim.chip.CoarseAdcWarning")
BRIGHT = np.full(
    (1, 48), 7, np.int8
)  # every digit 1: partial sums stay far from 0, where offset columns clip
THERMAL = Adc(bits=10, sigma_lsb=1.0)  # steps of 1, with room for noise
ROUNDING = 1 / 12


def deviations(array, weights=WEIGHTS, x=BRIGHT, reads=20_000, **parts):
    """Noisy sums less exact ones, (read, neuron), of one stimulus."""
    return (
        sums_of(product_of(weights, array, **parts), x, reads) - exact_sums(weights, x)[:, None]
    )[0]


def squared_places(array, weight_bits=4, input_bits=4):
    """Σ of the squared place values of all slices and cycles."""
    stored_bits = array.magnitude_bits(weight_bits)
    return (places(stored_bits, array.cell_bits) ** 2).sum() * (
        places(input_bits, array.cycle_bits) ** 2
    ).sum()


@pytest.mark.parametrize("signs", ["offset", "differential"])
@pytest.mark.parametrize("geometry", [{}, {"rows": 16}, {"cell_bits": 3}, {"cycle_bits": 2}])
def test_rows_cell_bits_cycle_bits_and_signs_set_how_often_noise_enters(geometry, signs):
    """One conversion per tile, slice and cycle, each with its place value; the negative control has
    a sigma 5 % larger.
    """
    array = array_of(THERMAL, signs=signs, **geometry)
    tiles = -(-48 // geometry.get("rows", 128))
    found = deviations(array)
    assert_mean(found, 0.0, 1e-6)
    weight = tiles * squared_places(array)
    assert_variance(found, weight * (1 + ROUNDING), weight * (1.05**2 + ROUNDING))


def test_sigma_lsb():
    """In steps: of 1 and of 2.5 at twice the range; the negative control has a sigma 5 % larger."""
    for sigma, step in ((1.0, 1.0), (2.0, 1.0), (1.5, 2.5)):
        adc = Adc(bits=9, sigma_lsb=sigma, range="fixed", range_max=256 * step)
        array = array_of(adc, signs="differential")
        found = sums_of(product_of(WEIGHTS, array), BRIGHT, 20_000)[0]
        weight = squared_places(array) * step**2
        mean = exact_sums(WEIGHTS, BRIGHT)[0]
        assert_variance(
            found - mean, weight * (sigma**2 + ROUNDING), weight * ((1.05 * sigma) ** 2 + ROUNDING)
        )


@pytest.mark.parametrize("signs", ["offset", "differential"])
@pytest.mark.parametrize("bits", [2, 3, 5, 8])
def test_bits_and_range(bits, signs):
    """Exactly the step that takes the largest partial sum, never below 1 (full), or range_max."""
    weights, x = random_weights(4, 6, 30), random_inputs(4, 5, 30)
    levels = 2**bits // 2 if signs == "differential" else 2**bits - 1
    for rows, adc in (
        (30, {}),
        (9, {}),
        (30, {"range": "fixed", "range_max": 7.7}),
        (9, {"range": "fixed", "range_max": 20.0}),
    ):
        array = array_of(Adc(bits=bits, **adc), signs=signs, rows=rows)
        step = adc["range_max"] / levels if adc else max(1.0, rows / levels)
        product = product_of(weights, array)
        product._is_looked_at = True
        assert np.allclose(
            sums_of(product, x)[:, 0], converted_sums(weights, x, array, step), rtol=0, atol=1e-9
        )


@pytest.mark.parametrize("signs", ["offset", "differential"])
def test_calibrated_range_and_clip_share(signs):
    """Codes reach from one quantile of the calibration's partial sums to another, so that at most
    the share of them clips; a code that stands for 0 lies on a whole number of steps.
    """
    weights, x = random_weights(4, 6, 30), random_inputs(4, 40, 30)
    steps = {}
    for share in (0.0, 0.01, 0.2):
        array = array_of(Adc(bits=5, range="calibrated", clip_share=share), signs=signs)
        product = product_of(weights, array, calibration=x.astype(float))
        partial = partial_sums(weights, x, signs)
        low = np.quantile(partial, share / 2, method="lower")
        high = np.quantile(partial, 1 - share / 2, method="higher")
        steps[share] = (high - low) / 31
        product._is_looked_at = True
        expected = converted_sums(
            weights, x, array, steps[share], first_code=round(low / steps[share])
        )
        assert np.allclose(sums_of(product, x)[:, 0], expected, rtol=0, atol=1e-9)
        beyond = (partial < low - steps[share] / 2) | (partial > high + steps[share] / 2)
        assert np.mean(beyond) <= share
        assert product.range.share_outside(partial) <= share
    assert steps[0.0] > steps[0.01] > steps[0.2]


def partial_sums(weights, x, signs):
    """Noiseless partial sums of 1-bit cells and cycles in one tile, (slice, cycle, stimulus,
    neuron), in plain NumPy.
    """
    cells = slice_digits(weights, 4, 1, signs)
    return np.einsum("csi,kni->kcsn", input_digits(x, 4, 1), cells)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("inl_lsb", (0, 0.4, -0.3, 0.9, 0, 0.2, -0.7)),
        ("dnl_lsb", (0.4, -0.7, 1.2, -0.9, 0.2, -0.95)),
    ],
)
@pytest.mark.parametrize("signs", ["offset", "differential"])
def test_inl_and_dnl(field, values, signs):
    """Edge k lies at k + 1/2 + its INL; a DNL is the width error of a code, so edges move by its
    running sum.
    """
    shift = np.array(values) if field == "inl_lsb" else np.concatenate([[0], np.cumsum(values)])
    weights, x = random_weights(4, 6, 30), random_inputs(4, 5, 30)
    adc = Adc(bits=3, range="fixed", range_max=5.0, **{field: values})
    array = array_of(adc, signs=signs, rows=8)
    step = 5.0 / (4 if signs == "differential" else 7)
    edges = np.arange(7) + 0.5 + shift
    product = product_of(weights, array)
    product._is_looked_at = True
    expected = converted_sums(weights, x, array, step, edges=edges)
    assert np.allclose(sums_of(product, x)[:, 0], expected, rtol=0, atol=1e-9)
    ideal = converted_sums(weights, x, array, step)
    assert (expected != ideal).mean() > 0.5


ONE_BIT = {"weight_bits": 1, "input_bits": 1}


def per_chip(adc, weights, chip_key=0, reads=3):
    """Sums of 1-bit weights for 1-bit inputs that are all 1, less exact ones, (read, neuron): one
    conversion, with place value 2.
    """
    array = array_of(adc, signs="differential")
    product = product_of(weights, array, **ONE_BIT, chip_key=chip_key)
    x = np.ones((2, weights.shape[1]), np.int8)
    found = sums_of(product, x, reads) - exact_sums(weights, x)[:, None]
    assert np.array_equal(
        found, np.broadcast_to(found[:1, :1], found.shape)
    )  # the same at every stimulus and read
    return found[0, 0]


@pytest.mark.parametrize("field", ["offset_sigma_lsb", "gain_sigma"])
def test_offset_and_gain_are_fixed_per_chip_and_spread_as_stated(field):
    """Offsets of 2 steps; gains of 5 % at a partial sum of 40, so of 2 steps.

    Every column its own; the negative control has 5 % more.
    """
    weights = np.ones((40_000, 40), np.int8)
    adc = Adc(bits=8, **{field: 2.0 if field == "offset_sigma_lsb" else 0.05})
    found = per_chip(adc, weights)
    assert_variance(found, 4 * (4 + ROUNDING), 4 * (4 * 1.05**2 + ROUNDING))
    assert_mean(found, 0.0, 1e-6)
    assert np.array_equal(found, per_chip(adc, weights))
    other = per_chip(adc, weights, chip_key=1)
    assert_mean(found * other, 0.0, 1e-6)
    if field == "gain_sigma":
        assert not per_chip(
            adc, np.tile(np.array([1, -1], np.int8), (100, 20))
        ).any()  # no gain moves a partial sum of 0


def test_offsets_of_every_tile_slice_and_cycle():
    """Offsets belong to a column of a tile and a slice and enter all cycles alike: places of cycles
    add before they are squared.
    """
    array = array_of(
        Adc(bits=9, offset_sigma_lsb=2.0, sigma_lsb=1.0), signs="differential", rows=16
    )
    weights = random_weights(4, 4000, 48)
    found = (sums_of(product_of(weights, array), BRIGHT, 1) - exact_sums(weights, BRIGHT)[:, None])[
        0
    ]
    slices, cycles = places(3, 1), places(4, 1)
    fresh = (slices**2).sum() * (cycles**2).sum() * (1 + ROUNDING)

    def variance(sigma):
        return 3 * ((slices**2).sum() * cycles.sum() ** 2 * sigma**2 + fresh)

    assert_mean(found, 0.0, 1e-6)
    assert_variance(found, variance(2.0), variance(2.0 * 1.1))


def test_reference_noise_is_common_to_the_columns_that_share_it():
    """Covariance within a group of reference_columns = 4: σ² of the reference times squared places;
    across groups 0, and 0 at 1 column.
    """
    adc = Adc(bits=9, sigma_lsb=1.0, reference_sigma_lsb=2.0, reference_columns=4)
    weights = random_weights(4, 16, 48)
    array = array_of(adc, signs="differential")
    found = deviations(array, weights, reads=40_000)
    weight = squared_places(array)
    assert_variance(
        found[:, ::4], weight * (1 + 4 + ROUNDING), weight * (1 + 4 * 1.05**2 + ROUNDING)
    )
    within = found[:, 0::4] * found[:, 3::4]
    assert_mean(within, weight * 4, 1e-6)
    with pytest.raises(AssertionError):
        assert_mean(within, weight * 4 * 1.05**2, 1e-6)
    assert_mean(found[:, 3:-1:4] * found[:, 4::4], 0.0, 1e-6)
    alone = deviations(
        array_of(Adc(bits=9, sigma_lsb=1.0, reference_sigma_lsb=2.0), signs="differential"),
        weights,
        reads=10_000,
    )
    assert_mean(alone[:, 0::4] * alone[:, 3::4], 0.0, 1e-6)
    assert_variance(alone, weight * (1 + 4 + ROUNDING), weight * (1 + 4 * 1.05**2 + ROUNDING))


def test_columns_set_the_drivers():
    """8 neurons × 4 slices: 32 columns, in tiles of 32, 16 and 5; every tile has drivers of its
    own: 48 rows × 4 cycles × 3 reads.
    """
    product = {columns: product_of(WEIGHTS, array_of(columns=columns)) for columns in (32, 16, 5)}
    drivers = {
        columns: operations_of(one, BRIGHT, 3)[Operation("dac", (1,))]
        for columns, one in product.items()
    }
    assert drivers == {32: 3 * 48 * 4 * 1, 16: 3 * 48 * 4 * 2, 5: 3 * 48 * 4 * 7}


@pytest.mark.parametrize(("rows", "columns"), [(48, 8), (48, 3), (20, 8)])
def test_wire_ohm_rows_and_columns(rows, columns):
    """Sums of the cells' currents less what the wires take, each tile by itself: 10
    ohm, 25 µS at full conductance.
    """
    adc = Adc(bits=12, range="fixed", range_max=720.0)
    array = array_of(adc, Cells(wire_ohm=10.0), rows=rows, columns=columns, cell_bits=4)
    found = sums_of(product_of(WEIGHTS, array), BRIGHT)[0, 0]
    codes = (WEIGHTS.astype(int) + 8).T
    lost = np.empty(codes.shape)
    for top, left in itertools.product(range(0, 48, rows), range(0, 8, columns)):
        tile = np.s_[top : top + rows, left : left + columns]
        lost[tile] = codes[tile] * relative_drop(codes[tile] / 15 * 25e-6, 10.0)
    expected = 15 * lost.sum(axis=0)  # four cycles of digits that are all 1
    rounding = 15 * (48 / 512 + -(-48 // rows) * 720 / 4095 / 2)
    assert np.abs(exact_sums(WEIGHTS, BRIGHT)[0] - found - expected).max() <= rounding
    assert expected.min() > 3 * rounding
