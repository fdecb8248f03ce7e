"""Codes drawn by the array against exact probabilities, and wrong arrays that must not pass.

False-fail rate 1e-6 each; power > 0.999.
"""

import numpy as np
import pytest
import stattest
from stochsim_kernels.array import adc_channel, crossbar, crossbar_bits
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import crossbar_sums

ROWS = 32  # of the one tile
LEVELS = 24
STEP = 1.4  # of the ADC, in partial sums: some of these clip at either end
READS = 40_000
EDGES = adc_channel.ideal_edges(LEVELS)
VALUES = np.arange(-ROWS, ROWS + 1) / STEP + LEVELS / 2


def draw(partial, channel, reads, key=7, events=1, at=(0, 0, 0), first_read=0, **wiring):
    """Codes (stimulus, read, column) of one conversion of the partial sums (stimulus, column)."""
    readout = crossbar.readout(channel, np.ones((1, 1)), events, **({"p_min": -ROWS} | wiring))
    out = np.zeros((partial.shape[0], reads, partial.shape[1]), np.int32)
    stimuli, columns = partial.shape
    streams = crossbar.draw_streams(DrawAddress.of(key, 0, 0), stimuli, readout, columns)
    crossbar.convert_partials(partial, readout, streams, crossbar.Event(*at), first_read, out)
    return out


def exact(sigma, edges=EDGES, values=VALUES):
    return np.stack([crossbar_sums.probabilities(v, sigma, edges) for v in values])


def counts(codes, levels=LEVELS):
    """How often each code occurs in each column of codes (read, column)."""
    return np.stack([np.bincount(column, minlength=levels) for column in codes.T])


def joint(first, second, levels=LEVELS):
    return np.bincount(first.ravel() * levels + second.ravel(), minlength=levels**2)[None]


ALL_SUMS = np.arange(-ROWS, ROWS + 1)[None]


def random_array(seed=3):
    """A differential tile: x words of 4 stimuli, w words, and their partial sums (stimulus, column)
    as they should be, and without sign.
    """
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (4, ROWS))
    cells = rng.integers(0, 2, (2, 1, ROWS, 6)).astype(np.uint8)
    right, wrong = (
        crossbar_sums.partial_sums(x, c, ROWS, 1, 1)[0, 0, 0] for c in (cells, cells[:1])
    )
    return (
        crossbar_bits.pack_inputs(x, ROWS, 1, 1),
        crossbar_bits.pack_cells(cells, ROWS, 1),
        right,
        wrong,
    )


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_frequencies_of_every_state_are_exact(sigma):
    codes = draw(ALL_SUMS, adc_channel.build_channel(VALUES, sigma, EDGES), READS)[0]
    stattest.assert_frequencies(counts(codes), exact(sigma))


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_two_percent_more_noise_is_caught(sigma):
    codes = draw(ALL_SUMS, adc_channel.build_channel(VALUES, 1.02 * sigma, EDGES), READS)[0]
    assert stattest.power(exact(sigma), exact(1.02 * sigma), READS) > 0.999
    with pytest.raises(AssertionError):
        stattest.assert_frequencies(counts(codes), exact(sigma))


def test_one_edge_off_by_one_is_caught():
    wrong = EDGES.copy()
    wrong[10] = EDGES[11]
    codes = draw(ALL_SUMS, adc_channel.build_channel(VALUES, 1.0, wrong), READS)[0]
    assert stattest.power(exact(1.0), exact(1.0, wrong), READS) > 0.999
    with pytest.raises(AssertionError):
        stattest.assert_frequencies(counts(codes), exact(1.0))


def test_the_sign_of_the_partner_counts():
    """The array from bits to codes: right against its own partial sums, and not against those
    without the partner.
    """
    x_words, w_words, right, wrong = random_array()
    readout = crossbar.readout(adc_channel.build_channel(VALUES, 1.0, EDGES), [[1]], 1, p_min=-ROWS)
    out = np.zeros((4, 10_000, 6), np.int32)
    crossbar.draw_crossbar(x_words, w_words, readout, DrawAddress.of(9, 0, 0), out)
    seen = np.concatenate([counts(codes) for codes in out])
    stattest.assert_frequencies(seen, exact(1.0, values=VALUES[right.ravel() + ROWS]))
    unsigned = exact(1.0, values=VALUES[wrong.ravel() + ROWS])
    assert stattest.power(unsigned, exact(1.0, values=VALUES[right.ravel() + ROWS]), 10_000) > 0.999
    with pytest.raises(AssertionError):
        stattest.assert_frequencies(seen, unsigned)


