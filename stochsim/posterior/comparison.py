"""All measures beside D in one call, per stimulus."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior import coverage, moments
from stochsim.settings import SettingError, one_line

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
    stimuli, _, neurons = values.shape
    covariance = np.broadcast_to(covariance, (stimuli, neurons, neurons))
    if mean.shape != (stimuli, neurons) or draws.shape[::2] != (stimuli, neurons):
        rule = f"should be of the {stimuli} stimuli and {neurons} neurons of 'values'"
        raise SettingError.of(("mean", "draws"), (mean, draws), rule, also=("values",))
    chip_mean, chip_covariance = moments.sample_moments(values)
    chip_sd = moments.standard_deviations(chip_covariance)
    sd = moments.standard_deviations(covariance)
    bias, rms, zero_share = moments.log_sd_errors(chip_sd, sd)
    reconstruction = np.full(stimuli, np.nan)
    if inputs is not None and dictionary is not None:
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
