"""The objective: reconstruction + activity + reliability, in nats per stimulus, its terms returned apart.

    L = E[ |x - A r|^2 / (2 s_x^2) + sum_i phi(r_i) + sum_i C_rho(sigma_i) ]

At rho = 0 and c = 1 this is minus the ELBO of the generative model, up to constants (Aitchison, Hennequin, Lengyel 2018 link the cost
of reliability to that objective in their abstract; the identity itself is derived in ARCHITECTURE.md and tested).
"""

from typing import NamedTuple

import torch

from stochsim.models import LinearGaussianSettings, ModelSettings
from stochsim.settings import SettingError


class Terms(NamedTuple):
    """The terms of L, each a scalar tensor in nats per stimulus."""

    reconstruction: torch.Tensor
    activity: torch.Tensor
    reliability: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """L."""
        return self.reconstruction + self.activity + self.reliability


def check_price(rho: float, c: float, s: float) -> None:
    """Raises SettingError unless rho >= 0, c > 0 and s > 0."""
    for name, value, valid in (("rho", rho, rho >= 0), ("c", c, c > 0), ("s", s, s > 0)):
        if not valid:
            raise SettingError(f"'{name}' = {value!r}: should be {'at least' if name == 'rho' else 'greater than'} 0")


def reliability_cost(sigma: torch.Tensor, rho: float, c: float, s: float) -> torch.Tensor:
    """C_rho(sigma) = c ((s / sigma)^rho - 1) / rho, and its limit -c log(sigma / s) at rho = 0; elementwise, nats."""
    check_price(rho, c, s)
    log_ratio = torch.log(s / sigma)
    return c * log_ratio if rho == 0 else c * torch.expm1(rho * log_ratio) / rho


def reconstruction(x: torch.Tensor, r: torch.Tensor, decoder: torch.Tensor, noise_sd: float) -> torch.Tensor:
    """|x - A r|^2 / (2 s_x^2) per stimulus, for x (stimulus, input), r (stimulus, neuron), A (input, neuron)."""
    return (x - r @ decoder.T).square().sum(-1) / (2 * noise_sd**2)


def activity_cost(r: torch.Tensor, model: ModelSettings) -> torch.Tensor:
    """sum_i phi(r_i) per stimulus: r^2 / 2 for the Gaussian prior, |r| / b for the Laplace prior."""
    if isinstance(model, LinearGaussianSettings):
        return 0.5 * r.square().sum(-1)
    return r.abs().sum(-1) / model.laplace_scale


def objective(
    x: torch.Tensor, r: torch.Tensor, sigma: torch.Tensor, decoder: torch.Tensor, model: ModelSettings, rho: float, c: float, s: float
) -> Terms:
    """The terms of L averaged over the stimuli of a batch."""
    return Terms(
        reconstruction(x, r, decoder, model.noise_sd).mean(),
        activity_cost(r, model).mean(),
        reliability_cost(sigma, rho, c, s).sum(),
    )
