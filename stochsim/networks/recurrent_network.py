"""Recurrent network: a circuit with noise at every step, whose lateral weights start at zero and
are learned from the objective alone.

    u' = (1 - dt/tau) u + W Q(x) + b + (G + L) u - k erf(u / (sqrt 2 w)) + sigma xi

and quantised u' = Q(...).

dt/tau is fixed; L (no diagonal) and the neuron's own slope G and shrinkage k, all 0 at the start,
are learned. W, b, G, L and k are per step. A quantised neuron holds codes, so its own terms are a
table of 2^b entries. Training takes the stationary moments (`stationary`), a quantiser's own
variance step²/12 and the chip's noise among the noise of each step, since they pass through the
dynamics.
"""

import math
from typing import Any

import torch
from torch.nn.functional import linear

from stochsim.hardware import Noise
from stochsim.networks.feed_forward_network import FeedForward
from stochsim.networks.hardware_noise import Draws, HardwareNoise
from stochsim.networks.layer_program import array_of, bias_of, program_layer
from stochsim.networks.network import (
    Network,
    Widths,
    layer_shape,
    round_together,
    weight_of,
)
from stochsim.networks.network_settings import NetworkSettings
from stochsim.networks.quantizers import bits_of, quantise, scale_of
from stochsim.networks.response import Response
from stochsim.networks.stationary import Circuit, spectral_radius
from stochsim.program import (
    LATERAL,
    READOUT,
    FloatLayer,
    FloatProgram,
    FloatRecurrent,
    Program,
    Quantizer,
    Workload,
    float_recurrent,
    recurrent,
    recurrent_workload,
)

_MOST_RADIUS = 0.98
_LEAST_WIDTH = 0.05
_START_WIDTH = 0.3
_SECANTS = 4
_SAME_SIZE = 1e-3
_TINY = 1e-9
_MOMENT_STIMULI = 2048


