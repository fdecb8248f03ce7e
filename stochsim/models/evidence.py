"""Evidence lower bounds: how much of log p(x) a law made of samples certifies.

For any law q of the responses, −L(q) = E_q log p(x, r) + entropy of q ≤ log p(x), and the gap is
the divergence of q from the posterior. Here all of it is in closed form, from q's means, variances,
E |r| and entropy, so no figure stands above the evidence by chance. What is certified is q, a
density; samples enter by the numbers that make it:

- Gaussian, with the samples' means, and the sd of their noise where that is known, else the
  samples' covariance;
- of codes, neurons apart: P(c | x) for each code, spread evenly over the code's cell.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stochsim.models.factory import build_model
from stochsim.models.generative_model import GenerativeModel
from stochsim.models.model_settings import ModelSettings
from stochsim.settings import SettingError, bounded_array, finite_array, shaped_array

Floats = NDArray[np.floating]
_ROUNDING = 1e-6
"""Probabilities may sum to 1 but for this."""
_CONSTANT = 1e-7
"""An sd of this share of the mean is rounding: the neuron is constant."""
_SINGULAR = 1e-10
"""A smaller eigenvalue of a correlation is rounding: neurons depend on each other linearly."""


def elbo(
    values: Floats, x: Floats, decoder: Floats, model: ModelSettings, sigma: Floats | None = None
) -> Floats:
    """Evidence lower bound (stimulus,) in nats, constants included, of the Gaussian that has the
    means of values (stimulus, read, neuron), for stimuli x (stimulus, input).

    sigma (neuron,) or (stimulus, neuron): its sd, independent neurons. None: the samples' own
    covariance; a Gaussian of estimated covariance stands about neurons (neurons + 3)/(4 reads) nat
    below one of the true. NaN where the law has no density: a sigma of 0 or NaN, a singular
    covariance, no more reads than neurons. In a Gaussian scale mixture the contrast is taken as
    independent of the responses, which lowers the bound. Raises SettingError for shapes that
    disagree and numbers that are not finite.

    >>> import stochsim as ss
    >>> import numpy as np
    >>> from stochsim.models import elbo
    >>> model = ss.LinearGaussian(neurons=2, noise_sd=0.5)
    >>> decoder = np.eye(2)
    >>> x, _ = ss.build_model(model, decoder).sample(3, key=0)
    >>> values = np.random.default_rng(0).normal(size=(3, 100, 2))
    >>> elbo(values, x, decoder, model, sigma=np.ones(2)).shape       # nats, one per stimulus
    (3,)
    """
    built = build_model(model, decoder)
    x = finite_array("x", x, "stimulus, input", (None, built.inputs))
    axes = "stimulus, read, neuron"
    values = finite_array("values", values, axes, (len(x), None, built.neurons))
    if not values.shape[1]:
        raise SettingError.of("values", values, "should be at least one read")
    if sigma is None:
        return _bound(_fitted_gaussian(values.astype(np.float64)), x, built)
    sigma = shaped_array("sigma", sigma, "…, neuron", (built.neurons,))
    shapes = ((built.neurons,), (1, built.neurons), (len(x), built.neurons))
    if sigma.shape not in shapes or (sigma < 0).any() or np.isinf(sigma).any():
        rule = "should be (neuron,) or (stimulus, neuron), at least 0 and finite, or NaN"
        raise SettingError.of("sigma", sigma, rule)
    mean = values.mean(axis=1, dtype=np.float64)
    return _bound(_gaussian(mean, np.broadcast_to(sigma.astype(np.float64), mean.shape)), x, built)


def elbo_of_codes(
    probabilities: Floats, code_values: Floats, x: Floats, decoder: Floats, model: ModelSettings
) -> Floats:
    """Evidence lower bound (stimulus,) in nats, constants included, of quantised responses.

    The law that it certifies: neurons are independent, code c has probabilities (stimulus, neuron,
    level), and is spread evenly over its cell. Cells meet halfway between neighbours of code_values
    (level,), or (neuron, level) where neurons have values of their own, ascending; the two outer
    ones are as wide on their far side as on their near one.
    Finite at noise 0. Raises SettingError for probabilities that are negative or do not sum to 1,
    values that do not ascend, shapes that disagree, numbers that are not finite.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> from stochsim.models import elbo_of_codes
    >>> model = ss.LinearGaussian(neurons=1, noise_sd=1.0)
    >>> even = np.full((1, 1, 2), 0.5)                                # codes −1 and 1, evenly
    >>> elbo_of_codes(even, np.array([-1.0, 1.0]), np.zeros((1, 1)), np.eye(1), model).round(3)
    array([-1.785])
    """
    built = build_model(model, decoder)
    x = finite_array("x", x, "stimulus, input", (None, built.inputs))
    each = np.ndim(code_values) == 2
    axes, sizes = ("neuron, level", (built.neurons, None)) if each else ("level", (None,))
    centres = bounded_array("code_values", code_values, axes, sizes).astype(np.float64)
    if centres.shape[-1] < 2 or (np.diff(centres) <= 0).any():
        raise SettingError.of("code_values", centres, "should ascend, two values at least")
    centres = np.broadcast_to(centres, (built.neurons, centres.shape[-1]))
    shape = (len(x), *centres.shape)
    given = finite_array("probabilities", probabilities, "stimulus, neuron, level", shape)
    if (given < 0).any() or (np.abs(given.sum(axis=-1) - 1) > _ROUNDING).any():
        raise SettingError.of("probabilities", given, "should be at least 0, and 1 over the levels")
    return _bound(_cells(given.astype(np.float64), centres), x, built)


def code_frequencies(codes: ArrayLike, levels: int) -> Floats:
    """Shares of the levels, (stimulus, neuron, level), among codes 0 … levels − 1 (stimulus, read,
    neuron).
    """
    counts = np.asarray(codes, np.int64)
    stimuli, reads, neurons = counts.shape
    cells = counts + levels * (np.arange(neurons) + neurons * np.arange(stimuli)[:, None, None])
    found = np.bincount(cells.ravel(), minlength=stimuli * neurons * levels)
    return found.reshape(stimuli, neurons, levels) / reads


class _Law(NamedTuple):
    """A law of the responses: mean, variance and E |r| (stimulus, neuron); covariance (stimulus,
    neuron, neuron), None of independent neurons; entropy (stimulus,), nats.
    """

    mean: Floats
    variance: Floats
    mean_size: Floats
    covariance: Floats | None
    entropy: Floats


def _bound(law: _Law, x: Floats, model: GenerativeModel) -> Floats:
    """−L of the law, (stimulus,), nats."""
    if law.covariance is None:
        signal_variance = law.variance @ np.square(model.decoder).sum(axis=0)
    else:
        through = model.decoder @ law.covariance
        signal_variance = np.einsum("sin,in->s", through, model.decoder)
    cost = model.expected_activity_cost(np.square(law.mean) + law.variance, law.mean_size)
    fit = model.expected_log_likelihood(x, law.mean, signal_variance)
    return fit + model.log_prior_constant - cost + law.entropy


def _gaussian(mean: Floats, sd: Floats, covariance: Floats | None = None) -> _Law:
    """A Gaussian law; independent neurons where no covariance is given.

    E |r| of a Gaussian: sd √(2/π) exp(−m²/2v) + m erf(m/√2v) (folded normal law).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mean / (math.sqrt(2) * sd)
        size = sd * math.sqrt(2 / math.pi) * np.exp(-(ratio**2)) + mean * special.erf(ratio)
        logs = 2 * np.log(sd).sum(axis=-1)
    if covariance is not None:
        logs = logs + _log_determinant(covariance / (sd[:, :, None] * sd[:, None, :]))
    logs = np.where(np.isfinite(logs), logs, np.nan)
    entropy = 0.5 * (mean.shape[-1] * math.log(2 * math.pi * math.e) + logs)
    return _Law(mean, sd**2, size, covariance, entropy)


