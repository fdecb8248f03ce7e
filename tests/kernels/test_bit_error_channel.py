"""Thresholds from thresholds: bit errors of codes, coarse comparators, measured channels; against
the reference implementation and by frequencies.
"""

import numpy as np
import pytest
from stattest import assert_frequencies, power
from stochsim_kernels.neuron import bit_error_channel
from stochsim_kernels.random import flips
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.integers import draw_integers
from stochsim_kernels.reference import bit_errors

KEY = 0xFEDC_BA98_7654_3210
ONE = 2**31


def random_thresholds(stimuli, levels, neurons, seed=0):
    """Ascending thresholds, some of them exactly 0 and 2^31."""
    table = np.random.default_rng(seed).integers(
        -(2**29), ONE + 2**29, (stimuli, levels - 1, neurons)
    )
    return np.sort(table.clip(0, ONE), axis=1).astype(np.uint32)


def certain(levels):
    """One neuron per code: neuron c always gives code index c."""
    return np.where(np.arange(levels - 1)[:, None] < np.arange(levels), 0, ONE).astype(np.uint32)[
        None
    ]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("rate", [1e-9, 0.003, 0.25, 0.5, 0.9])
def test_mixed_thresholds_equal_the_reference_implementation_in_twos_complement_and_unsigned(
    bits, rate
):
    """The reference implementation flips bits of the codes' own patterns; half a part in 2^31 is
    the rounding.
    """
    table = random_thresholds(3, 2**bits, 5)
    ours = bit_error_channel.mix_bit_errors(table, rate)
    assert ours.dtype == np.uint32
    for c_min in (0, -(2 ** (bits - 1))):
        assert (
            np.abs(ours - bit_errors.mix_bit_errors(table, bits, rate, c_min)).max() <= 0.5 + 1e-5
        )


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_flip_matrix_is_what_certain_codes_become(bits):
    for rate in (0.0, 0.125, 0.3, 1.0):
        matrix = bit_error_channel.flip_matrix(bits, rate)
        below = bit_error_channel.mix_bit_errors(certain(2**bits), rate)[0].T / ONE
        np.testing.assert_allclose(np.diff(below, prepend=0.0, append=1.0), matrix, atol=2 / ONE)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-14)


@pytest.mark.parametrize("bits", range(1, 9))
def test_no_flips_change_nothing_and_certain_flips_complement_every_code(bits):
    table = random_thresholds(2, 2**bits, 7)
    assert np.array_equal(bit_error_channel.mix_bit_errors(table, 0.0), table)
    complement = ONE - table[:, ::-1].astype(np.int64)
    assert np.array_equal(bit_error_channel.mix_bit_errors(table, 1.0), complement)


@pytest.mark.parametrize(("stimuli", "neurons"), [(70, 300), (3, 1), (0, 4), (2, 0)])
def test_any_split_in_stimuli_gives_the_same_thresholds(stimuli, neurons):
    table = random_thresholds(stimuli, 16, neurons)
    apart = [bit_error_channel.mix_bit_errors(table[s : s + 1], 0.0123) for s in range(stimuli)]
    together = bit_error_channel.mix_bit_errors(table, 0.0123)
    assert together.shape == table.shape
    assert np.array_equal(together, np.concatenate([np.empty((0, 15, neurons), np.uint32), *apart]))


def test_flipped_codes_follow_the_mixed_thresholds_and_a_rate_10_percent_too_large_fails():
    """Codes drawn, then flipped one by one.

    False-fail rate 1e-6, power at least 0.999 against rate × 1.1, computed.
    """
    bits = 3
    rate = 0.05
    reads = 200_000
    table = random_thresholds(1, 2**bits, 4, seed=5)
    u = np.empty((1, reads, 4), np.uint32)
    draw_integers(DrawAddress.of(8, 0, 0), u)
    codes = (u[:, None] >= table[:, :, None]).sum(axis=1).astype(np.int8)
    flips.flip_codes(codes, 0, bits, rate, DrawAddress.of(8, 0, 1))
    counts = [np.bincount(column, minlength=2**bits) for column in codes[0].T]

    def law(share):
        below = bit_error_channel.mix_bit_errors(table, share)[0].T / ONE
        return np.diff(below, prepend=0.0, append=1.0)

    assert power(law(1.1 * rate), law(rate), reads) >= 0.999
    assert_frequencies(counts, law(rate))
    with pytest.raises(AssertionError):
        assert_frequencies(counts, law(1.1 * rate))


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.02, 0.4, 1.0])
def test_flipped_codes_equal_the_reference_implementation_however_reads_are_split(bits, rate):
    c_min = 0 if bits == 1 else -(2 ** (bits - 1))
    codes = np.random.default_rng(bits).integers(c_min, c_min + 2**bits, (2, 6, 5)).astype(np.int8)
    for where in ((0, 0, 0, 0), (3, 2**32 - 1, 2**31, 2**50)):
        ours, apart = codes.copy(), codes.copy()
        address = DrawAddress.of(KEY, *where)
        layer, event, stimulus, read = where
        later = DrawAddress.of(KEY, layer, event, stimulus, read + 4)
        beside = DrawAddress.of(KEY, layer, event, stimulus + 1, read)
        flips.flip_codes(ours, c_min, bits, rate, address)
        assert np.array_equal(ours, bit_errors.flip_codes(codes, c_min, bits, rate, address))
        flips.flip_codes(apart[:1, :4], c_min, bits, rate, address)
        flips.flip_codes(apart[:1, 4:], c_min, bits, rate, later)
        flips.flip_codes(apart[1:], c_min, bits, rate, beside)
        assert np.array_equal(ours, apart)