def test_columns_stimuli_reads_and_events_are_independent():
    """Joint frequencies of two codes against the product of their probabilities; the same code
    twice must not pass.
    """
    channel = adc_channel.build_channel(VALUES, 1.0, EDGES)
    partial = np.full((2, 3), 5)
    one, two = (draw(partial, channel, READS + 1, events=2, at=(tile, 0, 0)) for tile in (0, 1))
    p = exact(1.0)[[5 + ROWS]]
    product = np.outer(p, p).ravel()[None]
    pairs = {
        "the two columns of a pair": (one[0, :, 0], one[0, :, 1]),
        "columns of two pairs": (one[0, :, 0], one[0, :, 2]),
        "stimuli": (one[0, :, 0], one[1, :, 0]),
        "reads": (one[0, :-1, 0], one[0, 1:, 0]),
        "events": (one[0, :, 0], two[0, :, 0]),
        "an event and the next read": (two[0, :-1, 0], one[0, 1:, 0]),
    }
    for first, second in pairs.values():
        # neighbouring reads overlap in pairs, so every second one is taken
        stattest.assert_frequencies(joint(first[::2], second[::2]), product)
    correlated = one[0, ::2, 0]
    assert stattest.power(product, np.diag(p[0]).ravel()[None], READS // 2) > 0.999
    with pytest.raises(AssertionError):
        stattest.assert_frequencies(joint(correlated, correlated), product)


def test_the_generator_does_not_repeat_after_65536_reads():
    channel = adc_channel.build_channel(VALUES, 1.0, EDGES)
    period = 2**16
    codes = draw(np.full((1, 2), 3), channel, 2 * period)[0]
    p = exact(1.0)[[3 + ROWS]]
    product = np.outer(p, p).ravel()[None]
    stattest.assert_frequencies(joint(codes[:period], codes[period:]), product)
    with pytest.raises(AssertionError):  # a generator that does repeat gives each code twice
        stattest.assert_frequencies(joint(codes[:period], codes[:period]), product)


def test_gain_and_offset_move_the_probabilities():
    """On a grid of 1/64 of a step, the partial sum's place is its value within 1/128: no more than
    the test can see.
    """
    rng = np.random.default_rng(4)
    slope, shift = rng.normal(0.7, 0.05, ALL_SUMS.shape[1]), rng.normal(12, 2, ALL_SUMS.shape[1])
    gain, offset = crossbar.grid_map(slope[None, None], shift[None, None], 8.0, 6)
    channel = adc_channel.build_channel(np.arange((LEVELS + 15) * 64) / 64 - 8, 1.0, EDGES)
    codes = draw(ALL_SUMS, channel, 20_000, grid=crossbar.GridMap(gain, offset, 16), p_min=0)[0]
    values = np.rint((slope * ALL_SUMS[0] + shift) * 64) / 64
    stattest.assert_frequencies(
        counts(codes), exact(1.0, values=np.clip(values, -8, LEVELS + 7 - 1 / 64))
    )
    swapped = exact(1.0, values=np.roll(slope, 1) * ALL_SUMS[0] + np.roll(shift, 1))
    with pytest.raises(AssertionError):
        stattest.assert_frequencies(counts(codes), swapped)


def test_columns_of_one_reference_move_together():
    """Joint probabilities of two columns: summed over the moves they share, or of two references
    the product; each must fail the other.
    """
    grid = np.arange((LEVELS + 19) * 4) / 4 - 10
    channel = adc_channel.build_channel(grid, 0.7, EDGES)
    shared = adc_channel.shared_noise(5.0)
    gain, offset = crossbar.grid_map(np.full((1, 1, 4), 0.7), np.full((1, 1, 4), 12.0), 10.0, 2)
    wiring = {
        "grid": crossbar.GridMap(gain, offset, 16),
        "p_min": 0,
        "references": crossbar.References([0, 2, 1, 0], shared),
    }
    codes = draw(np.zeros((1, 4)), channel, READS, **wiring)[0]
    moves = np.arange(shared.code_min, shared.code_max + 1)
    weight = crossbar_sums.masses(shared)[0] / 2**32
    given = np.stack([crossbar_sums.probabilities(12 + move / 4, 0.7, EDGES) for move in moves])
    together = np.einsum("m,mi,mj->ij", weight, given, given).reshape(1, -1)
    apart = np.outer(weight @ given, weight @ given).reshape(1, -1)
    stattest.assert_frequencies(counts(codes), np.repeat((weight @ given)[None], 4, axis=0))
    stattest.assert_frequencies(joint(codes[:, 0], codes[:, 3]), together)
    for other in (1, 2):
        stattest.assert_frequencies(joint(codes[:, 0], codes[:, other]), apart)
    assert (
        min(stattest.power(together, apart, READS), stattest.power(apart, together, READS)) > 0.999
    )
    for pair, wrong in (((0, 3), apart), ((0, 1), together)):
        with pytest.raises(AssertionError):
            stattest.assert_frequencies(joint(*codes[:, pair].T), wrong)
