"""Measures of a study: functions of samples and truth, one number a stimulus, and those at hand."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochsim.models import Reference
from stochsim.posterior import (
    Estimate,
    Reads,
    SamplingQuality,
    bootstrap,
    effective_samples,
    mean_estimate,
)
from stochsim.settings import SettingError, StochsimError, check_kind
from stochsim.studies.custom.data import without_torch_warning
from stochsim.studies.custom.fingerprint import as_array, is_tensor

Floats = NDArray[np.floating]
ECE_BINS = 15
_TINY = 1e-12
_LARGEST = 1e150  # whose squares float64 has
_SAID = ("reference", "stimuli")
"""What a measure may ask for beside samples and truth, by the names of its parameters."""


@dataclass(frozen=True)
class Evidence:
    """What measures of a point may look at.

    samples: reads, values (stimulus, read, …). truth: what the data say of each stimulus, such as
    labels, None without. reference: the posterior that samples are compared with; against: samples
    (stimulus, read, neuron) of the network before quantisation. key: of bootstrap and draws.
    """

    samples: Reads
    truth: Any = None
    reference: Reference | None = None
    against: Floats | None = None
    stimuli: Any = None
    key: int = 0

    @cached_property
    def quality(self) -> SamplingQuality:
        """How well the samples sample the reference."""
        if self.reference is None:
            rule = "needs a reference: give the study one, draws (stimulus, draw, neuron)"
            raise SettingError.of("measures", rule=rule)
        return self.reference.compare(self.samples, against=self.against, key=self.key)

    @cached_property
    def probabilities(self) -> Floats:
        """Of each class, (stimulus, class): the mean over reads of softmax of the outputs."""
        values = np.asarray(self.samples.values, np.float64)
        if values.ndim != 3 or values.shape[2] < 2:
            rule = (
                f"takes outputs (stimulus, read, class) of two classes or more, and those of this "
                f"network are {values.shape}"
            )
            raise SettingError.of("measures", rule=rule)
        values = np.exp(values - values.max(axis=2, keepdims=True))
        found: Floats = (values / values.sum(axis=2, keepdims=True)).mean(axis=1)
        return found

    @cached_property
    def labels(self) -> NDArray[np.integer]:
        """The truth as classes, (stimulus,)."""
        classes = self.probabilities.shape[1]
        found = None if self.truth is None else np.asarray(self.truth)
        if found is None or found.ndim != 1 or found.dtype.kind not in "iu":
            rule = "takes whole numbers (stimulus,) as truth, the class of each stimulus"
            raise SettingError.of("measures", self.truth, rule)
        if found.min() < 0 or found.max() >= classes:
            rule = f"should be classes from 0 to {classes - 1}, for there are {classes} outputs"
            raise SettingError.of("truth", f"{found.min()} to {found.max()}", rule)
        return found

    @cached_property
    def _chance_of_label(self) -> Floats:
        return self.probabilities[np.arange(len(self.labels)), self.labels]


@dataclass(frozen=True)
class Measure:
    """A measure of a study: its name, unit and direction, and the function that takes it.

    function: of (samples, truth), numbers (stimulus,); one that has parameters named `reference` or
    `stimuli` gets these, too. unit: "" of what has none. better: "higher", "lower", or "" where
    neither is. statistic: of measures that are no means over stimuli, a function of rows (resample,
    stimulus, …) of what `function` gives, (stimulus, …), to (resample,).

    >>> import numpy as np
    >>> from stochsim.studies import Measure
    >>> def squared_error(samples, truth):
    ...     return (samples.values.mean(axis=1)[:, 0] - truth) ** 2
    >>> Measure("squared error", squared_error, unit="mm²", better="lower").better
    'lower'
    """

    name: str
    function: Callable[..., Any]
    unit: str = ""
    better: str = ""
    statistic: Callable[[Floats], Floats] | None = None

    def __post_init__(self) -> None:
        check_kind("name", self.name, str, "should be text")
        if not callable(self.function):
            raise SettingError.of("function", self.function, "should be a function")
        if self.better not in ("higher", "lower", ""):
            rule = "should be 'higher', 'lower' or ''"
            raise SettingError.of("better", self.better, rule, ("higher", "lower"))

    @property
    def needs_reference(self) -> bool:
        """Whether it compares samples with draws of a reference."""
        return isinstance(self, _OfQuality)

    @property
    def is_mean(self) -> bool:
        """Whether it is the mean over stimuli of what its function gives."""
        return self.statistic is None and self.name != "survival"

    def take(self, evidence: Evidence) -> tuple[Floats, Estimate]:
        """Its numbers (stimulus, …), and what they come to with a 95 % interval over stimuli.

        Raises StochsimError for a function that fails, or gives numbers of another shape or that
        are not finite.
        """
        found = self._numbers(self._called(evidence))
        stimuli = len(evidence.samples.values)
        if found.ndim < 1 or len(found) != stimuli or (found.ndim > 1 and self.statistic is None):
            wanted = f"({stimuli},), one number for each stimulus"
            raise StochsimError(
                f"the measure '{self.name}' gives shape {found.shape}: should be {wanted}"
            )
        is_bad = ~(np.abs(found) <= _LARGEST)
        if is_bad.any():
            bad = np.unique(np.argwhere(is_bad)[:, 0])
            raise StochsimError(
                f"the measure '{self.name}' is not finite (NaN, or beyond {_LARGEST:g}) at "
                f"{len(bad)} of {stimuli} stimuli, the first of them number {bad[0]}"
            )
        if self.statistic is None:
            return found, mean_estimate(found, evidence.key)
        return found, bootstrap(self.statistic, found, key=evidence.key)

    def _numbers(self, given: Any) -> Floats:
        """What the function gave as float64; raises StochsimError for what is no real number."""
        try:
            found = np.asarray(as_array(given) if is_tensor(given) else given)
        except ValueError:
            found = np.empty(0, object)  # lists of different lengths
        if found.dtype.kind not in "biuf":
            raise StochsimError(
                f"the measure '{self.name}' gives {type(given).__name__} of {found.dtype}: should "
                f"give real numbers (stimulus,)"
            )
        return found.astype(np.float64)

    def _called(self, evidence: Evidence) -> Any:
        asked = set(inspect.signature(self.function).parameters) & set(_SAID)
        named = {name: getattr(evidence, name) for name in asked}
        try:
            with without_torch_warning():
                return self.function(evidence.samples, evidence.truth, **named)
        except StochsimError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise StochsimError(f"the measure '{self.name}' failed: {text}") from error


class _OfEvidence(Measure):
    """One whose function takes all that is known."""

    def _called(self, evidence: Evidence) -> Any:
        return self.function(evidence)


class _OfQuality(_OfEvidence):
    """A figure of `SamplingQuality`, with the interval that it has there, or n/a."""

    def take(self, evidence: Evidence) -> tuple[Floats, Estimate]:
        """See `Measure.take`."""
        found = self.function(evidence)
        if self.name == "survival":
            survival = evidence.quality.survival
            return found, survival.estimate or Estimate.missing(survival.reason)
        return found, getattr(evidence.quality, self.name)


def _of_quality(name: str, evidence: Evidence) -> Floats:
    return evidence.quality.per_stimulus[name]


def _distances(evidence: Evidence) -> Floats:
    """Distances (stimulus, 3) behind S: of the samples, of draws that ignore the stimulus, and of
    the network before quantisation, where there is one.
    """
    found = evidence.quality.per_stimulus
    names = ("distance", "distance_prior", "distance_float")
    return np.stack([found[name] for name in names if name in found], axis=1)


def _accuracy(evidence: Evidence) -> Any:
    return evidence.probabilities.argmax(axis=1) == evidence.labels


def _nll(evidence: Evidence) -> Any:
    return -np.log(np.maximum(evidence._chance_of_label, _TINY))


def _brier(evidence: Evidence) -> Any:
    squares = (evidence.probabilities**2).sum(axis=1)
    return squares - 2 * evidence._chance_of_label + 1


def _confidence_and_hit(evidence: Evidence) -> Any:
    return np.stack([evidence.probabilities.max(axis=1), _accuracy(evidence)], axis=1)


def _inside_90(evidence: Evidence) -> Any:
    """Share of outputs whose truth lies inside the central 90 % of the reads."""
    values = np.asarray(evidence.samples.values, np.float64)
    shape = (values.shape[0], *values.shape[2:])
    truth = None if evidence.truth is None else np.asarray(evidence.truth)
    if truth is not None and truth.ndim == 1 and len(shape) == 2 and shape[1] == 1:
        truth = truth[:, None]
    if truth is None or truth.shape != shape:
        rule = f"takes numbers {shape} as truth, one for each output"
        raise SettingError.of("measures", evidence.truth, rule)
    low, high = np.quantile(values, [0.05, 0.95], axis=1)
    inside = (low <= truth) & (truth <= high)
    return inside.reshape(len(inside), -1).mean(axis=1)


def _effective(evidence: Evidence) -> Any:
    samples = evidence.samples
    values = np.asarray(samples.values)
    flat = values.reshape(*values.shape[:2], -1)
    found = effective_samples(flat, samples.independent, samples.period)
    return np.where(np.isnan(found), 1.0, found)  # reads that do not vary are one


def calibration_error(rows: Floats) -> Floats:
    """Expected calibration error (Naeini et al. 2015, 15 bins of equal width) of rows (resample,
    stimulus, 2), the confidence of each stimulus and whether it was classified rightly:
    (resample,).

    >>> import numpy as np
    >>> from stochsim.studies import calibration_error
    >>> sure = np.array([[0.9, 1.0], [0.9, 0.0]])           # nine tenths sure, half of them right
    >>> calibration_error(sure[None]).round(3)
    array([0.4])
    """
    confidence, hit = rows[..., 0], rows[..., 1]
    bins = np.minimum((confidence * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    bins += ECE_BINS * np.arange(len(rows))[:, None]
    off = np.bincount(bins.ravel(), (hit - confidence).ravel(), ECE_BINS * len(rows))
    found: Floats = np.abs(off.reshape(len(rows), ECE_BINS)).sum(axis=1) / rows.shape[1]
    return found


STANDARD_MEASURES: dict[str, Measure] = {
    one.name: one
    for one in (
        _OfEvidence("accuracy", _accuracy, better="higher"),
        _OfEvidence("nll", _nll, "nat", "lower"),
        _OfEvidence("brier", _brier, better="lower"),
        _OfEvidence("ece", _confidence_and_hit, "", "lower", calibration_error),
        _OfEvidence("coverage_of_truth", _inside_90),
        _OfEvidence("effective_samples", _effective, better="higher"),
        _OfQuality("distance", partial(_of_quality, "distance"), "sd", "lower"),
        _OfQuality("survival", _distances, better="higher"),
        _OfQuality("coverage_50", partial(_of_quality, "coverage_50")),
        _OfQuality("coverage_90", partial(_of_quality, "coverage_90")),
    )
}
"""Measures at hand, by name."""


def measures_of(given: Any, taken: Iterable[str] = ()) -> tuple[Measure, ...]:
    """Measures by name, Measure or function; raises SettingError for none, names that are unknown
    or stand twice, and those that columns of results have.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise SettingError.of("measures", given, "should be a list of names and functions")
    found = [_measure(one) for one in given]
    if not found:
        raise SettingError.of("measures", rule="there are none", choices=STANDARD_MEASURES)
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1 or name in taken:
            rule = "is the name of two measures" if names.count(name) > 1 else "is a column"
            raise SettingError.of("measures", name, f"{rule}: give one another name, Measure(…)")
    return tuple(found)


def _measure(given: Any) -> Measure:
    if isinstance(given, Measure):
        return given
    if isinstance(given, str):
        if given not in STANDARD_MEASURES:
            raise SettingError.of("measures", given, "is none of the measures", STANDARD_MEASURES)
        return STANDARD_MEASURES[given]
    if not callable(given):
        rule = "should be names of measures, functions of (samples, truth), or Measures"
        raise SettingError.of("measures", given, rule, STANDARD_MEASURES)
    return Measure(getattr(given, "__name__", type(given).__name__), given)
