"""An uncertain number, and the bootstrap that makes one: percentile intervals over stimuli, and
over keys where there are several.
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from stochsim.keys import generator
from stochsim.settings import SettingError, check_flag, check_float, check_whole, real_array

Floats = NDArray[np.floating]
_ELEMENTS_AT_ONCE = 8_000_000  # of one resampled array: 64 MB
ONE_STIMULUS = "one stimulus gives no interval"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, or n/a with the reason.

    Prints as `0.90 [0.88, 0.92]` or `n/a: reason`; a format spec sets the digits.

    >>> from stochsim.posterior import mean_estimate
    >>> found = mean_estimate([0.9, 0.7, 0.8, 0.95], key=0)
    >>> print(found)
    0.84 [0.75, 0.93]
    >>> f"{found:.3f}"
    '0.838 [0.750, 0.925]'
    """

    value: float
    low: float
    high: float
    reason: str = ""

    def __post_init__(self) -> None:
        """Raises SettingError for what is no number, and a reason that is no text."""
        for name in ("value", "low", "high"):
            object.__setattr__(self, name, check_float(name, getattr(self, name)))
        if not isinstance(self.reason, str):
            raise SettingError.of("reason", self.reason, "should be text")

    @classmethod
    def missing(cls, reason: str) -> "Estimate":
        """The estimate that is n/a."""
        return cls(np.nan, np.nan, np.nan, reason)

    @property
    def available(self) -> bool:
        """False where the number is n/a."""
        return not self.reason

    def __format__(self, spec: str) -> str:
        spec = spec or ".2f"
        return (
            f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"
            if self.available
            else f"n/a: {self.reason}"
        )

    def __str__(self) -> str:
        return format(self, "")


def bootstrap(
    statistic: Callable[..., Floats],
    *arrays: Floats,
    key: int,
    resamples: int = 2000,
    level: float = 0.95,
    several_keys: bool = False,
) -> Estimate:
    """Percentile bootstrap (Efron 1979) of `statistic` over stimuli, drawn jointly: all arrays see
    the same stimuli in each resample.

    arrays: (stimulus, …), or (keys, stimulus, …) with `several_keys`; then a resample draws keys,
    and within each drawn key stimuli. statistic: vectorised over resamples; gets each array as
    (resample, row, …), rows being the drawn stimuli, and returns (resample,). The same key and
    shape give the same resamples, so statistics bootstrapped apart can still be compared as pairs.
    Resamples where the statistic is NaN are left out. n/a where the statistic itself is NaN or
    there is but one stimulus.

    >>> import numpy as np
    >>> from stochsim.posterior import bootstrap
    >>> values = np.random.default_rng(0).normal(loc=2.0, size=50)
    >>> print(bootstrap(lambda rows: np.median(rows, axis=1), values, key=0))
    2.10 [1.79, 2.36]
    """
    if not callable(statistic):
        raise SettingError.of("statistic", statistic, "should be a function of arrays")
    several_keys = check_flag("several_keys", several_keys)
    resamples = check_whole("resamples", resamples, 1, 10**7)
    key = check_whole("key", key, 0, 2**64)
    level = check_level(level)
    arrays = tuple(_opened(array) for array in arrays)
    shape = _common_shape(arrays, several_keys)
    rows = [array.reshape(-1, *np.shape(array)[len(shape) :]) for array in arrays]
    found = np.asarray(statistic(*(row[None] for row in rows)))
    if found.shape != (1,) or found.dtype.kind not in "fiub":
        rule = f"gives shape {found.shape} of one resample: should be one number each, (resample,)"
        raise SettingError.of("statistic", rule=rule)
    value = float(found[0])
    if shape[-1] < 2:
        return Estimate.missing(ONE_STIMULUS)
    if np.isnan(value):
        return Estimate.missing("undefined for all stimuli")
    draws = np.concatenate(
        [
            statistic(*(row[part] for row in rows))
            for picks in _resampled(shape, resamples, key)
            for part in _chunks(picks, rows)
        ]
    )
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def mean_estimate(array: Floats, key: int, reason: str = "undefined for all stimuli") -> Estimate:
    """Mean and bootstrap interval of `array` (stimulus,) or (keys, stimulus), NaN left out; n/a
    with `reason` where all is NaN.

    >>> from stochsim.posterior import mean_estimate
    >>> print(mean_estimate([0.9, 0.7, 0.8, 0.95], key=0))
    0.84 [0.75, 0.93]
    """
    array = _opened(array).astype(np.float64, copy=False)
    if array.ndim not in (1, 2):
        raise SettingError.of("array", array, "should be (stimulus,) or (keys, stimulus)")
    if np.isnan(array).all():
        return Estimate.missing(reason)
    if np.isfinite(array).sum() < 2:
        return Estimate.missing(ONE_STIMULUS)
    return bootstrap(_nan_mean, array, key=key, several_keys=array.ndim == 2)


