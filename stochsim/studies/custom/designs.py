"""Points of a study: which values its axes take together."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from stochsim.keys import fold_in, generator
from stochsim.settings import SettingError, check_flag, check_kind, check_real, check_whole, plain

Point = dict[str, Any]
"""A value for each axis."""

_MOST_POINTS = 10_000_000


class Between(NamedTuple):
    """Numbers from `low` to `high`, ends included, that random and Sobol designs draw from.

    log: evenly in the logarithm. whole: whole numbers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


def grid_points(axes: Mapping[str, Iterable[Any]]) -> list[Point]:
    """Every combination of the axes' values, the last axis first.

    >>> from stochsim.studies import grid_points
    >>> grid_points({"bits": [4, 8], "key": range(2)})
    [{'bits': 4, 'key': 0}, {'bits': 4, 'key': 1}, {'bits': 8, 'key': 0}, {'bits': 8, 'key': 1}]
    """
    listed = checked_axes(axes)
    return [dict(zip(listed, one, strict=True)) for one in itertools.product(*listed.values())]


def zipped_points(axes: Mapping[str, Iterable[Any]]) -> list[Point]:
    """The first values of all axes together, then the second, and so on; raises SettingError for
    axes of different length.

    >>> from stochsim.studies import zipped_points
    >>> zipped_points({"weight_bits": [4, 8], "output_bits": [6, 8]})
    [{'weight_bits': 4, 'output_bits': 6}, {'weight_bits': 8, 'output_bits': 8}]
    """
    listed = checked_axes(axes)
    lengths = {name: len(values) for name, values in listed.items()}
    if len(set(lengths.values())) > 1:
        rule = f"are of different length, {lengths}: axes in step need as many values each"
        raise SettingError.of("axes", rule=rule)
    return [dict(zip(listed, one, strict=True)) for one in zip(*listed.values(), strict=True)]


def random_points(axes: Mapping[str, Any], points: int, key: int) -> list[Point]:
    """Points whose coordinates are drawn independently, by the key: of an axis that is a Between
    evenly from its range, of another one of its values.

    >>> from stochsim.studies import Between, random_points
    >>> found = random_points({"hardware.noise.read_sigma": Between(0.01, 1, log=True)}, 100, key=0)
    >>> all(0.01 <= point["hardware.noise.read_sigma"] <= 1 for point in found)
    True
    """
    points, axes = _count(points), _spaces(axes)
    uniform = generator(check_whole("key", key, 0, 2**64), "design").random((points, len(axes)))
    return _placed(axes, uniform)


def sobol_points(axes: Mapping[str, Any], points: int, key: int) -> list[Point]:
    """Points that fill the space more evenly than random ones: a Sobol sequence, scrambled by the
    key (Owen 1995), of which powers of two are balanced; axes as of `random_points`.

    >>> from stochsim.studies import Between, sobol_points
    >>> found = sobol_points({"bits": [2, 4, 6, 8], "sigma": Between(0, 1)}, 8, key=0)
    >>> sorted(point["bits"] for point in found)
    [2, 2, 4, 4, 6, 6, 8, 8]
    """
    from scipy.stats import qmc

    points, axes = _count(points), _spaces(axes)
    seed = fold_in(check_whole("key", key, 0, 2**64), "design")
    sequence = qmc.Sobol(len(axes), scramble=True, rng=seed)
    return _placed(axes, sequence.random_base2(max(0, (points - 1).bit_length()))[:points])


def points_without(points: Sequence[Point], skip: Iterable[Mapping[str, Any]]) -> list[Point]:
    """The points that no entry of `skip` matches: an entry matches where each axis that it names
    has its value, or one of its values.

    >>> from stochsim.studies import grid_points, points_without
    >>> points = grid_points({"format": ["int4", "fp4-e2m1"], "bits": [4, 8]})
    >>> len(points_without(points, [{"format": "fp4-e2m1", "bits": [8]}]))
    3
    """
    points, entries = checked_points("points", points), checked_entries(skip)
    known = {name for point in points for name in point}
    for entry in entries:
        for name in entry:
            if name not in known:
                raise SettingError.unknown(name, known, section=("skip",))
    return [point for point in points if not any(_matches(point, one) for one in entries)]


