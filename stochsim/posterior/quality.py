"""Sampling quality: how well reads sample their reference posterior, intervals over stimuli."""

from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior.coverage import coverage
from stochsim.posterior.distances import PosteriorDistance
from stochsim.posterior.effective import effective_samples
from stochsim.posterior.intervals import ONE_STIMULUS, Estimate, mean_estimate
from stochsim.posterior.survival_score import Survival, survival
from stochsim.settings import (
    SettingError,
    card,
    check_whole,
    counted,
    finite_array,
    one_line,
    real_array,
)

Floats = NDArray[np.floating]
_SCALE_OF_S = "1: the float network, 0: stimulus ignored"
AXES = "stimulus, read, neuron"
NOTHING_TO_COMPARE = "no float network was given to compare with"


class Reads(Protocol):
    """Reads of stimuli, as Samples are."""

    @property
    def values(self) -> Floats:
        """The reads, (stimulus, read, neuron)."""

    @property
    def step(self) -> float:
        """Distance of neighbouring output values, 0 without a quantiser."""

    @property
    def independent(self) -> bool:
        """Whether reads are independent draws by construction."""

    @property
    def period(self) -> int | None:
        """Reads after which their random source starts again, None for never."""

    @property
    def stimuli(self) -> Floats | None:
        """What was sampled, (stimulus, input); None where that is not known."""


@dataclass(frozen=True)
class PlainReads:
    """Reads of which nothing but the values (stimulus, read, neuron) is known."""

    values: Floats
    step: float = 0.0
    independent: bool = False
    period: int | None = None
    stimuli: Floats | None = None
    __repr__ = one_line


@runtime_checkable
class Sampler(Protocol):
    """What samples stimuli, as float networks and chips do."""

    def sample(self, stimuli: Floats, reads: int, key: int, /) -> Reads:
        """As many reads of each of the stimuli (stimulus, input)."""


def as_reads(name: str, samples: Any) -> Reads:
    """Samples as they are, and an array as reads of which nothing else is known; raises a
    SettingError of this name for what is neither.
    """
    if (
        not isinstance(samples, type)
        and hasattr(samples, "values")
        and hasattr(samples, "independent")
    ):
        return cast(Reads, samples)
    rule = "should be Samples, or real numbers (stimulus, read, neuron)"
    values = real_array(name, samples, rule)
    if values.dtype.kind != "f":
        raise SettingError.of(name, values, "are integers, such as codes: give the `values`")
    return PlainReads(values.astype(np.float64, copy=False))


