"""One cell of a study's grid with everything measured there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior import Estimate, Survival, mean_estimate
from stochsim.studies.at_axes import AtAxes
from stochsim.studies.planner import Cell

Floats = NDArray[np.floating]
MEASURES = (
    "d",
    "d_axes",
    "d_projections",
    "mean_error",
    "log_sd_bias",
    "log_sd_rms",
    "zero_sd_share",
    "covariance_error",
    "pattern_correlation",
    "coverage_50",
    "coverage_90",
    "gaussian_kl_nat",
    "mmd_squared",
    "reconstruction_error",
    "elbo_nat",
)
_WHY_ABSENT = {
    "elbo_nat": "the samples make no density: no noise, constant neurons, or too few reads",
    "gaussian_kl_nat": "a covariance is singular: no noise, constant neurons, or too few reads",
}
_OF_EVERY_STIMULUS = ("elbo_nat", "gaussian_kl_nat")
"""Infinite where they are NaN, so that their mean over the other stimuli is of no data set."""
ALL_KEYS = "all"
FLOAT = "float"
"""How the widths of a network without quantisers are written."""


def measure_estimate(measure: str, array: Floats, key: int, reason: str = "") -> Estimate:
    """Mean with interval of one of MEASURES, `array` (stimulus,) or (keys, stimulus).

    NaN are left out; but an evidence bound and a divergence are n/a where they are so at any
    stimulus. reason: why, in place of the measure's own.
    """
    reason = reason or _WHY_ABSENT.get(measure, "undefined for all stimuli")
    absent = int(np.isnan(array).sum())
    if measure in _OF_EVERY_STIMULUS and 0 < absent < array.size:
        return Estimate.missing(f"{reason}; at {absent:,} of {array.size:,} stimuli")
    return mean_estimate(array, key, reason)


@dataclass(frozen=True, kw_only=True)
class Result(AtAxes):
    """One cell of the grid, for one key or for all keys together.

    Joules are none where nothing is quantised. c (nats), s and `nats_per_joule`
    (lambda, None without) are the price of reliability that the network was trained under.
    `facts`: what a control says of itself, means over keys. `independent`: whether reads are so by
    construction, None where it is not known (off the chip, and of cells stored by older versions).
    """

    cells: tuple[Cell, ...]
    estimates: dict[str, Estimate]
    survival: Survival | None
    survival_absolute: Survival | None
    energy_j: dict[str, float]
    flags: tuple[str, ...]
    saturated_share: float
    c: float
    s: float
    nats_per_joule: float | None
    facts: dict[str, float]
    independent: bool | None = None

    @property
    def key(self) -> str:
        """The key; "all" over all of several, "2 of 3" over those of them that are finished."""
        return str(self.values["key"])

    @property
    def is_of_all_keys(self) -> bool:
        """Whether this is over every key of a study of several."""
        return self.key == ALL_KEYS

    @property
    def ranked_with(self) -> str:
        """What rows are ranked together: those of one key, or those over several, all or not."""
        return self.key if self.key.isdecimal() else ALL_KEYS

    @property
    def is_quantised(self) -> bool:
        """Whether this is a cell of a network on the chip, else of a float network or a control."""
        return self.widths is not None

    @property
    def is_float(self) -> bool:
        """Whether this is a cell of a float network, without quantisers, and of no control."""
        return self.widths is None and not self.control

    @property
    def per_read_j(self) -> float:
        """Joules of one read of the whole network, the price of reliability included; infinite at
        noise 0, NaN where nothing is quantised.
        """
        return float(sum(self.energy_j.values())) if self.energy_j else float("nan")

    @property
    def effective_samples(self) -> Estimate:
        """Effective samples per stimulus, of its n reads."""
        return self.estimates["effective_samples"]

    @property
    def joules_per_effective_sample(self) -> Estimate:
        """Joules of all reads of a stimulus by its effective samples, mean over stimuli; infinite
        where the joules of a read are.
        """
        return self.estimates["joules_per_effective_sample"]


@dataclass(frozen=True)
class Pictures:
    """Per stimulus and neuron: mean and sd of the chip's reads and of the reference, (stimulus,
    neuron).
    """

    mean: Floats
    sd: Floats
    reference_mean: Floats
    reference_sd: Floats
