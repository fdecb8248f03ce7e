"""Trained network -> Program. The only file of deploy/ that knows torch; scales are read in float64, as the chip uses them."""

import copy

import numpy as np
import torch

from stochsim.deploy.program import FloatProgram, Program, Quantizer
from stochsim.networks import FeedForward
from stochsim.settings import StochsimError


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy().copy()


def _bias(network: FeedForward) -> np.ndarray:
    return _array(network.linear.bias) if network.settings.bias else np.zeros(network.settings.neurons)


def export_program(network: FeedForward, rho: float) -> Program:
    """The Program of a quantised network; raises StochsimError for a float one."""
    s = network.settings
    if s.input_bits is None or s.weight_bits is None or s.output_bits is None:
        raise StochsimError("a float network has no codes to put on a chip: quantise it first, or use float_program")
    double = copy.deepcopy(network).double().eval()
    weight = double.linear.quant_weight()
    input_scale, output_scale = (float(q.act_quant.scale().detach()) for q in (double.input_quantizer, double.output_quantizer))
    return Program(
        weight_codes=weight.int().numpy().astype(np.int8),
        weight_bits=s.weight_bits,
        weight_scale=float(weight.scale.detach()),
        input=Quantizer(s.input_bits, input_scale),
        output=Quantizer(s.output_bits, output_scale),
        bias=_bias(double),
        sigma=_array(double.log_sigma.exp()),
        rho=rho,
    )


def float_program(network: FeedForward, rho: float) -> FloatProgram:
    """The FloatProgram of a float network; raises StochsimError for a quantised one."""
    if not network.settings.is_float:
        raise StochsimError("a quantised network has codes: use export_program")
    double = copy.deepcopy(network).double().eval()
    return FloatProgram(_array(double.linear.weight), _bias(double), _array(double.log_sigma.exp()), rho)
