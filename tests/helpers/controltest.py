"""Networks that are drawn, not trained, and samples of their controls."""

import numpy as np
import torch

from stochsim.chip import FloatChip
from stochsim.controls.controls import ControlCase, control_samples
from stochsim.lowering import float_program
from stochsim.models import LinearGaussian
from stochsim.networks import ArchitectureSettings, FeedForward, NetworkSettings, build_network
from stochsim.training import TrainedNetwork, TrainSettings
from stochsim.training.loop import TrainResult

INPUTS = 6
NEURONS = 4
STIMULI = 12
READS = 60
KEY = 7
MODEL = LinearGaussian(neurons=NEURONS, noise_sd=0.6)


def network_of(kind, rho=0.0, seed=1):
    """A float network whose noise differs between neurons, and, where it can, between stimuli or by
    correlations.
    """
    draws = torch.Generator().manual_seed(seed)
    settings = NetworkSettings(inputs=INPUTS, neurons=NEURONS)
    network = single = FeedForward(settings, draws)
    with torch.no_grad():
        single.log_sigma.copy_(torch.tensor([0.1, 0.3, 0.5, 0.9]).log())
        if kind != "single":
            network = build_network(
                settings.model_copy(update={"architecture": ArchitectureSettings(kind=kind)})
            )
            network.start_from(single)
            weights = network.log_sigma_head.weight if kind == "deep" else network.lateral.weight
            weights.add_(0.1 * torch.randn(weights.shape, generator=draws))
    decoder = 0.6 * torch.randn(INPUTS, NEURONS, generator=draws)
    return TrainedNetwork(network.eval(), decoder, rho, TrainResult({}, 0.0, 0.0))


def stimuli(count=STIMULI, seed=3):
    return np.random.default_rng(seed).normal(size=(count, INPUTS))


def samples_of(name, trained, reads=READS, count=STIMULI, steps=1, key=KEY, circuit=None):
    settings = TrainSettings(steps=steps, batch=64)
    case = ControlCase(
        trained=trained,
        model=MODEL,
        stimuli=stimuli(count),
        reads=reads,
        key=key,
        train_stimuli=stimuli(500, 4),
        settings=settings,
        circuit=circuit,
    )
    return control_samples(name, case)


def own_samples(trained):
    return FloatChip(float_program(trained)).sample(stimuli(), READS, KEY).values
