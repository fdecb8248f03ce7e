"""Integer products: exact at every width and shape, and the arithmetic that the bound chooses."""

import itertools

import numba
import numpy as np
import pytest
from stochsim_kernels import matmul, reference
from stochsim_kernels._jit import helper
from stochsim_kernels.bits import popcount64


def codes(random, bits, shape):
    if bits == 1:
        return (2 * random.integers(0, 2, shape) - 1).astype(np.int8)
    return random.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape).astype(np.int8)


@pytest.mark.parametrize(("x_bits", "w_bits"), list(itertools.product(range(1, 9), repeat=2)))
def test_exact_at_every_width(x_bits, w_bits):
    random = np.random.default_rng(x_bits * 8 + w_bits)
    x, w = codes(random, x_bits, (17, 48)), codes(random, w_bits, (13, 48))
    product = matmul.integer_product(x, w)
    assert product.dtype == np.int64
    assert np.array_equal(product, reference.integer_product(x, w))


@pytest.mark.parametrize("shape", [(0, 5, 3), (1, 1, 1), (4, 0, 3), (3, 5, 0), (2, 1000, 2), (1, 3, 7)])
def test_any_shape(shape):
    stimuli, inputs, neurons = shape
    random = np.random.default_rng(0)
    x, w = codes(random, 8, (stimuli, inputs)), codes(random, 8, (neurons, inputs))
    assert np.array_equal(matmul.integer_product(x, w), reference.integer_product(x, w))
    assert matmul.integer_product(x, w).shape == (stimuli, neurons)


@pytest.mark.parametrize(("bound", "expected"), [(2**24 - 1, np.float32), (2**24, np.float64), (2**53 - 1, np.float64)])
def test_bound_chooses_the_arithmetic(bound, expected, monkeypatch):
    used = []
    product = np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b: used.append(a.dtype) or product(a, b))
    x, w = np.array([[bound]]), np.array([[-1], [1]])
    assert matmul.accumulator_bound(x, w) == bound
    assert matmul.integer_product(x, w).tolist() == [[-bound, bound]]
    assert used == [expected]


def test_worst_case_sums_just_beyond_float32_are_exact():
    """1,040 products of 127 · 127 pass 2^24, and an odd sum there has no float32: the twin that stays in float32 must fail."""
    x, w = np.full((1, 1041), 127, np.int8), np.full((1, 1041), 127, np.int8)
    exact = 1041 * 127 * 127
    assert exact > 2**24
    assert matmul.integer_product(x, w).tolist() == [[exact]]
    assert int(np.float32(exact)) != exact


def test_smallest_code_counts_with_its_full_magnitude():
    assert matmul.accumulator_bound(np.array([[-128]], np.int8), np.array([[-128]], np.int8)) == 128 * 128


@pytest.mark.parametrize("inputs", [1, 2, 7, 8, 9, 63, 64, 65, 127, 128, 1000])
def test_signs_take_packed_bits_and_stay_exact(inputs, monkeypatch):
    random = np.random.default_rng(inputs)
    x, w = codes(random, 1, (9, inputs)), codes(random, 1, (11, inputs))
    x[0], w[0] = 1, -1  # the extremes: every product -1
    expected = reference.integer_product(x, w)
    monkeypatch.setattr(np, "matmul", None)
    product = matmul.integer_product(x, w)
    assert product.dtype == np.int64
    assert np.array_equal(product, expected)
    assert product[0, 0] == -inputs


def test_all_pairs_of_signs_over_four_inputs():
    rows = np.array(list(itertools.product([-1, 1], repeat=4)), np.int8)
    assert np.array_equal(matmul.sign_product(rows, rows), reference.integer_product(rows, rows))


def test_a_single_zero_among_signs_is_no_sign():
    x, w = np.ones((2, 70), np.int8), -np.ones((3, 70), np.int8)
    x[1, 69] = 0
    assert matmul.integer_product(x, w).tolist() == [[-70] * 3, [-69] * 3]


def test_threads_change_nothing():
    random = np.random.default_rng(5)
    x, w = codes(random, 1, (33, 130)), codes(random, 1, (17, 130))
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert np.array_equal(matmul.integer_product(x, w), reference.integer_product(x, w))
    finally:
        numba.set_num_threads(before)


def test_population_count():
    @helper
    def count(words, out):
        for i in range(words.size):
            out[i] = popcount64(words[i])

    words = np.random.default_rng(1).integers(0, 2**64, 1000, dtype=np.uint64)
    words[:4] = 0, 1, 2**63, 2**64 - 1
    out = np.empty_like(words)
    count(words, out)
    assert out.tolist() == [int(word).bit_count() for word in words]


def test_overflow_and_shapes_are_refused():
    with pytest.raises(OverflowError, match="2\\^53"):
        matmul.integer_product(np.array([[2**53]]), np.array([[1]]))
    for x, w in (((2, 3), (2, 4)), ((3,), (2, 3)), ((2, 3, 1), (2, 3))):
        with pytest.raises(ValueError, match="integer_product needs"):
            matmul.integer_product(np.ones(x, np.int8), np.ones(w, np.int8))
