"""A linear recurrent circuit has the covariance that the Lyapunov equation predicts; noise that is
kept for a chain differs from fresh noise.

Every read is an independent chain, so products of two states are independent samples of one entry
of the covariance. A test fails right code at most once in 10^6 runs (10 entries at 1e-7 each:
products of Gaussians are skew, but the mean of 10^5 of them is not).
"""

import functools

import numpy as np
import pytest
from circuittest import hardware_of
from scipy import linalg
from stattest import assert_mean, detectable

from stochsim.chip import Chip
from stochsim.hardware import Noise, RandomSource
from stochsim.program import Layer, Quantizer, recurrent

STEP = 0.05
SIGMA = 0.04
NEURONS = 4
READS = 150_000
LATERAL = np.array(
    [[0, 40, -90, 0], [30, 0, 127, -20], [-80, 60, 0, 50], [10, -40, 70, 0]], np.int8
)
LATERAL_SCALE = 0.003
KEEP = 0.55
STEPS = 40
MAP = LATERAL_SCALE * LATERAL + KEEP * np.eye(NEURONS)


def linear_program(bits=8, forward=0, steps=STEPS, lateral=LATERAL, sigma=SIGMA):
    """drive = MAP value + sigma xi, from 0 on, for inputs of 0."""
    neurons = len(lateral)
    state = Quantizer(bits, STEP)
    weights = np.full((neurons, 3), forward, np.int8)
    seen = Layer(
        weights, 8, 0.01, Quantizer(8, 0.02), state, np.zeros(neurons), np.full(neurons, sigma)
    )
    back = Layer(lateral, 8, LATERAL_SCALE, state, state, np.zeros(neurons), np.zeros(neurons))
    values = STEP * (state.c_min + np.arange(state.levels))
    own = KEEP * np.repeat(values[:, None], neurons, axis=1)
    return recurrent(seen, back, own, steps, float(np.abs(np.linalg.eigvals(MAP)).max()))


