"""Sums beyond 53 bits: the float64 nearest to the exact integer, by Python's integers."""

import numpy as np
import pytest
from stochsim_kernels.product import matmul


def exact(x: np.ndarray, w: np.ndarray) -> list[list[int]]:
    return [[sum(int(a) * int(b) for a, b in zip(r, c, strict=True)) for c in w] for r in x]


@pytest.mark.parametrize("bits", [27, 30, 32])
@pytest.mark.parametrize("inputs", [1, 7, 200])
def test_sums_are_the_nearest_floats_of_the_exact_ones(bits: int, inputs: int) -> None:
    rng = np.random.default_rng((bits, inputs))
    top = 2**bits - 1
    x = rng.integers(-top, top, (20, inputs), endpoint=True)
    w = rng.integers(-top, top, (15, inputs), endpoint=True)
    x[0], w[0] = top, -top  # the largest sum
    x[1] = rng.choice([-1, 1], inputs)  # cancels far below the largest
    found = matmul.product(x, matmul.pack_weights(w))
    wanted = np.array([[float(one) for one in row] for row in exact(x, w)])  # rounds to even
    if inputs * top**2 >= 2**53:
        assert found.dtype == np.float64
    assert np.array_equal(found.astype(np.float64), wanted)
    if bits == 32 and inputs == 200:  # plain float64 is not: the control
        assert not np.array_equal(x.astype(float) @ w.T.astype(float), wanted)


def test_integers_beyond_32_bits_are_refused() -> None:
    x = np.array([[2**33]])
    with pytest.raises(OverflowError, match="2\\^53"):
        matmul.product(x, matmul.pack_weights(np.array([[2**30]])))
