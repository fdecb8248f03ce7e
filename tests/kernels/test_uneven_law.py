"""Neurons whose values are not evenly spaced: thresholds and codes, without noise and with it."""

import numpy as np
import pytest
from neuroncases import KEY, LAWS, WHERE, drives, integers, sigmas
from scipy import special
from stochsim_kernels.neuron import channel, drawing
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import neuron_codes as reference

from stochsim.formats import CodeBook, code_book, lloyd_max

BOOKS = {
    "fp4-e2m1": code_book("fp4-e2m1").scaled(0.25),
    "fp6-e2m3": code_book("fp6-e2m3").scaled(0.5),
    "fp8-e4m3": code_book("fp8-e4m3").scaled(0.01),
    "log2-3": code_book("log2-3"),
    "nf4": code_book("nf4").scaled(2.0),
    "two": CodeBook((-0.3, 1.1)),
    "three": CodeBook((-0.3, 0.0, 1.1), (0.0, 1.0), (False, False)),
    "lloyd-2": lloyd_max(np.random.default_rng(0).laplace(size=1000), 2),
}


def law_of(book, family, activation):
    numbers = channel.FAMILIES[family], channel.ACTIVATIONS[activation]
    return channel.uneven_law(*numbers, np.array(book.edges), np.array(book.ties), book.c_min)


def plain_law(book, family, activation):
    marked = tuple(zip(book.edges, book.ties, strict=True))
    return reference.PlainLaw(family, activation, 0.0, 1.0, book.c_min, book.levels, marked)


def on_edges(book):
    """Drives on every edge and both their neighbours, on values, and far outside."""
    points = np.array([*book.edges, *book.values, 0.0, 1.0, 1e9, -1e9])
    return np.concatenate([points, np.nextafter(points, -9), np.nextafter(points, 9)])


@pytest.mark.parametrize("book", BOOKS.values(), ids=BOOKS)
def test_codes_without_noise_are_those_of_the_book(book):
    drive = on_edges(book)[None]
    out = np.empty((1, 2, drive.size), np.int8)
    zero = np.zeros((1, 1))
    law = law_of(book, "gaussian", "identity")
    drawing.draw(drive, zero, zero, law, DrawAddress.of(KEY, *WHERE), out)
    assert np.array_equal(out[0], np.tile(book.encode(drive), (2, 1)))


@pytest.mark.parametrize("activation", channel.ACTIVATIONS)
@pytest.mark.parametrize("book", BOOKS.values(), ids=BOOKS)
def test_codes_without_noise_are_the_reference_implementation_s(book, activation):
    drive = on_edges(book)
    expected = [reference.noiseless_code(a, plain_law(book, "gaussian", activation)) for a in drive]
    out = np.empty((1, 1, drive.size), np.int8)
    zero = np.zeros((1, 1))
    law = law_of(book, "gaussian", activation)
    for draw, given in ((drawing.draw, drive[None]), (drawing.draw_each, drive[None, None])):
        draw(given, zero, zero, law, DrawAddress.of(KEY, *WHERE), out)
        assert out[0, 0].tolist() == expected


@pytest.mark.parametrize(("family", "activation"), LAWS)
@pytest.mark.parametrize("name", ["fp4-e2m1", "log2-3", "two", "three", "lloyd-2"])
def test_thresholds_are_the_reference_implementation_s(name, family, activation):
    """Up to the last place of erfc; of values that are left over, never reached."""
    book = BOOKS[name]
    law = law_of(book, family, activation)
    drive = np.array([[-0.7, 0.0, 0.1, 1.3], [0.5, -3.0, 2.0, 9.0]])
    for sigma, other in ((0.4, 0.0), (0.3, 0.2), (0.0, 0.5)):
        out = np.empty((2, law.edges.size, 4), np.uint32)
        whole = (np.full(drive.shape, one) for one in (sigma, other))
        channel.fill_thresholds(drive, *whole, law, out)
        expected = reference.thresholds(drive, sigma, other, plain_law(book, family, activation))
        used = book.levels - 1
        assert abs(out[:, :used].astype(np.int64) - expected.astype(np.int64)).max() <= 2
        assert (out[:, used:] == 2**31).all()


@pytest.mark.parametrize(("family", "activation"), LAWS)
@pytest.mark.parametrize("name", BOOKS)
def test_every_way_gives_the_plain_count(name, family, activation):
    """Many reads and few, drives that hold and drives that differ; as with even values."""
    book = BOOKS[name]
    law = law_of(book, family, activation)
    sigma, other = sigmas((3, 19))
    drive = drives((3, 19), 4)
    table = np.empty((3, law.edges.size, 19), np.uint32)
    channel.fill_thresholds(drive, sigma, other, law, table)
    address = DrawAddress.of(KEY, *WHERE)
    for reads in (2, 33):
        each = table[:, None].repeat(reads, axis=1)
        expected = reference.count_codes(integers((3, reads, 19)), each, book.c_min)
        given = drive[:, None].repeat(reads, axis=1)
        for draw, drives_given in ((drawing.draw, drive), (drawing.draw_each, given)):
            out = np.empty((3, reads, 19), np.int8)
            draw(drives_given, sigma, other, law, address, out)
            assert np.array_equal(out, expected)
        assert out.max() <= book.c_min + book.levels - 1


@pytest.mark.parametrize(("ties", "below"), [(True, 0.0), (False, special.ndtr(-0.3 / 0.5))])
def test_a_response_that_stands_on_an_edge_obeys_its_tie(ties, below):
    """ReLU gives exactly 0 with a probability, and 0 is an edge."""
    book = CodeBook((-1.0, 1.0), (0.0,), (ties,))
    out = np.empty((1, 1, 1), np.uint32)
    one = np.ones((1, 1))
    law = law_of(book, "gaussian", "relu")
    channel.fill_thresholds(0.3 * one, 0.5 * one, 0.0 * one, law, out)
    assert out[0, 0, 0] / 2**31 == pytest.approx(below, rel=0, abs=1e-9)


def test_even_values_are_as_before():
    """A book of the quantiser's values gives the codes of the even law, from the same integers."""
    book = code_book("int4").scaled(0.25)
    even = channel.neuron_law(channel.GAUSSIAN, channel.IDENTITY, 0.0, 0.25, -8, 16)
    uneven = law_of(book, "gaussian", "identity")
    drive = drives((3, 19), 4)
    sigma, other = sigmas((3, 19))
    codes = []
    for law in (even, uneven):
        out = np.empty((3, 40, 19), np.int8)
        drawing.draw(drive, sigma, other, law, DrawAddress.of(KEY, *WHERE), out)
        codes.append(out)
    assert np.array_equal(*codes)
