"""How far a bill may be off: the residuals of machines, none of whose parameters were fitted."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from stochsim.settings import SettingError, check_choice, check_kind, check_real
from stochsim.silicon.scoreboard import Score, score

CONFIDENCE = 0.95
_LARGEST = 20.0


@dataclass(frozen=True)
class Spread:
    """Residuals between machines, mean log(modelled / measured) of each, `by_macro`.

    A machine that was not measured is expected at `modelled × low` to `modelled × high` joules:
    95 % interval of Student's law with one degree of freedom fewer than machines, of one new
    machine, whose own error adds to that of the mean.
    """

    by_macro: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Mean of the residuals."""
        return statistics.fmean(self.by_macro.values())

    @property
    def sd(self) -> float:
        """Standard deviation between machines."""
        return statistics.stdev(self.by_macro.values())

    @property
    def _half_width(self) -> float:
        count = len(self.by_macro)
        quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
        return quantile * self.sd * math.sqrt(1 + 1 / count)

    @property
    def low(self) -> float:
        """Measured over modelled of a new machine, the lower end."""
        return math.exp(-self.mean - self._half_width)

    @property
    def high(self) -> float:
        """The upper end."""
        return math.exp(-self.mean + self._half_width)

    def left_out(self, macro: str) -> float:
        """Modelled over measured of a machine, calibrated by the mean residual of the others."""
        check_choice("macro", macro, self.by_macro)
        others = [value for name, value in self.by_macro.items() if name != macro]
        return math.exp(self.by_macro[macro] - statistics.fmean(others))


def prior_spread(scores: Sequence[Score]) -> Spread:
    """The spread of scored macros, each with its fitted parameters at their prior."""
    rule = "should be Scores, as score(macro, rows) gives one"
    check_kind("scores", scores, (list, tuple), rule)
    found = {}
    for one in scores:
        check_kind("scores", one, Score, rule)
        bare = score(one.macro.without_fits(), [each.row for each in one.rows])
        if math.isfinite(bare.mean_log):
            found[one.macro.name] = bare.mean_log
    return spread_between(found)


def spread_between(residuals: Mapping[str, float]) -> Spread:
    """The spread of machines by their mean log(modelled / measured); raises SettingError for fewer
    than two.

    >>> from stochsim.silicon import spread_between
    >>> found = spread_between({"a": 0.1, "b": -0.1, "c": 0.0})
    >>> f"{found.sd:.2f}, {found.low:.2f} to {found.high:.2f}, {found.left_out('a'):.2f}"
    '0.10, 0.61 to 1.64, 1.16'
    """
    check_kind("residuals", residuals, Mapping, "should be numbers by machine")
    for name, value in residuals.items():
        if not abs(check_real(f"residuals.{name}", value)) <= _LARGEST:
            rule = f"should be a logarithm of at most {_LARGEST:g} in size"
            raise SettingError.of(f"residuals.{name}", value, rule)
    if len(residuals) < 2:
        raise SettingError.of("residuals", dict(residuals), "should be of two machines at least")
    return Spread(dict(residuals))
