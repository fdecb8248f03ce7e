"""Single-layer feed-forward network: stimulus -> drive -> noisy, quantised response, with one
learned sigma per neuron.

r = Q(f(W Q(x) + beta + sigma xi)), f the identity: the noise comes before the output quantiser, in
training as on the chip.
"""

import math
from typing import Any

import torch
from torch.nn.functional import linear

from stochsim.hardware import Noise
from stochsim.networks.hardware_noise import Draws, HardwareNoise
from stochsim.networks.layer_program import array_of, float_layer, program_layer
from stochsim.networks.network import (
    Network,
    Widths,
    layer_shape,
    round_together,
    weight_of,
)
from stochsim.networks.network_settings import NetworkSettings
from stochsim.networks.quantizers import bits_of, quantise
from stochsim.networks.response import Response
from stochsim.program import (
    READOUT,
    FloatProgram,
    Program,
    Quantizer,
    Workload,
    float_single,
    single_layer,
)
from stochsim.program import FeedForward as FeedForwardWiring


class FeedForward(Network):
    """The network; `forward(x, noise)` gives responses and sigma.

    Weights are N(0, 1/inputs), drawn from `generator`, or 0 without one.
    """

    quantised_rate_share = 0.4

    def build(self, generator: torch.Generator | None) -> None:
        """One layer of weights and sigma."""
        s = self.settings
        self.readout: Any = self.linear_layer(READOUT, s.inputs, s.neurons, s.bias)
        self.log_sigma = torch.nn.Parameter(torch.full((s.neurons,), math.log(0.5)))
        if generator is not None:
            with torch.no_grad():
                self.readout.weight.normal_(0, s.inputs**-0.5, generator=generator)

    def linears(self) -> dict[str, Any]:
        """The one layer."""
        return {READOUT: self.readout}

    def compensate(self, source: Any, x: torch.Tensor) -> None:
        """See `Network.compensate`."""
        values = quantise(self.input_quantizer, x)
        round_together([self.readout], values.T @ values / len(values), len(values))

    @classmethod
    def least_values(cls, settings: NetworkSettings) -> int:
        """Those of the one layer."""
        return settings.inputs * settings.neurons

    def workload(self, widths: Widths, noise: Noise) -> Workload:
        """Of one layer."""
        shapes = {READOUT: layer_shape(self.readout, widths, has_noise=True)}
        return FeedForwardWiring().workload(shapes, noise)

    def build_program(self, reads: Quantizer, gives: Quantizer, rho: float) -> Program:
        """See `Network.build_program`."""
        sigma = array_of(self.log_sigma.exp())
        layer = program_layer(self.readout, READOUT, self.settings, (reads, gives), sigma)
        return single_layer(layer, rho)

    def build_float_program(self, rho: float) -> FloatProgram:
        """See `Network.build_float_program`."""
        return float_single(*float_layer(self.readout), array_of(self.log_sigma.exp()), rho)

    def drive(self, x: torch.Tensor) -> torch.Tensor:
        """Drives (stimulus, neuron) of stimuli x (stimulus, input), in the units of the
        response.
        """
        values = x if self.input_quantizer is None else quantise(self.input_quantizer, x)
        return linear(values, weight_of(self.readout)[0], self.readout.bias)

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Responses r (stimulus, neuron) for unit-variance noise of that shape, and sigma
        (neuron,).
        """
        sigma = self.log_sigma.exp()
        return self.quantised(self.drive(x) + sigma * noise), sigma

    def response(
        self, x: torch.Tensor, draws: Draws, noise: HardwareNoise | None = None
    ) -> Response:
        """Answers to stimuli x (stimulus, input): samples of a quantised network, moments of a
        float one or of one on a chip with noise.
        """
        sigma = self.log_sigma.exp()
        if self.output_quantizer is None or noise is None:
            drive = self.drive(x)
            if self.output_quantizer is None:
                return Response(
                    mean=drive, variance=sigma.square().expand(drive.shape), noise_sd=sigma[None]
                )
            return Response(
                samples=self.quantised(drive + sigma * draws.normal(*drive.shape)),
                noise_sd=sigma[None],
                rounding=self.output_rounding(drive, sigma.square(), draws),
            )
        values, dithered = self.mean_input(x, noise)
        weight, weight_step = weight_of(self.readout)
        mean = linear(values, weight, self.readout.bias)
        variance = sigma.square() + noise.variance(
            self.output_step(), weight_step, values, bits_of(self.output_quantizer), dithered
        )
        if dithered is not None:
            variance = variance + dithered @ weight.square().T
        variance = variance.expand(mean.shape)
        rounding = self.output_rounding(mean, variance, draws)
        return Response(mean=mean, variance=variance, noise_sd=variance.sqrt(), rounding=rounding)
