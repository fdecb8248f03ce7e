"""The generative model's part of the objective, differentiable: reconstruction, −log p(x|r), and
activity, −log p(r), nats per stimulus.

Each has a NumPy method of stochsim.models as its reference implementation, with the same
constants left out: −log_likelihood and −log_prior.
"""

import functools
import math

import torch

from stochsim.models import (
    LOG_WEIGHTS,
    STEPS,
    GaussianScaleMixture,
    ModelSettings,
    SparseCoding,
    log_gamma_constant,
)


def reconstruction(
    x: torch.Tensor, r: torch.Tensor, decoder: torch.Tensor, model: ModelSettings
) -> torch.Tensor:
    """−log p(x | r) without the constant (input/2) log(2π s_x²), in nats: |x − A r|²/(2 s_x²), or
    its mixture over the contrast.

    x (…, input), r (…, neuron), A = `decoder` (input, neuron); the leading axes, (stimulus,) or
    (read, stimulus), broadcast to the result. A decoder (key, input, neuron) goes with r (key,
    stimulus, neuron): one decoder for each of several trainings.
    """
    signal = r @ decoder.mT
    if isinstance(model, GaussianScaleMixture):
        return _mixed_over_contrast(x, signal, model)
    return (x - signal).square().sum(-1) / (2 * model.noise_sd**2)


def activity_cost(r: torch.Tensor, model: ModelSettings) -> torch.Tensor:
    """sum_i phi(r_i) in nats, (…, neuron) to (…): |r|/b for the Laplace prior, r²/2 for the
    Gaussian one.
    """
    if isinstance(model, SparseCoding):
        return r.abs().sum(-1) / model.laplace_scale
    return 0.5 * r.square().sum(-1)


def _mixed_over_contrast(
    x: torch.Tensor, signal: torch.Tensor, model: GaussianScaleMixture
) -> torch.Tensor:
    """−log ∫ p(z) exp(−|x − z A r|²/(2 s_x²)) dz, (…) for x and signal A r (…, input), by the rule
    of stochsim.models.contrast.

    Its gradient is that of |x − z A r|²/(2 s_x²) averaged over p(z | x, r) (Fisher's identity), and
    the average needs no more than the mean and the variance of z. So the quadrature is left out of
    autograd, and first derivatives are all there are.
    """
    variance = model.noise_sd**2
    with torch.no_grad():
        value, mean, spread = _contrast_moments(x, signal, model)
    expected = ((x - mean * signal).square().sum(-1) + spread * signal.square().sum(-1)) / (
        2 * variance
    )
    return expected + (value - expected.detach())


def _contrast_moments(
    x: torch.Tensor, signal: torch.Tensor, model: GaussianScaleMixture
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The integral's −log (…), and mean (…, 1) and variance (…) of z given x and r.

    Exponents are taken relative to the residual e at the peak z*: |x − z A r|² = |e|² − 2 (z − z*)
    e·A r + (z − z*)² |A r|². So no large terms cancel, and float32 will do.
    """
    variance = model.noise_sd**2
    shape = model.contrast_shape
    rate = model.contrast_rate
    curvature = signal.square().sum(-1, keepdim=True) / variance
    linear = (x * signal).sum(-1, keepdim=True) / variance - rate
    root = torch.sqrt(linear.square() + 4 * shape * curvature)
    peak = torch.where(
        linear < 0, 2 * shape / (root - linear), (linear + root) / (2 * curvature)
    )  # as contrast_peak
    width = torch.rsqrt(shape + curvature * peak.square())
    residual = x - peak * signal
    slope = (residual * signal).sum(-1, keepdim=True) / variance
    steps, log_weights = _nodes(x.dtype, x.device)
    log_rise = width * steps
    off = peak * torch.expm1(log_rise)
    exponent = log_weights + shape * log_rise + off * (slope - rate - 0.5 * off * curvature)
    share = torch.softmax(exponent, -1)
    mean_off = (share * off).sum(-1, keepdim=True)
    spread = (share * (off - mean_off).square()).sum(-1)
    at_peak = (
        shape * torch.log(peak) - rate * peak + torch.log(width) + log_gamma_constant(shape, rate)
    )
    value = (
        residual.square().sum(-1) / (2 * variance)
        - torch.logsumexp(exponent, -1)
        - at_peak.squeeze(-1)
    )
    return value, peak + mean_off, spread


@functools.lru_cache(maxsize=8)
def _nodes(dtype: torch.dtype, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Steps and log weights (node,) of the rule, every second node in float32: its error, 1e-7
    then, is that of the type.
    """
    every = 1 if dtype == torch.float64 else 2
    steps = STEPS[::every]
    log_weights = LOG_WEIGHTS[::every] + math.log(every)
    return torch.tensor(steps, dtype=dtype, device=device), torch.tensor(
        log_weights, dtype=dtype, device=device
    )