class Recurrent(Network):
    """The circuit.

    Fewer stimuli per step than a network that is trained by samples: its moments are in closed
    form.
    """

    off_diagonal: torch.Tensor

    batch_share = 1 / 16
    steps_share = 0.4
    rate_share = 0.5
    quantised_steps_share = 0.4
    quantised_rate_share = 0.5
    keeps_output_scale = True
    most_fit_stimuli: int = 256

    def build(self, generator: torch.Generator | None) -> None:
        """Weights on the stimulus and lateral ones, the own terms, sigma."""
        s = self.settings
        self.readout: Any = self.linear_layer(READOUT, s.inputs, s.neurons, s.bias)
        self.lateral: Any = self.linear_layer(LATERAL, s.neurons, s.neurons, False)
        self.own_slope = torch.nn.Parameter(torch.zeros(s.neurons))
        self.shrink = torch.nn.Parameter(torch.zeros(s.neurons))
        self.log_width = torch.nn.Parameter(torch.full((s.neurons,), math.log(_START_WIDTH)))
        self.log_sigma = torch.nn.Parameter(torch.full((s.neurons,), math.log(0.5)))
        self.register_buffer("off_diagonal", 1 - torch.eye(s.neurons), persistent=False)

    def start_from(self, single: FeedForward) -> None:
        """Take weights and sigma from a trained float layer: with no lateral weights the circuit
        has that layer's moments.
        """
        step = self.settings.architecture.time_step
        with torch.no_grad():
            self.readout.weight.copy_(step * single.readout.weight)
            if self.settings.bias:
                self.readout.bias.copy_(step * single.readout.bias)
            self.log_sigma.copy_(
                single.log_sigma + 0.5 * math.log(1 - (1 - step) ** 2)
                if step < 1
                else single.log_sigma
            )

    def linears(self) -> dict[str, Any]:
        """The two layers."""
        return {READOUT: self.readout, LATERAL: self.lateral}

    @classmethod
    def least_values(cls, settings: NetworkSettings) -> int:
        """Those of the two layers."""
        return settings.neurons * (settings.inputs + settings.neurons)

    def start_from_float(self, source: Any, x: torch.Tensor) -> None:
        """See `Network.start_from_float`; lateral weights have no diagonal."""
        super().start_from_float(source, x)
        if not self.settings.is_float:
            with torch.no_grad():
                self.lateral.weight.mul_(self.off_diagonal)

    def compensate(self, source: Any, x: torch.Tensor) -> None:
        """See `Network.compensate`: errors of weights on the stimulus and of lateral ones make up
        for each other, too, by the moments of stimuli and of the float network's stationary state.
        """
        x = x[:: max(1, len(x) // _MOMENT_STIMULI)]
        inputs, neurons = self.settings.inputs, self.settings.neurons
        moments = x.new_zeros(inputs + neurons, inputs + neurons, dtype=torch.float64)
        for part in x.split(self.most_fit_stimuli):
            answer = source.response(part, Draws(torch.Generator()))
            values = torch.cat([quantise(self.input_quantizer, part), answer.mean], 1)
            moments += values.T @ values
            moments[inputs:, inputs:] += answer.covariance.sum(0)
        is_own = torch.diag(torch.ones(neurons, dtype=torch.bool))
        unused = torch.cat([torch.zeros_like(self.readout.weight, dtype=torch.bool), is_own], 1)
        round_together([self.readout, self.lateral], moments / len(x), len(x), unused)

    def workload(self, widths: Widths, noise: Noise) -> Workload:
        """Of the circuit's steps."""
        inner = (widths[0], widths[2], widths[2])
        shapes = {
            READOUT: layer_shape(self.readout, widths),
            LATERAL: layer_shape(self.lateral, inner),
        }
        return recurrent_workload(self.settings.architecture.steps, shapes, noise)

    def build_program(self, reads: Quantizer, gives: Quantizer, rho: float) -> Program:
        """The circuit's products, and a neuron's own terms as a table over codes; what lateral
        weights hold on their diagonal is taken out of it. See `Network.build_program`.
        """
        s = self.settings
        sigma = array_of(self.log_sigma.exp())
        readout = program_layer(self.readout, READOUT, s, (reads, gives), sigma)
        lateral = program_layer(self.lateral, LATERAL, s, (gives, gives))
        values = torch.as_tensor(gives.value_table)
        diagonal = array_of(weight_of(self.lateral)[0].diagonal())
        table = array_of(self.own(values)) - array_of(values) * diagonal
        radius = spectral_radius(self.matrix())
        return recurrent(readout, lateral, table, s.architecture.steps, radius, rho)

    def build_float_program(self, rho: float) -> FloatProgram:
        """The circuit in units of its time constant. See `Network.build_float_program`."""
        architecture = self.settings.architecture
        step = architecture.time_step
        lateral = torch.diag(self.own_slope) + self.off_diagonal * self.lateral.weight
        wiring = FloatRecurrent(
            time_step=step,
            shrink=array_of(self.shrink / step),
            width=array_of(self.width()),
            sigma=array_of(self.log_sigma.exp()),
            steps=architecture.steps,
        )
        readout = FloatLayer(array_of(self.readout.weight / step), bias_of(self.readout) / step)
        return float_recurrent(readout, array_of(lateral / step), wiring, rho)

    @property
    def leak(self) -> float:
        """What is left of a neuron's value after one step without input: 1 - dt/tau."""
        return 1 - self.settings.architecture.time_step

    def matrix(self) -> torch.Tensor:
        """The linear part of a step, (neuron, neuron)."""
        return (
            torch.diag(self.leak + self.own_slope) + self.off_diagonal * weight_of(self.lateral)[0]
        )

    def width(self) -> torch.Tensor:
        """w, (neuron,)."""
        return self.log_width.exp()

    def own(self, values: torch.Tensor) -> torch.Tensor:
        """What a neuron adds to its next value by its present one: (..., neuron)."""
        return (self.leak + self.own_slope) * values - self.shrink * torch.erf(
            values / (math.sqrt(2) * self.width())
        )

    def response(
        self, x: torch.Tensor, draws: Draws, noise: HardwareNoise | None = None
    ) -> Response:
        """Stationary moments under each of the stimuli x (stimulus, input)."""
        weight = weight_of(self.readout)[0]
        values, dithered = self.mean_input(x, noise)
        injected, constant_noise = self._noise_of_stimulus(values, dithered, noise)
        drive = linear(values, weight, self.readout.bias)
        if noise is not None and noise.has_noisy_weights:
            per_weight = noise.variance_per_weight(weight_of(self.lateral)[1])
            size = self._size_of_state(drive, injected, constant_noise, per_weight)
            passed = (per_weight * size).expand(len(x), self.settings.neurons)
            injected = injected + torch.diag_embed(passed)
        mean, covariance = self._circuit(injected, constant_noise).moments(drive)
        return Response(mean=mean, covariance=covariance)

    def _noise_of_stimulus(
        self, values: torch.Tensor, dithered: torch.Tensor | None, noise: HardwareNoise | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What does not depend on the state: covariance of the noise of a step, (neuron, neuron) or
        (stimulus, neuron, neuron), and variances (stimulus, neuron) of what is drawn once for all
        steps, None for 0.

        values and dithered: see `mean_input`. A chip reads stimuli that stay the same once, with
        one draw of their weights' noise; where inputs are dithered, at every step.
        """
        weight, weight_step = weight_of(self.readout)
        variance: Any = (2 * self.log_sigma).exp()
        constant_noise: torch.Tensor | None = None
        if self.output_quantizer is not None:
            step = self.output_step()
            variance = variance + step.square() / 12
            if noise is not None:
                variance = variance + noise.read_variance(step, bits_of(self.output_quantizer))
                of_weights = noise.weight_variance(weight_step, values, dithered)
                if dithered is not None:
                    variance = variance + of_weights
                elif torch.is_tensor(of_weights):
                    constant_noise = of_weights.expand(len(values), self.settings.neurons)
        injected = torch.diag_embed(variance)
        if dithered is not None:
            injected = injected + (weight * dithered[:, None, :]) @ weight.T
        return injected, constant_noise

    @torch.no_grad()
    def _size_of_state(
        self,
        drive: torch.Tensor,
        injected: torch.Tensor,
        constant_noise: torch.Tensor | None,
        per_weight: torch.Tensor,
    ) -> torch.Tensor:
        """E |u|², (stimulus, 1), which noise of lateral weights, of variance per_weight |u|² at
        every step, makes larger itself.

        A fixed point z = f(z), by secants; f is linear without shrinkage, so one is exact then. At
        most that of the outermost codes: where the noise of weights feeds on itself without end,
        only their range holds it.
        """
        most = self.settings.neurons * self._largest_output() ** 2

        def size(of_state: torch.Tensor) -> torch.Tensor:
            noise = injected + torch.diag_embed((per_weight * of_state).expand(drive.shape))
            mean, covariance = self._circuit(noise, constant_noise).moments(drive)
            variances = torch.diagonal(covariance, dim1=-2, dim2=-1)
            return (mean.square() + variances).sum(-1, keepdim=True).clamp(max=most)

        before = torch.zeros_like(drive[:, :1])
        at_before = size(before)
        here = at_before
        for _ in range(_SECANTS):
            at_here = size(here)
            slope = (at_here - at_before) / (here - before).clamp_min(_TINY)
            found = here + (at_here - here) / (1 - slope).clamp_min(_TINY)
            before, at_before = here, at_here
            here = found.clamp(max=most)
            if bool(((here - before).abs() <= _SAME_SIZE * here).all()):
                break
        return here

    def _largest_output(self) -> torch.Tensor:
        """|value| of the outermost code."""
        codes = 2 ** (bits_of(self.output_quantizer) - 1)
        return scale_of(self.output_quantizer) * codes

    def _circuit(self, noise: torch.Tensor, constant_noise: Any) -> Circuit:
        return Circuit(self.matrix(), self.shrink, self.width(), noise, constant_noise)

    def keep_bounds(self) -> None:
        """Bounds of every network; w at least 0.05; and a circuit that is about to become unstable
        is held back.
        """
        super().keep_bounds()
        with torch.no_grad():
            self.log_width.clamp_(min=math.log(_LEAST_WIDTH))
            radius = spectral_radius(self.matrix())
            if _MOST_RADIUS < radius < math.inf:
                share = _MOST_RADIUS / radius
                self.lateral.weight.mul_(share)
                self.own_slope.copy_((self.leak + self.own_slope) * share - self.leak)
