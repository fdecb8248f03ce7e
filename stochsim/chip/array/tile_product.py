"""Partial sums of one tile, and the variance of their noise, by products of 8-bit integers, which
are exact in any order and share the threads of all kernels.
"""

from collections.abc import Sequence

import numpy as np
from stochsim_kernels.product.matmul import pack_weights, product

_BYTE = 256
_LARGEST = 127 * _BYTE + 127
"""Of integers from upper and lower bytes, each from -128 to 127."""
_MOST_OF_LINE = 255


class TileProduct:
    """The cells of a tile: net, (slice, row, column) integers in cell units; squared, linear: for
    each slice the variance of cells (row, column) float32 per squared digit, and per digit, or
    None; kept in 15 bits of the largest.
    """

    def __init__(
        self,
        net: np.ndarray,
        squared: Sequence[np.ndarray | None],
        linear: Sequence[np.ndarray | None],
        top_digit: int,
    ) -> None:
        self._shape = net.shape
        self._net = _Planes(net.astype(np.int64))
        found = [_stacked(one) for one in (squared, linear)]
        if top_digit == 1:  # squares of digits are digits
            both = [one for one in found if one is not None]
            found = [None, sum(both[1:], both[0]) if both else None]
        self._squared, self._linear = (None if one is None else _Variance(one) for one in found)
        self._squares_fit = top_digit**2 <= _MOST_OF_LINE

    def sums(self, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Partial sums int32 and variances float32, or None where there is no noise, (slice, cycle,
        stimulus, column), for digits on the lines, (cycle, stimulus, row) uint8.
        """
        cycles, stimuli, rows = lines.shape
        flat = lines.reshape(-1, rows)
        shape = (self._shape[0], cycles, stimuli, self._shape[2])
        sums = self._net.sums(flat, np.int32).reshape(shape)
        if self._squared is None and self._linear is None:
            return sums, None
        total = np.zeros(shape, np.float32)
        if self._linear is not None:
            total += self._linear.sums(flat).reshape(shape)
        if self._squared is not None:
            squares = flat**2 if self._squares_fit else flat.astype(np.int32) ** 2
            total += self._squared.sums(squares).reshape(shape)
        return sums, total


class _Planes:
    """Integers (slice, row, column) as bytes for products, one or two each."""

    def __init__(self, integers: np.ndarray) -> None:
        self._slices, rows, self._columns = integers.shape
        largest = int(np.abs(integers).max(initial=0))
        planes = [integers]
        if _BYTE // 2 <= largest <= _LARGEST:
            upper = (integers + _BYTE // 2) // _BYTE
            planes = [upper, integers - _BYTE * upper]
        self._count = len(planes)
        stacked = np.stack(planes, 1)  # (slice, plane, row, column)
        by_neuron = stacked.swapaxes(2, 3).reshape(-1, rows)
        dtype = np.int8 if np.abs(by_neuron).max(initial=0) <= _BYTE // 2 else np.int32
        self._packed = pack_weights(by_neuron.astype(dtype))

    def sums(self, lines: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
        """Sums (slice, line, column) of lines (line, row)."""
        found = product(lines, self._packed)
        parts = found.reshape(len(lines), self._slices, self._count, self._columns)
        out = np.empty((self._slices, len(lines), self._columns), dtype)
        if self._count == 1:
            out[...] = parts[:, :, 0].swapaxes(0, 1)
            return out
        np.multiply(parts[:, :, 0].swapaxes(0, 1), _BYTE, out=out, dtype=dtype, casting="unsafe")
        out += parts[:, :, 1].swapaxes(0, 1)
        return out


class _Variance:
    """Variances (slice, row, column) in 15 bits of the largest."""

    def __init__(self, variance: np.ndarray) -> None:
        self._unit = float(variance.max(initial=0.0)) / _LARGEST or 1.0
        self._planes = _Planes(np.rint(variance / self._unit).astype(np.int64))

    def sums(self, lines: np.ndarray) -> np.ndarray:
        """Sums (slice, line, column) float32 of lines (line, row)."""
        return np.float32(self._unit) * self._planes.sums(lines, np.float32)


def _stacked(found: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """One array of all slices, None where they have none."""
    some = [one for one in found if one is not None]
    return np.stack(some).astype(np.float64) if some else None
