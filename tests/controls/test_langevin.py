"""The hand-wired Langevin circuit: its predicted error against the recursion itself, its weights
against the gradient of the log joint.
"""

import dataclasses

import numpy as np
import pytest
from stattest import assert_mean

from stochsim.chip import FloatChip
from stochsim.controls.langevin import SPRING, langevin_circuit, squared_error
from stochsim.models import (
    LinearGaussian,
    LinearGaussianModel,
    SparseCoding,
    build_model,
)
from stochsim.networks import ArchitectureSettings

INPUTS = 6
NEURONS = 4
NOISE_SD = 0.6
LINEAR = LinearGaussian(neurons=NEURONS, noise_sd=NOISE_SD)
SPARSE = SparseCoding(neurons=NEURONS, noise_sd=NOISE_SD, laplace_scale=0.7)


def decoder():
    return np.random.default_rng(5).normal(0, 0.6, (INPUTS, NEURONS))


def circuit(steps=30, time_step=0.25, model=LINEAR, matrix=None):
    architecture = ArchitectureSettings(kind="recurrent", steps=steps, time_step=time_step)
    return langevin_circuit(decoder() if matrix is None else matrix, model, architecture)


def simulated_error(step, precision, steps, prior_precision):
    """Mean and variance of the scalar recursion u' = u + eta/2 lambda (m - u) + sqrt(eta) xi, step
    by step; m² averaged over its law.
    """
    lag = np.ones_like(precision)  # of the way to m
    variance = np.zeros_like(precision)
    for _ in range(steps):
        lag = lag - step / 2 * precision * lag
        variance = (1 - step / 2 * precision) ** 2 * variance + step
    mean_squared = 1 / prior_precision - 1 / precision
    squared = (np.sqrt(variance) - 1 / np.sqrt(precision)) ** 2 + lag**2 * mean_squared
    return float(np.mean(squared * precision))


@pytest.mark.parametrize("steps", [1, 2, 7, 40])
@pytest.mark.parametrize("step", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("prior", [0.5, 1.0])
def test_the_predicted_error_is_that_of_the_recursion(step, steps, prior):
    precision = np.array([1.001, 1.5, 2.9, 4.0])  # 1 - eta lambda / 2 is negative for some
    assert squared_error(step, precision, steps, prior) == pytest.approx(
        simulated_error(step, precision, steps, prior), rel=1e-12
    )


@pytest.mark.parametrize("steps", [1, 5, 30, 1000])
@pytest.mark.parametrize("model", [LINEAR, SPARSE], ids=lambda model: model.kind)
def test_no_other_step_would_be_better(steps, model):
    found = circuit(steps, model=model)
    prior = 1.0 if model is LINEAR else 1 / (2 * 0.7**2)
    precision = np.linalg.eigvalsh(decoder().T @ decoder() / NOISE_SD**2) + prior
    errors = [
        squared_error(step, precision, steps, prior)
        for step in np.geomspace(0.02, 3.9, 2000) / precision.max()
    ]
    assert found.predicted_error**2 == pytest.approx(
        squared_error(found.step, precision, steps, prior)
    )
    assert found.predicted_error**2 <= 1.01 * min(errors)


def test_more_steps_arrive_nearer_with_smaller_steps():
    found = [circuit(steps) for steps in (3, 10, 30, 100, 1000)]
    assert (np.diff([one.predicted_error for one in found]) < 0).all()
    assert (np.diff([one.step for one in found]) < 0).all()


def drift(program, x, u):
    """What a step without noise adds to u."""
    (weight, bias), (lateral, _) = program.layers.values()
    wiring = program.wiring
    shrunk = wiring.shrink * np.array([np.sign(one) for one in u])  # |u| is far beyond the width
    return wiring.time_step * (-u + weight @ x + bias + lateral @ u - shrunk)


@pytest.mark.parametrize("time_step", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("model", [LINEAR, SPARSE], ids=lambda model: model.kind)
def test_a_step_goes_half_its_size_up_the_gradient_of_the_log_joint(model, time_step):
    """By central differences; the sparse model has a weak spring besides.

    The time step alone changes nothing.
    """
    found = circuit(time_step=time_step, model=model)
    random = np.random.default_rng(1)
    x = random.normal(size=INPUTS)
    u = np.array([2.0, -1.0, 1.5, -3.0])
    exact = build_model(model, decoder())
    around = 1e-5 * np.eye(NEURONS)
    gradient = np.array(
        [(exact.log_joint(x, u + d) - exact.log_joint(x, u - d)) / 2e-5 for d in around]
    )
    if model is SPARSE:
        gradient -= SPRING * np.trace(decoder().T @ decoder() / NOISE_SD**2) / NEURONS * u
    np.testing.assert_allclose(drift(found.program, x, u), found.step / 2 * gradient, rtol=1e-6)
    np.testing.assert_allclose(found.program.wiring.sigma, np.sqrt(found.step))
    assert np.abs(drift(found.program, x, u) - found.step * gradient).max() > 0.1


@pytest.mark.parametrize("model", [LINEAR, SPARSE], ids=lambda model: model.kind)
def test_columns_may_be_dependent_or_nothing(model):
    matrix = decoder()
    matrix[:, 1] = 0
    matrix[:, 2] = 2 * matrix[:, 0]
    found = circuit(model=model, matrix=matrix)
    assert np.isfinite(found.predicted_error)
    assert 0 < found.program.radius < 1


def standardised(program, law_steps):
    """4,000 reads of one stimulus along the posterior's eigenvectors, by the mean and sd that so
    many steps should have there.
    """
    model = LinearGaussianModel(decoder(), NOISE_SD)
    x = np.random.default_rng(2).normal(0, 1, (1, INPUTS))
    mean, _ = model.posterior(x)
    values, vectors = np.linalg.eigh(model.precision)
    found = circuit(10)
    factor = 1 - found.step * values / 2
    sd = (
        np.sqrt(found.step * (1 - factor ** (2 * law_steps)) / (1 - factor**2))
        if np.isfinite(law_steps)
        else 1 / np.sqrt(values)
    )
    lag = factor**law_steps if np.isfinite(law_steps) else 0.0
    reads = FloatChip(program).sample(x, 4000, 3).values[0].astype(np.float64)
    return (reads @ vectors - (mean[0] @ vectors) * (1 - lag)) / sd


def assert_law(z):
    """Mean 0 and variance 1 along each of four axes: 8 assertions that share a rate of 1e-6."""
    for axis in z.T:
        assert_mean(axis, 0, 1e-6 / 8)
        assert_mean(axis**2, 1, 1e-6 / 8)


def test_its_samples_have_the_law_of_the_recursion():
    assert_law(standardised(circuit(10).program, 10))


@pytest.mark.parametrize("wrong", ["the posterior itself", "half the steps", "more noise"])
def test_another_law_fails(wrong):
    """At 10 steps the circuit is off the posterior by its predicted error, which 4,000 chains must
    see.
    """
    program = circuit(10).program
    if wrong == "more noise":
        wiring = dataclasses.replace(program.wiring, sigma=1.1 * program.wiring.sigma)
        program = dataclasses.replace(program, wiring=wiring)
    z = standardised(program, {"the posterior itself": np.inf, "half the steps": 5}.get(wrong, 10))
    with pytest.raises(AssertionError):
        assert_law(z)
