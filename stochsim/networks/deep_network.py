"""Multi-layer feed-forward network: a hidden layer that clips, then two heads, for the drive and
for the noise of each neuron.

h = clip(W Q(x) + b, -1, 1), quantised by a signed quantiser whose own clipping is the nonlinearity;
log sigma = base + Q(S h), so that the noise follows the stimulus, carried by low-bit codes; r = Q(V
h + beta + sigma xi).
"""

import math
from typing import Any

import numpy as np
import torch
from torch.nn.functional import hardtanh, linear

from stochsim.hardware import Noise
from stochsim.networks.feed_forward_network import FeedForward
from stochsim.networks.hardware_noise import Draws, HardwareNoise
from stochsim.networks.layer_program import (
    array_of,
    float_layer,
    program_layer,
    quantizer_of,
)
from stochsim.networks.network import (
    Network,
    Widths,
    layer_shape,
    round_together,
    weight_of,
)
from stochsim.networks.network_settings import NetworkSettings
from stochsim.networks.noisy_codes import code_moments
from stochsim.networks.quantizers import (
    activation_quantizer,
    bits_of,
    optimal_step,
    quantise,
    scale_of,
)
from stochsim.networks.response import Response
from stochsim.program import (
    HIDDEN,
    LOG_SIGMA,
    READOUT,
    FloatLayer,
    FloatProgram,
    Program,
    Quantizer,
    Workload,
    float_deep,
    log_sigma_workload,
    with_log_sigma,
)

# distance of neighbouring kinks that the hidden units of one neuron start with, in units of its
# drive
_GAP = 1.5
_SLOPE = 0.4  # how much log sigma starts to follow the size of the drive
_PRICED_SHARE = (
    1 / 16
    # of a batch, where noise passes on from layer to layer: that takes the Jacobian of every
    # stimulus
)