def checked_points(name: str, given: Any) -> list[Point]:
    """Points one by one, values as Python's own; raises SettingError of this name for others."""
    if not _are_tables(given):
        rule = "should be a list of points, each a dict of values by axis"
        raise SettingError.of(name, given, rule)
    return [{str(axis): checked_value(str(axis), one) for axis, one in p.items()} for p in given]


def checked_entries(skip: Any) -> list[dict[str, Any]]:
    """What is left out: values by axis, each one or several."""
    if not _are_tables(skip):
        rule = "should be a list of dicts, each of values by axis"
        raise SettingError.of("skip", skip, rule)
    found = []
    for entry in skip:
        lists = {str(name): one if _is_list(one) else [one] for name, one in entry.items()}
        found.append(
            {name: [checked_value(name, one) for one in ones] for name, ones in lists.items()}
        )
    return found


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | range)


def _are_tables(given: Any) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(one, Mapping) for one in given)


def checked_axes(axes: Any) -> dict[str, list[Any]]:
    """Axes by name, each a list of values; raises SettingError for what is none, an axis without
    values, and a value that stands twice.
    """
    check_kind("axes", axes, Mapping, "should be values by axis, as {'bits': [4, 6, 8]}")
    if not axes:
        raise SettingError.of("axes", rule="there are none, and so no points")
    found = {}
    for name, given in axes.items():
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            rule = "should be a list of values"
            raise SettingError.of(str(name), given, rule, section=("axes",))
        if isinstance(given, Between):
            rule = "is a range: give values, or draw points by random_points or sobol_points"
            raise SettingError.of(str(name), given, rule, section=("axes",))
        values = [checked_value(str(name), one) for one in given]
        if not values:
            raise SettingError.of(str(name), rule="has no values", section=("axes",))
        for place, one in enumerate(values):
            if (type(one), one) in [(type(other), other) for other in values[:place]]:
                raise SettingError.of(str(name), one, "stands there twice", section=("axes",))
        found[str(name)] = values
    return found


def checked_value(name: str, value: Any) -> Any:
    """A number, text, truth value or None, as Python's own; raises SettingError for another."""
    found = plain(value)
    if found is None or isinstance(found, str | bool | int) or _is_finite(found):
        return found
    rule = "should be numbers that are finite, text or truth values"
    raise SettingError.of(name, value, rule, section=("axes",))


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isfinite(value))


def _matches(point: Point, entry: Mapping[str, Any]) -> bool:
    return all(name in point and point[name] in values for name, values in entry.items())


def _count(points: Any) -> int:
    return check_whole("points", points, 1, _MOST_POINTS + 1)


def _spaces(axes: Any) -> dict[str, Between | list[Any]]:
    check_kind("axes", axes, Mapping, "should be ranges or values by axis")
    return {
        str(name): _checked_range(str(name), one)
        if isinstance(one, Between)
        else checked_axes({name: one})[str(name)]
        for name, one in axes.items()
    }


def _checked_range(name: str, given: Between) -> Between:
    low, high = (check_real(name, one) for one in given[:2])
    log, whole = check_flag("log", given.log), check_flag("whole", given.whole)
    if not low < high or (log and low <= 0):
        rule = "should go from a lower to a higher number, above 0 where it is logarithmic"
        raise SettingError.of(name, tuple(given), rule, section=("axes",))
    if whole and not (float(low).is_integer() and float(high).is_integer()):
        rule = "should have whole ends, for its numbers are whole"
        raise SettingError.of(name, tuple(given), rule, section=("axes",))
    return Between(low, high, log, whole)


def _placed(axes: Mapping[str, Between | list[Any]], uniform: np.ndarray) -> list[Point]:
    """Points for numbers (point, axis) from 0 to below 1."""
    columns = [_values(space, uniform[:, place]) for place, space in enumerate(axes.values())]
    return [dict(zip(axes, one, strict=True)) for one in zip(*columns, strict=True)]


def _values(space: Between | list[Any], uniform: np.ndarray) -> list[Any]:
    """What an axis has at numbers (point,) from 0 to below 1."""
    if not isinstance(space, Between):
        return [space[int(one)] for one in uniform * len(space)]
    low, high = space.low, space.high
    if space.whole:
        high += 1  # both ends count as much as any other number
    found = low * (high / low) ** uniform if space.log else low + (high - low) * uniform
    return [int(one) for one in found] if space.whole else [float(one) for one in found]
