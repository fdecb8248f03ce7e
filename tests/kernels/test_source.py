"""The chip's own random source: the reference implementation bit for bit, registers of full period,
shared and independent sources, repetition seen.
"""

import itertools

import numpy as np
import pytest
from stattest import assert_frequencies, power
from stochsim_kernels.neuron import drawing
from stochsim_kernels.random import source
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.integers import draw_integers
from stochsim_kernels.reference import shift_registers

KEY = 0xFEDC_BA98_7654_3210
ONE = 2**31


def fill(shape, length, bits=8, per_source=1, shifts=None, **address):
    out = np.empty(shape, np.uint32)
    source.fill_source(source.ChipSource(length, bits, per_source, shifts), at(**address), out)
    return out


def at(key=KEY, layer=0, event=0, first_stimulus=0, first_read=0):
    return DrawAddress.of(key, layer, event, first_stimulus, first_read)


AT = {"layer": 1, "event": 2, "first_stimulus": 3, "first_read": 4}


@pytest.mark.parametrize(
    ("length", "bits", "shifts"),
    [(0, 31, 1), (8, 8, 8), (9, 1, 1), (13, 8, 3), (16, 16, 16), (32, 31, 31)],
)
@pytest.mark.parametrize("per_source", [1, 2, 3, 7, 10])
def test_integers_equal_the_reference_implementation(length, bits, shifts, per_source):
    for where in ((0, 0, 0, 0), (3, 2**32 - 1, 2**31, 2**40 + 5)):
        address = DrawAddress.of(KEY, *where)
        ours = fill((2, 6, 7), length, bits, per_source, shifts, **address._asdict())
        of_chip = source.ChipSource(length, bits, per_source, shifts)
        expected = shift_registers.fill_source(source.TAPS.get(length), of_chip, address, (2, 6, 7))
        assert np.array_equal(ours, expected)


def test_the_register_shifts_as_often_as_it_has_threshold_bits_unless_told():
    assert np.array_equal(fill((2, 9, 3), 16, 5), fill((2, 9, 3), 16, 5, shifts=5))
    assert not np.array_equal(fill((2, 9, 3), 16, 5), fill((2, 9, 3), 16, 5, shifts=1))


@pytest.mark.parametrize("length", [0, 8, 16, 32])
def test_any_split_in_reads_and_stimuli_gives_the_same_integers(length):
    whole = fill((3, 50, 6), length, 8, 2, first_stimulus=4, first_read=1000)
    for reads, stimuli in ((1, 3), (7, 2), (49, 1)):
        ends = fill(
            (stimuli, 50 - reads, 6),
            length,
            8,
            2,
            first_stimulus=7 - stimuli,
            first_read=1000 + reads,
        )
        assert np.array_equal(ends, whole[3 - stimuli :, reads:])


@pytest.mark.parametrize("length", source.TAPS)
def test_every_register_in_the_table_has_full_period(length):
    assert source.TAPS[length][0] == length
    assert shift_registers.is_maximal(source.polynomial(length))


@pytest.mark.parametrize("p", [0b100011011, 0b100000001, 0b111111111, (1 << 16) | 0b11])
def test_other_polynomials_are_seen_to_fall_short(p):
    """x^8 + x^4 + x^3 + x + 1 is irreducible, yet x has order 51 only; the others have factors."""
    assert not shift_registers.is_maximal(p)


@pytest.mark.parametrize("length", range(8, 17))
def test_short_registers_pass_through_every_state_but_0_and_then_repeat(length):
    period = 2**length - 1
    states = fill((1, period + 3, 1), length, length, shifts=1)[0, :, 0] >> (31 - length)
    assert np.array_equal(np.sort(states[:period]), np.arange(1, period + 1))
    assert np.array_equal(states[period:], states[:3])


@pytest.mark.parametrize(("bits", "period"), [(4, 255), (5, 51), (6, 85)])
def test_reads_repeat_after_the_period_over_its_common_divisor_with_the_shifts(bits, period):
    u = fill((1, 4 * 255, 1), 8, bits)[0, :, 0]
    repeats = [lag for lag in range(1, 256) if np.array_equal(u[lag:], u[:-lag])]
    assert repeats[0] == period


def test_a_period_holds_every_comparator_word_equally_often_but_0_once_less():
    u = fill((1, 2**13 - 1, 1), 13, 5)[0, :, 0] >> 26
    assert np.bincount(u).tolist() == [255] + [256] * 31


def test_start_states_differ_between_sources_stimuli_layers_events_and_keys():
    first = fill((4, 1, 8), 32, 31).ravel().tolist()
    others = [
        fill((1, 1, 8), 32, 31, **{name: 1}).ravel().tolist() for name in ("layer", "event", "key")
    ]
    everything = list(itertools.chain(first, *others))
    assert len(set(everything)) == len(everything)


