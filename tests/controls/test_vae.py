"""Networks that trained ones are compared with: an encoder starts as the layer it is given, an
untrained network as its architecture.
"""

import dataclasses

import numpy as np
import pytest
import torch

from stochsim.controls.vae import HIDDEN, Encoder, encoder_moments, train_encoder, untrained
from stochsim.models import LinearGaussian
from stochsim.networks import (
    ArchitectureSettings,
    Draws,
    FeedForward,
    NetworkSettings,
    build_network,
)
from stochsim.training import TrainedNetwork, TrainSettings
from stochsim.training.loop import TrainResult

INPUTS, NEURONS = 6, 4
MODEL = LinearGaussian(neurons=NEURONS, noise_sd=0.6)


def generator(key=1):
    return torch.Generator().manual_seed(key)


def single(bias=True, neurons=NEURONS):
    network = FeedForward(NetworkSettings(inputs=INPUTS, neurons=neurons, bias=bias), generator())
    with torch.no_grad():
        network.log_sigma.copy_(torch.linspace(-2, 0.5, neurons))
        if bias:
            network.readout.bias.copy_(torch.linspace(-1, 1, neurons))
    return network


def trained(bias=True):
    return TrainedNetwork(
        single(bias),
        0.6 * torch.randn(INPUTS, NEURONS, generator=generator(2)),
        0.0,
        TrainResult({}, 0.0, 0.0),
    )


@pytest.mark.parametrize(("bias", "neurons"), [(True, NEURONS), (False, NEURONS), (True, HIDDEN)])
def test_an_encoder_starts_with_the_answers_of_the_layer(bias, neurons):
    layer = single(bias, neurons)
    encoder = Encoder(NetworkSettings(inputs=INPUTS, neurons=neurons), generator(3))
    encoder.start_from(layer)
    x = 3 * torch.randn(50, INPUTS, generator=generator(4))
    answer = encoder.response(x, Draws(generator()))
    own = layer.response(x, Draws(generator()))
    torch.testing.assert_close(answer.mean, own.mean, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(answer.variance, own.variance, atol=0, rtol=1e-5)
    torch.testing.assert_close(answer.noise_sd.square(), answer.variance, rtol=1.3e-6, atol=0)


def test_training_is_of_the_encoder_alone_and_at_the_price_of_the_elbo():
    """Whatever price, rho or decoder the layer faced: minus the ELBO of the frozen decoder."""
    start = dataclasses.replace(trained(), rho=2.0)
    before = start.decoder.clone()
    x = np.random.default_rng(0).normal(size=(200, INPUTS))
    weights = start.network.readout.weight.clone()
    found = train_encoder(start, x, MODEL, TrainSettings(steps=5, c=3.0, s=2.0), 1)
    assert torch.equal(found.decoder, before)
    assert torch.equal(start.network.readout.weight, weights)
    assert (found.rho, found.result.c, found.result.s, found.result.steps) == (0.0, 1.0, 1.0, 10)
    mean, sigma = encoder_moments(found, x)
    assert (mean.shape, sigma.shape, mean.dtype) == ((200, NEURONS), (200, NEURONS), np.float64)
    assert sigma.std(axis=0).min() > 0  # the noise follows the stimulus by now


@pytest.mark.parametrize("kind", ["single", "deep", "recurrent"])
def test_an_untrained_network_is_its_architectures_start_from_drawn_weights(kind):
    settings = NetworkSettings(
        inputs=INPUTS, neurons=NEURONS, architecture=ArchitectureSettings(kind=kind)
    )
    like = dataclasses.replace(trained(), network=build_network(settings))
    first, again, other = (untrained(like, key) for key in (1, 1, 2))
    states = [each.network.state_dict() for each in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])
    assert first.network.settings == settings
    assert torch.equal(first.decoder, like.decoder)
    x = torch.randn(20, INPUTS, generator=generator(5))
    answer = first.network.response(x, Draws(generator()))
    assert float(answer.mean.detach().std()) > 0.3
    assert first.result.terms == {}
