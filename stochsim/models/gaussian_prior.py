"""Models whose responses are independent standard normals before a stimulus is seen."""

from abc import ABC

import numpy as np
from numpy.typing import NDArray

from stochsim.models.generative_model import GenerativeModel


class GaussianPriorModel(GenerativeModel, ABC):
    """r ~ N(0, I); φ(r) = r²/2.

    A prior covariance C is no setting of its own: A C^(1/2) in place of A says the same about x.
    """

    def activity_cost(self, r: NDArray[np.floating]) -> NDArray[np.float64]:
        """Σ_i r_i²/2 in nats, (…, neuron) to (…)."""
        return np.asarray(0.5 * np.sum(np.asarray(r, np.float64) ** 2, axis=-1))

    def _draw_prior(self, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        return random.standard_normal((count, self.neurons))
