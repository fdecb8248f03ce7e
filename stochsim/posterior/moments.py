"""Means, spreads and covariances of a chip's reads against those of the reference posterior; NaN
wherever a measure is n/a.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from stochsim.settings import SettingError, check_whole, finite_array

Floats = NDArray[np.floating]
_SMALLEST_EIGENVALUE = 1e-10  # of a correlation matrix; below this a covariance counts as singular


def sample_moments(values: Floats) -> tuple[Floats, Floats]:
    """Mean (stimulus, neuron) and covariance (stimulus, neuron, neuron), divisor reads − 1, of
    `values` (stimulus, read, neuron).

    Neurons whose reads are all equal get a variance of exactly 0, whatever the rounding of their
    mean. Raises SettingError for values of another shape or not finite, and fewer than two reads.
    """
    values = finite_array("values", values, "stimulus, read, neuron")
    if values.shape[1] < 2 or not values.shape[2]:
        raise SettingError.of("values", values, "should be 2 reads or more of at least one neuron")
    constant = (values == values[:, :1]).all(axis=1)
    mean = np.where(constant, values[:, 0], values.mean(axis=1, dtype=np.float64))
    covariance = np.empty((*mean.shape, mean.shape[1]))
    for stimulus, reads in enumerate(values):
        centred = reads - mean[stimulus]
        covariance[stimulus] = centred.T @ centred / (len(reads) - 1)
    return mean, covariance


def standard_deviations(covariance: Floats) -> Floats:
    """Square roots of the diagonals of (…, neuron, neuron): (…, neuron)."""
    return np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))


def mean_errors(chip_mean: Floats, mean: Floats, sd: Floats) -> Floats:
    """|Δμ|/sd averaged over neurons, (stimulus,), in units of the reference sd; absolute first, so
    signs cannot cancel.
    """
    return np.mean(np.abs(chip_mean - mean) / sd, axis=1)


def log_sd_errors(chip_sd: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
    """Bias and RMS of log(chip sd / reference sd) over the neurons that vary, and the share of
    neurons that do not: three (stimulus,).

    Bias and RMS are NaN where no neuron varies.
    """
    varies = chip_sd > 0
    error = np.log(np.where(varies, chip_sd, sd) / sd)
    count = varies.sum(axis=1)
    some = np.where(count > 0, count, np.nan)
    return (
        error.sum(axis=1) / some,
        np.sqrt(np.square(error).sum(axis=1) / some),
        1 - count / chip_sd.shape[1],
    )


def log_sd_correlation(chip_sd: Floats, sd: Floats) -> Floats:
    """Pearson correlation of log sd across stimuli, (…, neuron), of sds (…, stimulus, neuron): does
    the chip know *when* to be unsure?

    NaN where an sd is 0 at any stimulus, or constant over stimuli within 1e-9 (as that of every
    linear-Gaussian posterior is). Raises SettingError for shapes that differ, and sds that are not
    finite or negative.
    """
    chip_sd, sd = _sds("chip_sd", chip_sd), _sds("sd", sd)
    if chip_sd.shape != sd.shape:
        rule = f"shapes {chip_sd.shape} and {sd.shape}: should be equal"
        raise SettingError.of(("chip_sd", "sd"), rule=rule)
    logs = [_centred_log(array) for array in (chip_sd, sd)]
    spreads = [np.sqrt(np.mean(np.square(log), axis=-2)) for log in logs]
    defined = (spreads[0] > 1e-9) & (spreads[1] > 1e-9)
    product = np.where(defined, spreads[0] * spreads[1], np.nan)
    return np.mean(logs[0] * logs[1], axis=-2) / product


def _sds(name: str, sd: Floats) -> Floats:
    """Standard deviations (…, stimulus, neuron), finite and not negative."""
    sd = finite_array(name, sd, "…, stimulus, neuron")
    if not (sd >= 0).all():
        raise SettingError.of(name, float(sd.min()), "should be at least 0")
    return sd


def _centred_log(sd: Floats) -> Floats:
    """log sd (…, stimulus, neuron) less its mean over stimuli; all 0 (a constant) for a neuron
    whose sd is 0 at some stimulus.
    """
    log = np.log(np.where((sd > 0).all(axis=-2, keepdims=True), sd, 1.0))
    return log - log.mean(axis=-2, keepdims=True)


def covariance_errors(chip: Floats, covariance: Floats) -> Floats:
    """Relative Frobenius error ‖C_chip − C‖ / ‖C‖ of (stimulus, neuron, neuron): (stimulus,).

    It sees scale, as a correlation does not.
    """
    return np.linalg.norm(chip - covariance, axis=(1, 2)) / np.linalg.norm(covariance, axis=(1, 2))


def pattern_correlations(chip: Floats, covariance: Floats) -> Floats:
    """Pearson correlation of the off-diagonal covariance entries, chip against reference:
    (stimulus,); NaN where either has no pattern.
    """
    rows, columns = np.triu_indices(chip.shape[1], k=1)
    if not len(rows):
        return np.full(len(chip), np.nan)
    pairs = [array[:, rows, columns] for array in (chip, covariance)]
    pairs = [pair - pair.mean(axis=1, keepdims=True) for pair in pairs]
    norms = np.linalg.norm(pairs[0], axis=1) * np.linalg.norm(pairs[1], axis=1)
    return np.sum(pairs[0] * pairs[1], axis=1) / np.where(norms > 0, norms, np.nan)


def gaussian_kl(chip_mean: Floats, chip: Floats, mean: Floats, covariance: Floats) -> Floats:
    """KL(N(chip moments) ‖ N(reference moments)) in nats, (stimulus,), the direction of variational
    inference; NaN where one is singular.

    ½ (tr C⁻¹C_chip + Δᵀ C⁻¹ Δ − N + log det C − log det C_chip), with coordinates scaled by the
    reference sd first. It is a plug-in: `expected_gaussian_kl` says what it reads for two samples
    of one law. Raises SettingError for shapes that disagree, values that are not finite, and
    reference variances that are not above 0.

    >>> import numpy as np
    >>> from stochsim.posterior import gaussian_kl
    >>> mean, unit = np.zeros((1, 2)), np.eye(2)[None]
    >>> gaussian_kl(mean + 1, unit, mean, unit)                       # half the squared distance
    array([1.])
    """
    chip_mean = finite_array("chip_mean", chip_mean, "stimulus, neuron")
    sizes = chip_mean.shape
    mean = finite_array("mean", mean, "stimulus, neuron", sizes)
    axes = "stimulus, neuron, neuron"
    chip = finite_array("chip", chip, axes, (*sizes, sizes[1]))
    covariance = finite_array("covariance", covariance, axes, (*sizes, sizes[1]))
    variances = np.diagonal(covariance, axis1=-2, axis2=-1)
    if not (variances > 0).all():
        raise SettingError.of("covariance", float(variances.min()), "variances should be above 0")
    sd = np.sqrt(variances)
    shift = (chip_mean - mean) / sd
    return np.array(
        [
            _one_kl(*arrays)
            for arrays in zip(shift, _scaled(chip, sd), _scaled(covariance, sd), strict=True)
        ]
    )


def _scaled(covariance: Floats, sd: Floats) -> Floats:
    return covariance / (sd[:, :, None] * sd[:, None, :])


def _one_kl(shift: Floats, chip: Floats, reference: Floats) -> float:
    if _singular(chip) or _singular(reference):
        return np.nan
    inverse = np.linalg.inv(reference)
    quadratic = np.sum(inverse * chip) + shift @ inverse @ shift - len(shift)
    return 0.5 * float(quadratic + np.linalg.slogdet(reference)[1] - np.linalg.slogdet(chip)[1])


def _singular(covariance: Floats) -> bool:
    if not np.isfinite(covariance).all():  # scaled by an sd near the end of float64
        return True
    sd = np.sqrt(np.diagonal(covariance))
    return (
        not np.all(sd > 0)
        or np.linalg.eigvalsh(covariance / np.outer(sd, sd))[0] < _SMALLEST_EIGENVALUE
    )


def expected_gaussian_kl(neurons: int, reads: int, reference_draws: int | None = None) -> float:
    """What `gaussian_kl` gives on average, in nats, for samples of the *same* Gaussian: `reads` of
    the chip, `reference_draws` draws.

    None: the reference moments are exact. From the Wishart laws E log det S = Σ_i ψ((n − i)/2) + N
    log(2/(n − 1)) + log det C and E S⁻¹ = C⁻¹ (m − 1)/(m − N − 2). At 64 neurons and 1,000 reads:
    1.1 nats.
    """
    neurons = check_whole("neurons", neurons, 1, 2**31)
    reads = check_whole("reads", reads, 2, 2**31)
    if reference_draws is not None:
        reference_draws = check_whole("reference_draws", reference_draws, neurons + 3, 2**31)
    inflation = 1.0
    log_det = 0.0
    mean_error = 1.0 / reads
    if reference_draws is not None:
        inflation = (reference_draws - 1) / (reference_draws - neurons - 2)
        log_det = _log_det_bias(neurons, reference_draws)
        mean_error += 1.0 / reference_draws
    return 0.5 * (
        neurons * (inflation * (1 + mean_error) - 1) + log_det - _log_det_bias(neurons, reads)
    )


def _log_det_bias(neurons: int, draws: int) -> float:
    return float(
        digamma((draws - np.arange(1, neurons + 1)) / 2).sum() + neurons * np.log(2 / (draws - 1))
    )


def reconstruction_errors(values: Floats, inputs: Floats, dictionary: Floats) -> Floats:
    """‖x − A r‖² / inputs averaged over reads: (stimulus,).

    values: (stimulus, read, neuron); inputs x: (stimulus, input); dictionary A: (input, neuron).
    """
    residuals = [
        np.mean(np.square(x - reads @ dictionary.T))
        for x, reads in zip(inputs, values, strict=True)
    ]
    return np.array(residuals)
