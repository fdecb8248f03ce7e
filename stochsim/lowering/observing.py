"""What the layers of a traced network read and give in float, on the examples."""

from typing import NamedTuple

import numpy as np
import torch
from torch import fx

from stochsim.lowering import trace as graphs
from stochsim.lowering.emulated_layer import ACTIVATIONS
from stochsim.lowering.products import Site
from stochsim.settings import SettingError

STIMULI = 1024
"""Of the examples that are looked at, at most, evenly spread."""

_VALUES = 20_000  # of them kept of each input and response


def spread(x: torch.Tensor) -> torch.Tensor:
    """The stimuli of x (stimulus, …) that are looked at."""
    return x[:: -(-len(x) // STIMULI)]


class Seen(NamedTuple):
    """Some of the values that a site reads and gives; `is_signed`: whether any that it reads is
    negative, `is_finite`: whether all are.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    is_signed: bool
    is_finite: bool


class _Observer(torch.nn.Module):
    """A float layer with its activation, which keeps some of what it reads and gives."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.module = site.module
        self.activation = site.activation
        self.seen = Seen(np.zeros(0), np.zeros(0), False, True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = ACTIVATIONS[self.activation](self.module(x))
        is_finite = bool(torch.isfinite(x).all() and torch.isfinite(out).all())
        self.seen = Seen(_some(x), _some(out), bool((x < 0).any()), is_finite)
        return out


def _some(values: torch.Tensor) -> np.ndarray:
    part = values[:: max(1, values.numel() // _VALUES)]
    return part.detach().cpu().double().numpy()


def observed(
    network: fx.GraphModule, sites: list[Site], x: torch.Tensor
) -> tuple[dict[str, Seen], torch.Tensor]:
    """What every site reads and gives in float, and what the network gives, on the
    examples.
    """
    observers = {site.name: _Observer(site) for site in sites}
    for site in sites:
        _call(network, site, observers[site.name])
    network.graph.eliminate_dead_code()
    network.recompile()
    with torch.no_grad():
        found = network(spread(x).clone())
    for name, one in observers.items():
        if not one.seen.is_finite:
            rule = f"layer '{name}' gives values that are not finite"
            raise SettingError.of("examples", rule=rule)
    return {name: one.seen for name, one in observers.items()}, found


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
