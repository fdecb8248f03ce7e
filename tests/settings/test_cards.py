"""Cards and one-line representations of any object: what is cut, and what is left out."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from stochsim.settings import card, columns, counted, number_text, one_line, range_text
from stochsim.settings import ruled_columns as ruled


def test_a_card_is_a_title_and_aligned_rows():
    assert card("thing: one", [("a", "1"), ("longer", "2 J")]) == (
        "thing: one\n  a       1\n  longer  2 J"
    )


def test_more_than_eight_lines_are_counted_in_the_last():
    rows = [(f"row {number}", str(number)) for number in range(7)]
    assert card("all of them", rows).splitlines()[-1] == "  row 6  6"
    lines = card("some", [*rows, ("row 7", "7"), ("row 8", "8")], "more rows").splitlines()
    assert len(lines) == 8
    assert lines[-2:] == ["  row 5  5", "  … 3 more rows"]


def test_a_line_has_at_most_100_columns():
    lines = card("t" * 101, [("a", "x" * 95), ("b", "x" * 96)]).splitlines()
    assert lines[0] == "t" * 99 + "…"
    assert lines[1] == f"  a  {'x' * 95}"
    assert lines[2] == f"  b  {'x' * 94}…"


@dataclass(frozen=True)
class Holder:
    """Holds anything."""

    value: Any
    hidden: Any = field(default=None, repr=False)
    __repr__ = one_line


class Pair(NamedTuple):
    """Two arrays."""

    first: Any
    second: Any

    def __repr__(self) -> str:
        return one_line(self)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros((2, 3), np.int8), "<2 × 3 int8>"),
        (torch.zeros(4), "<4 float32>"),
        (np.float64(0.5), "np.float64(0.5)"),
        (np.zeros(()), "array(0.)"),
        ("a\nb", r"'a\nb'"),
        ("x" * 80, f"'{'x' * 58}…"),
        ({"a": np.zeros(2), "b": 1}, "{'a': <2 float64>, 'b': 1}"),
        ({n: n for n in range(6)}, "{0: 0, 1: 1, 2: 2, 3: 3, … 2 more}"),
        ((np.zeros(2), 1), "(<2 float64>, 1)"),
        ((4,), "(4,)"),
        ([4], "[4]"),
        ([1, 2, 3, 4, 5], "[1, 2, 3, 4, … 1 more]"),
        (Pair(np.zeros(2), 3), "Pair(first=<2 float64>, second=3)"),
        (torch.nn.ReLU(), "ReLU()"),
        (torch.nn.Sequential(torch.nn.ReLU()), "Sequential( (0): ReLU() )"),
    ],
)
def test_a_representation_is_one_line(value, text):
    assert repr(Holder(value, "not shown")) == f"Holder(value={text})"


def test_columns_to_the_left_and_to_the_right():
    rows = [("name", "n"), ("a", "10")]
    assert list(columns(rows)) == ["name   n", "a     10"]
    assert list(columns(rows, left=None)) == ["name  n", "a     10"]
    assert list(columns(rows, left=0)) == ["name   n", "   a  10"]
    assert ruled(rows) == ["name   n", "--------", "a     10"]


def test_numbers_with_what_they_count():
    assert counted(1, "read", "reads") == "1 read"
    assert counted(12000, "read", "reads") == "12,000 reads"
    assert number_text(0.123456) == "0.1235"


@pytest.mark.parametrize(
    ("values", "text"),
    [([0.5], "0.5"), ([0.1, 0.30001], "0.1 to 0.3"), (np.array([2.0, -1.0]), "-1 to 2")],
)
def test_a_range_of_numbers(values, text):
    assert range_text(values) == text
