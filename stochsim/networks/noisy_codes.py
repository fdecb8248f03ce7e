"""Moments of a quantised value whose drive is Gaussian: what noise before a quantiser becomes
behind it.
"""

import math

import torch

_MOST_EXACT_BITS = 4
_LEAST_VARIANCE = 1e-12
_TERMS = 4


def code_moments(
    drive: torch.Tensor, variance: torch.Tensor, bits: int, step: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean slope and variance of Q(u), u ~ N(drive, variance), of the drive's shape.

    Q rounds to whole steps from -2^(bits-1) to 2^(bits-1) - 1, at one bit to ±step/2. The slope is
    that of E Q(u), so slope² variance is the part of Q's variance that is linear in the noise
    (Stein's lemma). Exact up to 4 bits; above, rounding is averaged over where drives lie between
    codes, less than a step of 32 or more. That average is exact within 0.01 % from noise of a tenth
    of a step on; the variance is 0.8 % too large at 0.05 steps, and of less noise by at most 0.011
    steps², a seventh of the rounding of a code.
    """
    sd = torch.as_tensor(variance).clamp_min(_LEAST_VARIANCE).sqrt()
    if bits <= _MOST_EXACT_BITS:
        return _by_thresholds(drive, sd, bits, step)
    return _clipped(drive, sd, bits, step)


def _density(z: torch.Tensor) -> torch.Tensor:
    return torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)


def _below(z: torch.Tensor) -> torch.Tensor:
    return 0.5 * torch.erfc(-z / math.sqrt(2))


def _by_thresholds(
    drive: torch.Tensor, sd: torch.Tensor, bits: int, step: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Q is its least value and a step for every threshold below u."""
    numbers = torch.arange(1, 2**bits, dtype=drive.dtype, device=drive.device)
    middle = 2 ** (bits - 1) if bits == 1 else 2 ** (bits - 1) + 0.5
    place = (drive[..., None] - (numbers - middle) * step) / sd[..., None]
    passed = _below(place)
    count = passed.sum(-1)
    second_moment = ((2 * numbers - 1) * passed).sum(-1)
    slope = step * _density(place).sum(-1) / sd
    return slope, step.square() * (second_moment - count.square())


def _clipped(
    drive: torch.Tensor, sd: torch.Tensor, bits: int, step: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A Gaussian that is clipped at the outermost codes, and the rounding between them."""
    half = 2 ** (bits - 1)
    centre = torch.minimum(torch.maximum(drive, -half * step), (half - 1) * step)
    low = -half * step - centre
    high = (half - 1) * step - centre
    off = drive - centre
    a = (low - off) / sd
    b = (high - off) / sd
    inside = _below(b) - _below(a)
    edge = _density(a) - _density(b)
    mean = low * _below(a) + high * _below(-b) + off * inside + sd * edge
    of_inside = (off.square() + sd.square()) * inside + 2 * off * sd * edge
    of_inside = of_inside + sd.square() * (a * _density(a) - b * _density(b))
    second_moment = low.square() * _below(a) + high.square() * _below(-b) + of_inside
    rounding = inside * _rounding(sd / step) * step.square()
    return inside, (second_moment - mean.square()).clamp_min(0) + rounding


def _rounding(noise: torch.Tensor) -> torch.Tensor:
    """Variance that rounding adds to Gaussian noise, both in steps: 1/12 of much noise, 0.011 of
    none (the first terms of the Fourier series of the rounding error, averaged over a step; all
    terms would leave none, with a slope that has no bound).
    """
    terms = [torch.exp(-4 * (math.pi * k * noise).square()) / k**2 for k in range(1, _TERMS + 1)]
    return 1 / 12 - torch.stack(terms).sum(0) / (2 * math.pi**2)
