"""Codes drawn from thresholds: the reference implementation bit for bit, and the same codes however
the work is split.
"""

import numpy as np
import pytest
from stochsim_kernels.neuron import drawing
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.integers import draw_integers
from stochsim_kernels.reference import neuron_codes as reference
from threadtest import MOST, threads

KEY = 0xFEDC_BA98_7654_3210
ONE = 2**31


def random_thresholds(stimuli, bits, neurons, seed=0):
    """Sorted thresholds, some of them exactly 0 and 2^31."""
    table = np.random.default_rng(seed).integers(
        -(2**29), ONE + 2**29, (stimuli, 2**bits - 1, neurons)
    )
    return np.sort(table.clip(0, ONE), axis=1).astype(np.uint32)


def draw(thresholds, reads, c_min=-3, **address):
    out = np.empty((thresholds.shape[0], reads, thresholds.shape[2]), np.int8)
    drawing.draw_codes(thresholds, c_min, at(**address), out)
    return out


def at(key=KEY, layer=0, event=0, first_stimulus=0, first_read=0):
    return DrawAddress.of(key, layer, event, first_stimulus, first_read)


def integers(shape, **address):
    out = np.empty(shape, np.uint32)
    draw_integers(at(**address), out)
    return out


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("neurons", [1, 6, 7])
def test_codes_equal_the_reference_implementation(bits, neurons):
    table = random_thresholds(2, bits, neurons)
    c_min = 0 if bits == 1 else -(2 ** (bits - 1))
    for where in ((0, 0, 0, 0), (3, 2**32 - 1, 2**31, 2**40)):
        address = DrawAddress.of(KEY, *where)
        ours = draw(table, 5, c_min, **address._asdict())
        assert np.array_equal(ours, reference.draw_codes(table, c_min, address, reads=5))


@pytest.mark.parametrize("edges", [0, 2, 4, 5, 30, 32, 100, 254])
def test_any_number_of_levels(edges):
    table = np.sort(np.random.default_rng(0).integers(0, ONE + 1, (2, edges, 5)), axis=1).astype(
        np.uint32
    )
    assert np.array_equal(
        draw(table, 9, c_min=-128), reference.draw_codes(table, -128, at(), reads=9)
    )


@pytest.mark.parametrize("bits", range(1, 9))
def test_certain_codes_are_drawn_at_every_read(bits):
    """All codes of every width without noise, 2,000 reads of each."""
    levels = 2**bits
    table = np.where(np.arange(levels - 1)[:, None] < np.arange(levels)[None], 0, ONE).astype(
        np.uint32
    )[None]
    assert (draw(table, 2_000, c_min=0).view(np.uint8) == np.arange(levels)).all()


@pytest.mark.parametrize("bits", [3, 5, 6, 8])  # counted up to 5 bits, searched from 6 on
def test_integers_are_those_behind_the_codes(bits):
    table = random_thresholds(3, bits, 7)
    u = integers((3, 130, 7), layer=1, event=2, first_stimulus=9, first_read=70)
    codes = draw(table, 130, 0, layer=1, event=2, first_stimulus=9, first_read=70)
    assert np.array_equal(codes.view(np.uint8), (u[:, :, None, :] >= table[:, None]).sum(axis=2))
    assert u.max() < ONE
    assert [reference.random31(KEY, 1, 2, 10, 71, n) for n in range(7)] == u[1, 1].tolist()


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_threshold_equal_to_u_is_passed(bits):
    """u >= threshold, at every place of the threshold list: all thresholds u, then all u + 1."""
    u = integers((1, 1, 40))
    at = np.broadcast_to(u, (1, 2**bits - 1, 40)).copy()
    assert (draw(at, 1, c_min=0).view(np.uint8) == 2**bits - 1).all()
    assert (draw(at + np.uint32(1), 1, c_min=0) == 0).all()


@pytest.mark.parametrize("neurons", [1, 2, 7, 64])
def test_threads_change_no_code(neurons):
    """The codes are compared at one and at all threads; reads beyond one task's share, in every
    stimulus.
    """
    table = random_thresholds(3, 3, neurons)
    results = []
    for count in sorted({1, min(2, MOST), MOST}):
        with threads(count):
            results.append((draw(table, 333), integers((3, 333, neurons))))
    for codes, u in results[1:]:
        assert np.array_equal(codes, results[0][0])
        assert np.array_equal(u, results[0][1])


def test_splits_in_stimuli_and_reads_change_no_code():
    table = random_thresholds(5, 2, 7)
    whole = draw(table, 200, first_stimulus=4, first_read=1000)
    by_stimulus = [
        draw(table[a:b], 200, first_stimulus=4 + a, first_read=1000)
        for a, b in ((0, 1), (1, 4), (4, 5))
    ]
    assert np.array_equal(whole, np.concatenate(by_stimulus))
    by_read = [
        draw(table, b - a, first_stimulus=4, first_read=1000 + a)
        for a, b in ((0, 1), (1, 63), (63, 130), (130, 200))
    ]
    assert np.array_equal(whole, np.concatenate(by_read, axis=1))


@pytest.mark.parametrize("neurons", [1, 3, 6])
def test_more_neurons_change_no_code_of_the_first_ones(neurons):
    table = random_thresholds(2, 3, 7)
    assert np.array_equal(
        draw(np.ascontiguousarray(table[..., :neurons]), 100), draw(table, 100)[..., :neurons]
    )


def test_key_layer_event_and_indices_each_give_other_integers():
    """Of 2^31 values two equal ones in 64 places are expected once in 3e7 such comparisons."""
    base = {"key": KEY, "layer": 2, "event": 3, "first_stimulus": 10, "first_read": 100}
    tables = [integers((1, 8, 8), **base)] + [
        integers((1, 8, 8), **{**base, name: base[name] + 8}) for name in base
    ]
    for i, one in enumerate(tables):
        assert all((one != other).all() for other in tables[:i])
    assert np.unique(tables[0]).size == 64
