"""Fitted parameters: found from the points that the macro's file names, and from no other."""

import math
from collections.abc import Iterable, Sequence

from scipy import optimize

from stochsim.settings import SettingError, check_kind
from stochsim.silicon.macro import MACRO_RULE, Macro
from stochsim.silicon.measured import Measured, check_rows
from stochsim.silicon.parameter import Parameter


def fitted_rows(macro: Macro, rows: Sequence[Measured]) -> list[Measured]:
    """The rows that a parameter of the macro was fitted to."""
    return _at_points(macro.fitted.values(), rows)


def given_rows(macro: Macro, rows: Sequence[Measured]) -> list[Measured]:
    """The rows that a parameter of the macro was fitted to, or read from, and energies of the whole
    macro at conditions where parts of it are: no predictions.
    """
    found = _at_points(macro.parameters.values(), rows)
    parts = [dict(row.conditions) for row in fitted_rows(macro, rows) if row.kind == "part"]
    wholes = [row for row in rows if row.kind == "energy" and dict(row.conditions) in parts]
    return [*found, *wholes]


def _at_points(parameters: Iterable[Parameter], rows: Sequence[Measured]) -> list[Measured]:
    points = [point for one in parameters for point in one.points]
    return [row for row in rows if any(row.matches(point) for point in points)]


def fit(macro: Macro, rows: Sequence[Measured]) -> Macro:
    """The macro with its fitted parameters found anew: each so that the sum of what the model gives
    at its points, of fJ per MAC, is the sum that was measured. Raises SettingError where no row is
    such a point, and where no value in the parameter's range does it.
    """
    check_kind("macro", macro, Macro, MACRO_RULE)
    check_rows(rows)
    for name, parameter in macro.fitted.items():
        points = [row for row in rows if any(row.matches(point) for point in parameter.points)]
        if not points:
            rule = "none of the rows is one of its points"
            raise SettingError.of(f"parameters.{name}.points", list(parameter.points), rule)
        macro = macro.with_values({name: _root(macro, name, points)})
    return macro


def _root(macro: Macro, name: str, points: Sequence[Measured]) -> float:
    measured = math.fsum(row.value for row in points)

    def off(value: float) -> float:
        changed = macro.with_values({name: value})
        found = math.fsum(row.predicted(changed.at(**row.conditions)) for row in points)
        return math.log(found / measured)

    ends = macro.parameters[name].range
    assert ends is not None
    if off(ends[0]) * off(ends[1]) > 0:
        rule = f"no value in its range, {ends[0]:g} to {ends[1]:g}, meets its points"
        raise SettingError.of(f"parameters.{name}.range", list(ends), rule)
    return float(optimize.brentq(off, *ends, rtol=1e-12))
