"""Which setting is best how often while prices vary within their ranges, and what it would be worth
to know one of them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stochsim.accounting import JoulesInterval
from stochsim.keys import fold_in

DRAWS = 2000
"""Of all prices together, of few settings; fewer of many, 200 at least."""
_MOST_FIGURES = 1_000_000
_KEY = fold_in(0, "prices")
_SAME = 1e-12  # of the joules: what rounding moves

Floats = NDArray[np.floating]


class PriceWorth(NamedTuple):
    """What one price alone does: how often another setting is best while it varies within its
    range, and by which share of the joules the best one is cheaper on average than the one chosen
    as priced.
    """

    price: str
    changes: float
    saves: float


class PriceDraws:
    """Joules of settings (draw, setting) under prices drawn within their ranges.

    A draw puts every price at a place of its range, from low to high, evenly in the logarithm: the
    same place at all widths and in all settings, so that how a price grows with bits is in doubt
    only as far as models differ in it. Prices are drawn apart, but for those whose range is the
    spread of measured machines, which are off together (see `accounting.JoulesInterval`).
    """

    def __init__(self, settings: Sequence[JoulesInterval]) -> None:
        self.priced = np.array([one.joules for one in settings])
        self.draws = max(200, min(DRAWS, _MOST_FIGURES // len(settings)))
        self._operations = list(
            dict.fromkeys((each.price, each.operation) for one in settings for each in one.ranges)
        )
        places = {name: place for place, name in enumerate(self._operations)}
        self._joules = np.zeros((len(places), len(settings)))
        self._ends = np.ones((len(places), 2))
        for number, one in enumerate(settings):
            for each in one.ranges:
                place = places[each.price, each.operation]
                self._joules[place, number] += each.joules
                if each.joules > 0 and np.isfinite(each.joules):
                    self._ends[place] = each.low / each.joules, each.high / each.joules
        self._ends = np.maximum(self._ends, np.finfo(np.float64).tiny)
        drawn = {each.price: each.together for one in settings for each in one.ranges}
        groups = list(dict.fromkeys(drawn.values()))
        self._groups = [groups.index(drawn[price]) for price, _ in self._operations]

    @property
    def prices(self) -> list[str]:
        """Names of the prices whose range moves joules."""
        moves = (self._ends[:, 0] < self._ends[:, 1]) & self._joules.any(axis=1)
        names = (price for (price, _), one in zip(self._operations, moves, strict=True) if one)
        return list(dict.fromkeys(names))

    def joules(self, price: str | None = None) -> Floats:
        """Joules (draw, setting), of all prices that vary, or of one alone."""
        random = np.random.default_rng(_KEY)
        share = random.random((self.draws, len(self._operations)))[:, self._groups]
        low, high = np.log(self._ends).T
        factors = np.exp(low + share * (high - low))
        if price is not None:
            factors[:, [one != price for one, _ in self._operations]] = 1.0
        found: Floats = self.priced + (factors - 1.0) @ self._joules
        return found


def shares_of_least(joules: Floats) -> Floats:
    """How often each setting has the least joules (draw, setting), (setting,); of equal ones the
    first.
    """
    counts = np.bincount(joules.argmin(axis=1), minlength=joules.shape[1])
    found: Floats = counts / len(joules)
    return found


def win_shares(joules: Floats, best: Callable[[Floats], Floats]) -> Floats:
    """How often each setting is among the best, (setting,); best: of joules (setting,), booleans of
    that shape.
    """
    found: Floats = np.mean([best(row) for row in joules], axis=0)
    return found


def price_worths(draws: PriceDraws, chosen: int) -> list[PriceWorth]:
    """Of every price whose range moves joules, for the setting that is cheapest as priced; what
    saves most comes first.
    """
    found = []
    for name in draws.prices:
        joules = draws.joules(name)
        gain = joules[:, chosen] - joules.min(axis=1)
        gain[gain <= _SAME * joules[:, chosen]] = 0.0
        share = float(gain.mean() / joules[:, chosen].mean())
        found.append(PriceWorth(name, float((gain > 0).mean()), share))
    return sorted(found, key=lambda one: (-one.saves, one.price))
