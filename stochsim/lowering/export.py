"""Trained networks as programs; scales are read in float64, as the chip uses them."""

import copy
from typing import Any

import numpy as np
import torch

from stochsim.networks import NetworkSettings, scale_of, spectral_radius
from stochsim.program import (
    HIDDEN,
    LATERAL,
    LOG_SIGMA,
    READOUT,
    FloatLayer,
    FloatProgram,
    FloatRecurrent,
    Layer,
    Program,
    Quantizer,
    float_deep,
    float_recurrent,
    float_single,
    recurrent,
    single_layer,
    with_log_sigma,
)
from stochsim.settings import StochsimError
from stochsim.training import TrainedNetwork


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
    quantizers: tuple[Quantizer, Quantizer],
    sigma: np.ndarray | None = None,
) -> Layer:
    """One quantised layer, by its name among those that may have a width of their own, with the
    noise that it buys (none: 0); quantizers: of what it reads and gives.
    """
    weight = layer.quant_weight()
    bias = _bias(layer)
    bits = settings.weight_bits_of(name)
    assert bits is not None
    return Layer(
        weight_codes=weight.int().numpy().astype(np.int8),
        weight_bits=bits,
        weight_scale=float(weight.scale.detach()),
        input=quantizers[0],
        output=quantizers[1],
        bias=bias,
        sigma=np.zeros(len(bias)) if sigma is None else sigma,
        own_width=name in settings.layer_bits,
    )


def to_program(trained: TrainedNetwork) -> Program:
    """The program of a quantised network; raises StochsimError for a float one, or one whose widths
    are still being learned.
    """
    s = trained.network.settings
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
    reads = _quantizer(s.input_bits, double.input_quantizer)
    gives = _quantizer(s.output_bits, double.output_quantizer)
    build = _BUILDERS[s.architecture.kind]
    return build(double, reads, gives, trained.rho)


def _single(network: Any, reads: Quantizer, gives: Quantizer, rho: float) -> Program:
    sigma = _array(network.log_sigma.exp())
    layer = _layer(network.linear, READOUT, network.settings, (reads, gives), sigma)
    return single_layer(layer, rho)


def _deep(network: Any, reads: Quantizer, gives: Quantizer, rho: float) -> Program:
    s = network.settings
    hidden = _quantizer(s.output_bits, network.hidden_quantizer)
    head = _quantizer(s.output_bits, network.spread_quantizer)
    return with_log_sigma(
        (_layer(network.hidden, HIDDEN, s, (reads, hidden)),),
        _layer(network.spread, LOG_SIGMA, s, (hidden, head)),
        _layer(network.last, READOUT, s, (hidden, gives)),
        _array(network.base),
        rho,
    )


def _recurrent(network: Any, reads: Quantizer, gives: Quantizer, rho: float) -> Program:
    """The circuit's products, and its own terms as a table over codes; what lateral weights hold on
    their diagonal is taken out of it.
    """
    s = network.settings
    sigma = _array(network.log_sigma.exp())
    readout = _layer(network.linear, READOUT, s, (reads, gives), sigma)
    lateral = _layer(network.lateral, LATERAL, s, (gives, gives))
    codes = gives.c_min + np.arange(gives.levels)
    values = torch.as_tensor(gives.z + gives.step * codes, dtype=torch.float64)[:, None]
    diagonal = lateral.weight_scale * np.diag(lateral.weight_codes)
    table = _array(network.own(values)) - _array(values) * diagonal
    radius = spectral_radius(network.matrix())
    return recurrent(readout, lateral, table, s.architecture.steps, radius, rho)


_BUILDERS = {"single": _single, "deep": _deep, "recurrent": _recurrent}


def float_program(trained: TrainedNetwork) -> FloatProgram:
    """The program of a float network; raises StochsimError for a quantised one."""
    network = trained.network
    if not network.settings.is_float:
        raise StochsimError("a quantised network has codes: use to_program")
    double = copy.deepcopy(network).double().eval()
    build = _FLOAT_BUILDERS[network.settings.architecture.kind]
    return build(double, trained.rho)


def _float_layer(layer: Any) -> FloatLayer:
    return FloatLayer(_array(layer.weight), _bias(layer))


def _float_single(network: Any, rho: float) -> FloatProgram:
    layer = _float_layer(network.linear)
    return float_single(*layer, _array(network.log_sigma.exp()), rho)


def _float_deep(network: Any, rho: float) -> FloatProgram:
    log_sigma = FloatLayer(_array(network.spread.weight), _array(network.base))
    hidden = (_float_layer(network.hidden),)
    return float_deep(hidden, log_sigma, _float_layer(network.last), rho)


def _float_recurrent(network: Any, rho: float) -> FloatProgram:
    """The circuit in units of its time constant."""
    architecture = network.settings.architecture
    step = architecture.time_step
    lateral = torch.diag(network.own_slope) + network.off_diagonal * network.lateral.weight
    wiring = FloatRecurrent(
        time_step=step,
        shrink=_array(network.shrink / step),
        width=_array(network.width()),
        sigma=_array(network.log_sigma.exp()),
        steps=architecture.steps,
    )
    readout = FloatLayer(_array(network.linear.weight / step), _bias(network.linear) / step)
    return float_recurrent(readout, _array(lateral / step), wiring, rho)


_FLOAT_BUILDERS = {
    "single": _float_single,
    "deep": _float_deep,
    "recurrent": _float_recurrent,
}
