"""What every network offers to training: responses to stimuli with the noise that is priced,
bounds, and its quantisers.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from stochsim.formats import code_book
from stochsim.hardware import Noise
from stochsim.networks.book_grids import BookGrid
from stochsim.networks.compensated_rounding import compensated
from stochsim.networks.format_layers import FormatLinear
from stochsim.networks.hardware_noise import Draws, HardwareNoise, with_chances
from stochsim.networks.layer_program import quantizer_of
from stochsim.networks.network_settings import NetworkSettings
from stochsim.networks.output_books import OutputBook
from stochsim.networks.quantizers import (
    MOST_BITS,
    activation_quantizer,
    bits_of,
    nearest_weights,
    quantise,
    quantised_linear,
    quantised_weight,
    scale_of,
    scale_parameter,
)
from stochsim.networks.response import Response
from stochsim.program import FloatProgram, LayerShape, Program, Quantizer, Workload
from stochsim.settings import StochsimError

Nearest = Callable[[torch.Tensor, int], torch.Tensor]
Widths = tuple[int, int, int]
"""Bits of weights, of inputs and of outputs."""

LOWEST_SIGMA = 1e-3
"""Training keeps sigma between this share of the output range's half width and the half width
itself.
"""


class Network(torch.nn.Module, ABC):
    """Weights are drawn from `generator`, or 0 without one; sigma starts at 1/2."""

    batch_share = 1.0
    """Stimuli per step, as a share of what the settings say: networks with closed-form moments need
    fewer.
    """
    steps_share = 1.0
    """Steps, likewise."""
    rate_share = 1.0
    """Learning rate, likewise."""
    quantised_steps_share = 1.0
    quantised_rate_share = 1.0
    """Those of a network with quantisers, which starts from a trained float one: so that codes
    change seldom, some need a small rate.
    """
    keeps_output_scale = False
    """Whether the scale of a quantised network's output stays as it was fitted."""
    most_fit_stimuli: int | None = None
    """Stimuli on which its outputs' scale is fitted, at most; None for all."""

    def __init__(self, settings: NetworkSettings, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.output_scale_fixed = False
        self.input_quantizer: Any = None
        self.output_quantizer: Any = None
        with torch.random.fork_rng(
            devices=[]
        ):  # torch's layers draw a start of their own from the global generator; overwritten below
            if settings.input_bits is not None and settings.output_bits is not None:
                self.input_quantizer = self._quantizer_of_inputs(settings.input_bits)
                self.output_quantizer = (
                    activation_quantizer(
                        settings.output_bits, settings.output_scale, settings.learned_bits
                    )
                    if settings.output_format is None
                    else OutputBook(settings.output_format, settings.output_scale)
                )
            self.build(generator)

    def _quantizer_of_inputs(self, bits: int) -> Any:
        s = self.settings
        if s.input_format is not None:
            return BookGrid(code_book(s.input_format), s.input_scale)
        return activation_quantizer(bits, s.input_scale, s.learned_bits)

    @property
    def shares(self) -> tuple[float, float]:
        """Steps and learning rate, each as a share of what the settings say."""
        if self.settings.is_float:
            return self.steps_share, self.rate_share
        return self.quantised_steps_share, self.quantised_rate_share

    @abstractmethod
    def build(self, generator: torch.Generator | None) -> None:
        """Make the layers."""

    @abstractmethod
    def response(
        self, x: torch.Tensor, draws: Draws, noise: HardwareNoise | None = None
    ) -> Response:
        """Answers to stimuli x (stimulus, input).

        With `noise`, that of a chip: the answers before their last quantiser, all noise included,
        since the code nearest to a sample of the posterior is what a chip should give; without, of
        a quantised network, its own output values.
        """

    @abstractmethod
    def linears(self) -> dict[str, Any]:
        """The layers of weights by name, as its program and bills call them; the one on the
        stimulus first.
        """

    def workload(self, widths: Widths, noise: Noise) -> Workload:
        """What one read of its program, at these (weight, input, output) bits, asks of a chip of
        this noise; StochsimError of a network that no chip runs.
        """
        raise self._no_chip()

    def program(self, rho: float) -> Program:
        """The program of this quantised network, trained at this rho, scales in float64; raises
        StochsimError for a float one, or one whose widths are still being learned.
        """
        s = self.settings
        if s.is_float:
            raise StochsimError(
                "a float network has no codes to put on a chip: quantise it first, or use "
                "float_program"
            )
        if s.learned_bits:
            raise StochsimError(
                "the widths of this network are still being learned: fix them first "
                "(training.learn_bits does)"
            )
        double = copy.deepcopy(self).double().eval()
        reads = quantizer_of(s.input_bits, double.input_quantizer)
        book = double.output_book
        gives = book.quantizer() if book else quantizer_of(s.output_bits, double.output_quantizer)
        return double.build_program(reads, gives, rho)

    def float_program(self, rho: float) -> FloatProgram:
        """The program of this float network, trained at this rho; raises StochsimError for a
        quantised one.
        """
        if not self.settings.is_float:
            raise StochsimError("a quantised network has codes: use to_program")
        return copy.deepcopy(self).double().eval().build_float_program(rho)

    def build_program(self, reads: Quantizer, gives: Quantizer, rho: float) -> Program:
        """`program`, of a network in float64 that is quantised; StochsimError of a network that no
        chip runs.
        """
        raise self._no_chip()

    def build_float_program(self, rho: float) -> FloatProgram:
        """`float_program`, of a network in float64 without quantisers; StochsimError likewise."""
        raise self._no_chip()

    def _no_chip(self) -> StochsimError:
        return StochsimError(f"{type(self).__name__}: no chip runs this network")

    @classmethod
    def least_values(cls, settings: NetworkSettings) -> int:
        """Weights that a network of these settings has, at the least: what a file of it holds;
        StochsimError of a network that no file holds.
        """
        raise StochsimError(f"{cls.__name__}: no file holds this network")

    def further_scales(self, x: torch.Tensor, bits: int) -> dict[str, float]:
        """Scales, fitted on stimuli x (stimulus, input), of codes of this width inside a quantised
        network that starts from this float one.
        """
        return {}

    def start_from_float(self, source: Any, x: torch.Tensor) -> None:
        """Take weights, biases, noise and terms of a neuron's own from a float network of this
        architecture, but no scales, whose parameters differ; x (stimulus, input).
        """
        own = dict(self.named_parameters())
        with torch.no_grad():
            for name, value in source.named_parameters():
                if "_quant" not in name:
                    own[name].copy_(value)

    def compensate(self, source: Any, x: torch.Tensor) -> None:
        """Put weights, as they are in the float network `source`, on codes whose errors make up for
        each other on stimuli x (stimulus, input).
        """
        raise self._no_chip()

    def correct_offsets(
        self, source: Any, x: torch.Tensor, draws: Draws, noise: HardwareNoise | None
    ) -> None:
        """After training: put the mean responses over stimuli x (stimulus, input) back to where the
        float network `source` has them, where training leaves an offset that is the same for all
        stimuli; noise: that of the chip it was trained for.
        """
        return None

    def linear_layer(self, name: str, inputs: int, neurons: int, bias: bool) -> Any:
        """A linear layer of weights 0, quantised where the network is."""
        s = self.settings
        bits = self.settings.weight_bits_of(name)
        if bits is None:
            layer: Any = torch.nn.Linear(inputs, neurons, bias=bias)
        elif s.weight_format is not None:
            layer = FormatLinear(inputs, neurons, bias, s.weight_format, s.weight_scales)
        else:
            scale = s.weight_scale if name == s.first_layer else s.scales.get(name, 1.0)
            sizes = (inputs, neurons, bias, bits, scale, s.learned_bits)
            layer = quantised_linear(*sizes, s.has_scales_of_neurons(name))
        with torch.no_grad():
            layer.weight.zero_()
            if bias:
                layer.bias.zero_()
        return layer

    def read_input(
        self, x: torch.Tensor, draws: Draws, noise: HardwareNoise | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Quantised stimuli, and the variance that dither gives each of them (None without): both
        (stimulus, input).
        """
        if self.input_quantizer is None:
            return x, None
        if noise is None or not noise.input_dither:
            return quantise(self.input_quantizer, x), None
        x = self._with_chances(x, noise)
        noisy = x + self.input_step() * draws.uniform(*x.shape)
        return quantise(self.input_quantizer, noisy), self.dither_variance(x)

    def mean_input(
        self, x: torch.Tensor, noise: HardwareNoise | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Quantised stimuli and the variance of dither, (stimulus, input) each, on average over
        reads: dithered codes have the mean of the stimulus itself, as far as the codes and the
        random bits reach.
        """
        if self.input_quantizer is None:
            return x, None
        if noise is None or not noise.input_dither:
            return quantise(self.input_quantizer, x), None
        low, high = self._input_places()
        step = self.input_step()
        x = self._with_chances(x, noise)
        return torch.minimum(torch.maximum(x / step, low), high) * step, self.dither_variance(x)

    def _with_chances(self, x: torch.Tensor, noise: HardwareNoise) -> torch.Tensor:
        """Stimuli by whose remainders a chip of this noise rounds."""
        offset = -0.5 if self.settings.input_bits == 1 else 0.0
        return with_chances(x, self.input_step(), offset, noise.input_rounding)

    def _input_places(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The smallest and the largest input value in steps."""
        half = (2 ** (bits_of(self.input_quantizer) - 1)).detach()
        return (-half, half - 1) if self.settings.input_bits != 1 else (-half / 2, half / 2)

    def input_step(self) -> torch.Tensor:
        """Distance of neighbouring input values."""
        scale = scale_of(self.input_quantizer)
        return 2 * scale if self.settings.input_bits == 1 else scale

    def dither_variance(self, x: torch.Tensor) -> torch.Tensor:
        """p (1 - p) step² of stochastically rounded inputs x (stimulus, input), p the chance of the
        upper of its two neighbours; 0 where it clips.
        """
        step = self.input_step()
        low, high = self._input_places()
        place = torch.minimum(torch.maximum(x / step, low), high) - low
        part = (place - place.floor()).detach()
        return part * (1 - part) * step.square()

    @property
    def output_book(self) -> OutputBook | None:
        """The quantiser of outputs of a number format; None of evenly spaced ones."""
        own = self.output_quantizer
        return own if isinstance(own, OutputBook) else None

    def output_step(self) -> torch.Tensor:
        """Distance of neighbouring output values; of a format their mean distance."""
        if self.output_book is not None:
            return self.output_book.step()
        scale = scale_of(self.output_quantizer)
        return 2 * scale if self.settings.output_bits == 1 else scale

    def quantised(self, noisy_drive: torch.Tensor) -> torch.Tensor:
        """Output values of noisy drives (stimulus, neuron): quantised with a straight-through
        gradient.
        """
        if self.output_quantizer is None:
            return noisy_drive
        if self.output_book is not None:
            return self.output_book(noisy_drive)
        return quantise(self.output_quantizer, noisy_drive)

    def output_rounding(
        self, mean: torch.Tensor, variance: torch.Tensor, draws: Draws
    ) -> torch.Tensor | None:
        """What outputs of a format lose of Gaussian answers (stimulus, neuron): the squared
        distance of answers from their values in units of their variance, over all neurons, a
        scalar. Its gradient is that of the format alone, which the answers before the last
        quantiser do not reach; None of evenly spaced outputs.
        """
        if self.output_book is None:
            return None
        answers = mean + variance.sqrt() * draws.normal(*mean.shape)
        error = self.output_book.rounding_error(answers) / variance.detach()
        return error.sum(-1).mean()

    def squared_steps_to_codes(self) -> torch.Tensor:
        """Sum over the weights of two bits and more of ((w - Q(w)) / step)², a scalar, whose
        gradient draws each weight to the code that it is rounded to (Nagel et al. 2022, Overcoming
        oscillations in quantization-aware training).
        """
        found = self.bounded().new_zeros(())
        for layer in self.linears().values():
            if isinstance(layer, FormatLinear) or getattr(layer, "plain_bits", 1) != 1:
                values, step = weight_of(layer)
                steps = step[:, None] if step.ndim == 1 else step
                off = (layer.weight - values.detach()) / steps.detach()
                found = found + off.square().sum()
        return found

    def parameter_groups(
        self,
    ) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter], list[torch.nn.Parameter]]:
        """(weights, biases and sigma; learned scales of the quantisers; learned widths): each
        trains best at a rate of its own.
        """
        weights: list[torch.nn.Parameter] = []
        scales: list[torch.nn.Parameter] = []
        widths: list[torch.nn.Parameter] = []
        of_book = dict(self.output_book.named_parameters()) if self.output_book else {}
        for name, value in self.named_parameters():
            if name.removeprefix("output_quantizer.") in of_book:
                continue
            if ".scaling_impl." in name or name.endswith(".log_scale"):
                scales.append(value)
            elif name.endswith("bit_width_offset"):
                widths.append(value)
            else:
                weights.append(value)
        return weights, scales, widths

    def book_parameters(self) -> list[torch.nn.Parameter]:
        """The scale or the values of outputs of a format, which train at a rate of their own."""
        return [] if self.output_book is None else list(self.output_book.parameters())

    def fix_output_scale(self) -> None:
        """Leave the output scale where it is; a format follows the answers, see
        `output_rounding`.
        """
        self.output_scale_fixed = True
        if self.output_book is None and self.settings.output_bits not in (None, 1):
            scale_parameter(self.output_quantizer).requires_grad_(False)

    def output_half_range(self) -> float | None:
        """R = step (2^b - 1) / 2 of the output quantiser, of a format half the distance of its
        outermost values; None for a float network.
        """
        if self.settings.output_bits is None:
            return None
        if self.output_book is not None:
            return self.output_book.half_range()
        levels = (
            2 ** int(bits_of(self.output_quantizer).detach())
            if self.settings.learned_bits
            else 2**self.settings.output_bits
        )
        return float(self.output_step().detach()) * (levels - 1) / 2

    def sigma_bounds(self) -> tuple[float, float] | None:
        """(1e-3 R, R), None for a float network: where the output clips, L has no lower bound in
        sigma at rho = 0.
        """
        half_range = self.output_half_range()
        return None if half_range is None else (LOWEST_SIGMA * half_range, half_range)

    def bounded(self) -> torch.nn.Parameter:
        """The parameter that holds log sigma, which keep_bounds bounds."""
        return self.log_sigma  # type: ignore[return-value]

    def keep_bounds(self) -> None:
        """Put the output scale and sigma back within their bounds; called after every step of
        training.

        The output range may grow from its fitted start, never shrink: clipped noise costs nothing
        in L, so a range that is free to shrink lets sigma grow for free until the codes say little
        (the price of reliability evaded).
        """
        s = self.settings
        if s.learned_bits:
            self._keep_learned_bits()
        elif (
            self.output_book is None
            and s.output_bits not in (None, 1)
            and not self.output_scale_fixed
        ):
            scale = float(scale_of(self.output_quantizer).detach())
            if 0 < scale < s.output_scale:
                with (
                    torch.no_grad()
                ):  # the parameter is the logarithm of the scale, base 2, and a constant
                    scale_parameter(self.output_quantizer).add_(math.log2(s.output_scale / scale))
        bounds = self.sigma_bounds()
        if (
            bounds is not None and 0 < bounds[0] < math.inf
        ):  # else training has diverged, which the loop's own check names
            with torch.no_grad():
                self.bounded().clamp_(math.log(bounds[0]), math.log(bounds[1]))

    def _keep_learned_bits(self) -> None:
        """Widths stay at 2 to 8 (Brevitas holds |offset| + 2), the ranges of outputs as they
        start.
        """
        with torch.no_grad():
            for name, value in self.named_parameters():
                if name.endswith("bit_width_offset"):
                    value.clamp_(0, MOST_BITS - 2)

    def saturated_share(self) -> float:
        """Share of neurons whose sigma stands at a bound."""
        bounds = self.sigma_bounds()
        if bounds is None:
            return 0.0
        sigma = self.bounded().detach().cpu().exp().numpy()
        return float(np.mean((sigma <= bounds[0] * 1.001) | (sigma >= bounds[1] * 0.999)))


def weight_of(layer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (neuron, input) as they act, and their step (0 in a float layer), one, (neuron,), or
    of blocks (neuron, input): quantised once.
    """
    if isinstance(layer, FormatLinear):
        return layer.values(), layer.step()
    return (
        quantised_weight(layer)
        if hasattr(layer, "quant_weight")
        else (layer.weight, layer.weight.new_zeros(()))
    )


def round_together(
    layers: Sequence[Any],
    moments: torch.Tensor,
    examples: int,
    unused: torch.Tensor | None = None,
) -> None:
    """Put the weights (neuron, input) of quantised layers, whose products the same neurons add, on
    codes whose errors make up for each other, where the inputs of all have these second moments
    (input, input) on so many examples; unused: (neuron, input), True for weights that stay 0.
    """
    grids = [(_nearest_of(layer), layer.weight.shape[1]) for layer in layers]
    places = [(grid, place) for grid, inputs in grids for place in range(inputs)]
    weights = torch.cat([layer.weight for layer in layers], 1).double()

    def nearest(numbers: torch.Tensor, place: int) -> torch.Tensor:
        grid, own = places[place]
        found = grid(numbers, own)
        return found if unused is None else torch.where(unused[:, place], 0.0, found)

    found = compensated(weights, moments.double(), nearest, examples)
    parts = found.split([layer.weight.shape[1] for layer in layers], 1)
    for layer, part in zip(layers, parts, strict=True):
        layer.weight.copy_(part)


def _nearest_of(layer: Any) -> Nearest:
    """What gives the values of a layer nearest to numbers (neuron,), float64, that stand for the
    weights of one input, by its place.
    """
    if isinstance(layer, FormatLinear):
        return layer.grid.nearest_of_neurons(layer.weight)
    return lambda numbers, place: nearest_weights(layer, numbers)


def layer_shape(layer: Any, widths: Widths, has_noise: bool = False) -> LayerShape:
    """Shape of a linear layer at these (weight, input, output) bits."""
    neurons, inputs = layer.weight.shape
    return LayerShape(inputs, neurons, *widths, has_noise)
