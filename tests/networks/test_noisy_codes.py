"""Mean slope and variance of a code whose drive is noisy, against numerical integrals of SciPy."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from stochsim.networks.noisy_codes import code_moments

DRIVES = (-1.6, -0.93, -0.2, 0.07, 0.55, 1.02)


def code(u, bits, step):
    if bits == 1:
        return np.where(u >= 0, step / 2, -step / 2)
    half = 2 ** (bits - 1)
    return step * np.clip(np.rint(u / step), -half, half - 1)


def exact(drive, sd, bits, step):
    """(mean slope, variance) by sums over the codes: mean and its derivative from SciPy's normal
    law between thresholds, which lie where the code jumps.
    """
    levels = code(step * (np.arange(2**bits) - (0.5 if bits == 1 else 2 ** (bits - 1))), bits, step)
    edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
    law = stats.norm(drive, sd)
    shares = np.diff(law.cdf(edges))
    mean = np.sum(shares * levels)
    slope = np.sum(levels * -np.diff(law.pdf(edges)))
    return slope, np.sum(shares * levels**2) - mean**2


def found(drive, sd, bits, step):
    tensors = (torch.tensor([value], dtype=torch.float64) for value in (drive, sd**2))
    slope, variance = code_moments(*tensors, bits, torch.tensor(step, dtype=torch.float64))
    return float(slope), float(variance)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("sd", [0.05, 0.3, 1.0])
def test_up_to_four_bits_it_is_exact(bits, sd):
    step = 2.0 if bits == 1 else 2.0 ** (1 - bits)
    for drive in DRIVES:
        np.testing.assert_allclose(
            found(drive, sd, bits, step), exact(drive, sd, bits, step), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("bits", [5, 6, 8])
@pytest.mark.parametrize("share", [0.3, 1.0, 20.0])
def test_above_rounding_is_averaged_over_a_step(bits, share):
    """The mean over drives that are spread over one step; noise without rounding is the negative
    control where it is small.
    """
    step = 2.0 ** (1 - bits)
    sd = share * step
    drives = 0.2 + step * (np.arange(64) + 0.5) / 64
    mean = np.mean([exact(drive, sd, bits, step) for drive in drives], axis=0)
    ours = np.mean([found(drive, sd, bits, step) for drive in drives], axis=0)
    np.testing.assert_allclose(ours, mean, rtol=2e-3)
    if share < 2:
        assert sd**2 < 0.95 * mean[1]


@pytest.mark.parametrize(
    ("share", "relative", "absolute"),
    [(0.3, 1e-4, 0), (0.1, 1e-4, 0), (0.05, 0.009, 0), (0.02, 0, 0.0112), (0.002, 0, 0.0112)],
)
def test_little_noise_is_as_far_off_as_is_said(share, relative, absolute):
    """Of 8 bits, the mean over drives of one step by SciPy's quadrature of its normal law at the
    nine nearest thresholds; σ/√π where only one of them is near.
    """

    def variance(drive):
        above = stats.norm.sf((np.arange(-4, 5) + 0.5 - drive) / share)
        return np.sum((2 * np.arange(1, 10) - 1) * above) - np.sum(above) ** 2

    expected = integrate.quad(variance, 0, 1, points=[0.5], limit=200)[0]
    if share < 0.1:
        assert expected == pytest.approx(share / np.sqrt(np.pi), rel=1e-6)
    drives = (np.arange(64) + 0.5) / 64
    ours = np.mean([found(drive, share, 8, 1.0)[1] for drive in drives])
    assert ours == pytest.approx(expected, rel=relative, abs=absolute)
    assert (ours > 1.005 * expected) == (share < 0.1)


@pytest.mark.parametrize("drive", [-1.3, -0.98, 0.96, 1.2])
def test_at_the_ends_it_is_a_clipped_gaussian(drive):
    """8 bits, noise of 12 steps: by SciPy's quadrature of the clipped law."""
    step = 2.0**-7
    sd = 0.1
    law = stats.norm(drive, sd)
    moments = [
        integrate.quad(
            lambda u, p=power: np.clip(u, -1, 1 - step) ** p * law.pdf(u),
            drive - 10 * sd,
            drive + 10 * sd,
            points=[-1, 1 - step],
        )[0]
        for power in (1, 2)
    ]
    clipped = moments[1] - moments[0] ** 2
    inside = law.cdf(1 - step) - law.cdf(-1)
    slope, variance = found(drive, sd, 8, step)
    assert slope == pytest.approx(inside, rel=1e-6)
    assert variance == pytest.approx(clipped + inside * step**2 / 12, rel=1e-5)
    assert variance < 0.7 * sd**2


def test_no_noise_has_no_variance_and_gradients_are_finite():
    drive = torch.tensor(DRIVES, requires_grad=True)
    for bits in (1, 4, 8):
        variance = torch.zeros(len(DRIVES), requires_grad=True)
        step = torch.tensor(2.0 ** (1 - bits) if bits > 1 else 2.0)
        slope, of_code = code_moments(drive, variance, bits, step)
        (slope.sum() + of_code.sum()).backward()
        assert bool(torch.isfinite(drive.grad).all() & torch.isfinite(variance.grad).all())
        assert float(of_code.detach().max()) <= 0.02 * float(step) ** 2
