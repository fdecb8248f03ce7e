"""Survival S: how much of the float network's advantage over ignoring the stimulus is left on the
chip; and the cliff where it goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior.intervals import Estimate, bootstrap, mean_estimate
from stochsim.settings import SettingError, check_whole, real_array

Floats = NDArray[np.floating]
LEAST_GAIN = 0.1
"""S is defined where the 95 % interval of D_blind − D_full lies above this, in units of the
reference sd.
"""
CLIFF_SURVIVAL = 0.9
"""A width survives where the 95 % interval of S does not reach below this."""
NOT_BETTER = "the network is not significantly better than ignoring the stimulus"


@dataclass(frozen=True)
class Survival:
    """S with its interval, or None and the reason; the mean distances it is made of; and the gain
    D_blind − D_full, paired.
    """

    estimate: Estimate | None
    reason: str
    d: Estimate
    d_blind: Estimate
    d_full: Estimate
    gain: Estimate

    def __str__(self) -> str:
        return f"n/a: {self.reason}" if self.estimate is None else str(self.estimate)


def survival(d: Floats, d_blind: Floats, d_full: Floats, key: int) -> Survival:
    """S = (mean D_blind − mean D) / (mean D_blind − mean D_full), a ratio of means over stimuli;
    2,000 paired resamples, percentile, 95 %.

    d: the chip's distances; d_blind: of draws that ignore the stimulus; d_full: of the float
    network without hardware noise (for S_abs, of the best float network of the sweep). All
    (stimulus,) or all (keys, stimulus), of the same stimuli in the same order. S is n/a unless the
    lower end of the 95 % interval of D_blind − D_full exceeds 0.1. It is never clipped: below 0 is
    worse than ignoring the stimulus, above 1 better than the float network. Raises SettingError for
    shapes that differ or distances that are not finite.

    >>> from stochsim.posterior import survival
    >>> d = [0.4, 0.5, 0.6]                # of the chip, one per stimulus
    >>> d_blind = [1.5, 1.6, 1.7]          # of draws that ignore the stimulus
    >>> d_full = [0.3, 0.3, 0.4]           # of the float network
    >>> print(survival(d, d_blind, d_full, key=0))
    0.87 [0.85, 0.92]
    """
    key = check_whole("key", key, 0, 2**64)
    given = {"d": d, "d_blind": d_blind, "d_full": d_full}
    rule = "should be (stimulus,) or (keys, stimulus)"
    arrays = [real_array(name, one, rule).astype(np.float64) for name, one in given.items()]
    _check_distances(arrays)
    several = arrays[0].ndim == 2
    gain = bootstrap(_gain, *arrays[1:], key=key, several_keys=several)
    ratio: Estimate | None = None
    reason = gain.reason
    if gain.available:
        reason = "" if gain.low > LEAST_GAIN else NOT_BETTER
    if not reason:
        ratio = bootstrap(_ratio, *arrays, key=key, several_keys=several)
    return Survival(
        ratio,
        reason,
        mean_estimate(arrays[0], key),
        mean_estimate(arrays[1], key),
        mean_estimate(arrays[2], key),
        gain,
    )


def cliff(widths: Sequence[int], survivals: Sequence[Survival]) -> int | None:
    """The smallest width such that it and every larger width tested keep the 95 % interval of S at
    or above 0.9; None if there is none.

    A width whose S is n/a does not survive. Raises SettingError for a width given twice or lists of
    different length.
    """
    for name, values in (("widths", widths), ("survivals", survivals)):
        is_list = isinstance(values, Sequence) and not isinstance(values, str | bytes)
        if not (is_list or (isinstance(values, np.ndarray) and values.ndim)):
            raise SettingError.of(name, values, "should be a list")
    for one in survivals:
        if not isinstance(one, Survival):
            raise SettingError.of("survivals", one, "should be a Survival, as `survival` gives")
    widths = [check_whole("widths", width, 1, 2**31) for width in widths]
    if len(widths) != len(survivals) or len(set(widths)) != len(widths):
        rule = f"should be distinct, one for each of the {len(survivals)} survivals"
        raise SettingError.of("widths", list(widths), rule)
    smallest = None
    for width, measured in sorted(zip(widths, survivals, strict=True), key=lambda pair: -pair[0]):
        if measured.estimate is None or not measured.estimate.low >= CLIFF_SURVIVAL:
            break
        smallest = width
    return smallest


def _gain(d_blind: Floats, d_full: Floats) -> Floats:
    return d_blind.mean(axis=1) - d_full.mean(axis=1)


def _ratio(d: Floats, d_blind: Floats, d_full: Floats) -> Floats:
    return (d_blind.mean(axis=1) - d.mean(axis=1)) / _gain(d_blind, d_full)


def _check_distances(arrays: Sequence[Floats]) -> None:
    if len({array.shape for array in arrays}) != 1 or arrays[0].ndim not in (1, 2):
        found = ", ".join(str(array.shape) for array in arrays)
        rule = f"shapes {found}: should all be (stimulus,) or all (keys, stimulus)"
        raise SettingError.of(("d", "d_blind", "d_full"), rule=rule)
    for name, array in zip(("d", "d_blind", "d_full"), arrays, strict=True):
        if not np.isfinite(array).all():
            raise SettingError.of(name, rule="holds NaN or Inf: should be finite")
