"""Code books: what is refused, and codes, patterns and integers of those that are not."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stochsim.formats import FORMATS, CodeBook, code_book, format_lines, list_lines, lloyd_max
from stochsim.settings import SettingError

BOOK = CodeBook((-4.0, -1.0, 0.0, 1.0, 4.0))
finite = st.floats(-1e6, 1e6)


@st.composite
def books(draw):
    """Any values, halfway edges or others, any ties."""
    values = sorted(draw(st.sets(st.integers(-10_000, 10_000), min_size=2, max_size=256)))
    gaps = len(values) - 1
    shares = draw(st.lists(st.floats(0.1, 0.9), min_size=gaps, max_size=gaps))
    ties = draw(st.lists(st.booleans(), min_size=gaps, max_size=gaps))
    edges = [
        low + share * (high - low)
        for low, high, share in zip(values[:-1], values[1:], shares, strict=True)
    ]
    return CodeBook(tuple(values), tuple(edges), tuple(ties))


@given(books(), st.lists(finite, min_size=1, max_size=20))
def test_codes_by_the_definition(book, numbers):
    numbers = [*numbers, *book.edges, *book.values, math.inf, -math.inf]
    for number, code in zip(numbers, book.encode(numbers).tolist(), strict=True):
        passed = sum(
            number > edge or (number == edge and tie)
            for edge, tie in zip(book.edges, book.ties, strict=True)
        )
        assert code == passed + book.c_min


@given(books())
def test_values_codes_and_patterns_go_back_and_forth(book):
    codes = np.arange(book.c_min, book.c_min + book.levels)
    values = book.decode(codes)
    assert values.tolist() == list(book.values)
    assert np.array_equal(book.encode(values), codes)
    assert np.array_equal(book.numbers(book.patterns(codes)), values)
    assert book.levels <= 2**book.bits < 2 * max(book.levels, 2)


@given(books())
def test_integers_are_the_values_in_their_largest_unit(book):
    unit, integers = book.as_integers()
    assert [int(one) * Fraction(unit) for one in integers] == [Fraction(v) for v in book.values]
    assert math.gcd(*map(int, integers)) == 1


@pytest.mark.parametrize(
    ("name", "unit", "largest"),
    [
        ("fp4-e2m1", 0.5, 12),
        ("fp6-e2m3", 0.125, 60),
        ("fp6-e3m2", 0.0625, 448),
        ("fp8-e4m3", 2.0**-9, 229_376),
        ("fp8-e5m2", 2.0**-16, 57_344 * 65_536),
        ("int8", 1.0, 127),
    ],
)
def test_units_of_named_formats(name, unit, largest):
    found, integers = code_book(name).as_integers()
    assert (found, integers.max()) == (unit, largest)


def test_values_that_share_no_unit_of_63_bits_have_no_integers():
    assert code_book("log2-8").as_integers() is None


def test_a_scale_moves_values_edges_and_patterns():
    book = code_book("fp8-e4m3").scaled(0.25)
    assert book.values[-1] == 112.0
    assert book.encode([100.0]) == code_book("fp8-e4m3").encode([400.0])
    assert math.isnan(book.bit_patterns[0x7F])
    with pytest.raises(SettingError, match=r"'scale' = 0: should be"):
        BOOK.scaled(0)


def test_equal_books_are_equal_and_can_be_keys():
    assert code_book("fp8-e4m3") == code_book("fp8-e4m3")
    assert len({BOOK, CodeBook((-4, -1, 0, 1, 4)), code_book("int3")}) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"values": [1.0]}, "'values' = .*: should be 2 to 256 numbers"),
        ({"values": range(257)}, "should be 2 to 256 numbers"),
        ({"values": [[1, 2]]}, "'values'"),
        ({"values": [0, 2, 1]}, "should ascend, without repeats: 1 stands behind 2"),
        ({"values": [0, 1, 1]}, "should ascend, without repeats: 1 stands behind 1"),
        ({"values": [-0.0, 0.0]}, "should ascend, without repeats"),
        ({"values": [-1.7e308, 1.7e308]}, "should span a finite range: -1.7e"),
        ({"values": [1.0, np.nextafter(1.0, 2)]}, "should have a number of float64 between 1.0"),
        ({"values": [0.0, 5e-324, 1e-323]}, "should have a number of float64 between 0.0"),
        ({"values": [0, math.nan]}, "'values'"),
        ({"values": [0, math.inf]}, "'values'"),
        ({"values": ["a", "b"]}, "'values'"),
        ({"values": [0, 1, 2], "edges": [0.5]}, "'edges'"),
        ({"values": [0, 1, 2], "edges": [0.5, math.nan]}, "'edges'"),
        ({"values": [0, 1, 2], "edges": [1.5, 1.5]}, r"'edges\[0\]' = 1.5: should ascend, and lie"),
        ({"values": [0, 1, 2], "edges": [1.0, 1.0]}, r"'edges\[1\]' = 1"),
        ({"values": [0, 1, 2], "ties": [True]}, "'ties' = .*: should be 2 truth values"),
        ({"values": [0, 1, 2], "ties": [0, 1]}, "'ties' = .*: should be 2 truth values"),
        ({"values": [0, 1], "bit_patterns": [0, 1, 2]}, "'bit_patterns' = .*: should be 2, 4, 8"),
        ({"values": [0, 1], "bit_patterns": [0, 2]}, "every value and no other .*: 1 has no patt"),
        ({"values": [0, 1], "bit_patterns": [0, 1, 2, 0]}, "2 is no value"),
        ({"values": [0, 1], "name": 3}, "'name' = 3"),
        ({"values": None}, "'values'"),
        ({"values": [0, 1, 2], "edges": 3}, "'edges'"),
        ({"values": [0, 1, 2], "ties": 3}, "'ties' = 3: should be 2 truth values"),
        ({"values": [0, 1, 2], "bit_patterns": 3}, "'bit_patterns'"),
    ],
)
def test_books_that_are_none_are_refused(fields, message):
    with pytest.raises(SettingError, match=message):
        CodeBook(**fields)


def test_what_is_none_is_left_out():
    assert CodeBook((0, 1, 2), None, None, None) == CodeBook((0, 1, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: format_lines("nf4"), "'book' = 'nf4': should be a CodeBook"),
        (lambda: list_lines([BOOK, 3]), "'books' = 3: should be CodeBooks"),
        (lambda: code_book(f"fp{'9' * 5000}-e1m1"), "'format'"),
        (lambda: lloyd_max([-1e308, 1e308], 1), "'numbers' = 1e.308: should be at most"),
        (lambda: BOOK.encode([0.0, math.nan]), "'numbers': holds NaN, which has no code"),
        (lambda: BOOK.encode(["a"]), "'numbers'"),
        (lambda: BOOK.decode([3]), "'codes' = .*: should be integers from -2 to 2"),
        (lambda: BOOK.decode([0.5]), "'codes' = .*: should be integers from -2 to 2"),
        (lambda: BOOK.patterns([-3]), "'codes' = .*: should be integers from -2 to 2"),
        (lambda: BOOK.numbers([8]), "'patterns' = .*: should be integers from 0 to 7"),
    ],
)
def test_numbers_and_codes_that_are_none_are_refused(call, message):
    with pytest.raises(SettingError, match=message):
        call()


@pytest.mark.parametrize("name", FORMATS)
def test_every_named_format_is_a_book_of_its_name(name):
    book = code_book(name)
    assert book.name == name
    codes = np.arange(book.c_min, book.c_min + book.levels)
    assert np.array_equal(book.encode(book.decode(codes)), codes)
