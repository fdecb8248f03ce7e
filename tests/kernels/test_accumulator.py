"""Accumulators of a chosen width: wrapping equals the remainder, saturating equals addition by
addition in Python integers.
"""

import itertools

import numpy as np
import pytest
from stochsim_kernels.product import accumulator
from stochsim_kernels.reference import accumulator_sums
from stochsim_kernels.reference import neuron_codes as reference
from threadtest import threads


def random_codes(random, shape, low=-128, high=127):
    return random.integers(low, high + 1, shape).astype(np.int16)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_wrap_equals_the_remainder(dtype):
    limits = np.iinfo(dtype)
    near = [
        p + d
        for p in (0, *(sign * 2**b for b in range(63) for sign in (-1, 1)), limits.min, limits.max)
        for d in (-1, 0, 1)
    ]
    sums = np.array([[value] for value in near if limits.min <= value <= limits.max], dtype)
    for bits in (2, 3, 7, 8, 9, 16, 31, 32, 33, 63, 64):
        wrapped = accumulator.wrap(sums, bits)
        assert wrapped.dtype == dtype
        assert wrapped.tolist() == [
            [accumulator_sums.wrap(int(value), bits)] for value in sums[:, 0]
        ]


def test_wrapping_at_every_addition_gives_the_same():
    random = np.random.default_rng(0)
    products = random.integers(-(2**14), 2**14, 500)
    total = 0
    for product in products.tolist():
        total = accumulator_sums.wrap(total + product, 12)
    assert accumulator.wrap(products.sum(keepdims=True), 12).tolist() == [total]


@pytest.mark.parametrize("bits", [2, 3, 8, 15, 16, 20, 30])
def test_saturating_equals_the_reference(bits):
    random = np.random.default_rng(bits)
    for stimuli, inputs, neurons in ((1, 1, 1), (7, 33, 65), (50, 9, 3), (5, 200, 130)):
        x, w = random_codes(random, (stimuli, inputs)), random_codes(random, (neurons, inputs))
        x[0], w[0] = -128, -128  # climbs to the upper limit
        product = accumulator.saturating_product(x, w, bits)
        assert product.dtype == np.int32
        assert np.array_equal(product, accumulator_sums.saturating_product(x, w, bits))


def test_all_short_vectors_in_few_bits():
    """Every vector of 3 codes of 2 bits with every other: the limits of 3 bits are met at either
    end, in every order.
    """
    rows = np.array(list(itertools.product(range(-2, 2), repeat=3)), np.int8)
    for bits in (2, 3, 4):
        expected = accumulator_sums.saturating_product(rows, rows, bits)
        assert np.array_equal(accumulator.saturating_product(rows, rows, bits), expected)
        assert not np.array_equal(
            expected,
            np.clip(reference.integer_product(rows, rows), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
        )


def test_order_of_the_inputs_matters():
    one = np.ones((1, 3), np.int8)
    assert accumulator.saturating_product(np.array([[127, 1, -1]]), one, 8).tolist() == [[126]]
    assert accumulator.saturating_product(np.array([[127, -1, 1]]), one, 8).tolist() == [[127]]


@pytest.mark.parametrize("bits", [31, 32, 33, 40, 62])
def test_wide_accumulators(bits):
    """Sums that need more than 31 bits before they saturate."""
    random = np.random.default_rng(bits)
    largest = 2 ** (bits // 2)
    x, w = random.integers(-largest, largest, (3, 20)), random.integers(-largest, largest, (4, 20))
    product = accumulator.saturating_product(x, w, bits)
    expected = accumulator_sums.saturating_product(x, w, bits)
    assert product.dtype == (np.int32 if bits <= 32 else np.int64)
    assert np.array_equal(product, expected)
    assert np.abs(expected).max() >= 2 ** (bits - 1) - 1


def test_wide_enough_is_the_integer_product(monkeypatch):
    random = np.random.default_rng(3)
    x, w = random_codes(random, (5, 100)), random_codes(random, (6, 100))
    x[0, 0] = w[0, 0] = -128
    bits = (100 * 128 * 128).bit_length() + 1
    expected = reference.integer_product(x, w)
    assert np.array_equal(accumulator.saturating_product(x, w, bits - 1), expected)
    monkeypatch.setattr(accumulator, "_in_tiles", None)
    assert np.array_equal(accumulator.saturating_product(x, w, bits), expected)
    with pytest.raises(TypeError):
        accumulator.saturating_product(x, w, bits - 1)


def test_one_thread_gives_the_same():
    random = np.random.default_rng(4)
    x, w = random_codes(random, (101, 30)), random_codes(random, (70, 30))
    expected = accumulator.saturating_product(x, w, 16)
    with threads():
        assert np.array_equal(accumulator.saturating_product(x, w, 16), expected)


def test_bad_input_is_refused():
    x = np.full((1, 4), 100, np.int8)
    for bits in (1, 65, 0, -3):
        with pytest.raises(ValueError, match=f"{bits} bits"):
            accumulator.wrap(np.array([1]), bits)
        with pytest.raises(ValueError, match=f"{bits} bits"):
            accumulator.saturating_product(x, x, bits)
    for sums in (np.array([1.0]), np.array([1], np.uint8)):
        with pytest.raises(ValueError, match="signed integers"):
            accumulator.wrap(sums, 8)
    with pytest.raises(ValueError, match="a product needs"):
        accumulator.saturating_product(x, x[:, :3], 4)
    with pytest.raises(ValueError, match="a product needs"):
        accumulator.saturating_product(x * 0.5, x, 4)
    with pytest.raises(OverflowError, match="beyond int64"):
        accumulator.saturating_product(np.array([[2**40, 2**40]]), np.array([[2**40, 2**40]]), 63)
