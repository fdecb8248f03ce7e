"""Parts of a network that draw random numbers at every read: dropout that stays on, Gaussian and
uniform numbers, Bernoulli draws, categories.

A chip draws them by its own key, for every stimulus and read: Monte-Carlo dropout and
reparameterised Gaussians then give samples, and the same key gives the same ones.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from stochsim_kernels.random.normal import fill_normals
from torch import fx

from stochsim.lowering.graph_network import Interpreter, Network
from stochsim.lowering.queries import (
    DROPOUTS,
    arguments,
    is_dropping,
    operation,
    origin_of,
    part_of,
)
from stochsim.settings import StochsimError

_FEW = 4  # stimuli

Shape = tuple[int, ...]


class RandomPart(NamedTuple):
    """inputs: the nodes whose values it takes; shape: of the integers u for given values; compute:
    (u, *values) -> what it gives, u uint32 of 31 bits.
    """

    inputs: tuple[fx.Node, ...]
    shape: Callable[..., Shape]
    compute: Callable[..., np.ndarray]


def _uniforms(u: np.ndarray) -> np.ndarray:
    """(u + 1/2) / 2^31, float64: in the open interval (0, 1)."""
    return (u + 0.5) * 2.0**-31


def _normals(u: np.ndarray) -> np.ndarray:
    out = np.empty(u.shape)
    fill_normals(np.ascontiguousarray(u).reshape(-1), out.reshape(-1))
    return out


def _below(value: np.ndarray, end: float) -> np.ndarray:
    """Below the end of a half-open interval, in float32 too."""
    return np.minimum(value, np.nextafter(value.dtype.type(end), value.dtype.type(-math.inf)))


def _unit(u: np.ndarray, given: Mapping[str, Any], dtype: Any) -> np.ndarray:
    return _below(_uniforms(u).astype(dtype), 1)


def _between(u: np.ndarray, given: Mapping[str, Any], dtype: Any) -> np.ndarray:
    low, high = given["from"], given["to"]
    return _below((low + (high - low) * _uniforms(u)).astype(dtype), high)


def _whole(u: np.ndarray, given: Mapping[str, Any], dtype: Any) -> np.ndarray:
    low, high = given.get("low", 0), given["high"]
    return (low + np.floor((high - low) * _uniforms(u))).astype(dtype)


def _normal(u: np.ndarray, given: Mapping[str, Any], dtype: Any) -> np.ndarray:
    """By mean and standard deviation, numbers or arrays."""
    return (given.get("mean", 0.0) + given.get("std", 1.0) * _normals(u)).astype(dtype)


_OF_SHAPE: dict[str, Callable[[np.ndarray, Mapping[str, Any], Any], np.ndarray]] = {
    "rand": _unit,
    "rand_like": _unit,
    "uniform": _between,
    "randn": _normal,
    "randn_like": _normal,
    "normal": _normal,
    "normal_functional": _normal,
    "randint": _whole,
    "randint_like": _whole,
    "exponential": lambda u, given, dtype: (-np.log(_uniforms(u)) / given["lambd"]).astype(dtype),
    "bernoulli": lambda u, given, dtype: (
        _uniforms(u) < (given["self"] if given.get("p") is None else given["p"])
    ).astype(dtype),
}
"""What the operations give for u of their own shape, by their arguments."""


def random_part(node: fx.Node) -> RandomPart | None:
    """How a node draws, None where it draws nothing that is drawn by key.

    Raises StochsimError for a rate of dropout that is no number.
    """
    name = operation(node)
    if name in DROPOUTS:
        return _of_dropout(node, name) if is_dropping(node) else None
    if name == "multinomial":
        return _of_categories(node)
    return _of_shape(node, name) if name in _OF_SHAPE else None


def draws(node: fx.Node) -> bool:
    """Whether a node draws random numbers by key."""
    return random_part(node) is not None


def _of_dropout(node: fx.Node, name: str) -> RandomPart:
    """A dropout that is on."""
    source, p = node.args[0], node.args[1]
    assert isinstance(source, fx.Node)
    if isinstance(p, fx.Node):
        raise StochsimError(
            f"the part '{node.name}' ({name}) drops values at a rate that is no number from 0 to 1"
        )
    shape = _channels if name.startswith("feature") else np.shape
    compute = _alpha_dropout if "alpha" in name else _dropout
    return RandomPart((source,), shape, compute(float(p)))  # type: ignore[arg-type]


def _channels(x: np.ndarray) -> Shape:
    """One number for each stimulus and channel."""
    return x.shape[:2] + (1,) * (x.ndim - 2)


def _dropout(p: float) -> Callable[..., np.ndarray]:
    def compute(u: np.ndarray, x: np.ndarray) -> np.ndarray:
        kept = _uniforms(u) >= p
        scaled: np.ndarray = x * kept * x.dtype.type(1 / (1 - p) if p < 1 else 0.0)
        return scaled

    return compute


_ALPHA = -1.7580993408473766  # what SELU gives far below 0: -scale · alpha


def _alpha_dropout(p: float) -> Callable[..., np.ndarray]:
    """Dropped values become SELU's lowest, and mean and variance stay (Klambauer et al. 2017)."""

    def compute(u: np.ndarray, x: np.ndarray) -> np.ndarray:
        if p == 1:
            return np.zeros_like(x)
        a = ((1 - p) * (1 + p * _ALPHA**2)) ** -0.5
        found: np.ndarray = a * np.where(_uniforms(u) >= p, x, _ALPHA) - a * p * _ALPHA
        return found.astype(x.dtype)

    return compute


