"""A quantised network that starts from a trained float one of the same architecture: its weights
and noise; scales fitted on stimuli.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from stochsim.formats import code_book
from stochsim.networks.deep_network import Deep
from stochsim.networks.feed_forward_network import FeedForward
from stochsim.networks.fitted_formats import fitted_to_book
from stochsim.networks.format_layers import FormatLinear
from stochsim.networks.hardware_noise import Draws
from stochsim.networks.network import Network
from stochsim.networks.network_settings import NetworkSettings, WeightRounding, WeightScales
from stochsim.networks.output_books import fitted_start
from stochsim.networks.quantizers import (
    optimal_row_steps,
    optimal_step,
    optimal_weight_step,
    set_steps_of_neurons,
)
from stochsim.networks.random_rounding import round_at_random
from stochsim.networks.recurrent_network import Recurrent
from stochsim.settings import SettingError

_CLASSES: dict[str, type[Network]] = {"single": FeedForward, "deep": Deep, "recurrent": Recurrent}
"""The network of each of ARCHITECTURES."""


def network_class(settings: NetworkSettings) -> type[Network]:
    """The class of the network of these settings."""
    return _CLASSES[settings.architecture.kind]


def build_network(settings: NetworkSettings, generator: torch.Generator | None = None) -> Network:
    """The network of these settings."""
    return network_class(settings)(settings, generator)


def quantised_from_float(  # noqa: PLR0913 - public: settings are given by keyword
    network: Any,
    x: torch.Tensor,
    weight_bits: int,
    input_bits: int,
    output_bits: int,
    generator: torch.Generator,
    *,
    by_posterior: bool = False,
    learned_bits: bool = False,
    layer_bits: Mapping[str, int] | None = None,
    weight_scales: WeightScales = "per-tensor",
    weight_rounding: WeightRounding = "nearest",
    output_format: str | None = None,
    weight_format: str | None = None,
    input_format: str | None = None,
) -> Any:
    """The quantised network; scales have the least squared error on stimuli x (stimulus, input) and
    on the float network's answers.

    At one bit scales are mean magnitudes, which then stay. `by_posterior` weighs errors of the
    output by 1 / variance of each neuron's answers to one stimulus, as distances in units of the
    posterior sd do, and then leaves that scale fixed. `layer_bits`: weight bits of these layers, by
    their names in `ARCHITECTURES`. `weight_scales`: see `NetworkSettings`. `weight_rounding`: of
    widths that are not learned; "compensated": see `Network.compensate`; "stochastic": see
    `round_at_random`, by the generator. `weight_format`, `input_format`: number formats of as many
    bits; int<b> is that of networks without them. `output_format`: see `NetworkSettings`; its
    scale, and of fitted ones its values, have the least squared error. Raises SettingError for
    widths outside 1 to 8, or 2 to 8 where they are learned, for a name that is no layer, and for
    formats of other widths, or that weights or inputs cannot have.
    """
    chosen: dict[str, Any] = {
        "weight_bits": weight_bits,
        "input_bits": input_bits,
        "output_bits": output_bits,
        "learned_bits": learned_bits,
        "layer_bits": dict(layer_bits or {}),
        "weight_scales": weight_scales,
        "output_format": output_format,
        "weight_format": None if weight_format == f"int{weight_bits}" else weight_format,
        "input_format": None if input_format == f"int{input_bits}" else input_format,
    }
    # validated, unlike a copy: widths come from callers
    wanted = NetworkSettings(**(dict(network.settings) | chosen))
    with torch.no_grad():
        scales, values = _scales(network, x, wanted, generator, by_posterior)
        quantised: Any = build_network(NetworkSettings(**(dict(wanted) | scales)), generator)
        for name, layer in quantised.linears().items():
            weight = network.linears()[name].weight.numpy()
            if isinstance(layer, FormatLinear):
                layer.fit_grid(weight)
            elif wanted.has_scales_of_neurons(name):
                set_steps_of_neurons(layer, optimal_row_steps(weight, layer.plain_bits))
        if values is not None:
            quantised.output_quantizer.start_at(values)
        quantised.start_from_float(network, x)
        if weight_rounding == "compensated" and not learned_bits:
            quantised.compensate(network, x)
        if weight_rounding == "stochastic" and not learned_bits:
            for layer in quantised.linears().values():
                round_at_random(layer, generator)
        if by_posterior or network.keeps_output_scale:
            quantised.fix_output_scale()
        quantised.keep_bounds()
    return quantised


def _scales(
    network: Any,
    x: torch.Tensor,
    wanted: NetworkSettings,
    generator: torch.Generator,
    by_posterior: bool,
) -> tuple[dict[str, Any], Any]:
    """The settings of `wanted` widths that are fitted: steps of weights, inputs and outputs, on
    stimuli x (stimulus, input); and values of an output format that is fitted, else None.
    """
    assert wanted.input_bits is not None
    assert wanted.output_bits is not None
    part = x[:: max(1, len(x) // (network.most_fit_stimuli or len(x)))]
    answer = network.response(part, Draws(generator))
    responses = answer.drawn(Draws(generator)).numpy()
    weight = 1 / answer.variances.mean(0).numpy() if by_posterior else 1.0
    scales = {} if wanted.weight_format else _weight_steps(network, wanted)
    scales |= network.further_scales(x, wanted.output_bits)
    values = None
    if wanted.output_format is None:
        output_scale = optimal_step(responses, wanted.output_bits, weight, by_stimulus=by_posterior)
    else:
        output_scale, values = fitted_start(wanted.output_format, responses, weight)
    found = {
        "weight_scale": scales.pop(network.settings.first_layer, 1.0),
        "scales": scales,
        "input_scale": _input_scale(x.numpy(), wanted),
        "output_scale": output_scale,
    }
    return found, values


def _input_scale(x: np.ndarray, wanted: NetworkSettings) -> float:
    """The step of inputs, of a number format the factor of its values."""
    assert wanted.input_bits is not None
    if not x.any():
        rule = "are all 0, so that a grid of inputs cannot be fitted to them"
        raise SettingError.of("stimuli", x, rule)
    if wanted.input_format is None:
        return optimal_step(x, wanted.input_bits)
    book = code_book(wanted.input_format)
    if book.values[0] >= 0 > x.min():
        rule = "should have values of both signs, as the stimuli have"
        raise SettingError.of("input_format", wanted.input_format, rule)
    return float(fitted_to_book(x, book).weight_scale().detach())


def _weight_steps(network: Network, wanted: NetworkSettings) -> dict[str, float]:
    """The step of each layer's weights, by its name."""
    steps = {}
    for name, layer in network.linears().items():
        bits = wanted.weight_bits_of(name)
        assert bits is not None
        steps[name] = optimal_weight_step(layer.weight.numpy(), bits)
    return steps
