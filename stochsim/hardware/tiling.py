"""How the cells of a layer lie on an array's tiles: the one geometry that wires, input lines, DACs,
ADCs, programming and latency read.

A row of cells holds all neurons side by side, of each neuron its slices from the least significant,
of each slice its columns (two of a differential pair). Rows are cut every `rows`, a row of cells
every `columns`. A last tile that is not full is filled from the drivers and towards the ADCs, so
its wires carry current along its own cells alone; its input lines still run through all columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from stochsim.settings import check_whole, shaped_array

_MOST = 2**31 - 1
_MOST_SIGNS = 2


@dataclass(frozen=True)
class Tiling:
    """Tiles of `rows` × `columns` cells under a layer of this many inputs and neurons, `slices`
    cells per weight and sign, and 1 or 2 signs. Raises SettingError for what is no size.
    """

    rows: int
    columns: int
    inputs: int
    neurons: int
    slices: int = 1
    signs: int = 1

    def __post_init__(self) -> None:
        for one in fields(self):
            most = _MOST_SIGNS if one.name == "signs" else _MOST
            size = check_whole(one.name, getattr(self, one.name), 1, most + 1)
            object.__setattr__(self, one.name, size)

    @property
    def cells_of_a_row(self) -> int:
        """Cells that one input drives, on all tiles."""
        return self.neurons * self.slices * self.signs

    @property
    def cells(self) -> int:
        """Cells that hold the weights."""
        return self.inputs * self.cells_of_a_row

    @property
    def row_tiles(self) -> int:
        """Tiles below one another."""
        return -(-self.inputs // self.rows)

    @property
    def column_tiles(self) -> int:
        """Tiles side by side, each with drivers and DACs of its own."""
        return -(-self.cells_of_a_row // self.columns)

    @property
    def line_cells(self) -> int:
        """Cells that the lines of one input pass, used or not."""
        return self.column_tiles * self.columns

    @property
    def conversions(self) -> int:
        """Partial sums of one input cycle, each converted once."""
        return self.row_tiles * self.slices * self.neurons

    def in_turn(self, columns_per_adc: int) -> int:
        """Partial sums that one ADC takes one after the other: no more than its tile has. Raises
        SettingError for what is no number of columns.
        """
        columns_per_adc = check_whole("columns_per_adc", columns_per_adc, 1, _MOST + 1)
        in_a_tile = min(self.columns, self.cells_of_a_row)
        return min(columns_per_adc, -(-in_a_tile // self.signs))

    def side_by_side(self, planes: np.ndarray) -> np.ndarray:
        """Planes (sign, slice, row, neuron) as they lie on the array: (row, cell of a row). Raises
        SettingError for another shape.
        """
        sizes = (self.signs, self.slices, self.inputs, self.neurons)
        planes = shaped_array("planes", planes, "sign, slice, row, neuron", sizes)
        return planes.transpose(2, 3, 1, 0).reshape(self.inputs, self.cells_of_a_row)

    def planes(self, cells: np.ndarray) -> np.ndarray:
        """Planes (sign, slice, row, neuron) of cells (row, cell of a row). Raises SettingError for
        another shape.
        """
        sizes = (self.inputs, self.cells_of_a_row)
        cells = shaped_array("cells", cells, "row, cell of a row", sizes)
        shape = (self.inputs, self.neurons, self.slices, self.signs)
        return cells.reshape(shape).transpose(3, 2, 0, 1)

    def tiles(self) -> Iterator[tuple[slice, slice]]:
        """The rows and the cells of a row that each tile holds."""
        for top in range(0, self.inputs, self.rows):
            for left in range(0, self.cells_of_a_row, self.columns):
                yield slice(top, top + self.rows), slice(left, left + self.columns)
