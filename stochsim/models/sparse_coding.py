"""Sparse coding: Laplace prior, posterior by Gibbs sampling, and in closed form where the
dictionary is orthogonal.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stochsim.data import check_stimuli
from stochsim.keys import fold_in
from stochsim.models.generative_model import GenerativeModel, Progress, positive
from stochsim.models.reference import Reference
from stochsim.settings import SettingError, check_kind

_ORTHOGONAL_TOLERANCE = 1e-10


class SparseCodingModel(GenerativeModel):
    """x ~ N(A r, s_x² I), p(r) ∝ exp(−Σ|r_i|/b); φ(r) = |r|/b."""

    kind = "sparse_coding"

    def __init__(self, decoder: ArrayLike, noise_sd: float, laplace_scale: float) -> None:
        """laplace_scale: b, the mean of |r|, in units of r.

        SettingError for values that break a rule.
        """
        super().__init__(decoder, noise_sd)
        self.laplace_scale = positive("laplace_scale", laplace_scale)

    @property
    def log_prior_constant(self) -> float:
        """−neurons · log 2b, in nats."""
        return -self.neurons * math.log(2 * self.laplace_scale)

    def expected_activity_cost(
        self, mean_square: NDArray[np.floating], mean_size: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Σ_i E |r_i|/b in nats, (…, neuron) to (…)."""
        return np.asarray(np.sum(mean_size, axis=-1) / self.laplace_scale)

    def _draw_prior(self, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        return random.laplace(scale=self.laplace_scale, size=(count, self.neurons))

    def _reference(
        self, x: NDArray[np.floating], key: int, numbers: NDArray[np.int64], progress: Progress
    ) -> Reference:
        """Gibbs draws, 4 chains × 2,500 after 200 sweeps, thin 5; every coordinate reaches rank
        R-hat < 1.01 and bulk ESS >= 0.8 × draws.

        Where one does not, its stimulus goes on at doubled thinning, at most three times; then
        StochsimError names both. `progress` counts coordinate updates.
        """
        # row by row: BLAS may round a batch otherwise
        rows = [row @ self.decoder for row in x.astype(np.float64)]
        linear = np.stack(rows) / self.noise_sd**2
        gram = self.decoder.T @ self.decoder / self.noise_sd**2
        # Numba: only where chains run
        from stochsim.models.gibbs_run import LaplacePosterior, start_run, trusted_reference

        posterior = LaplacePosterior(linear, gram, 1.0 / self.laplace_scale)
        run = start_run(fold_in(key, "reference", self.kind), numbers, posterior)
        return trusted_reference(run, progress)


def orthogonal_posterior_moments(
    model: SparseCodingModel, x: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact posterior mean and variance, (stimulus, neuron) each, of a model whose decoder has
    orthogonal columns, none of them 0.

    The posterior then factorises into exp(−G r²/2 + g r − |r|/b): two halves of normals that meet
    at 0, with moments of truncated normals (Johnson, Kotz, Balakrishnan, Continuous Univariate
    Distributions 1, section 13.10). SettingError for any other decoder.
    """
    check_kind("model", model, SparseCodingModel, "should be a built SparseCoding model")
    gram = model.decoder.T @ model.decoder
    norms = np.diag(gram)
    if (
        norms.min() <= 0
        or np.abs(gram - np.diag(norms)).max() > _ORTHOGONAL_TOLERANCE * norms.max()
    ):
        rule = "the closed form needs orthogonal columns, none of them 0"
        raise SettingError.of("decoder", model.decoder, rule)
    sd = model.noise_sd / np.sqrt(norms)
    g = check_stimuli(x, model.inputs) @ model.decoder / model.noise_sd**2
    logs, firsts, seconds = zip(
        *(_half_moments((1.0 / model.laplace_scale - sign * g) * sd) for sign in (1.0, -1.0)),
        strict=True,
    )
    above = special.expit(logs[0] - logs[1])
    mean = sd * (above * firsts[0] - (1.0 - above) * firsts[1])
    return mean, sd**2 * (above * seconds[0] + (1.0 - above) * seconds[1]) - mean**2


def _half_moments(
    a: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of w − a, w standard normal above a (any shape): log of its mass relative to the density at a
    (without a constant), first and second moment, each of a's shape.
    """
    log_upper = special.log_ndtr(-a)
    hazard = np.exp(-0.5 * a**2 - log_upper) / np.sqrt(2 * np.pi)
    return 0.5 * a**2 + log_upper, hazard - a, 1.0 - a * hazard + a**2
