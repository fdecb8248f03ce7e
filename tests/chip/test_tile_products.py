"""Partial sums of a tile by products of bytes: equal to plain integers, and their variance to 15
bits of the largest cell's.
"""

import numpy as np
import pytest

from stochsim.chip.array.tile_product import TileProduct


def lines_of(top: int, rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng((seed, top, rows))
    return rng.integers(0, top, (3, 11, rows), endpoint=True).astype(np.uint8)


@pytest.mark.parametrize("largest", [1, 3, 127, 128, 1000, 32_639, 32_640, 60_000])
@pytest.mark.parametrize("top", [1, 3, 15])
def test_sums_are_those_of_plain_integers(largest: int, top: int) -> None:
    """Cells of one byte, of two, and wider ones."""
    rng = np.random.default_rng((largest, top))
    net = rng.integers(-largest, largest, (2, 100, 7), endpoint=True).astype(np.int32)
    net[0, 0] = largest
    net[1, 0] = -largest
    lines = lines_of(top, 100)
    sums, variance = TileProduct(net, (None, None), (None, None), top).sums(lines)
    wanted = np.einsum("csr,prn->pcsn", lines.astype(np.int64), net.astype(np.int64))
    assert sums.dtype == np.int32
    assert np.array_equal(sums, wanted)
    assert variance is None


@pytest.mark.parametrize("which", ["squared", "linear", "both"])
@pytest.mark.parametrize("top", [1, 3, 15, 255])
def test_variances_are_those_of_the_cells_to_15_bits_of_the_largest(which: str, top: int) -> None:
    rng = np.random.default_rng(top)
    net = rng.integers(-9, 9, (2, 64, 5)).astype(np.int32)
    squared, linear = rng.exponential(size=(2, 2, 64, 5)).astype(np.float32)
    nothing = (None, None)
    has_squared, has_linear = which != "linear", which != "squared"
    cells = tuple(squared) if has_squared else nothing, tuple(linear) if has_linear else nothing
    lines = lines_of(top, 64)
    _, found = TileProduct(net, *cells, top).sums(lines)
    digits = lines.astype(float)
    wanted = np.zeros(found.shape)
    bound = np.zeros(found.shape)
    for is_there, powers, variance in (
        (has_squared, digits**2, squared),
        (has_linear, digits, linear),
    ):
        if is_there:
            wanted += np.einsum("csr,prn->pcsn", powers, variance.astype(float))
            half_step = 0.5 * (variance.max() + (linear.max() if which == "both" else 0)) / 32_639
            bound += half_step * powers.sum(2)[None, :, :, None]
    assert np.all(np.abs(found - wanted) <= bound + 1e-5 * wanted)
    assert np.all(np.abs(found - 2 * wanted) > bound)  # the control


def test_sums_and_variances_do_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(5)
    net = rng.integers(-700, 700, (3, 128, 40)).astype(np.int32)
    squared = rng.exponential(size=(3, 128, 40)).astype(np.float32)
    product = TileProduct(net, tuple(squared), (None,) * 3, 1)
    lines = lines_of(1, 128)
    whole = product.sums(lines)
    for s in range(11):
        one = product.sums(np.ascontiguousarray(lines[:, s : s + 1]))
        assert all(np.array_equal(a[:, :, s : s + 1], b) for a, b in zip(whole, one, strict=True))
