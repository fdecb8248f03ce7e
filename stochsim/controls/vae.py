"""Networks that trained ones are compared with: a plain variational autoencoder's encoder, in
float32, and a network before any training.

The encoder is a multi-layer perceptron with two heads, mean and log sd of a factorised Gaussian
(Kingma, Welling 2014), trained on the ELBO with the same frozen decoder: what factorised, amortised
inference can reach where neither depth nor precision is scarce. It starts from the trained single
layer as the other architectures do: r = relu(r) - relu(-r), so two units per neuron carry that
layer's answer unchanged.
"""

import math
from typing import Any

import torch

from stochsim.models import ModelSettings
from stochsim.networks import (
    Draws,
    FeedForward,
    HardwareNoise,
    Network,
    NetworkSettings,
    Response,
    build_network,
    usual_torch,
)
from stochsim.training import (
    Floats,
    Progress,
    ReliabilityCost,
    TrainedNetwork,
    TrainResult,
    TrainSettings,
    fit,
    torch_generator,
)

HIDDEN = 256
"""Units of each of the two hidden layers; three per neuron where there are many neurons."""


class Encoder(Network):
    """Mean and log sd (stimulus, neuron) of a stimulus by two hidden layers of rectified units."""

    steps_share = 2.0
    rate_share = 0.6

    def build(self, generator: torch.Generator | None) -> None:
        """Weights N(0, 2/inputs), which keep the size of rectified units from layer to layer; those
        of the heads 0.
        """
        s = self.settings
        units = max(HIDDEN, 3 * s.neurons)
        self.first = torch.nn.Linear(s.inputs, units)
        self.second = torch.nn.Linear(units, units)
        self.mean = torch.nn.Linear(units, s.neurons)
        self.log_sigma = torch.nn.Linear(units, s.neurons)
        with torch.no_grad():
            for layer in (self.first, self.second, self.mean, self.log_sigma):
                layer.weight.zero_()
                layer.bias.zero_()
            for layer in (self.first, self.second):
                layer.weight.normal_(0, math.sqrt(2 / layer.in_features), generator=generator)

    def start_from(self, single: FeedForward) -> None:
        """Take the weights that answer as a trained float layer does."""
        count = self.settings.neurons
        both = torch.cat([torch.eye(count), -torch.eye(count)])
        with torch.no_grad():
            self.first.weight[: 2 * count] = both @ single.readout.weight
            if single.settings.bias:
                self.first.bias[: 2 * count] = both @ single.readout.bias
            self.second.weight[: 2 * count] = torch.eye(2 * count, self.second.in_features)
            self.mean.weight[:, : 2 * count] = both.T
            self.log_sigma.bias.copy_(single.log_sigma)

    def linears(self) -> dict[str, Any]:
        """No layers, for an encoder is never quantised."""
        return {}

    def moments(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and sd, (stimulus, neuron) each, of stimuli x (stimulus, input)."""
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.mean(x), self.log_sigma(x).exp()

    def response(
        self, x: torch.Tensor, draws: Draws, noise: HardwareNoise | None = None
    ) -> Response:
        """Mean, variance and sd (stimulus, neuron) of the answer to stimuli x (stimulus, input)."""
        mean, sigma = self.moments(x)
        return Response(mean=mean, variance=sigma.square(), noise_sd=sigma)


@usual_torch()
def train_encoder(
    start: TrainedNetwork,
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    key: int,
    progress: Progress | None = None,
) -> TrainedNetwork:
    """An encoder for a trained float single layer's frozen decoder, on stimuli (stimulus, input);
    rho = 0, c = s = 1: minus the ELBO.

    Twice the steps of the settings and a share of their learning rate, whatever price they name.
    Raises TrainingDiverged.
    """
    inputs, neurons = start.decoder.shape
    network = Encoder(
        NetworkSettings(inputs=inputs, neurons=neurons), torch_generator(key, "initial")
    )
    network.start_from(start.network)
    decoder = start.decoder.clone()
    data = torch.tensor(stimuli, dtype=torch.float32)
    return TrainedNetwork(
        network,
        decoder,
        0.0,
        fit(network, data, decoder, model, settings, ReliabilityCost(0.0), key, progress=progress),
    )


@usual_torch()
def encoder_moments(trained: TrainedNetwork, x: Floats) -> tuple[Floats, Floats]:
    """Mean and sd, (stimulus, neuron) float64 each, of an encoder's answers to stimuli x (stimulus,
    input).
    """
    with torch.no_grad():
        mean, sigma = trained.network.moments(torch.tensor(x, dtype=torch.float32))
    return mean.double().numpy(), sigma.double().numpy()


@usual_torch()
def untrained(like: TrainedNetwork, key: int) -> TrainedNetwork:
    """The float network of the same architecture before any training: as it starts from a single
    layer whose weights are just drawn.
    """
    settings = like.network.settings
    single = settings.model_copy(update={"architecture": type(settings.architecture)()})
    drawn = FeedForward(single, torch_generator(key, "untrained"))
    network: Any = drawn
    if settings.architecture.kind != "single":
        network = build_network(settings)
        network.start_from(drawn)
    return TrainedNetwork(network.eval(), like.decoder.clone(), like.rho, TrainResult({}, 0.0, 0.0))