def _log_determinant(correlation: Floats) -> Floats:
    """log det (stimulus,) of correlations (stimulus, neuron, neuron); NaN of singular ones, which
    rounding may make regular.
    """
    finite = np.isfinite(correlation).all(axis=(1, 2), keepdims=True)
    eigenvalues = np.linalg.eigvalsh(np.where(finite, correlation, 0.0))
    known = eigenvalues[:, :1] > _SINGULAR
    return np.asarray(np.log(np.where(known, eigenvalues, np.nan)).sum(axis=1))


def _fitted_gaussian(values: Floats) -> _Law:
    """The Gaussian of the moments of values (stimulus, read, neuron)."""
    reads, neurons = values.shape[1:]
    mean = values.mean(axis=1)
    if reads <= neurons:
        return _gaussian(mean, np.full(mean.shape, np.nan))
    off = values - mean[:, None]
    covariance = off.transpose(0, 2, 1) @ off / (reads - 1)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    sd = np.where(sd > _CONSTANT * np.abs(mean), sd, np.nan)
    return _gaussian(mean, sd, covariance)


def _expected(probabilities: Floats, of_codes: Floats) -> Floats:
    """Means (stimulus, neuron) of what codes have, (neuron, level)."""
    return np.asarray(np.einsum("snl,nl->sn", probabilities, of_codes))


def _cells(probabilities: Floats, code_values: Floats) -> _Law:
    """The law that spreads each code evenly over its cell [low, high]; probabilities (stimulus,
    neuron, level), code_values (neuron, level).
    """
    between = 0.5 * (code_values[:, 1:] + code_values[:, :-1])
    first, last = code_values[:, :1], code_values[:, -1:]
    low = np.concatenate([2 * first - between[:, :1], between], axis=1)
    high = np.concatenate([between, 2 * last - between[:, -1:]], axis=1)
    width = high - low
    size = (high * np.abs(high) - low * np.abs(low)) / (2 * width)
    square = (low**2 + low * high + high**2) / 3
    mean = _expected(probabilities, 0.5 * (low + high))
    entropy = special.entr(probabilities).sum(axis=-1) + _expected(probabilities, np.log(width))
    return _Law(
        mean,
        _expected(probabilities, square) - mean**2,
        _expected(probabilities, size),
        None,
        entropy.sum(axis=-1),
    )