@dataclass(frozen=True, eq=False)
class SamplingQuality:
    """How well reads sample the reference posterior; means over stimuli with 95 % intervals.

    distance: D, in units of the posterior sd. survival: S, with the distances of the float network
    and of draws that ignore the stimulus. coverage_50, coverage_90: share of reference draws inside
    the reads' central intervals of that level. effective: independent reads that the reads are
    worth. per_stimulus: the same as arrays (stimulus,), by name, with "floor": the distance that as
    many draws of the reference have from each other, which is taken off D in squares.

    >>> import stochsim as ss
    >>> model = ss.build_model(ss.LinearGaussian(neurons=2, noise_sd=0.5), [[1.0, 0.0], [0.0, 1.0]])
    >>> reference = model.reference(model.sample(4, key=0)[0], key=0)
    >>> right = reference.compare(reference.subset(2, 1000), against=reference.subset(3, 1000))
    >>> print(right)
    sampling quality: 4 stimuli × 1,000 reads × 2 neurons; mean over stimuli [95 % interval]
      distance D                  0.02 [0.00, 0.05]  posterior sd
        of the float network      0.01 [0.00, 0.03]
        ignoring the stimulus     1.51 [1.35, 1.67]
      survival S                  0.99 [0.98, 1.00]  1: the float network, 0: stimulus ignored
      coverage of 50 % intervals  0.49 [0.49, 0.49]
      coverage of 90 % intervals  0.90 [0.89, 0.91]
      effective samples           951 [919, 981]     of 1,000 reads each
    """

    distance: Estimate
    survival: Survival
    coverage_50: Estimate
    coverage_90: Estimate
    effective: Estimate
    per_stimulus: dict[str, Floats]
    shape: tuple[int, int, int]
    __repr__ = one_line

    def __str__(self) -> str:
        """A card: one figure a line."""
        stimuli, reads, neurons = self.shape
        sizes = f"{counted(stimuli, 'stimulus', 'stimuli')} × {reads:,} reads × {neurons:,} neurons"
        rows = [
            ("distance D", self._text("distance", ".2f"), "posterior sd"),
            ("  of the float network", self._text("distance_float", ".2f"), ""),
            ("  ignoring the stimulus", self._text("distance_prior", ".2f"), ""),
            ("survival S", str(self.survival), "" if self.survival.reason else _SCALE_OF_S),
            ("coverage of 50 % intervals", self._text("coverage_50", ".2f"), ""),
            ("coverage of 90 % intervals", self._text("coverage_90", ".2f"), ""),
            ("effective samples", self._text("effective", ",.0f"), f"of {reads:,} reads each"),
        ]
        return card(f"sampling quality: {sizes}; mean over stimuli [95 % interval]", rows)

    def _text(self, name: str, digits: str) -> str:
        estimate = self._estimates()[name]
        found = self.per_stimulus.get(name)
        if estimate.reason == ONE_STIMULUS and found is not None and np.isfinite(found).any():
            return f"{np.nanmean(found):{digits}} (no interval)"
        return format(estimate, digits)

    def _estimates(self) -> dict[str, Estimate]:
        return {
            "distance": self.distance,
            "distance_float": self.survival.d_full,
            "distance_prior": self.survival.d_blind,
            "coverage_50": self.coverage_50,
            "coverage_90": self.coverage_90,
            "effective": self.effective,
        }


def sampling_quality(
    to_posterior: PosteriorDistance,
    draws: Floats,
    reads: Reads,
    against: Floats | None = None,
    key: int = 0,
) -> SamplingQuality:
    """Sampling quality of reads of all stimuli of a reference posterior.

    draws (stimulus, draw, neuron): a set of reference draws, for coverage. against: samples
    (stimulus, read, neuron) of the float network, as many; S is n/a without. key: of the draws that
    ignore the stimulus, and of the bootstrap. Raises SettingError for shapes that disagree, and
    reads that are not finite.
    """
    if not isinstance(to_posterior, PosteriorDistance):
        raise SettingError.of("to_posterior", to_posterior, "should be a PosteriorDistance")
    key = check_whole("key", key, 0, 2**64)
    reads = as_reads("reads", reads)
    values = finite_array("reads", reads.values, AXES)
    d = to_posterior.distance(values).total
    d_prior = to_posterior.blind(key).total
    d_float = None if against is None else to_posterior.distance(against).total
    figures = {
        "distance": d,
        "distance_prior": d_prior,
        "coverage_50": coverage(values, draws, 0.5, reads.step),
        "coverage_90": coverage(values, draws, 0.9, reads.step),
        "effective": effective_samples(values, reads.independent, reads.period),
        "floor": to_posterior.floor.total,
    }
    if d_float is not None:
        figures["distance_float"] = d_float
    return SamplingQuality(
        distance=mean_estimate(d, key),
        survival=_survival(d, d_prior, d_float, key),
        coverage_50=mean_estimate(figures["coverage_50"], key),
        coverage_90=mean_estimate(figures["coverage_90"], key),
        effective=mean_estimate(figures["effective"], key, "the reads do not vary"),
        per_stimulus=figures,
        shape=(values.shape[0], values.shape[1], values.shape[2]),
    )


def _survival(d: Floats, d_prior: Floats, d_float: Floats | None, key: int) -> Survival:
    """S, or n/a where there is no float network to compare with."""
    if d_float is not None:
        return survival(d, d_prior, d_float, key)
    missing = Estimate.missing(NOTHING_TO_COMPARE)
    measured = mean_estimate(d, key)
    return Survival(
        None, NOTHING_TO_COMPARE, measured, mean_estimate(d_prior, key), missing, missing
    )
