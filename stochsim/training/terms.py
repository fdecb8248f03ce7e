"""The objective: reconstruction + activity + reliability, in nats per stimulus, its terms returned
apart.

    L = E[ |x - A r|^2 / (2 s_x^2) + sum_i phi(r_i) + sum_i C_rho(sigma_i) ]

At rho = 0 and c = 1 this is minus the ELBO of the generative model, up to constants (Aitchison,
Hennequin, Lengyel 2018 link the cost of reliability to that objective in their abstract; the
identity itself is derived in ARCHITECTURE.md and tested). Where the responses are Gaussian with
known moments, the expectations are taken in closed form.
"""

import math
from typing import NamedTuple

import torch

from stochsim.models import GaussianScaleMixture, ModelSettings, SparseCoding
from stochsim.networks import Draws, Response
from stochsim.settings import SettingError, check_rho
from stochsim.training.likelihood import activity_cost, reconstruction


class Terms(NamedTuple):
    """The terms of L, each a scalar tensor in nats per stimulus; energy: the price of learned
    widths, lambda times joules per read; damping: of weights away from their codes; rounding: what
    a format of outputs loses, squared and in units of variances, whose gradient is the format's.
    """

    reconstruction: torch.Tensor
    activity: torch.Tensor
    reliability: torch.Tensor
    energy: torch.Tensor | None = None
    damping: torch.Tensor | None = None
    rounding: torch.Tensor | None = None

    @property
    def total(self) -> torch.Tensor:
        """L."""
        total = self.reconstruction + self.activity + self.reliability
        for more in (self.energy, self.damping, self.rounding):
            total = total if more is None else total + more
        return total

    def values(self) -> dict[str, float]:
        """The terms as numbers, by name."""
        return {
            name: float(value.detach())
            for name, value in self._asdict().items()
            if value is not None
        }


class ReliabilityCost(NamedTuple):
    """The price of reliability C_rho: exponent, cost c in nats, reference noise s."""

    rho: float
    c: float = 1.0
    s: float = 1.0


def check_price(rho: float, c: float, s: float) -> None:
    """Raises SettingError unless rho is from 0 to MOST_RHO, c > 0 and s > 0."""
    check_rho(rho)
    for name, value in (("c", c), ("s", s)):
        if not value > 0:
            raise SettingError.of(name, value, "should be greater than 0")


def reliability_cost(sigma: torch.Tensor, rho: float, c: float, s: float) -> torch.Tensor:
    """C_rho(sigma) = c ((s / sigma)^rho - 1) / rho, and its limit -c log(sigma / s) at rho = 0;
    elementwise (any shape), nats.

    >>> import torch
    >>> from stochsim.training import reliability_cost
    >>> reliability_cost(torch.tensor([0.5, 1.0]), rho=0.0, c=1.0, s=1.0)      # −log σ, in nats
    tensor([0.6931, 0.0000])
    """
    check_price(rho, c, s)
    log_ratio = torch.log(s / sigma)
    return c * log_ratio if rho == 0 else c * torch.expm1(rho * log_ratio) / rho


def circuit_cost(covariance: torch.Tensor, rho: float, c: float, s: float) -> torch.Tensor:
    """c sum_k ((s² / lambda_k)^(rho/2) - 1) / rho over the eigenvalues of a stationary covariance
    (..., n, n) to (...), in nats.

    Its limit at rho = 0 is -c/2 log det(covariance / s²). A price, not a bound, where the
    stationary law is not Gaussian.
    """
    check_price(rho, c, s)
    if rho == 0:
        return (
            -0.5
            * c
            * (torch.linalg.slogdet(covariance)[1] - covariance.shape[-1] * 2 * math.log(s))
        )
    return reliability_cost(torch.linalg.eigvalsh(covariance).clamp_min(0).sqrt(), rho, c, s).sum(
        -1
    )


def objective(  # noqa: PLR0913 - public: C_rho's numbers are given one by one
    x: torch.Tensor,
    r: torch.Tensor,
    sigma: torch.Tensor,
    decoder: torch.Tensor,
    model: ModelSettings,
    rho: float,
    c: float,
    s: float,
) -> Terms:
    """The terms of L for samples r (stimulus, neuron), averaged over the stimuli of a batch; sigma
    (neuron,) or (stimulus, neuron).
    """
    return Terms(
        reconstruction(x, r, decoder, model).mean(),
        activity_cost(r, model).mean(),
        torch.atleast_2d(reliability_cost(sigma, rho, c, s)).sum(-1).mean(),
    )


def objective_of(
    x: torch.Tensor,
    response: Response,
    decoder: torch.Tensor,
    model: ModelSettings,
    price: ReliabilityCost,
    draws: Draws,
) -> Terms:
    """The terms of L of a network's response to x (stimulus, input), under a decoder (input,
    neuron): in closed form where moments are known and the model allows it.
    """
    if response.samples is not None or isinstance(model, GaussianScaleMixture):
        r = response.drawn(draws)
        fit = reconstruction(x, r, decoder, model).mean()
        activity = activity_cost(r, model).mean()
    else:
        fit = _expected_reconstruction(x, response, decoder, model).mean()
        activity = _expected_activity(response, model).mean()
    if response.noise_sd is not None:
        cost = reliability_cost(response.noise_sd, *price).sum(-1)
    else:
        assert response.covariance is not None
        cost = circuit_cost(response.covariance, *price)
    return Terms(fit, activity, cost.mean(), rounding=response.rounding)


def _expected_reconstruction(
    x: torch.Tensor, response: Response, decoder: torch.Tensor, model: ModelSettings
) -> torch.Tensor:
    """(|x - A m|² + tr A S Aᵀ) / (2 s_x²), (stimulus,)."""
    assert response.mean is not None
    if response.covariance is not None:
        through = ((decoder @ response.covariance) * decoder).sum((-2, -1))
    else:
        through = response.variances @ decoder.square().sum(0)
    return reconstruction(x, response.mean, decoder, model) + through / (2 * model.noise_sd**2)


def _expected_activity(response: Response, model: ModelSettings) -> torch.Tensor:
    """E sum_i phi(r_i) of Gaussian r, (stimulus,): E |r| = sd sqrt(2/pi) exp(-m²/2v) + m erf(m /
    sqrt 2v) for the Laplace prior.
    """
    mean = response.mean
    variance = response.variances
    assert mean is not None
    if not isinstance(model, SparseCoding):
        return 0.5 * (mean.square() + variance).sum(-1)
    size = (2 * variance / math.pi).sqrt() * torch.exp(
        -mean.square() / (2 * variance)
    ) + mean * torch.erf(mean / (2 * variance).sqrt())
    return size.sum(-1) / model.laplace_scale
