"""What the layers of a captured network read and give in float, on the examples."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import fx

from stochsim.lowering.graph_network import Interpreter, Network
from stochsim.lowering.products import Site
from stochsim.lowering.queries import calls
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
    """Some of the values that a site reads and gives, ascending, and the lowest and highest of all;
    `is_finite`: whether all are.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    input_extremes: tuple[float, float]
    output_extremes: tuple[float, float]
    is_finite: bool

    @property
    def is_signed(self) -> bool:
        """Whether any value that it reads is negative."""
        return self.input_extremes[0] < 0


class _Values:
    """Values at some positions of every stimulus, the same ones of all: which ones are kept does
    not depend on the order of the stimuli.
    """

    def __init__(self, stimuli: int) -> None:
        self._of_each = max(_LEAST_POSITIONS, -(-_POOL // stimuli))
        self._found: list[np.ndarray] = []
        self.extremes = (np.inf, -np.inf)

    def add(self, values: torch.Tensor) -> None:
        """Look at values (stimulus, …), as many positions as before."""
        flat = values.detach().reshape(len(values), -1)
        low, high = self.extremes
        self.extremes = min(low, float(flat.min())), max(high, float(flat.max()))
        if flat.shape[1] > self._of_each:
            positions = np.random.default_rng(0).permutation(flat.shape[1])[: self._of_each]
            flat = flat[:, torch.from_numpy(np.sort(positions)).to(flat.device)]
        self._found.append(flat.cpu().double().numpy().ravel())

    def ascending(self) -> np.ndarray:
        """All of them, or as many at equal distances in their order."""
        found = np.sort(np.concatenate(self._found))
        places = np.linspace(0, found.size - 1, min(found.size, _VALUES))
        return found[np.rint(places).astype(np.int64)]


class _Observer:
    """Keeps some of what a site reads and gives."""

    def __init__(self, stimuli: int) -> None:
        self.inputs = _Values(stimuli)
        self.outputs = _Values(stimuli)
        self.is_finite = True

    def add(self, x: torch.Tensor, out: torch.Tensor) -> None:
        """Look at what it reads and gives, (stimulus, …)."""
        self.is_finite &= bool(torch.isfinite(x).all() and torch.isfinite(out).all())
        self.inputs.add(x)
        self.outputs.add(out)

    def seen(self) -> Seen:
        """What it has kept."""
        values = self.inputs.ascending(), self.outputs.ascending()
        return Seen(*values, self.inputs.extremes, self.outputs.extremes, self.is_finite)


class _SeesSites(Protocol):
    def add(self, x: torch.Tensor, out: torch.Tensor) -> None:
        """Look at what a site reads and gives."""


class Watch(Interpreter):
    """Runs the float network and shows what each site reads and gives to its observer."""

    def __init__(self, network: Network, observers: Mapping[Site, _SeesSites]) -> None:
        super().__init__(network)
        self._of_last = {site.last: (site, one) for site, one in observers.items()}
        self._sources: dict[fx.Node, torch.Tensor] = {}
        self._needed = {site.source for site in observers}

    def run_node(self, n: fx.Node) -> Any:
        """Run it, and show what it gives."""
        value = super().run_node(n)
        if n in self._needed:
            self._sources[n] = value
        if n in self._of_last:
            site, one = self._of_last[n]
            one.add(self._sources[site.source], value)
        return value


def observed(
    network: Network, sites: list[Site], x: torch.Tensor
) -> tuple[dict[str, Seen], list[torch.Tensor]]:
    """What every site reads and gives in float on all examples, several times where the network
    draws random numbers, and what it gives for their `portions` at first.
    """
    is_random = any(draws(node) for node in calls(network.graph))
    passes = -(-_RANDOM_STIMULI // len(x)) if is_random else 1
    observers = {site: _Observer(passes * len(x)) for site in sites}
    with torch.no_grad(), same_random_numbers():
        found = [Watch(network, observers).run(some) for some in portions(x)]
        for _ in range(passes - 1):
            for some in portions(x):
                Watch(network, observers).run(some)
    for site, one in observers.items():
        if not one.is_finite:
            rule = f"layer '{site.name}' gives values that are not finite"
            raise SettingError.of("examples", rule=rule)
    return {site.name: one.seen() for site, one in observers.items()}, found
