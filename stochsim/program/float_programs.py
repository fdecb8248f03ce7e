"""Networks without quantisers, as plain arrays."""

from dataclasses import dataclass

import numpy as np

from stochsim.program.shapes import check_shape
from stochsim.settings import SettingError, check_whole


@dataclass(frozen=True)
class FloatProgram:
    """The single-layer network without quantisers: weight (neuron, input), bias and sigma
    (neuron,), float64.
    """

    weight: np.ndarray
    bias: np.ndarray
    sigma: np.ndarray
    rho: float

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(self.weight.shape[0])


@dataclass(frozen=True)
class FloatDeepProgram:
    """The multi-layer network without quantisers, float64.

    hidden: (weight (neuron, input), bias (neuron,)) of each layer, h = clip(weight h + bias, -1,
    1); mean weight h + bias and noise sigma = exp(base + spread h) of the last, with weight, spread
    (neuron, hidden) and bias, base (neuron,). Raises SettingError for shapes that do not fit.
    """

    hidden: tuple[tuple[np.ndarray, np.ndarray], ...]
    weight: np.ndarray
    bias: np.ndarray
    spread: np.ndarray
    base: np.ndarray
    rho: float

    def __post_init__(self) -> None:
        if not self.hidden:
            raise SettingError.of("hidden", (), "should have at least one layer")
        inputs = int(np.shape(self.hidden[0][0])[-1])
        for i, (weight, bias) in enumerate(self.hidden):
            check_shape(f"hidden.{i}.weight", weight, "neuron, input", (len(weight), inputs))
            check_shape(f"hidden.{i}.bias", bias, "neuron", (len(weight),))
            inputs = len(weight)
        neurons = len(self.weight)
        for name in ("weight", "spread"):
            check_shape(name, getattr(self, name), "neuron, hidden", (neurons, inputs))
        for name in ("bias", "base"):
            check_shape(name, getattr(self, name), "neuron", (neurons,))

    @property
    def inputs(self) -> int:
        """Number of inputs of the first layer."""
        return int(self.hidden[0][0].shape[1])

    @property
    def neurons(self) -> int:
        """Number of neurons that are read."""
        return int(self.weight.shape[0])


@dataclass(frozen=True)
class FloatRecurrentProgram:
    """The recurrent network without quantisers, float64: from u = 0, `steps` times,

        u <- u + time_step (-u + forward x + bias + lateral u - shrink erf(u / (sqrt 2 width)))
               + sigma xi

    and the last u is read; every read is a chain of its own. forward (neuron, input), lateral
    (neuron, neuron); bias, shrink, width > 0 and sigma (neuron,); time_step in units of the time
    constant. Raises SettingError for shapes that do not fit.
    """

    forward: np.ndarray
    bias: np.ndarray
    lateral: np.ndarray
    time_step: float
    shrink: np.ndarray
    width: np.ndarray
    sigma: np.ndarray
    steps: int
    rho: float

    def __post_init__(self) -> None:
        neurons = len(self.forward)
        for name in ("bias", "shrink", "width", "sigma"):
            check_shape(name, getattr(self, name), "neuron", (neurons,))
        if np.ndim(self.forward) != 2:
            raise SettingError.of("forward", self.forward, "should have shape (neuron, input)")
        check_shape("lateral", self.lateral, "neuron, neuron", (neurons, neurons))
        if not np.all(np.asarray(self.width) > 0):
            raise SettingError.of("width", float(np.min(self.width)), "should be above 0")
        check_whole("steps", self.steps, 1, 2**31)

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.forward.shape[1])

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(self.forward.shape[0])

    @property
    def radius(self) -> float:
        """The spectral radius of a step without shrinkage, (1 - time_step) I + time_step
        lateral.
        """
        step = (1 - self.time_step) * np.eye(self.neurons) + self.time_step * self.lateral
        return float(np.abs(np.linalg.eigvals(step)).max())


AnyFloatProgram = FloatProgram | FloatDeepProgram | FloatRecurrentProgram
