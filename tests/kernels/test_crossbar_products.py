"""The bit-sliced array without noise: exact integer products, packing, and the bound of the
accumulator.
"""

import itertools

import numpy as np
import pytest
from crossbarcases import draw, ideal_channel, shifts
from stochsim_kernels.array import crossbar, crossbar_bits


def slices_of(weights, bits, cell_bits):
    """Unsigned weights (input, column) as cells (slice, input, column)."""
    return np.stack([(weights >> first) % 2**cell_bits for first in range(0, bits, cell_bits)])


def ideal_product(x, cells, rows, bits, cell_bits, cycle_bits):
    """The array's product with an ADC of one code per partial sum: x (stimulus, input), cells
    (sign, slice, input, column).
    """
    x_words = crossbar_bits.pack_inputs(x, rows, bits, cycle_bits)
    w_words = crossbar_bits.pack_cells(cells.astype(np.uint8), rows, cell_bits)
    p_max = rows * (2**cell_bits - 1) * (2**cycle_bits - 1)
    channel = ideal_channel(-p_max if len(cells) == 2 else 0, p_max)
    factor = shifts(cells.shape[1], cell_bits, x_words.shape[2], cycle_bits)
    readout = crossbar.readout(channel, factor, x_words.shape[1], p_min=channel.code_min)
    return draw(x_words, w_words, readout)[:, 0]


@pytest.mark.parametrize("x_bits", range(1, 5))
@pytest.mark.parametrize("w_bits", range(1, 5))
def test_all_products_of_up_to_four_bits(x_bits, w_bits):
    """Every code times every weight, for all cells and cycles that can hold them."""
    x, w = np.arange(2**x_bits)[:, None], np.arange(2**w_bits)[None]
    for cell_bits, cycle_bits in itertools.product(range(1, w_bits + 1), range(1, x_bits + 1)):
        cells = slices_of(w, w_bits, cell_bits)[None]
        assert np.array_equal(ideal_product(x, cells, 1, x_bits, cell_bits, cycle_bits), x * w)


@pytest.mark.parametrize("seed", range(12))
def test_ideal_arrays_of_any_shape_give_the_integer_product(seed):
    """Signed weights, as the difference of two columns and with an offset that the caller takes off
    again; signed inputs likewise.
    """
    rng = np.random.default_rng(seed)
    stimuli = rng.integers(1, 6)
    inputs = rng.integers(1, 300)
    columns = rng.choice([1, 2, 255, 256, 257, 600])
    rows = int(rng.integers(1, 200))
    x_bits = int(rng.integers(1, 9))
    w_bits = int(rng.integers(2, 9))
    cell_bits = int(rng.integers(1, min(4, w_bits) + 1))
    cycle_bits = int(rng.integers(1, x_bits + 1))
    half = 2 ** (w_bits - 1)
    x = rng.integers(0, 2**x_bits, (stimuli, inputs))
    w = rng.integers(1 - half, half, (inputs, columns))
    geometry = rows, x_bits, cell_bits, cycle_bits
    pair = np.stack([slices_of(np.maximum(part, 0), w_bits, cell_bits) for part in (w, -w)])
    assert np.array_equal(ideal_product(x, pair, *geometry), x @ w)
    shifted = ideal_product(x, slices_of(w + half, w_bits, cell_bits)[None], *geometry)
    assert np.array_equal(shifted - half * x.sum(axis=1, keepdims=True), x @ w)
    signed = x - 2 ** (x_bits - 1)
    assert np.array_equal(
        ideal_product(x, pair, *geometry) - 2 ** (x_bits - 1) * w.sum(axis=0), signed @ w
    )


@pytest.mark.parametrize("rows", [63, 64, 65, 127, 128, 129])
@pytest.mark.parametrize("columns", [16, 31, 300])
def test_sums_of_one_bit_by_one_word_by_two_and_by_three(rows, columns):
    """Those of two words have instructions of their own; random sums by plain integers."""
    rng = np.random.default_rng(rows)
    x = rng.integers(0, 16, (3, 2 * rows))
    w = rng.integers(-15, 16, (2 * rows, columns))
    pair = np.stack([slices_of(np.maximum(part, 0), 5, 1) for part in (w, -w)])
    assert np.array_equal(ideal_product(x, pair, rows, 4, 1, 1), x @ w)
    assert np.array_equal(ideal_product(x, pair[:1], rows, 4, 1, 1), x @ np.maximum(w, 0))


def test_the_grid_takes_the_nearest_position():
    rng = np.random.default_rng(6)
    slope = rng.normal(0.3, 0.1, 500)
    shift = rng.normal(0, 3, 500)
    p = rng.integers(-200, 200, (100, 500))
    gain, offset = crossbar.grid_map(slope, shift, 8.0, 4)
    exact = (slope * p + shift + 8.0) * 16
    assert (
        np.abs(((gain * p + offset) >> 16) - exact).max() <= 0.5 + 200 / 2**17
    )  # the gain's own rounding


def test_packing_and_counts():
    """Active rows, squares and toggles counted from the codes themselves."""
    x = np.random.default_rng(1).integers(0, 32, (70, 131))
    words = crossbar_bits.pack_inputs(x, 50, bits=5, cycle_bits=2)
    assert words.shape == (70, 3, 3, 2, 1)
    digits = np.zeros((70, 3, 50, 3), int)
    digits.reshape(70, 150, 3)[:, :131] = x[..., None] >> [0, 2, 4] & 3
    assert np.array_equal(crossbar_bits.active_rows(words), (digits > 0).sum(axis=2))
    assert np.array_equal(crossbar_bits.square_sums(words), (digits**2).sum(axis=2))
    toggles = (np.diff(digits, axis=-1, prepend=0) != 0).sum()
    assert crossbar_bits.count_activity(words) == ((digits > 0).sum(), toggles)


def test_the_bound_is_reached():
    """All cells and inputs at their largest: the accumulator that the bound names, and 32 bits are
    not left unnoticed.
    """
    ones = np.full((1, 100), 7)
    readout = crossbar.readout(ideal_channel(0, 700), shifts(1, 3, 1, 3) * -1, 1)
    assert crossbar.accumulator_bound(readout.channel, readout.factor, 1) == 700
    out = draw(
        crossbar_bits.pack_inputs(ones, 100, 3, 3),
        crossbar_bits.pack_cells(np.ones((1, 1, 100, 2), np.uint8), 100, 1),
        readout,
    )
    assert (out == -700).all()
    with pytest.raises(ValueError, match=r"2147483800.* 32 bits"):
        crossbar.readout(readout.channel, [[2147483800 // 700]], 1)
