"""What the layers of a traced network read and give in float, on the examples."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import fx

from stochsim.lowering import trace as graphs
from stochsim.lowering.emulated_layer import ACTIVATIONS
from stochsim.lowering.products import Site
from stochsim.lowering.random_parts import draws
from stochsim.settings import SettingError

STIMULI = 256
"""Examples that pass the network at a time."""

_VALUES = 20_000  # kept of each input and response, at most
_POOL = 10 * _VALUES  # those that they are taken from, at least
_LEAST_POSITIONS = 16  # of every stimulus
_RANDOM_STIMULI = 4096  # at least, with other numbers each time, where a network draws some


def portions(x: torch.Tensor) -> Iterator[torch.Tensor]:
    """Copies of all stimuli of x (stimulus, …), some at a time: a network may write into them."""
    return (x[first : first + STIMULI].clone() for first in range(0, len(x), STIMULI))


@contextlib.contextmanager
def same_random_numbers() -> Iterator[None]:
    """torch's generator of the processor starts from one seed here, and is as before afterwards: a
    network and its graph that draw are compared on the same numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class Seen(NamedTuple):
    """Some of the values that a site reads and gives, ascending; `is_signed`: whether any that it
    reads is negative, `is_finite`: whether all are.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    is_signed: bool
    is_finite: bool


class _Values:
    """Values at some positions of every stimulus, the same ones of all: which ones are kept does
    not depend on the order of the stimuli.
    """

    def __init__(self, stimuli: int) -> None:
        self._of_each = max(_LEAST_POSITIONS, -(-_POOL // stimuli))
        self._found: list[np.ndarray] = []

    def add(self, values: torch.Tensor) -> None:
        """Look at values (stimulus, …), as many positions as before."""
        flat = values.detach().reshape(len(values), -1)
        if flat.shape[1] > self._of_each:
            positions = np.random.default_rng(0).permutation(flat.shape[1])[: self._of_each]
            flat = flat[:, torch.from_numpy(np.sort(positions)).to(flat.device)]
        self._found.append(flat.cpu().double().numpy().ravel())

    def ascending(self) -> np.ndarray:
        """All of them, or as many at equal distances in their order."""
        found = np.sort(np.concatenate(self._found))
        places = np.linspace(0, found.size - 1, min(found.size, _VALUES))
        return found[np.rint(places).astype(np.int64)]


class _Observer(torch.nn.Module):
    """A float layer with its activation, which keeps some of what it reads and gives."""

    def __init__(self, site: Site, stimuli: int) -> None:
        super().__init__()
        self.module = site.module
        self.activation = site.activation
        self.inputs = _Values(stimuli)
        self.outputs = _Values(stimuli)
        self.is_signed = False
        self.is_finite = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = ACTIVATIONS[self.activation](self.module(x))
        self.is_finite &= bool(torch.isfinite(x).all() and torch.isfinite(out).all())
        self.is_signed |= bool((x < 0).any())
        self.inputs.add(x)
        self.outputs.add(out)
        return out

    def seen(self) -> Seen:
        """What it has kept."""
        values = self.inputs.ascending(), self.outputs.ascending()
        return Seen(*values, self.is_signed, self.is_finite)


def observed(
    network: fx.GraphModule, sites: list[Site], x: torch.Tensor
) -> tuple[dict[str, Seen], list[torch.Tensor]]:
    """What every site reads and gives in float on all examples, several times where the network
    draws random numbers, and what it gives for their `portions` at first.
    """
    is_random = any(draws(network, node) for node in graphs.calls(network.graph))
    passes = -(-_RANDOM_STIMULI // len(x)) if is_random else 1
    observers = {site.name: _Observer(site, passes * len(x)) for site in sites}
    for site in sites:
        _call(network, site, observers[site.name])
    network.graph.eliminate_dead_code()
    network.recompile()
    with torch.no_grad(), same_random_numbers():
        found = [network(some) for some in portions(x)]
        for _ in range(passes - 1):
            for some in portions(x):
                network(some)
    for name, one in observers.items():
        if not one.is_finite:
            rule = f"layer '{name}' gives values that are not finite"
            raise SettingError.of("examples", rule=rule)
    return {name: one.seen() for name, one in observers.items()}, found


def _call(network: fx.GraphModule, site: Site, layer: torch.nn.Module) -> None:
    """Let the site's node call this module, under its own name."""
    before = graphs.data_input(site.node)
    assert before is not None
    network.add_submodule(site.name, layer)
    with network.graph.inserting_before(site.node):
        node = network.graph.call_module(site.name, (before,))
    site.node.replace_all_uses_with(node)
    network.graph.erase_node(site.node)
    site.node = node
