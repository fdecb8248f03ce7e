"""Parts of a network that draw random numbers at every read: dropout that stays on, Gaussian and
uniform numbers, Bernoulli draws.

A chip draws them by its own key, for every stimulus and read: Monte-Carlo dropout and
reparameterised Gaussians then give samples, and the same key gives the same ones.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from stochsim_kernels.random.normal import fill_normals
from torch import fx

from stochsim.lowering.trace import is_dropping, torch_name
from stochsim.settings import StochsimError

_FEATURE_DROPOUTS = ("dropout1d", "dropout2d", "dropout3d", "feature_dropout")
_FEW = 4  # stimuli
_DROPOUTS = ("dropout", *_FEATURE_DROPOUTS)


class RandomPart(NamedTuple):
    """shape: of the integers u that it takes for given values; compute: (u, *values) -> what it
    gives, u uint32 of 31 bits.
    """

    shape: Callable[..., tuple[int, ...]]
    compute: Callable[..., np.ndarray]


def _uniforms(u: np.ndarray) -> np.ndarray:
    """(u + 1/2) / 2^31, float64: in the open interval (0, 1)."""
    return (u + 0.5) * 2.0**-31


def _normals(u: np.ndarray) -> np.ndarray:
    out = np.empty(u.shape)
    fill_normals(np.ascontiguousarray(u).reshape(-1), out.reshape(-1))
    return out


def _shape_of(x: np.ndarray) -> tuple[int, ...]:
    return x.shape


def _shape_of_channels(x: np.ndarray) -> tuple[int, ...]:
    """One number for each stimulus and channel."""
    return x.shape[:2] + (1,) * (x.ndim - 2)


def _dropout(p: float) -> Callable[..., np.ndarray]:
    def compute(u: np.ndarray, x: np.ndarray) -> np.ndarray:
        kept = _uniforms(u) >= p
        scaled: np.ndarray = x * kept * x.dtype.type(1 / (1 - p) if p < 1 else 0.0)
        return scaled

    return compute


def _gaussian(u: np.ndarray, like: np.ndarray) -> np.ndarray:
    return _normals(u).astype(like.dtype)


def _uniform(u: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Below 1, as torch has it, in float32 too."""
    below_one = np.nextafter(np.ones((), like.dtype), 0)
    return np.minimum(_uniforms(u), below_one).astype(like.dtype)


def _bernoulli(u: np.ndarray, p: np.ndarray) -> np.ndarray:
    return (_uniforms(u) < p).astype(p.dtype)


_OF_LIKE = {"randn_like": _gaussian, "rand_like": _uniform, "bernoulli": _bernoulli}


def random_part(network: torch.nn.Module, node: fx.Node) -> RandomPart | None:
    """How a node draws, None where it draws nothing.

    Raises StochsimError for one that draws in place, or by other arguments than the ones that are
    drawn by key.
    """
    name = torch_name(network, node)
    if name in _DROPOUTS and node.op == "call_function":
        return _of_dropout(node, name)
    if name not in _OF_LIKE:
        return None
    if len(node.all_input_nodes) != 1 or len(node.args) + len(node.kwargs) != 1:
        raise StochsimError(
            f"the part '{node.name}' ({name}) is drawn by the chip's key, so it takes one tensor "
            f"(stimulus, …) and nothing else"
        )
    return RandomPart(_shape_of, _OF_LIKE[name])


def _of_dropout(node: fx.Node, name: str) -> RandomPart | None:
    """A dropout function that is on."""
    if not is_dropping(node):
        return None
    places = ("input", "p", "training", "inplace")
    given = dict(zip(places, node.args, strict=False)) | dict(node.kwargs)
    p = given.get("p", 0.5)
    if given.get("inplace", False) is not False:
        raise StochsimError(
            f"the part '{node.name}' ({name}) drops values in place: write it without inplace=True"
        )
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise StochsimError(
            f"the part '{node.name}' ({name}) drops values at a rate that is no number from 0 to 1"
        )
    shape = _shape_of_channels if name in _FEATURE_DROPOUTS else _shape_of
    return RandomPart(shape, _dropout(float(p)))


class _WithoutKeyed(fx.Interpreter):
    """Runs a graph whose parts that are drawn by key give on what they take; keeps all values."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__(network)
        self.extra_traceback = False
        self.found: dict[fx.Node, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run it, and keep a tensor that it gives."""
        is_keyed = draws(self.module, n)
        value = self.env[n.all_input_nodes[0]] if is_keyed else super().run_node(n)
        if isinstance(value, torch.Tensor):
            self.found[n] = value.clone()
        return value


def check_all_keyed(network: torch.nn.Module, x: torch.Tensor) -> None:
    """Raise StochsimError that names a part which draws random numbers in another way than by the
    chip's key: run on a few stimuli with two states of torch's generator, it gives two results.
    """
    runs = []
    for seed in (0, 1):
        walk = _WithoutKeyed(network)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            walk.run(x[:_FEW].clone())
        runs.append(walk.found)
    for node, first in runs[0].items():
        second = runs[1][node]
        if first.shape != second.shape or not torch.allclose(first, second, 0, 0, equal_nan=True):
            known = ", ".join((*_DROPOUTS, *_OF_LIKE))
            raise StochsimError(
                f"the part '{node.name}' draws random numbers that do not belong to a stimulus and "
                f"a read; parts that are drawn by the chip's key are {known}, of tensors "
                f"(stimulus, …)"
            )


def draws(network: torch.nn.Module, node: fx.Node) -> bool:
    """Whether a node draws random numbers by key."""
    return random_part(network, node) is not None
