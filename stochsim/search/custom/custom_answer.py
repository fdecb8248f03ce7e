"""The answer to a search over a study with axes: the best setting or the front, what is reported of
it on other keys, and how far prices leave it open.
"""

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from stochsim.accounting import JoulesInterval, seconds_text
from stochsim.energy import format_energy
from stochsim.posterior import Estimate
from stochsim.search.custom.candidates import ENOUGH_KEYS, Candidate
from stochsim.search.custom.custom_objective import (
    JOULES,
    Bound,
    CustomObjective,
    keeps,
    losses,
)
from stochsim.search.custom.price_draws import (
    Floats,
    PriceDraws,
    PriceWorth,
    price_worths,
    shares_of_least,
    win_shares,
)
from stochsim.search.front import undominated
from stochsim.settings import card_title, counted, wrapped_columns
from stochsim.studies import CustomRun, needed, point_text

if TYPE_CHECKING:
    import pandas

_WIDTH = 110
_MOST_ROWS = 40
_MOST_PRICES = 3
_SHOWN_SHARE = 0.005


@dataclass(frozen=True, repr=False)
class CustomAnswer:
    """What a search over a study with axes found.

    candidates: every setting. best: those that are chosen, one where one figure is made good, the
    front of several by rising first figure; none where no setting keeps the rules. nearest: the one
    that comes nearest to keeping them. Figures that choose are `seen` of a candidate, those to be
    told are `reported`.
    """

    run: CustomRun
    objective: CustomObjective
    candidates: tuple[Candidate, ...]
    best: tuple[Candidate, ...]
    nearest: Candidate

    @property
    def chosen(self) -> Candidate | None:
        """The one best setting; None of a front, and where none keeps the rules."""
        return self.best[0] if self.best and not self.objective.against else None

    @property
    def missed(self) -> list[tuple[Bound, float]]:
        """Rules that the nearest setting does not keep, and by how much."""
        found = [(one, one.shortfall(self.nearest.seen)) for one in self.objective.bounds]
        return [(bound, short) for bound, short in found if short > 0]

    @cached_property
    def kept(self) -> tuple[Candidate, ...]:
        """Settings that keep every rule, and whose figures are known."""
        return tuple(one for one in self.candidates if keeps(self.objective, self.run, one.seen))

    @cached_property
    def win_shares(self) -> dict[int, float]:
        """How often each kept setting, by its place in `kept`, is among the best while all prices
        vary within their ranges; empty where no figure is in joules, or ranges are not known.
        """
        draws = self._draws
        if draws is None:
            return {}
        joules = draws.joules()
        shares = shares_of_least(joules) if self._is_least else win_shares(joules, self._best_of)
        return {place: float(share) for place, share in enumerate(shares)}

    @cached_property
    def price_worths(self) -> list[PriceWorth]:
        """What each price alone may change; of one best setting by its joules alone."""
        if self._draws is None or not self._is_least:
            return []
        return price_worths(self._draws, self.kept.index(self.best[0]))

    @property
    def _is_least(self) -> bool:
        """Whether the best is simply the one of least joules."""
        return self.objective.figures == (JOULES,)

    @cached_property
    def _draws(self) -> PriceDraws | None:
        is_priced = JOULES in self.objective.figures and self.kept
        if not is_priced or not all(one.seen.ranges for one in self.kept):
            return None
        return PriceDraws([one.seen.joules for one in self.kept])

    @cached_property
    def _known(self) -> Floats:
        return np.array([losses(self.objective, self.run, one.seen) for one in self.kept])

    def _best_of(self, joules: Floats) -> Floats:
        """Which kept settings are among the best at these joules (setting,)."""
        points = self._known.copy()
        points[:, self.objective.figures.index(JOULES)] = joules
        found = np.zeros(len(points), bool)
        found[undominated([tuple(row) for row in points.tolist()])] = True
        return found

    @property
    def notes(self) -> list[str]:
        """What is to be told beside the figures."""
        first = self.candidates[0]
        chosen_on, told_on = first.keys
        found = []
        if chosen_on + told_on == 2 and first.seen is first.reported:
            found.append(
                "one key: the figures told are those that chose, so they flatter; several values "
                "of the axis 'key' tell them apart"
            )
        else:
            found.append(
                f"chosen on {counted(chosen_on, 'key', 'keys')} of each setting, told on "
                f"{told_on} others; intervals are over keys and stimuli"
            )
            if told_on < ENOUGH_KEYS:
                found.append(f"below {ENOUGH_KEYS} keys an interval is no headline")
        for bound in self.objective.bounds if self.chosen else ():
            short = bound.shortfall(self.best[0].reported)
            if short > 0:
                found.append(f"on the keys that tell, {bound} is missed by {short:.3g}")
        unequal = sum(one.keys != first.keys for one in self.candidates)
        if unequal:
            found.append(
                f"{counted(unequal, 'setting has', 'settings have')} other numbers of keys"
            )
        if self.run.failed:
            failed = counted(len(self.run.failed), "point", "points")
            found.append(f"{failed} failed and could not be chosen")
        missing = self.run.planned - len(self.run.rows) - len(self.run.failed)
        if missing:
            found.append(f"{missing} of {self.run.planned} points are not finished")
        return found

    def frame(self) -> "pandas.DataFrame":
        """A table (pandas): every setting, whether it keeps the rules and is among the best, and
        its figures as reported.
        """
        return needed("pandas").DataFrame([self._row(one) for one in self.candidates])

    def _row(self, one: Candidate) -> dict[str, Any]:
        shares = dict(zip(map(id, self.kept), self.win_shares.values(), strict=False))
        return {
            **one.point,
            "keeps": one in self.kept,
            "best": one in self.best,
            "best_under_prices": shares.get(id(one), math.nan),
            **{
                name: value
                for name, value in one.reported.columns().items()
                if name not in one.reported.point
            },
        }

    def to_table(self) -> dict[str, Any]:
        """As JSON values: the objective, the best settings with their figures, prices, notes."""
        return {
            "objective": self.objective.to_table(),
            "best": [_without_nan(self._row(one)) for one in self.best],
            "nearest": _without_nan(self._row(self.nearest)),
            "missed": [[str(bound), _finite(short)] for bound, short in self.missed],
            "prices": [one._asdict() for one in self.price_worths],
            "settings": len(self.candidates),
            "kept": len(self.kept),
            "notes": self.notes,
        }

    __repr__ = card_title

    def __str__(self) -> str:
        """The best settings, what is told of them, and how far prices leave the choice open."""
        rows = [_heads(self), *(_cells(self, one) for one in _shown(self))]
        heads, *others = wrapped_columns(rows, _WIDTH)
        table = [heads, "-" * max(map(len, (heads, *others))), *others]
        lines = [_opening(self), "", *table, *_closing(self)]
        return "\n".join(
            line if line in table else textwrap.fill(line, _WIDTH, subsequent_indent="  ")
            for line in lines
        )


