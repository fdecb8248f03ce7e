"""Networks without quantisers, as plain arrays."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stochsim.program.builders import hidden_names
from stochsim.program.layer import LATERAL, LOG_SIGMA, READOUT
from stochsim.program.shapes import check_shape, check_values, floats, levels
from stochsim.settings import (
    SettingError,
    card,
    check_kind,
    check_positive,
    check_rho,
    check_whole,
    counted,
    one_line,
    range_text,
)


class FloatLayer(NamedTuple):
    """A product and what is added to it: weight (neuron, input), bias (neuron,), float64."""

    weight: np.ndarray
    bias: np.ndarray

    def __repr__(self) -> str:
        return one_line(self)


Layers = Mapping[str, FloatLayer]


class FloatWiring(abc.ABC):
    """How the layers of a float program are put together, and where its noise comes from."""

    @property
    def is_recurrent(self) -> bool:
        """Whether a read is the last state of a chain."""
        return False

    @property
    def words(self) -> str:
        """How they are put together, in a few words."""
        return "feed-forward"

    @property
    def sigma_text(self) -> str:
        """The noise level of the neurons that are read, in words, in units of the drive."""
        return f"by {LOG_SIGMA}"

    @abc.abstractmethod
    def check(self, layers: Layers) -> None:
        """Raise SettingError for layers that do not fit."""


@dataclass(frozen=True)
class FloatFeedForward(FloatWiring):
    """Hidden layers, h = clip(weight h + bias, -1, 1), if any, then `readout`, whose mean is
    weight h + bias.

    sigma: noise of the readout's neurons, (neuron,); None where a layer `log_sigma`, which reads
    what `readout` reads, gives its logarithm.
    """

    sigma: np.ndarray | None = None
    __repr__ = one_line

    def __post_init__(self) -> None:
        if self.sigma is not None:
            object.__setattr__(self, "sigma", levels("sigma", self.sigma))

    @property
    def sigma_text(self) -> str:
        """Of its own, or by `log_sigma`."""
        return super().sigma_text if self.sigma is None else range_text(np.asarray(self.sigma))

    def check(self, layers: Layers) -> None:
        """Raise SettingError for layers or a sigma of other shapes."""
        heads = [READOUT] if self.sigma is not None else [LOG_SIGMA, READOUT]
        names = list(layers)
        hidden = names[: -len(heads)]
        if names[-len(heads) :] != heads or LOG_SIGMA in hidden:
            raise SettingError.of("layers", names, f"should end with {' and '.join(heads)}")
        if self.sigma is None and not hidden:
            raise SettingError.of("hidden", (), "should have at least one layer")
        inputs = int(np.shape(next(iter(layers.values())).weight)[-1])
        for name in hidden:
            _check_layer(name, layers[name], "neuron, input", (len(layers[name].weight), inputs))
            inputs = len(layers[name].weight)
        neurons = len(layers[READOUT].weight)
        for name in heads:
            _check_layer(name, layers[name], "neuron, hidden", (neurons, inputs))
        if self.sigma is not None:
            check_shape("sigma", self.sigma, "neuron", (neurons,))


@dataclass(frozen=True)
class FloatRecurrent(FloatWiring):
    """A circuit of `readout` (on the stimulus) and `lateral` (on the state u): from u = 0, `steps`
    times,

        u <- u + time_step (-u + readout(x) + lateral(u) - shrink erf(u / (sqrt 2 width)))
               + sigma xi

    and the last u is read; every read is a chain of its own. shrink, width > 0 and sigma (neuron,);
    time_step in units of the time constant.
    """

    time_step: float
    shrink: np.ndarray
    width: np.ndarray
    sigma: np.ndarray
    steps: int
    __repr__ = one_line

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_step", check_positive("time_step", self.time_step))
        object.__setattr__(self, "steps", check_whole("steps", self.steps, 1, 2**31))
        object.__setattr__(self, "shrink", floats("shrink", self.shrink))
        object.__setattr__(self, "sigma", levels("sigma", self.sigma))
        width = floats("width", self.width)
        check_values("width", width, width > 0, "should be above 0")
        object.__setattr__(self, "width", width)

    @property
    def is_recurrent(self) -> bool:
        """Every read is."""
        return True

    @property
    def words(self) -> str:
        """With the steps of a read."""
        return f"recurrent, {counted(self.steps, 'step', 'steps')}"

    @property
    def sigma_text(self) -> str:
        """Injected at every step."""
        return range_text(np.asarray(self.sigma))

    def step(self, lateral: np.ndarray) -> np.ndarray:
        """A step without shrinkage, (1 - time_step) I + time_step lateral, (neuron, neuron)."""
        return np.asarray((1 - self.time_step) * np.eye(len(lateral)) + self.time_step * lateral)

    def check(self, layers: Layers) -> None:
        """Raise SettingError for layers or arrays of other shapes."""
        if list(layers) != [READOUT, LATERAL]:
            raise SettingError.of("layers", list(layers), f"should be {READOUT} and {LATERAL}")
        neurons, inputs = np.shape(layers[READOUT].weight)
        _check_layer(READOUT, layers[READOUT], "neuron, input", (neurons, inputs))
        _check_layer(LATERAL, layers[LATERAL], "neuron, neuron", (neurons, neurons))
        for name in ("shrink", "width", "sigma"):
            check_shape(name, getattr(self, name), "neuron", (neurons,))


def _checked_layer(name: object, layer: object) -> FloatLayer:
    """The layer in arrays of its own, finite float64; raises SettingError for what is none."""
    check_kind("layers", name, str, "the name of a layer should be text")
    if not isinstance(layer, FloatLayer):
        raise SettingError.of(f"layers.{name}", layer, "should be a FloatLayer")
    weight = floats(f"{name}.weight", layer.weight)
    if weight.ndim != 2 or not weight.size:
        rule = "should be (neuron, input), at least one of each"
        raise SettingError.of(f"{name}.weight", weight, rule)
    return FloatLayer(weight, floats(f"{name}.bias", layer.bias))


def _check_layer(name: str, layer: FloatLayer, axes: str, shape: tuple[int, int]) -> None:
    check_shape(f"{name}.weight", layer.weight, axes, shape)
    check_shape(f"{name}.bias", layer.bias, "neuron", shape[:1])


@dataclass(frozen=True)
class FloatProgram:
    """A network without quantisers: layers by name, in the order in which they run, and how they
    are wired.

    rho: the exponent of the price under which its noise was learned. Raises SettingError for layers
    that do not fit each other or the wiring, and numbers that are not finite or above 1e15 in size.
    Made by `float_single`, `float_deep` and
    `float_recurrent`, or by `lowering.float_program` of a network.
    """

    layers: Layers
    wiring: FloatWiring
    rho: float = 0.0
    __repr__ = one_line

    def __post_init__(self) -> None:
        object.__setattr__(self, "rho", check_rho(self.rho))
        check_kind("layers", self.layers, Mapping, "should be layers by name, as in a dict")
        layers = {name: _checked_layer(name, layer) for name, layer in self.layers.items()}
        object.__setattr__(self, "layers", layers)
        check_kind("wiring", self.wiring, FloatWiring, "should be a FloatWiring")
        self.wiring.check(self.layers)

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(next(iter(self.layers.values())).weight.shape[1])

    @property
    def neurons(self) -> int:
        """Number of neurons that are read."""
        return len(self.layers[READOUT].weight)

    @property
    def summary(self) -> str:
        """What it is, in a few words: "feed-forward, 64 inputs -> 64 neurons"."""
        inputs = counted(self.inputs, "input", "inputs")
        return f"{self.wiring.words}, {inputs} -> {counted(self.neurons, 'neuron', 'neurons')}"

    def __str__(self) -> str:
        """A card with a line for each layer; sigma in units of the drive."""
        rows = [("layer", "shape", "weights", "sigma")]
        for name, layer in self.layers.items():
            neurons, inputs = np.shape(layer.weight)
            sigma = self.wiring.sigma_text if name == READOUT else "none"
            shape = f"{inputs:,} -> {neurons:,}"
            rows.append((name, shape, range_text(np.ravel(layer.weight)), sigma))
        return card(f"float program: {self.summary}", rows, "more layers")

    @property
    def radius(self) -> float:
        """The spectral radius of a circuit's step without shrinkage; 0 of a network without
        steps.
        """
        if not isinstance(self.wiring, FloatRecurrent):
            return 0.0
        step = self.wiring.step(self.layers[LATERAL].weight)
        return float(np.abs(np.linalg.eigvals(step)).max())


def float_single(
    weight: np.ndarray, bias: np.ndarray, sigma: np.ndarray, rho: float = 0.0
) -> FloatProgram:
    """One layer: weight (neuron, input), bias and sigma (neuron,).

    >>> import numpy as np
    >>> from stochsim.program import float_single
    >>> float_single(np.eye(2), np.zeros(2), sigma=np.full(2, 0.1)).neurons
    2
    """
    return FloatProgram({READOUT: FloatLayer(weight, bias)}, FloatFeedForward(sigma), rho)


def float_deep(
    hidden: tuple[FloatLayer, ...], log_sigma: FloatLayer, readout: FloatLayer, rho: float = 0.0
) -> FloatProgram:
    """Hidden layers, and two that read the last of them: the mean, and the logarithm of sigma."""
    check_kind("hidden", hidden, (tuple, list), "should be a tuple of layers")
    layers = hidden_names(tuple(hidden)) | {LOG_SIGMA: log_sigma, READOUT: readout}
    return FloatProgram(layers, FloatFeedForward(), rho)


def float_recurrent(
    readout: FloatLayer, lateral: np.ndarray, wiring: FloatRecurrent, rho: float = 0.0
) -> FloatProgram:
    """A circuit; lateral: weights (neuron, neuron), without a bias."""
    weights = floats("lateral", lateral)
    neurons = weights.shape[0] if weights.ndim else 0
    layers = {READOUT: readout, LATERAL: FloatLayer(weights, np.zeros(neurons))}
    return FloatProgram(layers, wiring, rho)