def _of_categories(node: fx.Node) -> RandomPart:
    """Categories by their weights, (stimulus, category); several without replacement by the
    largest of log weight + Gumbel noise.
    """
    given = arguments(node)
    samples, again = given["num_samples"], given["replacement"]

    def shape(weights: np.ndarray) -> Shape:
        return (*weights.shape[:-1], samples) if again or samples == 1 else weights.shape

    def compute(u: np.ndarray, weights: np.ndarray) -> np.ndarray:
        if again or samples == 1:
            below = np.cumsum(weights, -1, dtype=np.float64)
            below /= below[..., -1:]
            return (_uniforms(u)[..., None] >= below[..., None, :]).sum(-1)
        with np.errstate(divide="ignore"):
            score = np.log(weights) - np.log(-np.log(_uniforms(u)))
        return np.argsort(-score, axis=-1, kind="stable")[..., :samples]

    return RandomPart((given["self"],), shape, compute)


def _of_shape(node: fx.Node, name: str) -> RandomPart:
    """Numbers of the shape of an argument, or of sizes of which the first is that of stimuli."""
    given = arguments(node)
    dtype = np.dtype(origin_of(node).dtype.replace("bfloat16", "float32"))
    tensors = [(key, one) for key, one in given.items() if isinstance(one, fx.Node)]
    own = origin_of(node).shape or ()
    inputs = [one for _, one in tensors]
    names = [key for key, _ in tensors]
    if "size" in given:  # its stimuli are those of the value whose size is asked for
        inputs = [one.all_input_nodes[0] for one in given["size"] if isinstance(one, fx.Node)]
        names = ["size"] * len(inputs)

    def shape(*values: Any) -> Shape:
        rows = np.broadcast_shapes(*(np.shape(one)[:1] for one in values)) or own[:1]
        return tuple(rows) + tuple(own[1:])

    def compute(u: np.ndarray, *values: Any) -> np.ndarray:
        return _OF_SHAPE[name](u, {**given, **dict(zip(names, values, strict=True))}, dtype)

    return RandomPart(tuple(inputs), shape, compute)


class _WithoutKeyed(Interpreter):
    """Runs a graph whose parts that are drawn by key give zeros; keeps all values."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.found: dict[fx.Node, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run it, and keep a tensor that it gives."""
        value = super().run_node(n)
        if draws(n):
            value = torch.zeros_like(value)
        if isinstance(value, torch.Tensor):
            self.found[n] = value.clone()
        return value


def values_without_draws(
    network: Network, x: torch.Tensor, seed: int = 0
) -> dict[fx.Node, torch.Tensor]:
    """What every node gives for stimuli x, where parts that are drawn by key give zeros; seed: of
    torch's generator, which is as before afterwards.
    """
    walk = _WithoutKeyed(network)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        walk.run(x.clone())
    return walk.found


def check_all_keyed(network: Network, x: torch.Tensor) -> None:
    """Raise StochsimError that names a part which draws random numbers in another way than by the
    chip's key: of another shape than (stimulus, …), or, run on a few stimuli with two states of
    torch's generator, with two results.
    """
    for node in network.graph.nodes:
        if draws(node) and (origin_of(node).shape or (0,))[0] != -1:
            raise _not_keyed(node)
    once, again = (values_without_draws(network, x[:_FEW], seed) for seed in (0, 1))
    for node, first in once.items():
        second = again[node]
        if first.shape != second.shape or not torch.allclose(first, second, 0, 0, equal_nan=True):
            raise _not_keyed(node)


def _not_keyed(node: fx.Node) -> StochsimError:
    known = ", ".join((*DROPOUTS, *_OF_SHAPE, "multinomial"))
    return StochsimError(
        f"the part '{part_of(node)}' ({operation(node)}) draws random numbers that do not belong "
        f"to a stimulus and a read; parts that are drawn by the chip's key are {known}, of tensors "
        f"(stimulus, …)"
    )
