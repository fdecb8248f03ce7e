"""The bit-sliced array: exact products without noise, the reference implementation code for code
with it, the same codes however the work is split.
"""

import itertools

import numba
import numpy as np
import pytest
from stochsim_kernels.array import adc, crossbar, crossbar_bits
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import crossbar_sums

KEY = 0xFEDC_BA98_7654_3210
WHERE = {"key": KEY, "layer": 3, "event": 2**32 - 1, "first_stimulus": 2**31, "first_read": 2**40}


def draw(x_words, w_words, readout, reads=1, variance=None, **address):
    out = np.zeros((x_words.shape[0], reads, w_words.shape[-1]), np.int32)
    crossbar.draw_crossbar(x_words, w_words, readout, at(**address), out, variance)
    return out


def at(key=KEY, layer=0, event=0, first_stimulus=0, first_read=0):
    return DrawAddress.of(key, layer, event, first_stimulus, first_read)


def ideal_channel(p_min, p_max, sigma=0.0):
    """One code per partial sum, the sum itself."""
    return adc.build_channel(
        np.arange(p_max - p_min + 1.0), sigma, adc.ideal_edges(p_max - p_min + 1), p_min
    )


def shifts(slices, cell_bits, cycles, cycle_bits):
    return 2 ** (cell_bits * np.arange(slices)[:, None] + cycle_bits * np.arange(cycles))


def slices_of(weights, bits, cell_bits):
    """Unsigned weights (input, column) as cells (slice, input, column)."""
    return np.stack([(weights >> first) % 2**cell_bits for first in range(0, bits, cell_bits)])


