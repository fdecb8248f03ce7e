"""Gaussian scale mixture: a linear-Gaussian model whose signal is multiplied by an unknown contrast
z > 0 that all neurons share.

Given z everything is Gaussian, so the posterior is a mixture of Gaussians over p(z|x), a density of
one variable: quadrature gives it, and with it the moments, to rounding. A = U diag(γ) Vᵀ is
decomposed once; with y = Uᵀ x, and γ_i = y_i = 0 where there are fewer inputs,

    log p(x|z) = −½ Σ_i [y_i² / (s² + z² γ_i²) + log(s² + z² γ_i²)] + constant

and r along the columns of V, given z and x, is independent with

    mean z γ_i y_i / (s² + z² γ_i²),    variance s² / (s² + z² γ_i²).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stochsim.data import check_stimuli
from stochsim.keys import generator
from stochsim.models.contrast import log_contrast_integral, log_gamma_constant
from stochsim.models.gaussian_prior import GaussianPriorModel
from stochsim.models.generative_model import Progress, positive
from stochsim.models.model_settings import LEAST_SHAPE
from stochsim.models.reference import CHAINS, DRAWS_PER_CHAIN, Reference
from stochsim.settings import SettingError

Floats = NDArray[np.float64]
Reals = NDArray[np.floating]

POINTS = 2048
"""Points of the grid over log z on which p(z|x) is held, per stimulus."""

_SCAN_POINTS = 1024
_DEPTH = 40.0  # nats below the peak where p(z|x) counts as 0: e^-40 is 4e-18


class GaussianScaleMixtureModel(GaussianPriorModel):
    """x ~ N(z A r, s_x² I), r ~ N(0, I), z ~ Gamma(contrast_shape, contrast_rate) (Echeveste et al.
    2020); φ(r) = r²/2.
    """

    kind = "gaussian_scale_mixture"

    def __init__(
        self,
        decoder: ArrayLike,
        noise_sd: float,
        contrast_shape: float = 2.0,
        contrast_rate: float = 2.0,
    ) -> None:
        """contrast_shape >= 0.5 and contrast_rate > 0: z has mean shape/rate.

        SettingError for values that break a rule.
        """
        super().__init__(decoder, noise_sd)
        self.contrast_shape = positive("contrast_shape", contrast_shape)
        self.contrast_rate = positive("contrast_rate", contrast_rate)
        if contrast_shape < LEAST_SHAPE:
            rule = f"should be at least {LEAST_SHAPE}"
            raise SettingError.of("contrast_shape", contrast_shape, rule)
        left, gains, right = np.linalg.svd(self.decoder)
        self._left = np.zeros(self.decoder.shape)
        self._gains = np.zeros(self.neurons)
        self._axes = right.T
        self._left[:, : len(gains)] = left[:, : len(gains)]
        self._gains[: len(gains)] = gains

    def _expected_log_likelihood(
        self, x: Floats, signal: Floats, signal_variance: Floats
    ) -> Floats:
        """log ∫ p(z) exp(−E ‖x − z A r‖²/(2 s_x²)) dz + constant in nats; of fixed responses log
        p(x | r), of random ones below E log p(x | r) by Jensen's inequality: the bound in which z
        is independent of r.

        Error below 1e-9, see `contrast`.
        """
        x, signal = np.broadcast_arrays(x, signal)
        linear = np.sum(x * signal, axis=-1) / self.noise_sd**2 - self.contrast_rate
        curvature = (np.sum(signal**2, axis=-1) + signal_variance) / self.noise_sd**2
        at_zero = (
            self.log_likelihood_constant
            + log_gamma_constant(self.contrast_shape, self.contrast_rate)
            - 0.5 * np.sum(x**2, axis=-1) / self.noise_sd**2
        )
        return np.asarray(at_zero + log_contrast_integral(linear, curvature, self.contrast_shape))

    def _draw_signal(self, r: Floats, random: np.random.Generator) -> Floats:
        contrast = random.gamma(self.contrast_shape, 1 / self.contrast_rate, size=(len(r), 1))
        return contrast * (r @ self.decoder.T)

    def contrast_posterior(self, x: ArrayLike, points: int = POINTS) -> tuple[Floats, Floats]:
        """p(z|x) on a grid that is even in log z: z (stimulus, point) and the probability of each
        point, (stimulus, point), of sum 1.
        """
        found = [self._contrast(row, points) for row in self._along(check_stimuli(x, self.inputs))]
        return np.stack([z for z, _ in found]), np.stack([probability for _, probability in found])

    def posterior(self, x: ArrayLike, points: int = POINTS) -> tuple[Floats, Floats]:
        """Mean (stimulus, neuron) and covariance (stimulus, neuron, neuron), by the laws of total
        expectation and total variance over z.
        """
        found = [
            self._moments(row, *self._contrast(row, points))
            for row in self._along(check_stimuli(x, self.inputs))
        ]
        return np.stack([mean for mean, _ in found]), np.stack(
            [covariance for _, covariance in found]
        )

    def _reference(
        self, x: NDArray[np.floating], key: int, numbers: NDArray[np.int64], progress: Progress
    ) -> Reference:
        """Moments by quadrature over z and 10,000 independent draws per stimulus.

        A draw takes z from p(z|x), its distribution function interpolated on the grid, then r from
        its Gaussian given z. Steps of the grid are below a twentieth of the sd of log z, so the
        interpolation is off by less than 1e-4.
        """
        draws = np.empty((len(x), CHAINS * DRAWS_PER_CHAIN, self.neurons), np.float32)
        mean = np.empty((len(x), self.neurons))
        covariance = np.empty((len(x), self.neurons, self.neurons))
        for s, row in enumerate(self._along(x)):
            contrast = self._contrast(row, POINTS)
            mean[s], covariance[s] = self._moments(row, *contrast)
            random = generator(key, "reference", self.kind, int(numbers[s]))
            for chain in draws[s].reshape(
                CHAINS, DRAWS_PER_CHAIN, -1
            ):  # pieces that stay in the processor's cache
                chain[:] = self._draws(row, *contrast, random)
            progress(s + 1, len(x))
        return Reference(
            True, draws, mean, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)), covariance, None
        )

    def _along(self, x: NDArray[np.floating]) -> Iterator[Floats]:
        """y = Uᵀ x of each stimulus, (neuron,)."""
        for row in x:  # row by row: BLAS may round a batch otherwise
            yield row.astype(np.float64) @ self._left

    def _log_density(self, log_z: Floats, y: Floats) -> Floats:
        """log p(log z | x) up to a constant, (point,)."""
        z = np.exp(log_z)
        variance = self.noise_sd**2
        spread = variance + (z[:, None] * self._gains) ** 2
        return (
            self.contrast_shape * log_z
            - self.contrast_rate * z
            - 0.5 * (np.log(spread / variance).sum(axis=1) + (1 / spread) @ y**2)
        )

    def _contrast(self, y: Floats, points: int) -> tuple[Floats, Floats]:
        """z and its probabilities, (point,) each: found on a scan of all that is possible, then
        held where it counts.
        """
        scan = np.linspace(*self._log_range(y), _SCAN_POINTS)
        density = self._log_density(scan, y)
        counts = np.flatnonzero(density > density.max() - _DEPTH)
        grid = np.linspace(
            scan[max(counts[0] - 1, 0)], scan[min(counts[-1] + 1, _SCAN_POINTS - 1)], points
        )
        density = self._log_density(grid, y)
        weights = np.exp(density - density.max())
        return np.exp(grid), weights / weights.sum()

    def _log_range(self, y: Floats) -> tuple[float, float]:
        """Where log z can lie: outside, p(z|x) is more than _DEPTH nats below its value at `low`.

        Let G(z) be log p(x|z) less its value at 0. Up to z = `low` it stays within −½ and 1, so the
        density falls as z^shape; G is never above `most`, so far out rate·z wins, with log u < u
        for the logarithm.
        """
        shape = self.contrast_shape
        rate = self.contrast_rate
        variance = self.noise_sd**2
        energies = self._gains**2
        steep = 0.5 * np.sum(energies * y**2) / variance**2 + energies.sum() / variance
        low = min(shape / rate, 1 / np.sqrt(steep)) if steep > 0 else shape / rate
        most = 0.5 * np.sum(y**2) / variance
        far = most + shape * max(0.0, np.log(4 * shape / (rate * low))) + shape + _DEPTH + 1
        return float(np.log(low) - (_DEPTH + shape + 2) / shape), float(
            np.log(4 * far / (3 * rate))
        )

    def _given(self, z: Reals, y: Reals) -> tuple[Reals, Reals]:
        """Mean and variance of r along the axes V given z and x, (point, neuron) each, in the
        precision of z.
        """
        variance = self.noise_sd**2
        signal = z[:, None] * self._gains.astype(z.dtype)
        spread = 1 / (variance + signal**2)
        return signal * spread * y, variance * spread

    def _moments(self, y: Floats, z: Floats, probability: Floats) -> tuple[Floats, Floats]:
        """Posterior mean (neuron,) and covariance (neuron, neuron) of one stimulus."""
        means, variances = self._given(z, y)
        centre = probability @ means
        off = np.sqrt(probability)[:, None] * (means - centre)
        inner = off.T @ off + np.diag(probability @ variances)
        covariance = self._axes @ inner @ self._axes.T
        return self._axes @ centre, 0.5 * (covariance + covariance.T)

    def _draws(
        self, y: Floats, z: Floats, probability: Floats, random: np.random.Generator
    ) -> NDArray[np.float32]:
        """2,500 independent draws (draw, neuron) of one stimulus; from r given z on in float32, as
        they are kept.
        """
        below = np.cumsum(probability) - 0.5 * probability
        log_z = np.interp(random.random(DRAWS_PER_CHAIN), below, np.log(z))
        mean, variance = self._given(np.exp(log_z).astype(np.float32), y.astype(np.float32))
        inner = mean + np.sqrt(variance) * random.standard_normal(mean.shape, np.float32)
        return np.asarray(inner @ self._axes.T.astype(np.float32))
