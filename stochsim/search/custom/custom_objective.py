"""What is wanted of a study with axes: figures to make good, and rules that others keep."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Self

import pydantic

from stochsim.settings import LARGEST, SettingError, Settings
from stochsim.studies import CustomRun, PointResult

JOULES, SECONDS = "joules_per_read", "seconds_per_read"
_OF_BILLS = (JOULES, SECONDS)
_RULE = re.compile(r"\s*(.+?)\s*(>=|<=|==|=|>|<)\s*([-+0-9.eE]+)\s*")
_AT_LEAST, _AT_MOST = ">=", "<="


class Bound(NamedTuple):
    """A figure that a setting keeps: at least or at most this much, a measure with its whole 95 %
    interval, joules and seconds as they are priced.

    >>> from stochsim.search import Bound
    >>> print(Bound.parse("accuracy >= 0.97"))
    accuracy ≥ 0.97
    """

    figure: str
    sign: str
    value: float

    def __str__(self) -> str:
        return f"{self.figure} {'≥' if self.sign == _AT_LEAST else '≤'} {self.value:g}"

    @classmethod
    def parse(cls, text: Any) -> Self:
        """The bound of a text such as "accuracy >= 0.97"; raises SettingError for others."""
        rule = 'should be "FIGURE >= NUMBER" or "FIGURE <= NUMBER"'
        found = _RULE.fullmatch(text) if isinstance(text, str) else None
        if found is None or found[2] not in (_AT_LEAST, _AT_MOST):
            raise SettingError.of("keep", text, rule)
        try:
            value = float(found[3])
        except ValueError:
            rule = f"{rule}, and '{found[3]}' is not a number"
            raise SettingError.of("keep", text, rule) from None
        if not abs(value) <= LARGEST:
            raise SettingError.of("keep", text, f"{rule}, and {value:g} is above {LARGEST:g}")
        return cls(found[1], found[2], value)

    def shortfall(self, point: PointResult) -> float:
        """By how much a point fails to keep it, 0 or less where it does; infinite where n/a."""
        if self.figure in _OF_BILLS:
            end = figure_of(point, self.figure)
        else:
            one = point.estimates[self.figure]
            if not one.available:
                return math.inf
            end = one.low if self.sign == _AT_LEAST else one.high
        found = self.value - end if self.sign == _AT_LEAST else end - self.value
        return math.inf if math.isnan(found) else found


class CustomObjective(Settings):
    """What is wanted: the setting with least `minimise` that keeps every rule of `keep`, or, where
    further figures stand in `against`, the front of these figures, each in its better direction.

    Figures are the study's measures, joules_per_read and seconds_per_read.

    >>> from stochsim.search import CustomObjective
    >>> CustomObjective(keep="accuracy >= 0.97").bounds
    (Bound(figure='accuracy', sign='>=', value=0.97),)
    """

    minimise: str = JOULES
    against: Annotated[tuple[str, ...], pydantic.Field(max_length=2)] = ()
    keep: tuple[str, ...] = ()

    @pydantic.field_validator("against", "keep", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @pydantic.model_validator(mode="after")
    def _rules_that_are_some(self) -> Self:
        _ = self.bounds
        figures = self.figures
        if len(set(figures)) < len(figures):
            rule = f"names a figure twice: {', '.join(figures)}"
            raise SettingError.of("against", self.against, rule, also=("minimise",))
        return self

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The rules to keep."""
        return tuple(map(Bound.parse, self.keep))

    @property
    def figures(self) -> tuple[str, ...]:
        """What is made good."""
        return (self.minimise, *self.against)

    def check(self, measures: Mapping[str, Mapping[str, str]]) -> None:
        """Raise SettingError for figures that are none of a study of these measures, that have no
        better direction, or have another one than they are bounded or minimised in.
        """
        directions = {name: one["better"] for name, one in measures.items()}
        directions |= dict.fromkeys(_OF_BILLS, "lower")
        named = {"minimise": [self.minimise], "against": self.against}
        for field, names in named.items():
            for name in names:
                if name not in directions:
                    raise SettingError.of(field, name, "is no figure of this study", directions)
                if not directions[name]:
                    rule = "has no better direction; Measure(…, better='lower') gives it one"
                    raise SettingError.of(field, name, rule)
        if directions[self.minimise] == "higher":
            rule = "is better where it is higher: name it in 'against', or bound it in 'keep'"
            raise SettingError.of("minimise", self.minimise, rule)
        for text, bound in zip(self.keep, self.bounds, strict=True):
            if bound.figure not in directions:
                rule = f"'{bound.figure}' is no figure of this study"
                near = [f"{name} {bound.sign} {bound.value:g}" for name in directions]
                raise SettingError.of("keep", text, rule, near)
            wanted = {"higher": _AT_LEAST, "lower": _AT_MOST}.get(directions[bound.figure])
            if wanted not in (None, bound.sign):
                rule = f"'{bound.figure}' is better where it is {directions[bound.figure]}"
                right = [f"{bound.figure} {wanted} {bound.value:g}"]
                raise SettingError.of("keep", text, rule, right)


def figure_of(point: PointResult, name: str) -> float:
    """A figure of a point; NaN where it is n/a."""
    if name in _OF_BILLS:
        return float(getattr(point, name))
    one = point.estimates[name]
    return one.value if one.available else math.nan


def losses(objective: CustomObjective, run: CustomRun, point: PointResult) -> tuple[float, ...]:
    """The figures that are made good, each better where it is smaller; infinite where n/a."""
    found = []
    for name in objective.figures:
        is_higher = run.measures.get(name, {}).get("better") == "higher"
        value = figure_of(point, name)
        found.append(math.inf if math.isnan(value) else -value if is_higher else value)
    return tuple(found)


def keeps(objective: CustomObjective, run: CustomRun, point: PointResult) -> bool:
    """Whether a point keeps every rule, and all figures that are made good are known."""
    is_known = all(map(math.isfinite, losses(objective, run, point)))
    return is_known and all(one.shortfall(point) <= 0 for one in objective.bounds)
