"""Designs: grids, steps, random and Sobol points, and what is left out."""

import itertools
import math

import numpy as np
import pytest

from stochsim.settings import SettingError
from stochsim.studies import (
    Between,
    grid_points,
    points_without,
    random_points,
    sobol_points,
    zipped_points,
)


def test_a_grid_is_every_combination_in_order():
    axes = {"a": [1, 2], "b": ("x", "y", None), "c": range(2)}
    expected = [dict(zip("abc", one, strict=True)) for one in itertools.product(*axes.values())]
    assert grid_points(axes) == expected


def test_numbers_of_numpy_are_plain():
    (first, *_) = grid_points({"a": np.arange(2), "b": np.array([0.5])})
    assert [type(value) for value in first.values()] == [int, float]


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({}, "no points"),
        ([], "should be values by axis"),
        ({"a": []}, "'axes.a'.*has no values"),
        ({"a": 3}, "'axes.a' = 3: should be a list"),
        ({"a": "int4"}, "'axes.a' = 'int4': should be a list"),
        ({"a": [1, 1]}, "'axes.a' = 1: stands there twice"),
        ({"a": [float("nan")]}, "'axes.a' = nan"),
        ({"a": [[1]]}, "'axes.a'"),
        ({"a": Between(0, 1)}, "'axes.a'.*is a range"),
    ],
)
def test_axes_that_are_none_are_refused(axes, words):
    with pytest.raises(SettingError, match=words):
        grid_points(axes)


def test_equal_numbers_of_other_types_are_two_values():
    assert len(grid_points({"a": [1, 1.0, True]})) == 3


def test_axes_in_step_need_one_length():
    assert zipped_points({"a": [1, 2], "b": [3, 4]}) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    with pytest.raises(SettingError, match="of different length"):
        zipped_points({"a": [1, 2], "b": [3]})


SPACE = {"x": Between(0.01, 1, log=True), "n": Between(2, 5, whole=True), "f": ["p", "q"]}


@pytest.mark.parametrize("design", [random_points, sobol_points])
def test_drawn_points_lie_in_their_ranges_and_follow_the_key(design):
    points = design(SPACE, 256, 1)
    assert points == design(SPACE, 256, 1)
    assert points != design(SPACE, 256, 2)
    assert all(0.01 <= one["x"] <= 1 for one in points)
    assert {one["n"] for one in points} == {2, 3, 4, 5}
    assert all(isinstance(one["n"], int) for one in points)
    assert {one["f"] for one in points} == {"p", "q"}


def test_sobol_points_fill_each_axis_evenly():
    """A power of two of them has exactly one in each of as many equal parts of an axis."""
    points = sobol_points(SPACE | {"u": Between(0, 1)}, 64, 3)
    for name, place in (("u", lambda v: v), ("x", lambda v: math.log(v / 0.01) / math.log(100))):
        cells = sorted(int(64 * place(one[name])) for one in points)
        assert cells == list(range(64))
    assert [one["n"] for one in points].count(2) == 16
    uneven = random_points({"u": Between(0, 1)}, 64, 3)  # the negative control
    assert sorted(int(64 * one["u"]) for one in uneven) != list(range(64))


@pytest.mark.parametrize(
    "space",
    [Between(1, 1), Between(2, 1), Between(0, 1, log=True), Between(0.5, 2, whole=True)],
)
def test_ranges_that_are_none_are_refused(space):
    with pytest.raises(SettingError, match=r"'axes\.a'"):
        random_points({"a": space}, 4, 0)


def test_points_are_left_out_where_all_that_an_entry_names_matches():
    points = grid_points({"a": [1, 2], "b": [1, 2, 3]})
    left = points_without(points, [{"a": 1, "b": [2, 3]}, {"b": 1, "a": 2}])
    assert left == [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 2, "b": 3}]
    with pytest.raises(SettingError, match=r"'skip.c'"):
        points_without(points, [{"c": 1}])
