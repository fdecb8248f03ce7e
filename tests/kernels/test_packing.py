"""Spans of codes, and words that say what the codes say."""

import itertools

import numpy as np
import pytest
from stochsim_kernels.product import packing
from stochsim_kernels.product.int_tiles import COLUMNS, ROWS
from stochsim_kernels.product.packing import Span


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-1, 1], Span(-1, 1, (1,))),
        ([-1, 0, 1], Span(-1, 1, (0, 1))),
        ([0, 1], Span(0, 1, (0,))),
        ([-3, -1, 1, 3], Span(-3, 3, (1, 2))),
        ([5], Span(5, 5, (0,))),
        ([-128, -126], Span(-128, -126, (1,))),
        ([-8, 7], Span(-8, 7, (0, 1, 2, 3))),
        ([-128, 127], Span(-128, 127, tuple(range(8)))),
        ([], Span(0, 0, (0,))),
    ],
)
def test_span(values, expected):
    assert packing.span(np.array([values], np.int8)) == expected
    assert packing.span(np.array([values], np.int64)) == expected


def test_span_of_unsigned_codes_at_the_top():
    top = 2**64 - 1
    assert packing.span(np.array([[top - 1, top]], np.uint64)) == Span(top - 1, top, (0,))
    assert Span(-8, 7, (0,)).magnitude == 8
    assert Span(-8, 7, (0,)).within(-8, 7)
    assert not Span(-8, 7, (0,)).within(-7, 7)
    assert not Span(-8, 7, (0,)).within(-8, 6)


def unpacked_planes(words):
    """Codes - offset of planes (row, plane, word)."""
    bits = np.unpackbits(
        np.ascontiguousarray(words.words).view(np.uint8), axis=2, bitorder="little"
    )
    return np.einsum("p,rpi->ri", words.scales, bits.astype(np.int64))


@pytest.mark.parametrize(("rows", "inputs"), [(1, 1), (7, 31), (12, 32), (65, 33), (3, 100)])
def test_words_hold_the_codes_and_zeros_behind_them(rows, inputs):
    random = np.random.default_rng(rows)
    for low, levels in itertools.product((-128, -2, 0, 3), (2, 3, 4, 8)):
        codes = random.integers(low, low + levels, (rows, inputs)).astype(np.int8)
        span = packing.span(codes)
        x, w = packing.stimulus_planes(codes, span), packing.weight_planes(codes, span)
        assert x.words.shape == (-(-rows // ROWS) * ROWS, len(span.bits), -(-inputs // 32))
        expected = np.zeros((len(x.words), x.words.shape[2] * 32), np.int64)
        expected[:rows, :inputs] = codes.astype(np.int64) - span.low
        assert np.array_equal(unpacked_planes(x), expected)
        assert np.array_equal(packing.plane_sums(x, rows), expected[:rows].sum(axis=1))
        assert w.words.shape == (-(-rows // COLUMNS), len(span.bits), -(-inputs // 32), COLUMNS)
        by_row = w._replace(words=w.words.transpose(0, 3, 1, 2).reshape(-1, *x.words.shape[1:]))
        assert np.array_equal(
            unpacked_planes(by_row)[: len(expected)], expected[: len(by_row.words)]
        )
        assert not by_row.words[rows:].any()


def test_bytes_are_shifted_only_where_codes_are_negative():
    signed = np.array([[-128, 127, 0, -1, 5]], np.int8)
    unsigned = np.array([[255, 0, 128, 1, 5]], np.int64)
    x = packing.stimulus_bytes(signed, packing.span(signed))
    assert (x.offset, x.words.view(np.uint8)[0, 0].tolist()) == (
        -128,
        [0, 255, 128, 127, 133, 0, 0, 0],
    )
    x = packing.stimulus_bytes(unsigned, packing.span(unsigned))
    assert (x.offset, x.words.view(np.uint8)[0, 0].tolist()) == (0, [255, 0, 128, 1, 5, 0, 0, 0])
    w = packing.weight_bytes(signed)
    assert w.words.shape == (1, 1, 2, COLUMNS)
    assert np.ascontiguousarray(w.words[0, 0, :, 0]).view(np.int8).tolist() == [
        -128,
        127,
        0,
        -1,
        5,
        0,
        0,
        0,
    ]
    assert not w.words[..., 1:].any()
