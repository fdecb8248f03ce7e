"""Trained network -> Program.

The only file of deploy/ that knows torch; scales are read in float64, as the chip uses them.
"""

import copy
from typing import Any

import numpy as np
import torch

from stochsim.networks import Deep, NetworkSettings, Recurrent, scale_of, spectral_radius
from stochsim.program import (
    AnyFloatProgram,
    AnyProgram,
    DeepProgram,
    FloatDeepProgram,
    FloatProgram,
    FloatRecurrentProgram,
    Program,
    Quantizer,
    RecurrentProgram,
)
from stochsim.settings import StochsimError
from stochsim.training import Trained


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy().copy()


def _bias(layer: Any) -> np.ndarray:
    return _array(layer.bias) if layer.bias is not None else np.zeros(layer.weight.shape[0])


def _quantizer(bits: int, quantizer: Any) -> Quantizer:
    return Quantizer(bits, float(scale_of(quantizer).detach()))


def _layer(
    layer: Any,
    name: str,
    settings: NetworkSettings,
    reads: Quantizer,
    gives: Quantizer,
    rho: float,
    sigma: np.ndarray | None = None,
) -> Program:
    """One quantised layer, by its name among those that may have a width of their own, with the
    noise that it buys (none: 0).
    """
    weight, bias, bits = layer.quant_weight(), _bias(layer), settings.weight_bits_of(name)
    assert bits is not None
    return Program(
        weight_codes=weight.int().numpy().astype(np.int8),
        weight_bits=bits,
        weight_scale=float(weight.scale.detach()),
        input=reads,
        output=gives,
        bias=bias,
        sigma=np.zeros(len(bias)) if sigma is None else sigma,
        rho=rho,
        own_width=name in settings.layer_bits,
    )


def export_program(trained: Trained) -> AnyProgram:
    """The program of a quantised network; raises StochsimError for a float one, or one whose widths
    are still being learned.
    """
    s, rho = trained.network.settings, trained.rho
    if s.input_bits is None or s.weight_bits is None or s.output_bits is None:
        raise StochsimError(
            "a float network has no codes to put on a chip: quantise it first, or use float_program"
        )
    if s.learned_bits:
        raise StochsimError(
            "the widths of this network are still being learned: fix them first "
            "(training.learn_bits does)"
        )
    double = copy.deepcopy(trained.network).double().eval()
    reads, gives = (
        _quantizer(s.input_bits, double.input_quantizer),
        _quantizer(s.output_bits, double.output_quantizer),
    )
    if isinstance(double, Deep):
        hidden = _quantizer(s.output_bits, double.hidden_quantizer)
        spread = _layer(
            double.spread,
            "spread",
            s,
            hidden,
            _quantizer(s.output_bits, double.spread_quantizer),
            rho,
        )
        first = _layer(double.hidden, "hidden", s, reads, hidden, rho)
        last = _layer(double.last, "last", s, hidden, gives, rho)
        return DeepProgram((first,), spread, last, _array(double.base))
    if isinstance(double, Recurrent):
        return _recurrent(double, reads, gives, rho)
    return _layer(double.linear, "weight", s, reads, gives, rho, _array(double.log_sigma.exp()))


def _recurrent(
    network: Recurrent, reads: Quantizer, gives: Quantizer, rho: float
) -> RecurrentProgram:
    """The circuit's products, and its own terms as a table over codes; what lateral weights hold on
    their diagonal is taken out of it.
    """
    s = network.settings
    forward = _layer(
        network.linear, "forward", s, reads, gives, rho, _array(network.log_sigma.exp())
    )
    lateral = _layer(network.lateral, "lateral", s, gives, gives, rho)
    values = torch.as_tensor(
        gives.z + gives.step * (gives.c_min + np.arange(gives.levels)), dtype=torch.float64
    )[:, None]
    diagonal = lateral.weight_scale * np.diag(lateral.weight_codes)
    own = _array(network.own(values)) - _array(values) * diagonal
    return RecurrentProgram(
        forward,
        lateral,
        own,
        network.settings.architecture.steps,
        spectral_radius(network.matrix()),
    )


def float_program(trained: Trained) -> AnyFloatProgram:
    """The program of a float network; raises StochsimError for a quantised one."""
    network = trained.network
    if not network.settings.is_float:
        raise StochsimError("a quantised network has codes: use export_program")
    double = copy.deepcopy(network).double().eval()
    if isinstance(double, Deep):
        layers = ((_array(double.hidden.weight), _bias(double.hidden)),)
        heads = (_array(double.last.weight), _bias(double.last), _array(double.spread.weight))
        return FloatDeepProgram(layers, *heads, _array(double.base), trained.rho)
    if isinstance(double, Recurrent):
        step = double.settings.architecture.time_step
        lateral = torch.diag(double.own_slope) + double.off_diagonal * double.lateral.weight
        return FloatRecurrentProgram(
            forward=_array(double.linear.weight / step),
            bias=_bias(double.linear) / step,
            lateral=_array(lateral / step),
            time_step=step,
            shrink=_array(double.shrink / step),
            width=_array(double.width()),
            sigma=_array(double.log_sigma.exp()),
            steps=double.settings.architecture.steps,
            rho=trained.rho,
        )
    return FloatProgram(
        _array(double.linear.weight),
        _bias(double.linear),
        _array(double.log_sigma.exp()),
        trained.rho,
    )
