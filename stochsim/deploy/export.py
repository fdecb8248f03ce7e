"""Trained network -> Program. The only file of deploy/ that knows torch; scales are read in float64, as the chip uses them."""

import copy
from typing import Any

import numpy as np
import torch

from stochsim.deploy.program import FloatProgram, Program, Quantizer
from stochsim.networks import FeedForward
from stochsim.settings import StochsimError
from stochsim.training import Trained


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy().copy()


def _bias(network: FeedForward) -> np.ndarray:
    return _array(network.linear.bias) if network.settings.bias else np.zeros(network.settings.neurons)


def _scale(quantizer: Any) -> float:
    return float(quantizer.act_quant.scale().detach())


def export_program(trained: Trained) -> Program:
    """The Program of a quantised network; raises StochsimError for a float one."""
    network = trained.network
    s = network.settings
    if s.input_bits is None or s.weight_bits is None or s.output_bits is None:
        raise StochsimError("a float network has no codes to put on a chip: quantise it first, or use float_program")
    double = copy.deepcopy(network).double().eval()
    weight = double.linear.quant_weight()
    return Program(
        weight_codes=weight.int().numpy().astype(np.int8),
        weight_bits=s.weight_bits,
        weight_scale=float(weight.scale.detach()),
        input=Quantizer(s.input_bits, _scale(double.input_quantizer)),
        output=Quantizer(s.output_bits, _scale(double.output_quantizer)),
        bias=_bias(double),
        sigma=_array(double.log_sigma.exp()),
        rho=trained.rho,
    )


def float_program(trained: Trained) -> FloatProgram:
    """The FloatProgram of a float network; raises StochsimError for a quantised one."""
    network = trained.network
    if not network.settings.is_float:
        raise StochsimError("a quantised network has codes: use export_program")
    double = copy.deepcopy(network).double().eval()
    return FloatProgram(_array(double.linear.weight), _bias(double), _array(double.log_sigma.exp()), trained.rho)
