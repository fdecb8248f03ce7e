"""All measures beside D in one call, per stimulus."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior import coverage, moments
from stochsim.settings import SettingError, finite_array, one_line

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Comparison:
    """Per-stimulus measures (stimulus,), NaN where n/a; and the sds (stimulus, neuron) that
    `log_sd_correlation` takes over stimuli.
    """

    mean_error: Floats
    log_sd_bias: Floats
    log_sd_rms: Floats
    zero_sd_share: Floats
    covariance_error: Floats
    pattern_correlation: Floats
    coverage_50: Floats
    coverage_90: Floats
    gaussian_kl_nat: Floats
    mmd_squared: Floats
    reconstruction_error: Floats
    chip_mean: Floats
    chip_sd: Floats
    __repr__ = one_line

    def per_stimulus(self) -> dict[str, Floats]:
        """The measures by name, each (stimulus,), without chip_mean and chip_sd."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if not field.name.startswith("chip_")
        }


def compare(
    values: Floats,
    mean: Floats,
    covariance: Floats,
    draws: Floats,
    *,
    step: float | Floats = 0.0,
    inputs: Floats | None = None,
    dictionary: Floats | None = None,
) -> Comparison:
    """Measures of `values` (stimulus, read, neuron) against a reference posterior.

    mean (stimulus, neuron) and covariance (stimulus, neuron, neuron), or (neuron, neuron) for all:
    of the whole reference. draws (stimulus, draw, neuron): one reference set, for coverage and
    MMD². step: the output quantiser's, 0 for a float network. inputs (stimulus, input), dictionary
    (input, neuron): for the reconstruction error, NaN without them. Raises SettingError for shapes
    that disagree.
    """
    values = finite_array("values", values, "stimulus, read, neuron")
    stimuli, _, neurons = values.shape
    mean = finite_array("mean", mean, "stimulus, neuron", (stimuli, neurons))
    draws = finite_array("draws", draws, "stimulus, draw, neuron", (stimuli, None, neurons))
    if draws.shape[1] < 2:
        raise SettingError.of("draws", draws, "should be 2 draws or more")
    covariance = _covariances(covariance, stimuli, neurons)
    chip_mean, chip_covariance = moments.sample_moments(values)
    chip_sd = moments.standard_deviations(chip_covariance)
    sd = moments.standard_deviations(covariance)
    bias, rms, zero_share = moments.log_sd_errors(chip_sd, sd)
    reconstruction = np.full(stimuli, np.nan)
    if inputs is not None and dictionary is not None:
        inputs = finite_array("inputs", inputs, "stimulus, input", (stimuli, None))
        sizes = (inputs.shape[1], neurons)
        dictionary = finite_array("dictionary", dictionary, "input, neuron", sizes)
        reconstruction = moments.reconstruction_errors(values, inputs, dictionary)
    return Comparison(
        mean_error=moments.mean_errors(chip_mean, mean, sd),
        log_sd_bias=bias,
        log_sd_rms=rms,
        zero_sd_share=zero_share,
        covariance_error=moments.covariance_errors(chip_covariance, covariance),
        pattern_correlation=moments.pattern_correlations(chip_covariance, covariance),
        coverage_50=coverage.coverage(values, draws, 0.5, step),
        coverage_90=coverage.coverage(values, draws, 0.9, step),
        gaussian_kl_nat=moments.gaussian_kl(chip_mean, chip_covariance, mean, covariance),
        mmd_squared=coverage.mmd_squared(values, draws, sd),
        reconstruction_error=reconstruction,
        chip_mean=chip_mean,
        chip_sd=chip_sd,
    )


def _covariances(covariance: Floats, stimuli: int, neurons: int) -> Floats:
    """A covariance for each stimulus, (stimulus, neuron, neuron), of variances above 0."""
    found = finite_array("covariance", covariance, "…, neuron, neuron", (neurons, neurons))
    if found.shape[:-2] not in ((), (stimuli,)):
        rule = f"should be (neuron, neuron), or one for each of the {stimuli} stimuli"
        raise SettingError.of("covariance", found, rule)
    variances = np.diagonal(found, axis1=-2, axis2=-1)
    if not (variances > 0).all():
        raise SettingError.of("covariance", float(variances.min()), "variances should be above 0")
    return np.broadcast_to(found, (stimuli, neurons, neurons))
