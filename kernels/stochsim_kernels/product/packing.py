"""Codes as 4-byte words for the tiles of `int_tiles`: bytes, or planes of single bits; and what a
set of codes needs.
"""

import math
from typing import NamedTuple

import numpy as np

from stochsim_kernels.product.int_tiles import COLUMNS, ROWS

_LINE_BYTES = 64
_FEW = 8  # codes this close together are worth a look at which of their bits are in use


class Span(NamedTuple):
    """The smallest and the largest of some codes, and the places of the bits in use in code - low:
    (1,) for codes -1 and 1.
    """

    low: int
    high: int
    bits: tuple[int, ...]

    @property
    def magnitude(self) -> int:
        """max |code|."""
        return max(abs(self.low), abs(self.high))

    def within(self, low: int, high: int) -> bool:
        """Do all codes lie in low … high?"""
        return low <= self.low and self.high <= high


class Words(NamedTuple):
    """Codes as offset + sum over planes of scale · plane. words, int32: see
    `int_tiles.fill_product`.
    """

    words: np.ndarray
    offset: int
    scales: np.ndarray


def span(codes: np.ndarray, looks_at_bits: bool = True) -> Span:
    """The span of an integer array (any shape); of an empty one, that of a zero. Without a look at
    its bits all that its range takes are in use.
    """
    if not codes.size:
        return Span(0, 0, (0,))
    low, high = int(codes.min()), int(codes.max())
    if high - low >= _FEW or not looks_at_bits:
        return Span(low, high, tuple(range((high - low).bit_length())) or (0,))
    used = int(np.bitwise_or.reduce(codes - low, axis=None))
    return Span(low, high, tuple(i for i in range(3) if used >> i & 1) or (0,))


def stimulus_bytes(codes: np.ndarray, span: Span) -> Words:
    """Codes (stimulus, input) in 0 … 255 as they are, or in -128 … 127 shifted by 128."""
    shifted = span.low < 0
    rows = _padded(codes.shape, ROWS, 4)
    flips = np.uint8(128 * shifted)
    np.bitwise_xor(as_bytes(codes), flips, out=rows[: len(codes), : codes.shape[1]])
    return Words(rows.view(np.int32)[:, None], -128 * shifted, np.ones(1, np.int32))


def as_bytes(codes: np.ndarray) -> np.ndarray:
    """Codes in -128 … 255 modulo 256, uint8, without a copy where they have 8 bits."""
    return codes.view(np.uint8) if codes.dtype == np.int8 else codes.astype(np.uint8, copy=False)


def weight_bytes(codes: np.ndarray, bytes_multiple: int = 4) -> Words:
    """Codes (neuron, input) in -128 … 127; rows of a multiple of so many bytes."""
    rows = _padded(codes.shape, COLUMNS, bytes_multiple)
    rows.view(np.int8)[: len(codes), : codes.shape[1]] = codes
    return Words(_panels(rows.view(np.int32)[:, None]), 0, np.ones(1, np.int32))


def stimulus_planes(codes: np.ndarray, span: Span) -> Words:
    """One plane of bits per place in use, of codes (stimulus, input)."""
    return _planes(codes, span, ROWS)


def weight_planes(codes: np.ndarray, span: Span) -> Words:
    """One plane of bits per place in use, of codes (neuron, input)."""
    planes = _planes(codes, span, COLUMNS)
    return planes._replace(words=_panels(planes.words))


def stimulus_words(codes: np.ndarray) -> np.ndarray:
    """One code (stimulus, input) to a word."""
    return _words(codes, ROWS)


def weight_words(codes: np.ndarray) -> np.ndarray:
    """One code (neuron, input) to a word."""
    return _panels(_words(codes, COLUMNS))


def _words(codes: np.ndarray, multiple: int) -> np.ndarray:
    words = np.zeros((-(-len(codes) // multiple) * multiple, 1, codes.shape[1]), np.int32)
    words[: len(codes), 0] = codes
    return words


def plane_sums(x: Words, stimuli: int) -> np.ndarray:
    """The sum over the inputs of code - offset, int64 (stimulus,), from planes."""
    ones = np.bitwise_count(x.words[:stimuli].view(np.uint32)).sum(axis=2, dtype=np.int64)
    return ones @ x.scales.astype(np.int64)


def _planes(codes: np.ndarray, span: Span, multiple: int) -> Words:
    """Words (row, plane, word), 32 inputs to a word, zeros behind the last."""
    above = _padded(codes.shape, multiple, 32)
    np.subtract(codes, span.low, out=above[: len(codes), : codes.shape[1]], casting="unsafe")
    words = np.empty((len(above), len(span.bits), above.shape[1] // 32), np.int32)
    for plane, bit in enumerate(span.bits):  # flat, for rows of their own are slow to pack
        packed = np.packbits((above & np.uint8(1 << bit)).ravel(), bitorder="little")
        words[:, plane] = packed.view(np.int32).reshape(len(above), words.shape[2])
    return Words(words, span.low, np.array([1 << bit for bit in span.bits], np.int32))


def aligned(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """An array of anything that starts with a cache line: a vector of 64 bytes then lies in one
    line, not in two.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + _LINE_BYTES, np.uint8)
    first = -memory.__array_interface__["data"][0] % _LINE_BYTES
    return memory[first : first + size].view(dtype).reshape(shape)


def _padded(shape: tuple[int, ...], rows: int, columns: int) -> np.ndarray:
    """Zeros, uint8 (row, input), both rounded up to multiples."""
    return np.zeros((-(-shape[0] // rows) * rows, -(-shape[1] // columns) * columns), np.uint8)


def _panels(words: np.ndarray) -> np.ndarray:
    """Words (neuron, plane, word) as (panel, plane, word, COLUMNS)."""
    neurons, planes, width = words.shape
    found = aligned((neurons // COLUMNS, planes, width, COLUMNS), np.int32)
    found[...] = words.reshape(neurons // COLUMNS, COLUMNS, planes, width).transpose(0, 2, 3, 1)
    return found
