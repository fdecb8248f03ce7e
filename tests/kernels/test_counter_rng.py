"""The random integers: published vectors, the reference implementation, distinct streams, and a
light battery with generators that must fail it.
"""

import numpy as np
import pytest
from scipy import stats
from stochsim_kernels.random import counter_rng
from stochsim_kernels.reference import neuron_codes as reference

ONES32, ONES64 = 2**32 - 1, 2**64 - 1
KEY = 0x0123_4567_89AB_CDEF

PHILOX = [  # Random123, tests/kat_vectors, philox4x32 with 10 rounds: key, counter, output
    (0, (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (ONES64, (ONES32,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        0x299F31D0_A4093822,
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
SPLITMIX_SEED = 1234567
GOLDEN_GAMMA = 0x9E3779B97F4A7C15
SPLITMIX = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def words(key, pair, stimulus, event, layer, first, count):
    out = np.empty(count, np.uint64)
    counter_rng.fill_words(np.uint64(key), pair, stimulus, event, layer, first, out)
    return out


@pytest.mark.parametrize(("key", "counter", "expected"), PHILOX)
def test_philox_known_answers(key, counter, expected):
    assert tuple(int(w) for w in counter_rng.philox4x32(np.uint64(key), *counter)) == expected
    assert reference.philox4x32(key, counter) == expected


def test_splitmix_known_answers():
    ours = [
        int(counter_rng.word(np.uint64(SPLITMIX_SEED), np.uint64(GOLDEN_GAMMA), i))
        for i in range(5)
    ]
    assert ours == SPLITMIX
    assert [reference.splitmix64(SPLITMIX_SEED, GOLDEN_GAMMA, i) for i in range(5)] == SPLITMIX


def random_counters(count):
    """Counter words (pair, stimulus, event, layer), small ones, large ones and the ends of the
    32-bit range.
    """
    random = np.random.default_rng(5)
    return [
        *random.integers(0, 2**32, (count, 4)).tolist(),
        *random.integers(0, 3, (count, 4)).tolist(),
        [ONES32] * 4,
    ]


def test_streams_and_words_equal_the_reference_implementation():
    for counter in random_counters(100):
        seed, gamma = counter_rng.stream(np.uint64(KEY), *counter)
        assert (int(seed), int(gamma)) == reference.stream(KEY, *counter)
        first = counter[0] * 2**20  # reads beyond 32 bits too
        expected = [reference.splitmix64(int(seed), int(gamma), first + i) for i in range(3)]
        assert words(KEY, *counter, first, 3).tolist() == expected


def test_gamma_is_odd_with_24_bit_changes():
    """The rule must act, too: about one raw increment in 50 has fewer changes."""
    repaired = 0
    for counter in random_counters(1500):
        _, gamma = (int(w) for w in counter_rng.stream(np.uint64(KEY), *counter))
        w2, w3 = reference.philox4x32(KEY, counter)[2:]
        assert gamma % 2 == 1
        assert (gamma ^ (gamma >> 1)).bit_count() >= 24
        repaired += gamma != (w2 | (w3 << 32) | 1)
    assert 10 < repaired < 300


def test_every_counter_word_and_key_half_changes_the_stream():
    base = [7, 7, 7, 7]
    changed = [
        [*base[:i], other, *base[i + 1 :]] for i in range(4) for other in (0, 8, 7 + 2**16, ONES32)
    ]
    streams = {tuple(words(KEY, *counter, 0, 4).tolist()) for counter in [base, *changed]}
    streams |= {tuple(words(KEY ^ (1 << bit), *base, 0, 4).tolist()) for bit in (0, 31, 32, 63)}
    assert len(streams) == 1 + 16 + 4
    assert len({word for stream in streams for word in stream}) == 4 * 21


def test_uniform_never_reaches_0_or_1():
    low, high = (float(counter_rng.uniform(np.uint64(bits))) for bits in (0, ONES64))
    assert low == 2.0**-53
    assert high == 1.0 - 2.0**-53
    assert float(counter_rng.uniform(np.uint64(2**63))) == 0.5 + 2.0**-53


# --- the battery
# -----------------------------------------------------------------------------------------------

FALSE_FAIL = 1e-6


def ones_per_bit(table, bits=64):
    return np.array(
        [np.count_nonzero((table >> np.uint64(bit)) & np.uint64(1)) for bit in range(bits)]
    )


def battery(table):
    """Names of the tests that words (stimulus, pair, read), uint64, fail; right words fail any of
    them at most once in 1e6 runs.

    Every count is binomial with p = 1/2, exactly: single bits, and exclusive-ors of bits of
    disjoint or chained words. Repeats: of 2^18 words drawn from 2^64 one is expected twice with
    probability 2e-9.
    """
    low, high = table & np.uint64(ONES32), table >> np.uint64(32)
    counts = {
        "bit frequency": (ones_per_bit(table), table.size),
        "the two neurons of a pair": (ones_per_bit(low ^ high, 32), table.size),
        "neighbouring pairs": (ones_per_bit(table[:, 1:] ^ table[:, :-1]), table[:, 1:].size),
        "neighbouring stimuli": (ones_per_bit(table[1:] ^ table[:-1]), table[1:].size),
        "neighbouring reads": (ones_per_bit(table[..., 1:] ^ table[..., :-1]), table[..., 1:].size),
        "neighbouring bits": (ones_per_bit(table ^ (table >> np.uint64(1)), 63), table.size),
    }
    side = FALSE_FAIL / (2 * sum(len(ones) for ones, _ in counts.values()))
    failed = [
        name
        for name, (ones, n) in counts.items()
        if np.abs(ones - n / 2).max() > stats.binom(n, 0.5).isf(side) - n / 2
    ]
    return failed + ["repeats"] * (np.unique(table).size < table.size)


def drawn(key, stimuli=8, pairs=8, reads=4096, read_mask=ONES64):
    """Words of 8 stimuli and 8 pairs; with a read mask, a generator that repeats."""
    table = np.empty((stimuli, pairs, reads), np.uint64)
    for s, i in np.ndindex(stimuli, pairs):
        period = min(reads, read_mask + 1)
        table[s, i] = np.resize(words(key, i, s, 0, 0, 0, period), reads)
    return table


@pytest.mark.parametrize("key", [0, 1, KEY, ONES64])
def test_battery_passes(key):
    assert battery(drawn(key)) == []


def test_battery_passes_along_one_stream():
    assert battery(drawn(KEY, 1, 2, 2**17)) == []


def test_battery_fails_a_generator_that_repeats_after_65536_reads():
    assert battery(drawn(KEY, 1, 2, 2**17, read_mask=2**16 - 1)) == ["repeats"]


def test_battery_fails_negative_controls():
    """One bit 1 % too often set (8 standard errors beyond the limit's 6), and words shared along
    each axis.
    """
    right = drawn(KEY)
    biased = right | (np.random.default_rng(1).random(right.shape) < 0.02).astype(np.uint64)
    assert "bit frequency" in battery(biased)
    assert "neighbouring stimuli" in battery(np.broadcast_to(right[:1], right.shape).copy())
    assert "neighbouring pairs" in battery(np.broadcast_to(right[:, :1], right.shape).copy())
    assert "neighbouring reads" in battery(np.repeat(right[..., ::2], 2, axis=2))
    low = right & np.uint64(ONES32)
    assert "the two neurons of a pair" in battery(low | (low << np.uint64(32)))
    counter = np.arange(right.size, dtype=np.uint64).reshape(right.shape)
    assert "bit frequency" in battery(counter)
