"""The evidence lower bound of samples: the log joint averaged over reads, and the entropy of what
they were drawn from.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stochsim.models.factory import build_model
from stochsim.models.model_settings import ModelSettings
from stochsim.settings import SettingError, finite_array, shaped_array

Floats = NDArray[np.floating]
_NAT_PER_NEURON = 0.5 * np.log(2 * np.pi * np.e)


def elbo(
    values: Floats, x: Floats, decoder: Floats, model: ModelSettings, sigma: Floats | None
) -> Floats:
    """ELBO per stimulus (stimulus,), nats, of values (stimulus, read, neuron) for stimuli x
    (stimulus, input).

    sigma (neuron,) or (stimulus, neuron): of the noise before the quantiser, factorised and
    Gaussian; NaN where it is 0 or not known. None: a Gaussian of the samples' covariance takes its
    place, the law of most entropy, so the ELBO is then an upper estimate. Raises SettingError for
    shapes that disagree and numbers that are not finite.

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
    sizes = (built.inputs, built.neurons)
    x = finite_array("x", x, "stimulus, input", (None, sizes[0]))
    axes = "stimulus, read, neuron"
    values = finite_array("values", values, axes, (len(x), None, sizes[1]))
    if not values.shape[1]:
        raise SettingError.of("values", values, "should be at least one read")
    if sigma is not None:
        sigma = shaped_array("sigma", sigma, "…, neuron", (sizes[1],))
        if sigma.shape not in ((sizes[1],), (1, sizes[1]), (len(x), sizes[1])) or (sigma < 0).any():
            rule = "should be (neuron,) or (stimulus, neuron), at least 0"
            raise SettingError.of("sigma", sigma, rule)
    pairs = zip(x, values, strict=True)
    joint = np.array(
        [
            built.log_joint(np.broadcast_to(one, (len(reads), len(one))), reads).mean()
            for one, reads in pairs
        ]
    )
    return joint + (
        gaussian_entropy(values) if sigma is None else _factorised_entropy(sigma, len(x))
    )


def _factorised_entropy(sigma: Floats, stimuli: int) -> Floats:
    rows = np.broadcast_to(sigma, (stimuli, np.shape(sigma)[-1])).astype(np.float64)
    known = np.all(rows > 0, axis=-1)
    return np.where(
        known, np.sum(_NAT_PER_NEURON + np.log(np.where(rows > 0, rows, 1.0)), axis=-1), np.nan
    )


def gaussian_entropy(values: Floats) -> Floats:
    """Entropy (stimulus,), nats, of Gaussians with the covariances that values (stimulus, read,
    neuron) are samples of.

    Unbiased where they are Gaussian: log det of a sample covariance of f degrees of freedom is too
    low by N log(f/2) - sum_i psi((f + 1 - i)/2), i = 1 ... N (the log of a Wishart determinant).
    NaN where it is singular, or f < N.
    """
    stimuli, reads, neurons = values.shape
    free = reads - 1
    if free < neurons:
        return np.full(stimuli, np.nan)
    signs, logs = np.linalg.slogdet(
        np.stack(
            [
                np.cov(one, rowvar=False).reshape(neurons, neurons)
                for one in values.astype(np.float64)
            ]
        )
    )
    low = (
        neurons * np.log(free / 2)
        - special.digamma((free + 1 - np.arange(1, neurons + 1)) / 2).sum()
    )
    known = (signs > 0) & np.isfinite(logs)
    return np.where(
        known, neurons * _NAT_PER_NEURON + 0.5 * (np.where(known, logs, 0.0) + low), np.nan
    )