@functools.lru_cache(maxsize=8)
def share_estimate(hits: int, of: int) -> Estimate:
    """Share of independent trials that hit, with its 95 % Wilson score interval, which holds where
    the share is 0 or 1 too.

    Wilson 1927: (p + z²/2n ± z √(p (1 − p)/n + z²/4n²))/(1 + z²/n) with z = 1.96. Raises
    SettingError for no trials, and for more hits than trials.

    >>> from stochsim.posterior import share_estimate
    >>> print(share_estimate(20, 20))
    1.00 [0.84, 1.00]
    """
    of = check_whole("of", of, 1, 2**31)
    hits = check_whole("hits", hits, 0, of + 1)
    share = hits / of
    tail = NormalDist().inv_cdf(0.975) ** 2 / of
    middle = (share + tail / 2) / (1 + tail)
    half = math.sqrt(tail * (share * (1 - share) + tail / 4)) / (1 + tail)
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == of else middle + half
    return Estimate(share, low, high)


def resample_rows(shape: tuple[int, ...], resamples: int, key: int) -> NDArray[np.intp]:
    """Row numbers (resample, row) of bootstrap samples from (stimuli,) or, flattened, from (keys,
    stimuli).
    """
    return next(_drawn_rows(shape, resamples, key, resamples))


def _resampled(shape: tuple[int, ...], resamples: int, key: int) -> Iterator[NDArray[np.intp]]:
    """The same rows, all at once where that is little, else some resamples after the other."""
    together = max(1, _ELEMENTS_AT_ONCE // math.prod(shape))
    if resamples <= together:
        return iter((resample_rows(shape, resamples, key),))
    return _drawn_rows(shape, resamples, key, together)


def _drawn_rows(
    shape: tuple[int, ...], resamples: int, key: int, together: int
) -> Iterator[NDArray[np.intp]]:
    """So many resamples at a time; the same numbers for any number."""
    random = generator(key, "bootstrap", *shape)
    *keys, stimuli = shape
    drawn = random.integers(keys[0], size=(resamples, keys[0], 1)) if keys else None
    for first in range(0, resamples, together):
        count = min(together, resamples - first)
        rows = random.integers(stimuli, size=(count, *shape))
        if drawn is not None:
            rows += drawn[first : first + count] * stimuli
        yield rows.reshape(count, -1)


def check_level(level: float) -> float:
    """The share of an interval, between 0 and 1; raises SettingError for anything else."""
    found = check_float("level", level)
    if not 0 < found < 1:
        raise SettingError.of("level", level, "should be above 0 and below 1, such as 0.95")
    return found


def _opened(array: Floats) -> Floats:
    """Real numbers of any shape, at least one, NaN among them."""
    rule = "should be (stimulus, …) or (keys, stimulus, …)"
    found = real_array("array", array, rule)
    if not found.size:
        raise SettingError.of("array", found, rule)
    return found


def _common_shape(arrays: tuple[Floats, ...], several_keys: bool) -> tuple[int, ...]:
    axes = 2 if several_keys else 1
    shapes = {np.shape(array)[:axes] for array in arrays}
    if len(shapes) != 1 or len(shape := shapes.pop()) != axes or 0 in shape:
        found = ", ".join(str(np.shape(array)) for array in arrays)
        opening = "(keys, stimulus)" if several_keys else "(stimulus,)"
        rule = f"shapes {found}: should open with the same {opening}"
        raise SettingError.of("arrays", rule=rule)
    return shape


def _chunks(picks: NDArray[np.intp], rows: list[Floats]) -> Iterator[NDArray[np.intp]]:
    """`picks` (resample, row) in parts small enough that no resampled array grows beyond 64 MB."""
    widest = max(row.size for row in rows)
    step = max(1, _ELEMENTS_AT_ONCE // widest)
    for first in range(0, len(picks), step):
        yield picks[first : first + step]


def _nan_mean(rows: Floats) -> Floats:
    known = ~np.isnan(rows)
    count = known.sum(axis=1)
    return np.where(
        count > 0, np.where(known, rows, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan
    )
