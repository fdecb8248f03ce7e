"""The cells of an array, programmed once per chip, and the noiseless partial sums that an input
draws from them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from stochsim.chip.array.programming import (
    GRID,
    Sliced,
    Wires,
    faulted,
    program_cells,
    slice_weights,
)
from stochsim.chip.array.tile_product import TileProduct
from stochsim.hardware import Array
from stochsim.keys import fold_in
from stochsim.program import Layer
from stochsim.settings import SettingError


class TileSums(NamedTuple):
    """Partial sums (slice, cycle, stimulus, column) of a tile, in 1/unit cell steps × digits, and
    their cells' noise variance, of the same shape; None where cells have no noise.
    """

    tile: int
    sums: np.ndarray
    variance: np.ndarray | None


def _check_pairs(layer: Layer) -> None:
    """Raise SettingError for a weight whose magnitude one of two columns cannot hold."""
    most = 2 ** (layer.weight_bits - 1) - 1
    if layer.weight_codes.min() < -most:
        rule = f"should be from {-most} to {most} in differential columns"
        raise SettingError.of("weight_codes", layer.weight_codes.min(), rule)


class ArrayCells:
    """Weights in the cells of an Array, (sign, slice, row, column): `codes` as stored, with faults,
    `cells` as 1/unit cell steps.

    weight_codes: (neuron, input) int8. Raises SettingError for an array that the layer's widths do
    not fit.
    """

    def __init__(self, layer: Layer, array: Array, weight_codes: np.ndarray, chip_key: int) -> None:
        array.check_widths(layer.weight_bits, layer.input.bits)
        self.array = array
        self.input_bits = layer.input.bits
        self._unsigned = layer.input.unsigned
        if array.signs == "differential" and layer.weight_bits > 1:
            _check_pairs(layer)
            # a flipped bit can give the one code that has no pair
            weight_codes = np.maximum(weight_codes, 1 - 2 ** (layer.weight_bits - 1))
        sliced = slice_weights(weight_codes, layer.weight_bits, array.cell_bits, array.signs)
        self.weight_map = (sliced.scale, sliced.offset)
        self.stored_sums = ((weight_codes.astype(np.int64) - sliced.offset) // sliced.scale).sum(
            axis=1
        )
        self.slices, self.inputs, self.neurons = sliced.cells.shape[1:]
        self.tiling = array.tiling(self.inputs, self.neurons, layer.weight_bits)
        self.tiles = self.tiling.row_tiles
        self.cycles = array.cycles(self.input_bits)
        self._program(sliced, chip_key)

    def _program(self, sliced: Sliced, chip_key: int) -> None:
        settings = self.array.cells
        array = self.array
        rates = (settings.stuck_at_0_rate, settings.stuck_at_1_rate)
        self.codes = faulted(sliced.cells, array.cell_bits, *rates, fold_in(chip_key, "faults"))
        device = settings.memory_device
        own = None
        self._off = np.broadcast_to(np.float32(0), self.codes.shape)
        self.full_conductance = 2.0**array.cell_bits - 1
        if device is None:
            self.unit = (
                1 if settings.read_noise == "lumped" else GRID
            )  # the noise of single cells needs the finer grid
            self.cells = self.unit * self.codes.astype(np.int32)
        else:
            key = fold_in(chip_key, "cells")
            wires = Wires(self.tiling, settings.wire_ohm, settings.wire_model)
            law = (settings.age_s, wires, settings.drift_compensation)
            self.unit = GRID
            self.cells, own, self._off = program_cells(
                self.codes, array.cell_bits, device, key, *law
            )
            self.full_conductance *= device.g_max_us / (device.g_max_us - device.g_min_us)
        variance = np.float32((array.cell_read_sigma * self.unit) ** 2) + (
            np.float32(0) if own is None else own
        )
        self.variance = (
            np.broadcast_to(variance, self.cells.shape).astype(np.float32)
            if np.any(variance)
            else None
        )
        self.net = self.cells[0] - self.cells[1] if len(self.cells) == 2 else self.cells[0]
        self._products = [self._product_of(tile) for tile in range(self.tiles)]

    def _product_of(self, tile: int) -> TileProduct:
        """The products that a tile's partial sums and their variance are made of."""
        pairs = [self.variances(tile, place) for place in range(self.slices)]
        squared, linear = ([one[i] for one in pairs] for i in range(2))
        net = self.net[:, self.part(tile)]
        return TileProduct(net, squared, linear, self.top_digit)

    @property
    def rows(self) -> int:
        """Rows of the fullest tile."""
        return min(self.array.rows, self.inputs)

    @property
    def top_digit(self) -> int:
        """The largest digit of an input line."""
        return int(2**self.array.cycle_bits) - 1

    @property
    def step(self) -> float:
        """What one cell step adds to a partial sum, on average over the cells: 1 but for wires,
        drift and errors of programming.
        """
        ideal = self.unit * int(self.codes.sum(dtype=np.int64))
        return float(self.cells.sum(dtype=np.float64) / ideal) if ideal else 1.0

    @property
    def largest_sum(self) -> int:
        """No partial sum of ideal cells is larger in size: every row driven by the largest digit,
        every cell at its full conductance.
        """
        return self.rows * (2**self.array.cell_bits - 1) * self.top_digit

    def conductance(self, part: Any = ...) -> np.ndarray:
        """What cells (sign, slice, row, column), or a part of them, draw current by, in 1/unit cell
        steps: what they hold and the g_min of their device, which is subtracted from sums alone.
        """
        return np.maximum(self.cells[part] + self._off[part], 0)

    @property
    def input_map(self) -> tuple[int, int]:
        """(scale, offset) of x_q = scale × unsigned + offset."""
        if self._unsigned:
            return (1, 0)
        return (2, -1) if self.input_bits == 1 else (1, -(2 ** (self.input_bits - 1)))

    def unsigned(self, x_ints: np.ndarray) -> np.ndarray:
        """Input integers in offset binary, uint8 (unsigned ones as they are)."""
        scale, offset = self.input_map
        return ((x_ints.astype(np.int16) - offset) // scale).astype(np.uint8)

    def digits(self, unsigned: np.ndarray) -> np.ndarray:
        """What the input lines carry, (stimulus, cycle, input) uint8, least significant first:
        offset binary inputs cut in cycles.
        """
        places = (self.array.cycle_bits * np.arange(self.cycles)).astype(np.uint8)
        found: np.ndarray = unsigned[:, None, :] >> places[:, None] & np.uint8(self.top_digit)
        return found

    def part(self, tile: int) -> slice:
        """The rows of a tile."""
        return slice(tile * self.array.rows, (tile + 1) * self.array.rows)

    def variances(self, tile: int, place: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Noise variance of each cell (pair), (row, column) float32 in 1/unit²: per squared digit,
        and per digit (shot-like).
        """
        part = np.s_[:, place, self.part(tile)]
        squared = None if self.variance is None else self.variance[part].sum(axis=0)
        if self.array.cells.shot_sigma == 0:
            return squared, None
        current = self.conductance(part).sum(axis=0).astype(np.float32)
        return squared, np.float32(self.array.cells.shot_sigma**2 * self.unit) * current

    def partials(self, digits: np.ndarray) -> Iterator[TileSums]:
        """Partial sums of each tile; digits (stimulus, cycle, input)."""
        for tile, product in enumerate(self._products):
            lines = np.ascontiguousarray(digits[:, :, self.part(tile)].swapaxes(0, 1))
            yield TileSums(tile, *product.sums(lines))

    def most_variance(self) -> float:
        """No partial sum's cells have more noise: every row driven by the largest digit."""
        every_row = np.full((1, 1, self.inputs), self.top_digit, np.uint8)
        return max(
            (
                float(one.variance.max())
                for one in self.partials(every_row)
                if one.variance is not None
            ),
            default=0.0,
        )
