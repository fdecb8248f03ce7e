"""Controls that are no network's: an encoder and a Langevin circuit."""

import numpy as np
import pytest
from controltest import MODEL, NEURONS, network_of, samples_of, stimuli
from stattest import assert_mean

from stochsim.models import LinearGaussianModel
from stochsim.models.evidence import elbo
from stochsim.networks import ArchitectureSettings


def evidence(found, trained):
    return elbo(found.values, stimuli(), trained.decoder_array, MODEL, found.sigma).mean()


def test_a_trained_encoder_beats_what_it_starts_from():
    trained = network_of("single")
    start, end = (samples_of("vae", trained, steps=steps) for steps in (1, 150))
    assert evidence(end, trained) > evidence(start, trained) + 1
    assert end.facts["train_reconstruction_nat"] > 0


@pytest.mark.parametrize(("off", "right"), [(1.0, True), (1.05, False)])
def test_an_encoders_samples_have_the_sigma_it_reports(off, right):
    """Squares of 24,000 standardised differences of reads: their mean is 2, at a rate of 1e-6; 5 %
    off must fail.
    """
    found = samples_of("vae", network_of("single"), reads=1000)
    z = (found.values[:, ::2] - found.values[:, 1::2]) / (off * found.sigma[:, None])
    if right:
        assert_mean(z**2, 2)
    else:
        with pytest.raises(AssertionError):
            assert_mean(z**2, 2)


def assert_stationary(steps):
    """4,000 chains along each eigenvector of the posterior precision: its mean, and its variance /
    (1 - eta lambda / 4); 8 assertions.
    """
    trained = network_of("single")
    circuit = ArchitectureSettings(kind="recurrent", steps=steps)
    found = samples_of("langevin", trained, reads=1000, count=4, circuit=circuit)
    model = LinearGaussianModel(trained.decoder_array, MODEL.noise_sd)
    precision, vectors = np.linalg.eigh(model.precision)
    inflation = 1 / (1 - found.facts["step"] * precision / 4)
    z = (
        (found.values - model.posterior(stimuli(4))[0][:, None])
        @ vectors
        * np.sqrt(precision / inflation)
    ).reshape(-1, NEURONS)
    for axis in z.T:
        assert_mean(axis, 0, 1e-6 / 8)
        assert_mean(axis**2, 1, 1e-6 / 8)
    assert found.sigma is None
    assert found.facts["spectral_radius"] < 1
    return inflation


def test_a_langevin_circuit_arrives_at_the_posterior_when_it_has_the_steps():
    assert assert_stationary(400).max() < 1.05
    with pytest.raises(AssertionError):
        assert_stationary(5)


def test_a_circuit_of_other_steps_gives_other_samples_and_only_langevin_asks():
    trained = network_of("single")
    other = ArchitectureSettings(kind="recurrent", steps=20)
    assert not np.array_equal(
        samples_of("langevin", trained).values,
        samples_of("langevin", trained, circuit=other).values,
    )
    assert np.array_equal(
        samples_of("untrained", trained).values,
        samples_of("untrained", trained, circuit=other).values,
    )
