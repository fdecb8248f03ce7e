"""Stationary moments of a recurrent circuit whose neurons hold a nonlinear term of their own, by
Gaussian closure.

    u' = M u - k erf(u / (sqrt 2 w)) + d + noise of covariance Q

If u ~ N(m, S), then E erf(u / (sqrt 2 w)) = erf(m / sqrt(2 (v + w²))) with v = diag S, and by
Stein's lemma its covariance with u is its mean slope times S. So m and S solve m = M m - k E erf +
d and S = J S Jᵀ + Q with J = M - diag(k slope): a fixed point, found by Newton steps for m and by
doubling (S <- S + J S Jᵀ, J <- J J) for S. Exact for k = 0. The variance of the remainder of erf is
left out. Noise that is drawn once and held for all steps moves the mean of a chain: its covariance
H adds (I - J)^-1 H (I - J)^-T to S.
"""

import math
from typing import Any

import torch
from torch.autograd.function import once_differentiable

_GRADIENT_ROUNDS = 2  # of m and S in turn; one before them takes no gradients
_MOST_DOUBLINGS = 14
_FORGOTTEN = 1e-4


def mean_own(mean: torch.Tensor, variance: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """E erf(u / (sqrt 2 w)) for u ~ N(mean, variance)."""
    return torch.erf(mean / (2 * (variance + width.square())).sqrt())


def mean_slope(mean: torch.Tensor, variance: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """E d/du erf(u / (sqrt 2 w)) for u ~ N(mean, variance)."""
    total = variance + width.square()
    return torch.exp(-mean.square() / (2 * total)) * (2 / (math.pi * total)).sqrt()


class Stationary(torch.autograd.Function):
    """S = J S Jᵀ + Q for J, Q (stimulus, neuron, neuron), by doubling.

    Its adjoint solves Y = Jᵀ Y J + G with the same powers of J: Y goes to Q and (Y + Yᵀ) J S to J
    (Q symmetric).
    """

    @staticmethod
    def forward(ctx: Any, jacobian: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """S, (stimulus, neuron, neuron)."""
        covariance = noise
        powers = []
        for _ in range(_MOST_DOUBLINGS):
            powers.append(jacobian)
            covariance = covariance + jacobian @ covariance @ jacobian.mT
            if float(jacobian.square().sum((-2, -1)).max()) < _FORGOTTEN:
                break
            jacobian = jacobian @ jacobian
        ctx.save_for_backward(covariance, *powers)
        return covariance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        """To J and to Q, (stimulus, neuron, neuron) each."""
        covariance, *powers = ctx.saved_tensors
        adjoint = 0.5 * (gradient + gradient.mT)
        for power in powers:
            adjoint = adjoint + power.mT @ adjoint @ power
        return 2 * adjoint @ powers[0] @ covariance, adjoint


class Circuit:
    """The step above; matrix M (neuron, neuron), shrink k and width w (neuron,), noise Q (neuron,
    neuron) or (stimulus, neuron, neuron).

    constant_noise: the diagonal of H, (stimulus, neuron), None for 0.
    """

    def __init__(
        self,
        matrix: torch.Tensor,
        shrink: torch.Tensor,
        width: torch.Tensor,
        noise: torch.Tensor,
        constant_noise: torch.Tensor | None = None,
    ) -> None:
        self.matrix = matrix
        self.shrink = shrink
        self.width = width
        self.noise = noise
        self.constant_noise = constant_noise
        self.eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)

    def _jacobian(self, mean: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
        return self.matrix - torch.diag_embed(self.shrink * mean_slope(mean, variance, self.width))

    def _newton(
        self, drive: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor
    ) -> torch.Tensor:
        off = (
            drive + mean @ self.matrix.T - self.shrink * mean_own(mean, variance, self.width) - mean
        )
        return mean - torch.linalg.solve(self._jacobian(mean, variance) - self.eye, off)

    def moments(self, drive: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Stationary mean (stimulus, neuron) and covariance (stimulus, neuron, neuron) under drives
        d (stimulus, neuron).
        """
        with torch.no_grad():
            variance = torch.diagonal(self.noise, dim1=-2, dim2=-1).expand(drive.shape) * 2
            mean = self._newton(
                drive, self._newton(drive, torch.zeros_like(drive), variance), variance
            )
            _, variance = self._spread(mean, variance)
            mean = self._newton(drive, mean, variance)
        for _ in range(_GRADIENT_ROUNDS):
            mean = self._newton(drive, mean, variance)
            covariance, variance = self._spread(mean, variance)
        return mean, covariance

    def _spread(
        self, mean: torch.Tensor, variance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """S (stimulus, neuron, neuron) and its diagonal, where J is taken at this mean and variance
        (stimulus, neuron).
        """
        jacobian = self._jacobian(mean, variance)
        covariance = Stationary.apply(jacobian, self.noise.expand(jacobian.shape))
        if self.constant_noise is not None:
            moved = torch.linalg.inv(self.eye - jacobian)
            covariance = covariance + (moved * self.constant_noise[:, None, :]) @ moved.mT
        return covariance, torch.diagonal(covariance, dim1=-2, dim2=-1)


def spectral_radius(matrix: torch.Tensor) -> float:
    """The largest |eigenvalue| of a matrix (neuron, neuron); infinite where it is not finite."""
    detached = matrix.detach().cpu().double()
    return (
        float(torch.linalg.eigvals(detached).abs().max())
        if bool(torch.isfinite(detached).all())
        else math.inf
    )