class Deep(Network):
    """Hidden units start as clipped copies of a single layer's drives, at different offsets; the
    noise starts from that layer's too.
    """

    steps_share = 2.0
    rate_share = 0.6
    quantised_rate_share = 0.03

    def build(self, generator: torch.Generator | None) -> None:
        """Hidden layer, readout, the head that sets log sigma."""
        s = self.settings
        self.hidden: Any = self.linear_layer(HIDDEN, s.inputs, s.hidden, True)
        self.readout: Any = self.linear_layer(
            READOUT, s.hidden, s.neurons, s.bias or not s.is_float
        )
        self.log_sigma_head: Any = self.linear_layer(LOG_SIGMA, s.hidden, s.neurons, not s.is_float)
        self.base = torch.nn.Parameter(torch.full((s.neurons,), math.log(0.5)))
        self.hidden_quantizer: Any = None
        self.log_sigma_quantizer: Any = None
        if s.output_bits is not None:
            self.hidden_quantizer = activation_quantizer(
                s.output_bits, 1.0 if s.output_bits == 1 else 2.0 ** (1 - s.output_bits)
            )
            self.log_sigma_quantizer = activation_quantizer(
                s.output_bits, s.scales.get("log_sigma_code", 1.0)
            )
            for quantizer in (self.hidden_quantizer, self.log_sigma_quantizer):
                quantizer.requires_grad_(False)

    def start_from(self, single: FeedForward) -> None:
        """Take weights and sigma from a trained float layer."""
        with torch.no_grad():
            count = self.settings.architecture.hidden_per_neuron
            neurons = self.settings.neurons
            for unit in range(count):
                rows = slice(unit * neurons, (unit + 1) * neurons)
                offset = (unit - (count - 1) / 2) * _GAP
                self.hidden.weight[rows] = single.readout.weight
                self.hidden.bias[rows] = (
                    single.readout.bias if single.settings.bias else 0.0
                ) - offset
                self.readout.weight[:, rows] = torch.eye(neurons)
                self.log_sigma_head.weight[:, rows] = (
                    torch.eye(neurons) * _SLOPE * float(np.sign(offset)) / count
                )
            self.base.copy_(single.log_sigma)

    def centre_hidden_codes(self) -> None:
        """Move the biases so that hidden codes, whose values reach from -1 to 1 - step, stand for
        -1 + step/2 … 1 - step/2.

        Uncentred, the upper half of a hidden unit's range would clip a step early: of two-bit
        units, at a half.
        """
        if self.settings.output_bits == 1:
            return
        half = 0.5 * float(scale_of(self.hidden_quantizer))
        with torch.no_grad():
            self.hidden.bias.sub_(half)
            for layer in (self.readout, self.log_sigma_head):
                layer.bias.add_(half * weight_of(layer)[0].sum(1))

    def _answered_log_sigma(self, x: torch.Tensor) -> torch.Tensor:
        """What the log sigma layer of a float network answers to x (stimulus, input), without its
        base: (stimulus, neuron).
        """
        return self.log_sigma_head(hardtanh(self.hidden(x)))

    def further_scales(self, x: torch.Tensor, bits: int) -> dict[str, float]:
        """That of the codes of log sigma, which carry its deviations from the mean."""
        log_sigma = self._answered_log_sigma(x)
        deviation = (log_sigma - log_sigma.mean(0)).numpy()
        return {"log_sigma_code": max(1e-3, optimal_step(deviation, bits))}

    def start_from_float(self, source: Any, x: torch.Tensor) -> None:
        """See `Network.start_from_float`; the mean of log sigma on x moves from the codes into the
        base, hidden codes are centred, and biases make up for the mean error of the weights.
        """
        super().start_from_float(source, x)
        with torch.no_grad():
            mean = source._answered_log_sigma(x).mean(0)
            self.log_sigma_head.bias.copy_(-mean)
            self.base.add_(mean)
        self.centre_hidden_codes()
        self.correct_biases(source, x)

    @torch.no_grad()
    def correct_biases(self, source: Any, x: torch.Tensor) -> None:
        """Give both heads the mean drives over stimuli x (stimulus, input) that they have in the
        float network `source`.

        Most hidden units stand near a bound for most stimuli, so an error of a rounded weight acts
        as a bias: one of every stimulus, which counts the more the less stimuli themselves move the
        responses (bias correction: Nagel et al. 2019, Data-free quantization through weight
        equalization and bias correction).
        """
        values = quantise(self.input_quantizer, x)
        drive = linear(values, weight_of(self.hidden)[0], self.hidden.bias)
        codes = quantise(self.hidden_quantizer, drive)
        hidden = hardtanh(source.hidden(x))
        log_sigma = source.log_sigma_head(hidden)
        wanted = (source.readout(hidden), log_sigma - log_sigma.mean(0))
        for layer, aim in zip((self.readout, self.log_sigma_head), wanted, strict=True):
            found = linear(codes, weight_of(layer)[0], layer.bias)
            layer.bias.add_((aim - found).mean(0))

    def compensate(self, source: Any, x: torch.Tensor) -> None:
        """See `Network.compensate`; biases take what is the same for all stimuli."""
        values = quantise(self.input_quantizer, x)
        round_together([self.hidden], values.T @ values / len(values), len(values))
        drive = linear(values, weight_of(self.hidden)[0], self.hidden.bias)
        codes = quantise(self.hidden_quantizer, drive)
        for layer in (self.readout, self.log_sigma_head):
            round_together([layer], torch.cov(codes.T), len(codes))
        self.correct_biases(source, x)

    @torch.no_grad()
    def correct_offsets(
        self, source: Any, x: torch.Tensor, draws: Draws, noise: HardwareNoise | None
    ) -> None:
        """See `Network.correct_offsets`. The small steps of this network's training do not hold the
        biases where they were corrected while weights move from code to code: at 6 bits it ends
        0.17 posterior sd off for every stimulus, at an L that is 0.6 nat higher than without.
        """
        answer = self.response(x, draws, noise or HardwareNoise())
        assert answer.mean is not None
        self.readout.bias.add_((source.heads(x)[0] - answer.mean).mean(0))

    @classmethod
    def least_values(cls, settings: NetworkSettings) -> int:
        """Those of the hidden layer and its two heads."""
        return settings.hidden * (settings.inputs + 2 * settings.neurons)

    def linears(self) -> dict[str, Any]:
        """The three layers."""
        return {HIDDEN: self.hidden, READOUT: self.readout, LOG_SIGMA: self.log_sigma_head}

    def workload(self, widths: Widths, noise: Noise) -> Workload:
        """Of a hidden layer and two heads, which read and give codes as wide as the outputs."""
        inner = (widths[0], widths[2], widths[2])
        shapes = {
            HIDDEN: layer_shape(self.hidden, widths),
            LOG_SIGMA: layer_shape(self.log_sigma_head, inner),
            READOUT: layer_shape(self.readout, inner),
        }
        return log_sigma_workload(shapes, noise)

    def build_program(self, reads: Quantizer, gives: Quantizer, rho: float) -> Program:
        """See `Network.build_program`."""
        s = self.settings
        hidden = quantizer_of(s.output_bits, self.hidden_quantizer)
        log_sigma = quantizer_of(s.output_bits, self.log_sigma_quantizer)
        return with_log_sigma(
            (program_layer(self.hidden, HIDDEN, s, (reads, hidden)),),
            program_layer(self.log_sigma_head, LOG_SIGMA, s, (hidden, log_sigma)),
            program_layer(self.readout, READOUT, s, (hidden, gives)),
            array_of(self.base),
            rho,
        )

    def build_float_program(self, rho: float) -> FloatProgram:
        """See `Network.build_float_program`."""
        log_sigma = FloatLayer(array_of(self.log_sigma_head.weight), array_of(self.base))
        return float_deep((float_layer(self.hidden),), log_sigma, float_layer(self.readout), rho)

    def bounded(self) -> torch.nn.Parameter:
        """The stimulus-independent part of log sigma."""
        return self.base

    def heads(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Drive and sigma of a float network, (stimulus, neuron) each."""
        hidden = hardtanh(self.hidden(x))
        return self.readout(hidden), (self.base + self.log_sigma_head(hidden)).exp()

    def response(
        self, x: torch.Tensor, draws: Draws, noise: HardwareNoise | None = None
    ) -> Response:
        """Answers to stimuli x (stimulus, input): samples of a quantised network, moments of a
        float one or, given hidden codes, of one with a chip's noise.
        """
        if self.output_quantizer is None:
            mean, sigma = self.heads(x)
            return Response(mean=mean, variance=sigma.square(), noise_sd=sigma)
        chip = noise or HardwareNoise()
        values, dithered = self.read_input(x, draws, noise)
        weight, weight_step = weight_of(self.hidden)
        drive = linear(values, weight, self.hidden.bias)
        grid = self.hidden_quantizer
        added = chip.variance(self._step(grid), weight_step, values, bits_of(grid))
        hidden = quantise(grid, _noisy(drive, added, draws))
        last, last_step = weight_of(self.readout)
        log_sigma = self.base + self._log_sigma_code(hidden, draws, chip)
        mean = linear(hidden, last, self.readout.bias)
        variance = (2 * log_sigma).exp()
        if noise is None:
            r = self.quantised(mean + log_sigma.exp() * draws.normal(*mean.shape))
            rounding = self.output_rounding(mean, variance, draws)
            return Response(samples=r, noise_sd=log_sigma.exp(), rounding=rounding)
        bits = bits_of(self.output_quantizer)
        variance = variance + noise.variance(self.output_step(), last_step, hidden, bits)
        some = (
            len(x)
            if dithered is None and _is_zero(added)
            else max(1, round(_PRICED_SHARE * len(x)))
        )
        passed = self._passed(x[:some], noise)
        return Response(
            mean=mean,
            variance=variance,
            noise_sd=(_first(variance, some) + passed).sqrt(),
            rounding=self.output_rounding(mean, variance, draws),
        )

    def _step(self, quantizer: Any) -> torch.Tensor:
        return scale_of(quantizer) * (2 if self.settings.output_bits == 1 else 1)

    def _log_sigma_code(
        self, hidden: torch.Tensor, draws: Draws, noise: HardwareNoise
    ) -> torch.Tensor:
        weight, weight_step = weight_of(self.log_sigma_head)
        drive = linear(hidden, weight, self.log_sigma_head.bias)
        grid = self.log_sigma_quantizer
        added = noise.variance(self._step(grid), weight_step, hidden, bits_of(grid))
        return quantise(grid, _noisy(drive, added, draws))

    def _passed(self, x: torch.Tensor, noise: HardwareNoise) -> Any:
        """Variance (stimulus, neuron) that noise of inputs and of hidden units gives to the last
        drive, over all reads of stimuli x (stimulus, input).
        """
        values, dithered = self.mean_input(x, noise)
        weight, weight_step = weight_of(self.hidden)
        drive = linear(values, weight, self.hidden.bias)
        grid = self.hidden_quantizer
        added = noise.variance(self._step(grid), weight_step, values, bits_of(grid), dithered)
        return self._passed_on(drive, weight, weight_of(self.readout)[0], dithered, added)

    def _passed_on(
        self,
        drive: torch.Tensor,
        weight: torch.Tensor,
        last: torch.Tensor,
        dithered: torch.Tensor | None,
        added: Any,
    ) -> Any:
        """The same for mean drives (stimulus, hidden) of hidden units, noise `added` to each by
        itself, and the variance of inputs, which hidden units share.

        What they share passes on by the mean slope of their codes, the rest of a code's variance
        unit by unit: exact but for what two units share beyond their linear parts.
        """
        if dithered is None and _is_zero(added):
            return 0.0
        shared = 0.0 if dithered is None else dithered @ weight.square().T
        total = (shared + torch.as_tensor(added)).expand(drive.shape)
        bits = self.settings.output_bits
        assert bits is not None
        slope, variance = code_moments(drive, total, bits, self._step(self.hidden_quantizer))
        passed = (variance - slope.square() * shared) @ last.square().T
        if dithered is None:
            return passed
        through = (last * slope[:, None, :]) @ weight  # (stimulus, neuron, input)
        return passed + (through.square() @ dithered[..., None])[..., 0]


def _is_zero(variance: Any) -> bool:
    return not torch.is_tensor(variance) and variance == 0


def _first(variance: Any, count: int) -> Any:
    """Of the first stimuli, where it differs between them."""
    return (
        variance[:count]
        if torch.is_tensor(variance) and variance.ndim == 2 and len(variance) > 1
        else variance
    )


def _noisy(drive: torch.Tensor, variance: Any, draws: Draws) -> torch.Tensor:
    return (
        drive
        if _is_zero(variance)
        else drive + torch.as_tensor(variance).sqrt() * draws.normal(*drive.shape)
    )