def ideal_product(x, cells, rows, bits, cell_bits, cycle_bits):
    """The array's product with a converter of one code per partial sum: x (stimulus, input), cells
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


def case(mode, seed=0, stimuli=3, inputs=37, columns=9, rows=13, sign=2, cycle_bits=2):
    """A small noisy array in one of the modes: (x words, w words, readout, variance, partial sums,
    variance of each conversion).
    """
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 8, (stimuli, inputs))
    cells = rng.integers(0, 4, (sign, 2, inputs, columns)).astype(np.uint8)
    x_words = crossbar_bits.pack_inputs(x, rows, 3, cycle_bits)
    w_words = crossbar_bits.pack_cells(cells, rows, 2)
    partials = crossbar_sums.partial_sums(x, cells, rows, 3, cycle_bits)
    tiles, slices, cycles = partials.shape[:3]
    edges = adc.ideal_edges(33) + rng.normal(0, 0.2, 32)
    wiring = {"p_min": -60}
    positions = np.arange(121) / 3.0 - 4
    sigma = np.zeros((1, 1)) if mode == "certain" else np.ones((1, 1))
    if mode in ("grid", "shared", "shared certain"):
        slope = 0.3 * rng.normal(1, 0.1, (tiles, slices, columns))
        shift = rng.normal(16, 2, (tiles, slices, columns))
        gain, offset = crossbar.grid_map(slope, shift, 8.0, 3)
        wiring = {"grid": crossbar.GridMap(gain, offset, 16)}
        positions = np.arange(49 * 8) / 8 - 8.0
    if "shared" in mode:
        group = np.arange(columns) // 3 + rng.integers(0, 2, columns)
        wiring["references"] = crossbar.References(group, adc.shared_noise(6.0))
        sigma *= 0.0 if "certain" in mode else 1.0
    variance = each = None
    if mode == "variance":
        sigma = np.array([[0.0], [0.5], [2.0]])
        variance = rng.integers(0, 3, (stimuli, tiles, cycles))
        each = np.broadcast_to(variance.transpose(1, 2, 0)[:, None, :, :, None], partials.shape)
    channel = adc.build_channel(positions, sigma, np.sort(edges), -16)
    factor = rng.integers(-9, 10, (slices, cycles))
    return (
        x_words,
        w_words,
        crossbar.readout(channel, factor, tiles, **wiring),
        variance,
        partials,
        each,
    )


MODES = ["exact", "certain", "grid", "shared", "shared certain", "variance"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("where", [{}, WHERE])
def test_codes_equal_the_reference_implementation(mode, where):
    x_words, w_words, readout, variance, partials, each = case(mode)
    expected = crossbar_sums.crossbar(partials, readout, at(**where), 3, each)
    assert np.array_equal(draw(x_words, w_words, readout, 3, variance, **where), expected)


def test_columns_of_the_second_block_equal_the_reference_implementation():
    """Beyond 256 columns, where references are no longer counted from 0."""
    x_words, w_words, readout, _, partials, _ = case(
        "shared", stimuli=1, inputs=5, columns=301, cycle_bits=3
    )
    expected = crossbar_sums.crossbar(partials, readout, at(**WHERE), 2)
    assert np.array_equal(draw(x_words, w_words, readout, 2, **WHERE), expected)


def convert_all(partials, readout, where, reads, each=None):
    tiles, slices, cycles, stimuli, columns = partials.shape
    out = np.zeros((stimuli, reads, columns), np.int32)
    address = at(**where)
    streams = crossbar.draw_streams(address, stimuli, readout, columns)
    for place in reversed(list(np.ndindex(tiles, slices, cycles))):
        event = crossbar.Event(*place)
        kinds = None if each is None else each[place]
        crossbar.convert_partials(
            partials[place], readout, streams, event, address.first_read, out, kinds
        )
    return out


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("columns", [1, 9, 300])
def test_partial_sums_handed_in_give_the_same_codes(mode, columns):
    x_words, w_words, readout, variance, partials, each = case(mode, columns=columns)
    assert np.array_equal(
        convert_all(partials, readout, WHERE, 3, each),
        draw(x_words, w_words, readout, 3, variance, **WHERE),
    )


def test_variance_may_differ_from_column_to_column():
    _, _, readout, _, partials, _ = case("variance")
    each = np.random.default_rng(8).integers(0, 3, partials.shape)
    assert np.array_equal(
        convert_all(partials, readout, WHERE, 2, each),
        crossbar_sums.crossbar(partials, readout, at(**WHERE), 2, each),
    )


@pytest.mark.parametrize("mode", MODES)
def test_threads_and_splits_change_no_code(mode):
    """Reads and columns beyond one task's share; one and all threads; stimuli and reads in
    pieces.
    """
    x_words, w_words, readout, variance, partials, each = case(
        mode, stimuli=5, columns=523, inputs=14
    )
    assert partials.shape[:3] == (2, 2, 2)
    before = numba.get_num_threads()
    results = []
    try:
        for threads in {1, min(2, numba.config.NUMBA_NUM_THREADS), numba.config.NUMBA_NUM_THREADS}:
            numba.set_num_threads(threads)
            results.append(
                (
                    draw(x_words, w_words, readout, 70, variance),
                    convert_all(partials, readout, dict.fromkeys(WHERE, 0), 70, each),
                )
            )
    finally:
        numba.set_num_threads(before)
    whole = draw(x_words, w_words, readout, 70, variance)
    zero = {"layer": 0, "event": 0, "first_stimulus": 0, "first_read": 0}
    for fused, by_parts in results:
        assert np.array_equal(fused, whole)
        assert np.array_equal(
            by_parts, draw(x_words, w_words, readout, 70, variance, **zero, key=0)
        )
    for a, b in ((0, 1), (1, 4), (4, 5)):
        own = None if variance is None else variance[a:b]
        assert np.array_equal(
            draw(x_words[a:b], w_words, readout, 70, own, first_stimulus=a), whole[a:b]
        )
    for a, b in ((0, 1), (1, 40), (40, 70)):
        assert np.array_equal(
            draw(x_words, w_words, readout, b - a, variance, first_read=a), whole[:, a:b]
        )


def test_more_columns_change_no_code_of_the_first_ones():
    x_words, w_words, readout, *_ = case("exact", columns=300)
    for columns in (1, 7, 256, 299):
        some = np.ascontiguousarray(w_words[..., :columns])
        assert np.array_equal(
            draw(x_words, some, readout, 2), draw(x_words, w_words, readout, 2)[..., :columns]
        )


def test_any_kind_of_array_meets_the_one_compiled_kernel():
    """Read-only, strided and of another integer type: the same codes, and no second compilation."""
    x_words, w_words, readout, variance, partials, each = case("variance")
    whole = draw(x_words, w_words, readout, 2, variance)
    wide = np.repeat(w_words, 2, axis=-1)[..., ::2]
    frozen = x_words.copy()
    frozen.flags.writeable = False
    assert np.array_equal(
        draw(frozen, wide, readout, 2, np.broadcast_to(variance, variance.shape).astype(np.int64)),
        whole,
    )
    zero = dict.fromkeys(WHERE, 0) | {"key": KEY}
    assert np.array_equal(convert_all(partials.astype(np.int8), readout, zero, 2, each), whole)
    assert len(crossbar.fill_crossbar.signatures) == 1


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


def test_results_are_added_to_what_is_there():
    x_words, w_words, readout, *_ = case("exact")
    out = np.full((3, 2, 9), 1000, np.int32)
    crossbar.draw_crossbar(x_words, w_words, readout, at(), out)
    assert np.array_equal(out - 1000, draw(x_words, w_words, readout, 2))


def test_no_reads_and_no_stimuli_are_no_work():
    x_words, w_words, readout, *_ = case("exact")
    assert draw(x_words, w_words, readout, reads=0).shape == (3, 0, 9)
    assert draw(x_words[:0], w_words, readout, reads=2).shape == (0, 2, 9)


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


def no_variance(call):
    return np.zeros((3, *call["x_words"].shape[1:3]), np.int32)


def zero_map(tiles, slices, columns, offset_columns=3):
    """A grid map of zeros; its offset may be of another number of columns."""
    return crossbar.GridMap(
        np.zeros((tiles, slices, columns)), np.zeros((tiles, slices, offset_columns))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda call: {"x_words": call["x_words"][:, :1]}, "do not fit"),
        (
            lambda call: {"w_words": np.ascontiguousarray(call["w_words"][:, :1])},
            "the readout is for",
        ),
        (lambda call: {"variance": no_variance(call)[:2]}, "variance"),
        (lambda call: {"variance": no_variance(call) + 1}, "from 0 to 0"),
        (lambda call: {"out": np.zeros((3, 1, 8), np.int32)}, "out must be"),
        (lambda call: {"out": np.zeros((3, 1, 9), np.int64)}, "out must be"),
    ],
)
def test_a_draw_of_what_does_not_fit_is_refused(change, message):
    x_words, w_words, readout, *_ = case("exact")
    call = {
        "x_words": x_words,
        "w_words": w_words,
        "out": np.zeros((3, 1, 9), np.int32),
        "variance": None,
    }
    call = call | change(call)
    with pytest.raises(ValueError, match=message):
        crossbar.draw_crossbar(
            call["x_words"], call["w_words"], readout, at(), call["out"], call["variance"]
        )


@pytest.mark.parametrize(
    ("wiring", "message"),
    [
        ({"grid": zero_map(2, 2, 3)}, "must be"),
        ({"grid": zero_map(1, 2, 3, offset_columns=1)}, "must be"),
        ({"grid": zero_map(1, 2, 3), "p_min": 3}, "p_min"),
        ({"references": crossbar.References([-1], adc.shared_noise(1.0))}, "numbered from 0"),
    ],
)
def test_a_readout_of_what_does_not_fit_is_refused(wiring, message):
    _, _, readout, *_ = case("exact")
    with pytest.raises(ValueError, match=message):
        crossbar.readout(readout.channel, np.ones((2, 2)), 1, **wiring)


@pytest.mark.parametrize(("codes", "bits"), [([[4]], 2), ([[-1]], 2), ([[0]], 0)])
def test_codes_that_do_not_fit_their_bits_are_refused(codes, bits):
    with pytest.raises(ValueError, match="bits"):
        crossbar_bits.pack_inputs(np.array(codes), 4, bits, 1)


def test_an_event_outside_the_array_is_refused():
    _, _, readout, *_ = case("exact")
    streams = crossbar.draw_streams(at(), 1, readout, 9)
    event = crossbar.Event(0, 0, 9)
    out = np.zeros((1, 1, 9), np.int32)
    with pytest.raises(ValueError, match="within"):
        crossbar.convert_partials(np.zeros((1, 9)), readout, streams, event, 0, out)
