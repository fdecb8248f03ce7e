"""Stand-ins of other simulators: the part of their interfaces that `_peers.py` uses, with what they
refuse.
"""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch


class Core:
    """CrossSim's AnalogCore: without a range its ADC looks for a calibrated one, and has none."""

    def __init__(self, weights: np.ndarray, params: Any) -> None:
        assert (params.core.rows_max, params.core.cols_max) == weights.shape
        self.weights = weights
        self.params = params
        adc = params.xbar.adc.mvm
        if adc.adc_range_option == "CALIBRATED":
            raise IndexError(f"{adc.model}: calibrated_range is empty")
        assert (adc.bits, adc.model) == (8, "SignMagnitudeADC")
        assert adc.adc_range_option in ("MAX", "GRANULAR")

    def matmul(self, columns: np.ndarray) -> np.ndarray:
        """(neuron, stimulus) of columns (input, stimulus)."""
        return np.asarray(self.weights @ columns)


def crosssim_parameters() -> Any:
    """CrossSim's defaults, of those that are set or needed."""

    def converter(**more: Any) -> SimpleNamespace:
        return SimpleNamespace(mvm=SimpleNamespace(bits=0, model="IdealADC", **more))

    noise = SimpleNamespace(enable=False, model="IdealDevice", magnitude=0.0)
    return SimpleNamespace(
        core=SimpleNamespace(rows_max=0, cols_max=0),
        xbar=SimpleNamespace(
            dac=converter(),
            adc=converter(adc_range_option="CALIBRATED"),
            device=SimpleNamespace(read_noise=noise),
        ),
    )


class AnalogLinear(torch.nn.Module):
    """aihwkit's layer: weights within ±1 are set apart from the configuration."""

    def __init__(self, inputs: int, neurons: int, bias: bool, rpu_config: Any) -> None:
        super().__init__()
        assert not bias
        assert rpu_config.mapping.max_input_size == rpu_config.mapping.max_output_size == 0
        assert 0 < rpu_config.forward.out_res < 1
        self.shape = (neurons, inputs)

    def set_weights(self, weights: torch.Tensor) -> None:
        """Weights (neuron, input)."""
        assert tuple(weights.shape) == self.shape
        assert float(weights.abs().max()) <= 1
        self.weights = weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs (stimulus, neuron)."""
        return x.to(self.weights.dtype) @ self.weights.T


class InferenceConfig:
    """aihwkit's TorchInferenceRPUConfig, of it what is set."""

    def __init__(self) -> None:
        self.mapping = SimpleNamespace(max_input_size=512, max_output_size=512)
        self.forward = SimpleNamespace(inp_res=0.0, out_res=0.0, out_noise=0.0)


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both be found where an import looks."""
    enums = SimpleNamespace(ADDITIVE_CONSTANT="AdditiveConstant")
    names = {
        "simulator": {"CrossSimParameters": crosssim_parameters, "AnalogCore": Core},
        "aihwkit": {},
        "aihwkit.nn": {"AnalogLinear": AnalogLinear},
        "aihwkit.simulator": {},
        "aihwkit.simulator.configs": {"TorchInferenceRPUConfig": InferenceConfig},
        "aihwkit.simulator.parameters": {},
        "aihwkit.simulator.parameters.enums": {"WeightNoiseType": enums},
    }
    for name, contents in names.items():
        module = ModuleType(name)
        vars(module).update(contents)
        module.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]
        monkeypatch.setitem(sys.modules, name, module)
