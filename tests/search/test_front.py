"""Dominance, fronts and hypervolumes, by hand."""

import itertools

import pytest

from stochsim.search.front import dominates, front, hypervolume


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((1, 1), (2, 2), True),
        ((1, 2), (1, 3), True),
        ((1, 1), (1, 1), False),
        ((1, 3), (2, 2), False),
        ((2, 2), (1, 1), False),
    ],
)
def test_dominance(a: tuple[float, float], b: tuple[float, float], expected: bool) -> None:
    assert dominates(a, b) is expected


def test_the_front_is_what_nothing_dominates() -> None:
    points = [(3.0, 1.0), (1.0, 3.0), (2.0, 2.0), (2.0, 2.5), (3.0, 1.0), (4.0, 4.0)]
    assert front(points) == [1, 2, 0]
    for i, j in itertools.product(front(points), range(len(points))):
        assert not dominates(points[j], points[i])


def test_of_nothing_there_is_no_front() -> None:
    assert front([]) == []
    assert hypervolume([], (1.0, 1.0)) == 0


def test_hypervolume_by_hand() -> None:
    """Steps of a staircase below (4, 4): (4−1)(4−3) + (4−2)(3−2) + (4−3)(2−1) = 6."""
    staircase = [(2.0, 2.0), (1.0, 3.0), (3.0, 1.0)]
    assert hypervolume(staircase, (4, 4)) == 6
    assert (
        hypervolume([*staircase, (2.5, 2.5), (5.0, 0.0), (0.0, 4.0)], (4, 4)) == 6
    )  # dominated, or not inside: nothing added
    assert hypervolume([*staircase, (1.0, 1.0)], (4, 4)) == 9


def test_hypervolume_never_falls_when_a_point_is_added() -> None:
    points = [(x / 7, (x * 5 % 7) / 7) for x in range(7)]
    areas = [hypervolume(points[:count], (1, 1)) for count in range(len(points) + 1)]
    assert areas == sorted(areas)