def test_unshared_counter_sources_are_the_integers_behind_the_codes():
    out = np.empty((2, 40, 5), np.uint32)
    draw_integers(at(**AT), out)
    assert np.array_equal(fill((2, 40, 5), 0, 31, **AT), out)


@pytest.mark.parametrize("bits", range(1, 9))
def test_counted_codes_equal_the_reference_implementation_and_those_drawn_at_once(bits):
    rng = np.random.default_rng(bits)
    table = np.sort(rng.integers(0, ONE + 1, (3, 2**bits - 1, 7)), axis=1).astype(np.uint32)
    c_min = 0 if bits == 1 else -(2 ** (bits - 1))
    u = fill((3, 70, 7), 0, 31, **AT)
    u[0, 0] = table[0, 0]  # a threshold equal to u is passed
    u[0, 1] = table[0, -1]
    u[0, 2] = 0
    codes, drawn = np.empty((2, 3, 70, 7), np.int8)
    drawing.count_thresholds(table, u, c_min, codes)
    assert np.array_equal(codes, shift_registers.count_thresholds(table, u, c_min))
    drawing.draw_codes(table, c_min, at(**AT), drawn)
    assert np.array_equal(codes[:, 3:], drawn[:, 3:])


def joint_counts(length, per_source, reads):
    """Counts of the four pairs of 1-bit codes of two neurons at thresholds 2^30 and 2^29."""
    u = fill((1, reads, 2), length, 8, per_source)
    codes = np.empty(u.shape, np.int8)
    drawing.count_thresholds(np.array([[[ONE // 2, ONE // 4]]], np.uint32), u, 0, codes)
    return np.bincount(2 * codes[0, :, 0] + codes[0, :, 1], minlength=4)


@pytest.mark.parametrize("length", [0, 32])
def test_neurons_with_their_own_sources_are_independent_and_columns_that_share_one_are_seen(length):
    """False-fail rate 1e-6; the joint law of a shared source (codes nested in each other) is the
    negative control, power 1, computed.
    """
    apart = np.outer([0.5, 0.5], [0.25, 0.75]).ravel()
    shared = np.array([0.25, 0.25, 0.0, 0.5])
    assert power(apart, shared, 10_000) > 1 - 1e-9
    assert_frequencies(joint_counts(length, 1, 10_000), apart)
    assert_frequencies(joint_counts(length, 2, 10_000), shared)
    with pytest.raises(AssertionError):
        assert_frequencies(joint_counts(length, 2, 10_000), apart)


@pytest.mark.parametrize("length", [0, 16])
def test_neurons_of_one_source_give_one_code_at_equal_thresholds(length):
    u = fill((2, 300, 9), length, 8, 4)
    table = np.full((2, 1, 9), ONE // 2, np.uint32)
    codes = np.empty(u.shape, np.int8)
    drawing.count_thresholds(table, u, 0, codes)
    groups = [codes[:, :, :4], codes[:, :, 4:8], codes[:, :, 8:]]
    assert all((group == group[:, :, :1]).all() for group in groups)
    assert (groups[0][:, :, 0] != groups[1][:, :, 0]).any()


def repeated_pairs(u):
    """How many pairs of successive integers (62 bits) have been seen before."""
    pairs = u[:-1].astype(np.uint64) << np.uint64(31) | u[1:]
    return pairs.size - np.unique(pairs).size


def test_a_generator_that_repeats_after_two_to_the_16_is_found_out():
    """2^17 pairs of 62 bits: one repeats by chance in 2e-9 of runs, the false-fail rate.

    A 16-bit register does repeat, as on a chip.
    """
    reads = 2**17
    right = fill((1, reads, 1), 0)[0, :, 0]
    assert repeated_pairs(right) == 0
    assert repeated_pairs(fill((1, reads, 1), 32, 31)[0, :, 0]) == 0
    assert repeated_pairs(np.tile(right[: 2**16], 2)) >= 2**16 - 1
    assert repeated_pairs(fill((1, reads, 1), 16, 16)[0, :, 0]) == reads - 1 - (2**16 - 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 7}, "length = 7"),
        ({"length": 33}, "length = 33"),
        ({"length": 8, "bits": 9}, "bits = 9: should be from 1 to 8"),
        ({"length": 32, "bits": 32}, "bits = 32: should be from 1 to 31"),
        ({"length": 8, "bits": 0}, "bits = 0"),
        ({"length": 8, "shifts": 0}, "shifts = 0"),
        ({"length": 0, "per_source": 0}, "per_source = 0"),
    ],
)
def test_impossible_sources_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        fill((1, 1, 1), **arguments)