def test_errors_of_neurons_that_share_a_source_are_their_own():
    """Both bits of two equal codes: the four patterns of each by the product law.

    False-fail rate 1e-6; errors in common have power 1.
    """
    rate = 0.1
    reads = 20_000
    codes = np.zeros((1, reads, 2), np.int8)
    flips.flip_codes(codes, 0, 2, rate, DrawAddress.of(KEY, 0, 1))
    one = np.array([(1 - rate) ** 2, rate * (1 - rate), rate * (1 - rate), rate**2])
    counts = np.bincount(4 * codes[0, :, 0] + codes[0, :, 1], minlength=16)
    assert power(np.outer(one, one).ravel(), np.diag(one).ravel(), reads) > 1 - 1e-9
    assert_frequencies(counts, np.outer(one, one).ravel())


@pytest.mark.parametrize("bits", [1, 2, 5, 8, 16, 30, 31])
def test_rounded_thresholds_are_the_nearest_on_the_grid_and_leave_the_low_bits_of_u_without_effect(
    bits,
):
    place = 2 ** (31 - bits)
    ends = np.array(
        [
            0,
            1,
            place // 2 - 1,
            place // 2,
            place // 2 + 1,
            ONE - place // 2 - 1,
            ONE - place // 2,
            ONE - 1,
            ONE,
        ]
    )
    table = np.concatenate(
        [ends.clip(0, ONE), np.random.default_rng(1).integers(0, ONE + 1, 2000)]
    ).astype(np.uint32)
    ours = bit_error_channel.round_thresholds(table, bits)
    assert np.array_equal(ours, [(2 * t + place) // (2 * place) * place for t in table.tolist()])
    assert (ours[table == 0] == 0).all()
    assert (ours[table == ONE] == ONE).all()
    u = np.random.default_rng(2).integers(0, ONE, 2009).astype(np.uint32)
    assert np.array_equal(u >= ours, u // place * place >= ours)


def test_thresholds_of_a_measured_channel():
    below = np.array([0.0, 1e-12, 0.25, 0.25, 1 / 3, 1 - 1e-12, 1.0]).reshape(1, 7, 1)
    ours = bit_error_channel.thresholds_from_cumulative(below)
    assert ours.dtype == np.uint32
    assert ours.ravel().tolist() == [0, 0, 2**29, 2**29, 715827883, ONE, ONE]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bit_error_channel.thresholds_from_cumulative(np.zeros((2, 3))), r"shape \(2, 3\)"),
        (
            lambda: bit_error_channel.thresholds_from_cumulative(np.array([[[0.2], [0.1]]])),
            "0.1 at stimulus 0, edge 1, neuron 0: should not fall",
        ),
        (
            lambda: bit_error_channel.thresholds_from_cumulative(np.array([[[0.2], [1.1]]])),
            "1.1 at stimulus 0, edge 1, neuron 0: should be from 0",
        ),
        (
            lambda: bit_error_channel.thresholds_from_cumulative(np.array([[[np.nan]]])),
            "nan at stimulus 0",
        ),
        (lambda: bit_error_channel.round_thresholds(np.zeros(1, np.uint32), 0), "bits = 0"),
        (lambda: bit_error_channel.round_thresholds(np.zeros(1, np.uint32), 32), "bits = 32"),
        (lambda: bit_error_channel.mix_bit_errors(np.zeros((1, 2, 1), np.uint32), 0.1), "3 levels"),
        (
            lambda: bit_error_channel.mix_bit_errors(np.zeros((1, 3, 1), np.uint32), 1.5),
            "rate = 1.5",
        ),
        (
            lambda: flips.flip_codes(
                np.zeros((1, 1, 1), np.int8), 0, 1, -0.1, DrawAddress.of(0, 0, 0)
            ),
            "rate = -0.1",
        ),
        (lambda: bit_error_channel.flip_matrix(2, float("nan")), "rate = nan"),
    ],
)
def test_what_is_no_channel_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
