"""What a network answers to a batch of stimuli."""

from typing import NamedTuple

import torch

from stochsim.networks.hardware_noise import Draws


class Response(NamedTuple):
    """What a network answers to a batch of stimuli, for the objective: samples, or moments where
    they are known in closed form.

    samples, mean, variance: (stimulus, neuron); covariance: (stimulus, neuron, neuron), in place of
    variance. noise_sd: standard deviations whose reliability is priced, (stimulus, neuron), of some
    stimuli or (1, neuron) of all; None where the eigenvalues of `covariance` are. rounding: what a
    format of outputs loses of the answers, a scalar, see `Network.output_rounding`.
    """

    samples: torch.Tensor | None = None
    mean: torch.Tensor | None = None
    variance: torch.Tensor | None = None
    covariance: torch.Tensor | None = None
    noise_sd: torch.Tensor | None = None
    rounding: torch.Tensor | None = None

    @property
    def variances(self) -> torch.Tensor:
        """Variance of each neuron's answer, (stimulus, neuron), where moments are known."""
        if self.covariance is not None:
            return torch.diagonal(self.covariance, dim1=-2, dim2=-1)
        assert self.variance is not None
        return self.variance

    def drawn(self, draws: Draws) -> torch.Tensor:
        """Samples (stimulus, neuron), drawn from the moments where there are only those."""
        if self.samples is not None:
            return self.samples
        assert self.mean is not None
        normal = draws.normal(*self.mean.shape)
        if self.covariance is not None:
            return self.mean + (torch.linalg.cholesky(self.covariance) @ normal[..., None])[..., 0]
        return self.mean + self.variances.sqrt() * normal
