"""Codes and cells as packed bits, and what the input lines do: the crossbar's data, prepared with
NumPy.

A layer of `inputs` rows is cut into tiles of `rows`; the bits of a tile's rows fill words of 64,
with zeros behind the last row. An input code is applied in cycles of `cycle_bits` bits, lowest
first, each cycle held as one plane per bit; a weight is stored in slices of `cell_bits` bits.
"""

from typing import NamedTuple

import numpy as np

_CHUNK = 64  # stimuli packed at a time: bounds the working memory


class Activity(NamedTuple):
    """What the input lines did, summed over stimuli, tiles and cycles."""

    active_rows: int
    toggles: int


def pack_inputs(codes: np.ndarray, rows: int, bits: int, cycle_bits: int) -> np.ndarray:
    """Unsigned codes (stimulus, input) below 2^bits to words (stimulus, tile, cycle, plane, word),
    uint64.

    Raises ValueError for codes that need more bits and for rows, bits or cycle_bits below 1.
    """
    codes = np.asarray(codes)
    _check(codes, bits, rows, cycle_bits)
    stimuli, inputs = codes.shape
    cycles = -(-bits // cycle_bits)
    out = np.zeros((stimuli, -(-inputs // rows), cycles, cycle_bits, -(-rows // 64)), np.uint64)
    for first in range(0, stimuli, _CHUNK):
        some = codes[first : first + _CHUNK]
        for bit in range(bits):
            cycle, plane = divmod(bit, cycle_bits)
            out[first : first + _CHUNK, :, cycle, plane] = _pack((some >> bit) & 1, rows)
    return out


def pack_cells(cells: np.ndarray, rows: int, cell_bits: int) -> np.ndarray:
    """Cells (sign, slice, input, column) below 2^cell_bits to words (tile, slice, sign, plane,
    word, column), uint64.

    The sign axis holds 1 array, or 2 where each cell has a partner whose current is subtracted.
    Raises ValueError as `pack_inputs`.
    """
    cells = np.asarray(cells)
    _check(cells, cell_bits, rows, 1)
    signs, slices, inputs, columns = cells.shape
    out = np.empty(
        (-(-inputs // rows), slices, signs, cell_bits, -(-rows // 64), columns), np.uint64
    )
    for sign, piece, plane in np.ndindex(signs, slices, cell_bits):
        words = _pack(np.ascontiguousarray(cells[sign, piece].T) >> plane & 1, rows)
        out[:, piece, sign, plane] = words.transpose(1, 2, 0)
    return out


def _check(codes, bits, rows, cycle_bits):
    if min(bits, rows, cycle_bits) < 1:
        raise ValueError(
            f"bits, rows and bits per cycle must be 1 or more; got {bits}, {rows} and {cycle_bits}"
        )
    if codes.size and (int(codes.min()) < 0 or int(codes.max()) >= 1 << bits):
        raise ValueError(
            f"codes from {codes.min()} to {codes.max()} do not fit into {bits} unsigned bits"
        )


def _pack(ones, rows):
    """Bits (line, input) to words (line, tile, word)."""
    lines, inputs = ones.shape
    tiles = -(-inputs // rows)
    words = -(-rows // 64)
    padded = np.zeros((lines, tiles * rows), np.uint8)
    padded[:, :inputs] = ones
    whole = np.zeros((lines, tiles, words * 64), np.uint8)
    whole[:, :, :rows] = padded.reshape(lines, tiles, rows)
    return np.packbits(whole, axis=2, bitorder="little").view(np.uint64)


def active_rows(x_words: np.ndarray) -> np.ndarray:
    """Rows whose digit is not 0: (stimulus, tile, cycle), int32."""
    return _ones(np.bitwise_or.reduce(x_words, axis=3))


def square_sums(x_words: np.ndarray) -> np.ndarray:
    """Sum of the squared digits: (stimulus, tile, cycle), int32; with 1 bit per cycle the number of
    active rows.
    """
    total = np.zeros(x_words.shape[:3], np.int32)
    planes = x_words.shape[3]
    for a, b in np.ndindex(planes, planes):
        total += _ones(x_words[:, :, :, a] & x_words[:, :, :, b]) << (a + b)
    return total


def count_activity(x_words: np.ndarray) -> Activity:
    """Active rows, and lines whose digit changes from one cycle to the next, of x_words (stimulus,
    tile, cycle, plane, word); before the first cycle of a stimulus all lines idle at 0.
    """
    changed = x_words.copy()
    changed[:, :, 1:] ^= x_words[:, :, :-1]
    return Activity(*(int(active_rows(words).sum(dtype=np.int64)) for words in (x_words, changed)))


def _ones(words):
    return np.bitwise_count(words).sum(axis=-1, dtype=np.int32)
