"""The cells of a layer on tiles, counted by hand."""

import numpy as np
import pytest

from stochsim.hardware import Array, Tiling
from stochsim.settings import SettingError


def test_counts_by_hand() -> None:
    """150 inputs of 64 neurons, 3 cells of magnitude in pairs: 384 cells a row, on 3 full tiles of
    128; 150 rows on 2 tiles. Of tiles of 100 columns there are 4, and lines pass 400 cells.
    """
    tiling = Array(signs="differential").tiling(150, 64, weight_bits=4)
    assert (tiling.cells_of_a_row, tiling.row_tiles, tiling.column_tiles) == (384, 2, 3)
    assert (tiling.cells, tiling.line_cells, tiling.conversions) == (57600, 384, 2 * 3 * 64)
    wide = Array(columns=100).with_({"signs": "differential"}).tiling(150, 64, weight_bits=4)
    assert (wide.column_tiles, wide.line_cells) == (4, 400)
    assert Array(signs="differential").tiling(1, 1, weight_bits=1).cells == 2


def test_tiles_hold_every_cell_once() -> None:
    tiling = Tiling(4, 5, inputs=9, neurons=3, slices=2, signs=2)
    seen = np.zeros((9, 12), int)
    for tile in tiling.tiles():
        assert seen[tile].shape <= (4, 5)
        seen[tile] += 1
    np.testing.assert_array_equal(seen, 1)


def test_planes_lie_side_by_side_and_come_back() -> None:
    """Neuron 1, slice 0, sign 1 of 2 slices and 2 signs is the 6th cell of its row."""
    tiling = Tiling(4, 5, inputs=2, neurons=3, slices=2, signs=2)
    planes = np.arange(24).reshape(2, 2, 2, 3)
    row = tiling.side_by_side(planes)
    assert row[1, 5] == planes[1, 0, 1, 1]
    np.testing.assert_array_equal(tiling.planes(row), planes)


@pytest.mark.parametrize(
    ("signs", "columns_per_adc", "sums"),
    [("offset", 16, 12), ("offset", 5, 5), ("differential", 16, 9), ("differential", 4, 4)],
)
def test_an_adc_takes_no_more_sums_than_its_tile_has(signs, columns_per_adc, sums) -> None:
    """3 neurons of 4 cells, or of 3 pairs of cells, on a tile of 128 columns."""
    tiling = Array(signs=signs).tiling(10, 3, weight_bits=4)
    assert tiling.in_turn(columns_per_adc) == sums
    assert Tiling(8, 6, 10, 30, signs=2).in_turn(16) == 3


def test_what_is_no_size_is_refused() -> None:
    with pytest.raises(SettingError, match="'columns' = 0: should be an integer from 1"):
        Tiling(1, 0, 1, 1)
    for signs in (0, 3):
        with pytest.raises(SettingError, match=f"'signs' = {signs}: .* from 1 to 2"):
            Tiling(5, 7, 13, 3, 4, signs)


@pytest.mark.parametrize("columns_per_adc", [0, -1, 1.5, float("nan"), True, "2"])
def test_what_is_no_number_of_shared_columns_is_refused(columns_per_adc) -> None:
    with pytest.raises(SettingError, match=r"'columns_per_adc' = .*: should be an integer from 1"):
        Tiling(5, 7, 13, 3).in_turn(columns_per_adc)


def test_arrays_of_another_shape_are_refused() -> None:
    """13 inputs of 3 neurons of 4 slices and 2 signs are 24 cells a row."""
    tiling = Tiling(5, 7, 13, 3, 4, 2)
    for wrong in (np.zeros((2, 2)), np.zeros((24, 13)), np.zeros(13 * 24), "cells"):
        with pytest.raises(SettingError, match=r"'cells' = .*= \(13, 24\)"):
            tiling.planes(wrong)
    for wrong in (np.zeros((13, 24)), np.zeros((2, 4, 3, 13))):
        with pytest.raises(SettingError, match=r"'planes' = .*= \(2, 4, 13, 3\)"):
            tiling.side_by_side(wrong)
    assert tiling.planes(np.zeros((13, 24))).shape == (2, 4, 13, 3)
