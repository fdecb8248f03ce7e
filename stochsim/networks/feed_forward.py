"""Single-layer feed-forward network: stimulus -> drive -> noisy, quantised response, with one learned sigma per neuron.

r = Q(f(W Q(x) + beta + sigma xi)), f the identity: the noise comes before the output quantiser, in training as on the chip.
"""

import math
from typing import Any, Self

import numpy as np
import pydantic
import torch

from stochsim.networks.quantizers import activation_quantizer, optimal_step, quantised_linear
from stochsim.settings import Settings

LOWEST_SIGMA = 1e-3
"""Training keeps sigma between this share of the output range's half width and the half width itself."""


class NetworkSettings(Settings):
    """What a network is built from. All three bit widths None: a float network; else each is 1 to 8.

    The scales are where Brevitas's learned scales start; at one bit they stay (the magnitude of the two values).
    """

    inputs: int = pydantic.Field(ge=1)
    neurons: int = pydantic.Field(ge=1)
    bias: bool = True
    weight_bits: int | None = pydantic.Field(default=None, ge=1, le=8)
    input_bits: int | None = pydantic.Field(default=None, ge=1, le=8)
    output_bits: int | None = pydantic.Field(default=None, ge=1, le=8)
    weight_scale: float = pydantic.Field(default=1.0, gt=0)
    input_scale: float = pydantic.Field(default=1.0, gt=0)
    output_scale: float = pydantic.Field(default=1.0, gt=0)

    @pydantic.model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len({bits is None for bits in (self.weight_bits, self.input_bits, self.output_bits)}) > 1:
            raise ValueError("weight_bits, input_bits and output_bits are given together (a quantised network) or not at all (float)")
        return self

    @property
    def is_float(self) -> bool:
        """True for a network without quantisers."""
        return self.output_bits is None


class FeedForward(torch.nn.Module):
    """The network; `forward(x, noise)` gives responses and sigma. Weights are N(0, 1/inputs), drawn from `generator`, or 0 without one."""

    def __init__(self, settings: NetworkSettings, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.settings = settings
        with torch.random.fork_rng(devices=[]):  # torch's layers draw a start of their own from the global generator; overwritten below
            self._build(settings)
        self.log_sigma = torch.nn.Parameter(torch.full((settings.neurons,), float(np.log(0.5))))
        with torch.no_grad():
            if generator is None:
                self.linear.weight.zero_()
            else:
                self.linear.weight.normal_(0, settings.inputs**-0.5, generator=generator)
            if settings.bias:
                self.linear.bias.zero_()

    def _build(self, s: NetworkSettings) -> None:
        self.input_quantizer: Any = None
        self.output_quantizer: Any = None
        if s.weight_bits is None or s.input_bits is None or s.output_bits is None:
            self.linear: Any = torch.nn.Linear(s.inputs, s.neurons, bias=s.bias)
        else:
            self.input_quantizer = activation_quantizer(s.input_bits, s.input_scale)
            self.linear = quantised_linear(s.inputs, s.neurons, s.bias, s.weight_bits, s.weight_scale)
            self.output_quantizer = activation_quantizer(s.output_bits, s.output_scale)

    def drive(self, x: torch.Tensor) -> torch.Tensor:
        """Drives (stimulus, neuron) of stimuli x (stimulus, input), in the units of the response."""
        if self.input_quantizer is None:
            return self.linear(x)
        return self.linear(self.input_quantizer(x).value)

    def respond(self, noisy_drive: torch.Tensor) -> torch.Tensor:
        """Responses to noisy drives: quantised with a straight-through gradient."""
        return noisy_drive if self.output_quantizer is None else self.output_quantizer(noisy_drive).value

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Responses r (stimulus, neuron) for unit-variance noise of that shape, and sigma (neuron,)."""
        sigma = self.log_sigma.exp()
        return self.respond(self.drive(x) + sigma * noise), sigma

    def parameter_groups(self) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
        """(weights, biases and sigma; learned scales of the quantisers): the scales train best more slowly than the rest."""
        scales = {name for name, _ in self.named_parameters() if ".scaling_impl." in name}
        named = dict(self.named_parameters())
        return [named[name] for name in named if name not in scales], [named[name] for name in sorted(scales)]

    def _output_scale_parameter(self) -> torch.nn.Parameter:
        return next(value for name, value in self.output_quantizer.named_parameters() if ".scaling_impl." in name)

    def output_half_range(self) -> float | None:
        """R = step (2^b - 1) / 2 of the output quantiser, None for a float network."""
        bits = self.settings.output_bits
        if bits is None:
            return None
        scale = float(self.output_quantizer.act_quant.scale().detach())
        return scale if bits == 1 else scale * (2**bits - 1) / 2

    def sigma_bounds(self) -> tuple[float, float] | None:
        """(1e-3 R, R), None for a float network: where the output clips, L has no lower bound in sigma at rho = 0."""
        half_range = self.output_half_range()
        return None if half_range is None else (LOWEST_SIGMA * half_range, half_range)

    def keep_bounds(self) -> None:
        """Put the output scale and sigma back within their bounds; called after every step of training.

        The output range may grow from its fitted start, never shrink: clipped noise costs nothing in L, so a range that is free to shrink
        lets sigma grow for free until the codes say little (the price of reliability evaded).
        """
        if self.settings.output_bits not in (None, 1):
            scale = float(self.output_quantizer.act_quant.scale().detach())
            if 0 < scale < self.settings.output_scale:
                with torch.no_grad():  # the parameter is the logarithm of the scale, base 2, and a constant
                    self._output_scale_parameter().add_(math.log2(self.settings.output_scale / scale))
        bounds = self.sigma_bounds()
        if bounds is not None and 0 < bounds[0] < math.inf:  # else training has diverged, which the loop's own check names
            with torch.no_grad():
                self.log_sigma.clamp_(math.log(bounds[0]), math.log(bounds[1]))

    def saturated_share(self) -> float:
        """Share of neurons whose sigma stands at a bound."""
        bounds = self.sigma_bounds()
        if bounds is None:
            return 0.0
        sigma = self.log_sigma.detach().exp().numpy()
        return float(np.mean((sigma <= bounds[0] * 1.001) | (sigma >= bounds[1] * 0.999)))


def quantised_from_float(
    network: FeedForward, x: torch.Tensor, weight_bits: int, input_bits: int, output_bits: int, generator: torch.Generator
) -> FeedForward:
    """A quantised network that starts from a trained float one: its weights, bias and sigma; scales fitted on stimuli x.

    Output scale: least squared error on the float network's noisy responses; at one bit their mean magnitude, which then stays.
    """
    with torch.no_grad():
        noise = torch.randn(x.shape[0], network.settings.neurons, generator=generator)
        responses, _ = network(x, noise)
        weights = network.linear.weight
        settings = network.settings.model_copy(
            update={
                "weight_bits": weight_bits,
                "input_bits": input_bits,
                "output_bits": output_bits,
                "weight_scale": float(weights.abs().mean()),
                "input_scale": optimal_step(x.numpy(), input_bits),
                "output_scale": optimal_step(responses.numpy(), output_bits),
            }
        )
        quantised = FeedForward(settings, generator)
        quantised.linear.weight.copy_(weights)
        if settings.bias:
            quantised.linear.bias.copy_(network.linear.bias)
        quantised.log_sigma.copy_(network.log_sigma)
        quantised.keep_bounds()
    return quantised
