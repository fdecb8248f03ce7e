"""The same networks without quantisers, as plain arrays."""

from dataclasses import dataclass

import numpy as np

from stochsim.settings import SettingError


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
            raise SettingError("'hidden' has no layers: a deep program needs at least one")
        chain = [(f"hidden[{i}]", *layer) for i, layer in enumerate(self.hidden)]
        last = [("weight", self.weight, self.bias), ("spread", self.spread, self.base)]
        before = [np.shape(self.hidden[0][0])[-1], *(len(weight) for _, weight, _ in chain)]
        for inputs, (name, weight, bias) in zip([*before, before[-1]], chain + last, strict=True):
            if (
                np.ndim(weight) != 2
                or weight.shape[1] != inputs
                or np.shape(bias) != (len(weight),)
            ):
                shapes = f"{np.shape(weight)} and {np.shape(bias)}"
                raise SettingError(
                    f"'{name}' has shapes {shapes}: should be (neuron, {inputs}) and (neuron,)"
                )
        if self.weight.shape != self.spread.shape:
            raise SettingError(
                f"'spread' has shape {self.spread.shape}: should be {self.weight.shape}, as "
                f"'weight' has"
            )

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
            if np.shape(getattr(self, name)) != (neurons,):
                raise SettingError(
                    f"'{name}' has shape {np.shape(getattr(self, name))}: should be ({neurons},), "
                    f"as 'forward' has neurons"
                )
        if np.ndim(self.forward) != 2 or np.shape(self.lateral) != (neurons, neurons):
            shapes = f"{np.shape(self.forward)} and {np.shape(self.lateral)}"
            raise SettingError(
                f"'forward' and 'lateral' have shapes {shapes}: should be (neuron, input) and "
                f"(neuron, neuron)"
            )
        if not np.all(np.asarray(self.width) > 0):
            raise SettingError(f"'width' = {float(np.min(self.width))!r}: should be above 0")
        if self.steps < 1:
            raise SettingError(f"'steps' = {self.steps!r}: should be at least 1")

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
