"""A memory device: how far a cell's conductance lies from its target, how it drifts, and how it
fluctuates.

Conductances in microsiemens; r = g/g_max; t is the cell's age, seconds since it was programmed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from stochsim.settings import SettingError, check_real

_INHERITED_AGE = (
    "; of a base or an edited chip: 'without = [\"array.cells.age_s\"]' in a file, None in Python"
)

Law = Callable[[np.ndarray, float], np.ndarray]
"""(conductance or r, age in s) -> array of the same shape."""


@dataclass(frozen=True)
class Drift:
    """g(t) = g (t/t0)^-ν for t > t0, ν = |N(mean(r), sd(r))| drawn once per cell; `exponent`: r ->
    (mean, sd).
    """

    t0_s: float
    exponent: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Device:
    """One kind of memory cell: its range of conductances and its errors, with the source of the
    figures.

    `ages_s`: the ages for which the source says anything, None where it has no law of time;
    `default_age_s` is taken where no age is given.
    """

    name: str
    g_max_us: float
    formula: str
    source: str
    tag: str
    note: str = ""
    g_min_us: float = 0.0
    default_age_s: float = 0.0
    ages_s: tuple[float, float] | None = None
    programming: Law | None = field(default=None, repr=False)
    """(target in µS, age) -> σ in µS; None: no error."""
    drift: Drift | None = field(default=None, repr=False)
    read: Callable[[np.ndarray, np.ndarray, float], np.ndarray] | None = field(
        default=None, repr=False
    )
    """(conductance now, as programmed, age) -> σ of one read, all in µS; None: no read noise."""
    mean: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)
    """target in µS -> mean programmed conductance in µS; None: the target."""

    def age(self, age_s: float | None = None) -> float:
        """The age in seconds that is used, `default_age_s` for None.

        Raises SettingError outside `ages_s`, and for any age where the source has no law of time:
        it would silently do nothing.
        """
        if age_s is None:
            return self.default_age_s
        if self.ages_s is None:
            rule = f"{self.name} has no published law of time; leave it out{_INHERITED_AGE}"
            raise SettingError.of("age_s", age_s, rule, also=("device",))
        low, high = self.ages_s
        found = float(check_real("age_s", age_s))
        if not (low <= found <= high and math.isfinite(found)):
            rule = f"{self.name} is published for {low:g} to {high:g} s"
            raise SettingError.of("age_s", age_s, rule, also=("device",))
        return found

    def programming_sigma_us(self, target_us: np.ndarray, age_s: float | None = None) -> np.ndarray:
        """σ in µS of the conductance about its mean, any shape; never negative.

        Raises SettingError for a target outside the range.
        """
        target = self._checked(target_us)
        age = self.age(age_s)
        return (
            np.zeros_like(target)
            if self.programming is None
            else np.maximum(self.programming(target, age), 0.0)
        )

    def programmed_us(
        self, target_us: np.ndarray, generator: np.random.Generator, age_s: float | None = None
    ) -> np.ndarray:
        """Conductances in µS as programmed: mean + σ ξ, one ξ per cell, none below 0.

        Raises SettingError as programming_sigma_us.
        """
        sigma = self.programming_sigma_us(target_us, age_s)
        target = np.asarray(target_us, np.float64)
        mean = target if self.mean is None else self.mean(target)
        return np.maximum(mean + sigma * generator.standard_normal(target.shape), 0.0)

    def drifted_us(
        self,
        g_us: np.ndarray,
        age_s: float | None,
        generator: np.random.Generator,
        target_us: np.ndarray | None = None,
    ) -> np.ndarray:
        """Conductances in µS at this age, from those as programmed; ν follows the target (`g_us`
        where there is none).
        """
        g = np.asarray(g_us, np.float64)
        age = self.age(age_s)
        if self.drift is None:
            return g
        mean, sd = self.drift.exponent(
            (g if target_us is None else np.asarray(target_us, np.float64)) / self.g_max_us
        )
        nu = np.abs(mean + sd * generator.standard_normal(g.shape))
        return g * max(age / self.drift.t0_s, 1.0) ** -nu

    def read_sigma_us(
        self, g_us: np.ndarray, age_s: float | None = None, programmed_us: np.ndarray | None = None
    ) -> np.ndarray:
        """σ in µS of a single read of cells that now stand at `g_us`, any shape; `programmed_us`
        (`g_us` where None) is before drift.

        A published 1/f noise is taken as fresh at every read, with its whole power up to this age;
        in truth part of it is slower.
        """
        g = np.asarray(g_us, np.float64)
        age = self.age(age_s)
        before = g if programmed_us is None else np.asarray(programmed_us, np.float64)
        return np.zeros_like(g) if self.read is None else np.maximum(self.read(g, before, age), 0.0)

    def _checked(self, target_us: np.ndarray) -> np.ndarray:
        target = np.asarray(target_us, np.float64)
        slack = 1e-9 * self.g_max_us  # for the rounding of g_min + code * step
        outside = ~((target >= self.g_min_us - slack) & (target <= self.g_max_us + slack))
        if outside.any():
            value = float(target[outside].flat[0])
            rule = f"outside {self.g_min_us:g} to {self.g_max_us:g} µS, the range of {self.name}"
            raise SettingError.of("target_us", value, rule)
        return target
