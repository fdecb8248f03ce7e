"""Models whose responses are independent standard normals before a stimulus is seen."""

import math
from abc import ABC

import numpy as np
from numpy.typing import NDArray

from stochsim.models.generative_model import GenerativeModel


class GaussianPriorModel(GenerativeModel, ABC):
    """r ~ N(0, I); φ(r) = r²/2.

    A prior covariance C is no setting of its own: A C^(1/2) in place of A says the same about x.
    """

    @property
    def log_prior_constant(self) -> float:
        """−(neurons/2) log 2π, in nats."""
        return -0.5 * self.neurons * math.log(2 * math.pi)

    def expected_activity_cost(
        self, mean_square: NDArray[np.floating], mean_size: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Σ_i E r_i²/2 in nats, (…, neuron) to (…)."""
        return np.asarray(0.5 * np.sum(mean_square, axis=-1))

    def _draw_prior(self, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        return random.standard_normal((count, self.neurons))