@functools.cache
def samples(**noise):
    """Values (read, neuron), 150,000 chains of 40 steps each; a tenth of them where noise is not
    Gaussian, and slow to draw.
    """
    program = linear_program()
    gaussian = noise.get("family", "gaussian") == "gaussian" and "dither" not in noise
    hardware = hardware_of(program, noise=Noise(**noise))
    return (
        Chip(program, hardware)
        .sample(np.zeros((1, 3)), READS if gaussian else READS // 10, 7, count=False)
        .values[0]
        .astype(float)
    )


def predicted(injected):
    """The stationary covariance under noise of this variance at each step."""
    return linalg.solve_discrete_lyapunov(MAP, injected * np.eye(NEURONS))


def assert_covariance(values, covariance):
    products = values[:, :, None] * values[:, None, :]
    for i, j in zip(*np.triu_indices(NEURONS), strict=True):
        assert_mean(products[:, i, j], covariance[i, j], 1e-7)


ROUNDING = STEP**2 / 12
CASES = {
    "its own noise": ({}, 0.0),
    "read noise": ({"read_sigma": 0.03}, 0.03**2),
    "read noise in steps": ({"read_sigma_lsb": 0.5}, (0.5 * STEP) ** 2),
    "uniform read noise": ({"read_sigma": 0.01, "family": "uniform"}, 0.01**2),
    "stochastic rounding": ({"dither": "stochastic"}, STEP**2 / 12),
}


def test_the_map_is_far_from_trivial():
    """It is stable, mixes slowly enough to matter, and its neurons covary."""
    covariance = predicted(SIGMA**2 + ROUNDING)
    sd = np.sqrt(np.diag(covariance))
    assert 0.6 < linear_program().wiring.radius < 0.9
    assert np.abs(covariance / np.outer(sd, sd) - np.eye(NEURONS)).max() > 0.3
    assert 30 * sd.max() < 127 * STEP


@pytest.mark.parametrize("name", CASES)
def test_covariance_solves_the_lyapunov_equation(name):
    """Rounding adds step^2/12 (the noise spans enough steps for that to hold to 1e-5), the
    Hardware's noise its variance, exactly.
    """
    noise, extra = CASES[name]
    values = samples(**noise)
    injected = SIGMA**2 + extra + ROUNDING
    assert_covariance(values, predicted(injected))
    found = values.T @ values / len(values)
    assert np.linalg.norm(found - predicted(injected)) / np.linalg.norm(predicted(injected)) < 0.02


@pytest.mark.parametrize("name", CASES)
def test_negative_controls_of_that_covariance_fail(name):
    """Rounding left out, and noise of 4 % (of 12 %, where reads are few) too much variance: beyond
    what a miss of 1e-3 detects.
    """
    noise, extra = CASES[name]
    values = samples(**noise)
    injected = SIGMA**2 + extra + ROUNDING
    variance = np.diag(predicted(injected)).max()
    for one in (injected - ROUNDING, injected * (1.04 if len(values) == READS else 1.12)):
        assert abs(one / injected - 1) * variance > detectable(
            np.sqrt(2 / len(values)) * variance, 1e-7
        )
        with pytest.raises(AssertionError):
            assert_covariance(values, predicted(one))


def test_extra_noise_of_the_hardware_left_out_fails():
    with pytest.raises(AssertionError):
        assert_covariance(samples(read_sigma=0.03), predicted(SIGMA**2 + ROUNDING))


def test_the_mean_is_that_of_the_float_circuit():
    """E v = Σ_t MAP^t drive of the stimulus, t < 40; a drive 1 % larger is the negative control."""
    program = linear_program(forward=50)
    x = np.array([[0.3, -0.1, 0.5]])
    values = (
        Chip(program, hardware_of(program)).sample(x, READS, 7, count=False).values[0].astype(float)
    )
    drive = np.full(NEURONS, 50 * 0.01 * 0.7)
    mean = sum(np.linalg.matrix_power(MAP, t) @ drive for t in range(STEPS))
    for n in range(NEURONS):
        assert_mean(values[:, n], mean[n], 2e-7)
    with pytest.raises(AssertionError):
        assert_mean(values[:, np.abs(mean).argmax()], 1.01 * np.abs(mean).max(), 2e-7)


def second_moments(steps, neurons, kept, fresh, of_state, injected):
    """E v^2 of one neuron after `steps` steps, without lateral weights, and what does not
    distinguish kept from fresh noise of the stimulus.

    v <- KEEP v + g + noise, with g of variance `kept` drawn once per chain, noise of variance
    `fresh` + `injected` and of `of_state` times the sum of v^2 over the neurons, which the noisy
    lateral weights add.
    """
    variance, with_kept = 0.0, 0.0
    for _ in range(steps):
        own = KEEP**2 * variance + 2 * KEEP * with_kept + kept
        variance = own + fresh + injected + of_state * neurons * variance
        with_kept = KEEP * with_kept + kept
    return variance


@pytest.mark.parametrize(("kind", "reads"), [("lumped", 60_000), ("explicit", 800)])
@pytest.mark.parametrize("dithered", [False, True])
def test_weight_noise_of_the_stimulus_drive_is_kept_with_it(kind, reads, dithered):
    """Forward's sum is made once per read, with its noise; where inputs are dithered it is made,
    and noisy, at every step.

    The one prediction is the other's negative control: variances differ by more than a factor of
    two, so few reads will do.
    """
    program = linear_program(forward=0, steps=6, lateral=np.zeros((2, 2), np.int8))
    x = np.array([[1.0, -0.6, 0.8]])
    sigma_w = 0.08
    noise = Noise(
        weight_sigma=sigma_w, weight_noise=kind, input_dither="stochastic" if dithered else "none"
    )
    values = (
        Chip(program, hardware_of(program, noise=noise))
        .sample(x, reads, 7, count=False)
        .values[0]
        .astype(float)
    )
    of_stimulus = (
        sigma_w**2 * 2.0
    )  # |x|^2 = 2, a multiple of the inputs' step, so that dither does not change it
    rest = {"steps": 6, "neurons": 2, "of_state": sigma_w**2, "injected": SIGMA**2 + ROUNDING}
    kept = second_moments(kept=of_stimulus, fresh=0.0, **rest)
    fresh = second_moments(kept=0.0, fresh=of_stimulus, **rest)
    assert kept > 2 * fresh
    right, wrong = (fresh, kept) if dithered else (kept, fresh)
    assert_mean(values**2, right, 1e-7)
    with pytest.raises(AssertionError):
        assert_mean(values**2, wrong, 1e-7)


def test_registers_run_on_from_step_to_step():
    """A shift register of 8 bits repeats after 255 shifts by one: with 5 steps of 3 bits each, a
    read starts 15 shifts on.

    So reads repeat after 255 / gcd(255, 15) = 17, and not before: a register started anew at every
    step would give 85.
    """
    program = linear_program(steps=5)
    hardware = hardware_of(program, random=RandomSource(threshold_bits=3, lfsr_bits=8))
    codes = Chip(program, hardware).sample(np.zeros((1, 3)), 60, 7).codes[0]
    assert np.array_equal(codes[:-17], codes[17:])
    for shift in range(1, 17):
        assert not np.array_equal(codes[:-shift], codes[shift:])
