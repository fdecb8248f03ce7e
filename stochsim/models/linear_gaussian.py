"""Linear-Gaussian model: the posterior is known in closed form, and every gate of the theory starts
here.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stochsim.data import check_stimuli
from stochsim.keys import generator
from stochsim.models.gaussian_prior import GaussianPriorModel
from stochsim.models.generative_model import Progress
from stochsim.models.reference import CHAINS, DRAWS_PER_CHAIN, Reference


class LinearGaussianModel(GaussianPriorModel):
    """x ~ N(A r, s_x² I), r ~ N(0, I); φ(r) = r²/2."""

    kind = "linear_gaussian"

    @property
    def precision(self) -> NDArray[np.float64]:
        """Λ = AᵀA/s_x² + I, the posterior precision of every stimulus, (neuron, neuron)."""
        return self.decoder.T @ self.decoder / self.noise_sd**2 + np.eye(self.neurons)

    def posterior(self, x: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean (stimulus, neuron) = Σ Aᵀ x / s_x² and covariance (neuron, neuron) = Σ = Λ⁻¹, the
        same for all stimuli.
        """
        stimuli = check_stimuli(x, self.inputs)
        covariance = np.linalg.inv(self.precision)
        covariance = 0.5 * (covariance + covariance.T)
        gain = self.decoder @ covariance / self.noise_sd**2
        return np.stack(
            [row @ gain for row in stimuli]
        ), covariance  # row by row: BLAS may round a batch otherwise

    def _reference(
        self, x: NDArray[np.floating], key: int, numbers: NDArray[np.int64], progress: Progress
    ) -> Reference:
        """Closed-form moments and 10,000 independent draws per stimulus."""
        mean, covariance = self.posterior(x)
        root = np.linalg.cholesky(covariance)
        draws = np.empty((len(mean), CHAINS * DRAWS_PER_CHAIN, self.neurons), np.float32)
        for s in range(len(mean)):
            normal = generator(key, "reference", self.kind, int(numbers[s])).standard_normal(
                draws.shape[1:]
            )
            draws[s] = mean[s] + normal @ root.T
            progress(s + 1, len(mean))
        sd = np.tile(np.sqrt(np.diag(covariance)), (len(mean), 1))
        return Reference(True, draws, mean, sd, np.tile(covariance, (len(mean), 1, 1)), None)
