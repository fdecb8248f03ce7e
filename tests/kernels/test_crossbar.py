"""The bit-sliced array: the reference implementation code for code, the same codes however the work
is split.
"""

import numpy as np
import pytest
from crossbarcases import KEY, MODES, WHERE, at, case, draw
from stochsim_kernels.array import crossbar
from stochsim_kernels.reference import crossbar_sums
from threadtest import MOST, threads


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


@pytest.mark.parametrize("mode", MODES)
def test_events_of_a_tile_at_once_give_the_codes_of_one_after_the_other(mode):
    """All events of each tile, and a few from the middle of one on."""
    _, _, readout, _, partials, each = case(mode, columns=300)
    tiles, slices, cycles, stimuli, columns = partials.shape
    out = np.zeros((stimuli, 3, columns), np.int32)
    streams = crossbar.draw_streams(at(**WHERE), stimuli, readout, columns)
    for tile in range(tiles):
        events = partials[tile].reshape(-1, stimuli, columns)
        kinds = None if each is None else each[tile].reshape(events.shape)
        for first, end in ((0, 1), (1, slices * cycles)):
            event = crossbar.Event(tile, *divmod(first, cycles))
            some = None if kinds is None else kinds[first:end]
            where = (readout, streams, event, at(**WHERE).first_read)
            crossbar.convert_partials(events[first:end], *where, out, some)
    assert np.array_equal(out, convert_all(partials, readout, WHERE, 3, each))


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
    results = []
    for count in sorted({1, min(2, MOST), MOST}):
        with threads(count):
            results.append(
                (
                    draw(x_words, w_words, readout, 70, variance),
                    convert_all(partials, readout, dict.fromkeys(WHERE, 0), 70, each),
                )
            )
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


def test_results_are_added_to_what_is_there():
    x_words, w_words, readout, *_ = case("exact")
    out = np.full((3, 2, 9), 1000, np.int32)
    crossbar.draw_crossbar(x_words, w_words, readout, at(), out)
    assert np.array_equal(out - 1000, draw(x_words, w_words, readout, 2))


def test_no_reads_and_no_stimuli_are_no_work():
    x_words, w_words, readout, *_ = case("exact")
    assert draw(x_words, w_words, readout, reads=0).shape == (3, 0, 9)
    assert draw(x_words[:0], w_words, readout, reads=2).shape == (0, 2, 9)
