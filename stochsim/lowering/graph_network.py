"""The network of a `ChipModule`: its parts, and the order in which they are called, walked through
by an interpreter.

No source is generated from it: names of a graph are looked up, never compiled.
"""

from typing import Any

import torch
from torch import fx


class Network(torch.nn.Module):
    """A module that holds parts under their names, and a graph whose nodes call them."""

    graph: fx.Graph

    def __init__(self) -> None:
        super().__init__()
        self.graph = fx.Graph()

    @classmethod
    def of(cls, module: torch.nn.Module, graph: fx.Graph) -> "Network":
        """The parts of a module in another order; the module shares them and is not changed."""
        network = cls()
        network.graph.output(network.graph.graph_copy(graph, {}))
        for own, taken in (
            (network._modules, module._modules),
            (network._parameters, module._parameters),
            (network._buffers, module._buffers),
        ):
            own.update(taken)  # type: ignore[arg-type]
        network._non_persistent_buffers_set.update(module._non_persistent_buffers_set)
        network.train(module.training)
        return network

    def forward(self, *x: torch.Tensor) -> Any:
        """What the graph gives for x."""
        walk = fx.Interpreter(self)
        walk.extra_traceback = False
        return walk.run(*x)


TAKEN = frozenset(dir(Network())) | {"graph"}
"""Names that no part may have: those of every module."""
