"""Counting by the upper 16 bits of thresholds, settled by the lower 15: every upper part of u, with
thresholds at and around it, gives the code of the plain count.

The streams are chosen so that they give these integers: SplitMix64's output function is a
bijection.
"""

import numpy as np
import pytest
from stochsim_kernels.neuron import simd_thresholds
from stochsim_kernels.random.counter_rng import read_integer
from stochsim_kernels.reference import neuron_codes as reference

ONE = 2**31
NEURONS = 2**16
PIECES = np.arange(NEURONS).reshape(-1, 4)  # upper parts of the four neurons of each quad


def _undo_shift(z, shift):
    """The x of z = x ^ (x >> shift)."""
    x = z
    for _ in range(64 // shift):
        x = z ^ (x >> shift)
    return x


def state_of(word):
    """The state from which `splitmix64` makes a word."""
    z = _undo_shift(word, 31) * pow(0x94D049BB133111EB, -1, 2**64) % 2**64
    z = _undo_shift(z, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64
    return _undo_shift(z, 30)


@pytest.fixture(scope="module")
def streams():
    """Seeds and increments (2, quad) whose first read gives neuron n the upper part n."""
    words = (PIECES << np.array([0, 16, 32, 48])).sum(axis=1, dtype=np.uint64)
    gamma = 0x9E3779B97F4A7C15
    seeds = [(state_of(word) - gamma) % 2**64 for word in words.tolist()]
    assert reference.splitmix64(seeds[77], gamma, 0) == int(words[77])
    return np.array([seeds, [gamma] * len(seeds)], np.uint64)


@pytest.fixture(scope="module")
def integers(streams):
    """u of every neuron at read 0, (neuron,) int64."""
    u = np.array([int(read_integer(streams, 0, n)) for n in range(NEURONS)])
    assert np.array_equal(u >> 15, np.arange(NEURONS))
    return u


def around(u, edges, seed):
    """Thresholds (edge, neuron), ascending: at u and one beside it, at the ends of its upper part
    and of its neighbours', at 0 and 2^31, anywhere; equal ones too.
    """
    base = u >> 15 << 15
    offsets = [0, 0x7FFF, 0x8000, 0x8001, -1, -0x8000, 1]
    places = [u, u + 1, u - 1, *(base + offset for offset in offsets), 0 * u, 0 * u + ONE]
    random = np.random.default_rng(seed)
    places.append(random.integers(0, ONE + 1, u.size))
    chosen = random.integers(0, len(places), (edges, u.size))
    table = np.take_along_axis(np.array(places), chosen, axis=0)
    return np.sort(table.clip(0, ONE), axis=0).astype(np.uint32)


def count(thresholds, streams, neurons=NEURONS):
    out = np.empty((1, neurons), np.int8)
    simd_thresholds.count_rows(thresholds[:, :neurons].copy(), -16, streams, out)
    return out[0] + 16


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("bits", simd_thresholds.WIDTHS)
def test_every_upper_part_with_thresholds_around_it(bits, seed, streams, integers):
    """The negative control, the upper parts alone, is wrong for many."""
    thresholds = around(integers, 2**bits - 1, seed)
    expected = (integers >= thresholds).sum(axis=0)
    assert np.array_equal(count(thresholds, streams), expected)
    by_upper_parts = (integers >> 15 >= thresholds >> 15).sum(axis=0)
    assert (by_upper_parts != expected).sum() > NEURONS / 20


@pytest.mark.parametrize("bits", simd_thresholds.WIDTHS)
def test_blocks_that_are_not_whole(bits, streams, integers):
    """Some neurons of the last block only, each a doubtful one; nothing is written behind them."""
    thresholds = around(integers, 2**bits - 1, 9)
    expected = (integers >= thresholds).sum(axis=0)
    for neurons in [*range(1, 34), 47, 63, 65, 96]:
        assert np.array_equal(count(thresholds, streams, neurons), expected[:neurons])
        room = np.full(neurons + 40, 77, np.int8)
        out = room[:neurons].reshape(1, neurons)
        simd_thresholds.count_rows(thresholds[:, :neurons].copy(), -16, streams, out)
        assert (room[neurons:] == 77).all()


@pytest.mark.parametrize("bits", simd_thresholds.WIDTHS)
def test_certain_thresholds_at_the_ends(bits, streams):
    """Thresholds 0 and 2^31 alone, for the least and the largest integers and all between."""
    edges = 2**bits - 1
    for passed in range(edges + 1):
        column = np.where(np.arange(edges) < passed, 0, ONE).astype(np.uint32)
        thresholds = np.repeat(column[:, None], NEURONS, axis=1)
        assert (count(thresholds, streams) == passed).all()
