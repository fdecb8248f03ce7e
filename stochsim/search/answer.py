"""The answer: under each ADC model the cheapest setting that keeps the rule, or the front
with its bend; and where models differ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stochsim.search.front import front
from stochsim.search.measured_setting import Measured
from stochsim.search.request import Request
from stochsim.search.search_settings import Rule
from stochsim.search.space import Setting, Space, Value


@dataclass(frozen=True)
class Answer:
    """Under one ADC model: the chosen setting (None where none keeps the rule), the nearest
    to it, and the front by rising joules.

    Settings that are no better than ignoring the stimulus are not on the front, however cheap they
    are.
    """

    model: str
    chosen: Measured | None
    nearest: Measured
    front: tuple[Measured, ...]

    @property
    def shown(self) -> Measured:
        """The chosen setting, or the nearest to one."""
        return self.chosen or self.nearest


@dataclass(frozen=True)
class Outcome:
    """A finished or unfinished search: its request, every setting measured, and an answer per
    ADC model.
    """

    request: Request
    measured: tuple[Measured, ...]
    answers: dict[str, Answer]
    versions: dict[str, str]
    machine: dict[str, str]
    storage: str

    @property
    def rule(self) -> Rule | None:
        """The rule to keep, None where the front is wanted."""
        return self.request.file.objective.rule

    @property
    def space(self) -> Space:
        """The settings there were to choose from."""
        return self.request.space

    @property
    def effective(self) -> bool:
        """Whether joules are per effective sample."""
        return self.request.file.objective.minimise == "joules_per_effective_sample"

    @property
    def first(self) -> Answer:
        """The answer under the model that the file names first."""
        return next(iter(self.answers.values()))

    def joules(self, measured: Measured, model: str) -> float:
        """Joules of a setting, per read or effective sample, as the objective minimises them."""
        return measured.joules(model, self.effective)

    def loss(self, measured: Measured) -> float:
        """The other figure, better where it is smaller: D, or −S; infinite where S is n/a."""
        return loss(measured, self.request.file.objective.against_survival)

    @property
    def groups(self) -> list[tuple[Setting, list[str]]]:
        """The settings shown, each with the models under which it is; in the order of the
        models.
        """
        found: dict[Setting, list[str]] = {}
        for model, answer in self.answers.items():
            found.setdefault(answer.shown.setting, []).append(model)
        return list(found.items())

    @property
    def agree(self) -> bool:
        """Whether every model answers with one setting, and with the same."""
        return (
            len(self.groups) == 1
            and len({answer.chosen is None for answer in self.answers.values()}) == 1
        )

    def extra(self, model: str) -> float:
        """What the first model's choice costs more under this model than the choice there, as a
        share; NaN without two choices.
        """
        here = self.answers[model]
        first = self.first
        if here.chosen is None or first.chosen is None:
            return math.nan
        return self.joules(first.chosen, model) / self.joules(here.chosen, model) - 1

    def neighbours(self) -> list[tuple[str, Value, Measured | None]]:
        """(axis, value, what was measured there) one step from the first answer on each axis with a
        choice.
        """
        by_setting = {each.setting: each for each in self.measured}
        here = self.first.shown.setting
        rows = []
        own = self.space.named(here)
        for setting in self.space.neighbours(here):
            axis, value = next(
                (name, value)
                for name, value in self.space.named(setting).items()
                if value != own[name]
            )
            rows.append((axis, value, by_setting.get(setting)))
        return rows


def loss(measured: Measured, against_survival: bool) -> float:
    """D, or −S; infinite where it is n/a."""
    estimate = measured.s if against_survival else measured.d
    if not estimate.available:
        return math.inf
    return -estimate.value if against_survival else estimate.value


def answer(request: Request, measured: Sequence[Measured], model: str) -> Answer:
    """The answer under one model; `measured` must not be empty.

    Where joules are equal the better posterior wins, and where that is equal too the smaller
    setting (of names the first): an ADC whose price does not grow with its bits is no reason for
    more of them.
    """
    objective = request.file.objective
    measured = sorted(measured, key=lambda each: request.space.order(each.setting))
    effective = objective.minimise == "joules_per_effective_sample"
    rule = objective.rule
    points = [
        (each.joules(model, effective), loss(each, objective.against_survival)) for each in measured
    ]
    line = [
        measured[index]
        for index in front(points)
        if math.isfinite(sum(points[index])) and measured[index].relative_distance < 1
    ]
    order = {id(each): point for each, point in zip(measured, points, strict=True)}
    nearest = min(measured, key=lambda each: tuple(reversed(order[id(each)])))
    if rule is None:
        bend = _bend([order[id(each)] for each in line])
        return Answer(model, line[bend] if line else None, nearest, tuple(line))
    kept = [each for each in measured if each.keeps(rule) and math.isfinite(order[id(each)][0])]
    chosen = min(kept, key=lambda each: order[id(each)]) if kept else None
    return Answer(model, chosen, _nearest_to(rule, measured), tuple(line))


def _nearest_to(rule: Rule, measured: Sequence[Measured]) -> Measured:
    """The setting whose interval comes nearest to keeping the rule."""

    def shortfall(each: Measured) -> float:
        estimate = each.s if rule.measure == "S" else each.d
        if not estimate.available:
            return math.inf
        return rule.value - estimate.low if rule.measure == "S" else estimate.high - rule.value

    return min(measured, key=shortfall)


def _bend(points: list[tuple[float, float]]) -> int:
    """Where a front bends most: the place farthest below the line between its ends, joules on a
    logarithmic scale; 0 of a short one.
    """
    if len(points) < 3:
        return 0
    first_j, first_loss = points[0]
    last_j, last_loss = points[-1]
    width = math.log(last_j / first_j)
    height = first_loss - last_loss
    below = [math.log(j / first_j) / width + (loss - last_loss) / height for j, loss in points]
    return min(range(len(points)), key=lambda index: below[index])