def _shown(answer: CustomAnswer) -> tuple[Candidate, ...]:
    return (answer.best or (answer.nearest,))[:_MOST_ROWS]


def _opening(answer: CustomAnswer) -> str:
    wish = [f"least {answer.objective.minimise}"]
    if answer.objective.against:
        wish = [f"the front of {' and '.join(answer.objective.figures)}"]
    wish += [str(one) for one in answer.objective.bounds]
    settings = counted(len(answer.candidates), "setting", "settings")
    fixed = [f"{name} {one[0]}" for name, one in answer.run.axes.items() if len(one) == 1]
    settings += f" at {', '.join(fixed)}" if fixed and len(answer.candidates) > 1 else ""
    keep = "can be chosen" if not answer.objective.bounds else "keep the rules"
    return f"{', '.join(wish)}: {len(answer.kept)} of {settings} {keep}"


def _closing(answer: CustomAnswer) -> Iterator[str]:
    more = len(answer.best) - _MOST_ROWS
    if more > 0:
        yield f"… and {more} more, in frame()"
    yield ""
    if not answer.best:
        yield "No setting keeps the rules; the nearest, above, misses"
        for bound, short in answer.missed:
            yield f"  {bound} by {short:.3g}"
    yield from _price_lines(answer)
    yield from answer.notes


def _heads(answer: CustomAnswer) -> list[str]:
    shares = ["of draws"] if answer.win_shares else []
    return [*answer.run.measures, "energy", "time", *shares, "setting"]


def _varied(answer: CustomAnswer, one: Candidate) -> dict[str, Any]:
    """The setting on axes with several values."""
    found = {name: value for name, value in one.point.items() if len(answer.run.axes[name]) > 1}
    return found or one.point


def _cells(answer: CustomAnswer, one: Candidate) -> list[str]:
    told = one.reported
    found = [_estimate(told.estimates[name]) for name in answer.run.measures]
    has_bill = told.joules_per_read == told.joules_per_read
    found.append(_energy(told.joules) if has_bill else "n/a")
    found.append(seconds_text(told.seconds_per_read) if has_bill else "n/a")
    if answer.win_shares:
        shares = answer.win_shares
        found.append(f"{shares[answer.kept.index(one)]:.0%}" if one in answer.kept else "n/a")
    return [*found, point_text(_varied(answer, one))]


def _energy(one: JoulesInterval) -> str:
    ends = f" [{format_energy(one.low, 2)}, {format_energy(one.high, 2)}]" if one.ranges else ""
    return f"{format_energy(one.joules)}{ends}"


def _estimate(one: Estimate) -> str:
    return f"{one:.3g}" if one.available else "n/a"


def _price_lines(answer: CustomAnswer) -> Iterator[str]:
    """Which other settings are cheapest how often, and which price would decide."""
    if answer.chosen is None or not answer.win_shares:
        return
    own = answer.kept.index(answer.chosen)
    others = sorted(
        (
            (share, place)
            for place, share in answer.win_shares.items()
            if place != own and share >= _SHOWN_SHARE
        ),
        reverse=True,
    )
    share = answer.win_shares[own]
    yield f"While all prices vary within their ranges it is the cheapest in {share:.0%} of draws."
    for share, place in others[:_MOST_PRICES]:
        yield f"  {share:.0%}: {point_text(_varied(answer, answer.kept[place]))}"
    decisive = [one for one in answer.price_worths if one.changes > 0][:_MOST_PRICES]
    for one in decisive:
        yield (
            f"  {one.price}, known: another setting in {one.changes:.0%} of its range, "
            f"{one.saves:.1%} fewer joules on average"
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _finite(value) if isinstance(value, float) else value for name, value in row.items()
    }
