"""A walk through a converted network, with its layers computed in another way."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Interpreter, Network
from stochsim.lowering.queries import named_part

Step = Callable[[ChipLayer, torch.Tensor], torch.Tensor]


class Walk(Interpreter):
    """Runs the graph; every ChipLayer by `step` in place of its own forward."""

    def __init__(self, network: Network, step: Step) -> None:
        super().__init__(network)
        self._step = step
        self._layers = dict(network.named_modules())

    def run_node(self, n: fx.Node) -> Any:
        """Run it; raises StochsimError that names a node which cannot run."""
        with named_part(n):
            return super().run_node(n)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A layer by `step`, another module as it is."""
        layer = self._layers[target]
        if isinstance(layer, ChipLayer):
            return self._step(layer, args[0])
        return super().call_module(target, args, kwargs)


def layers_in(network: Network) -> dict[str, ChipLayer]:
    """The layers on the chip, by name, in the order in which they run."""
    nodes = [node for node in network.graph.nodes if node.op == "call_module"]
    found = {str(node.target): network.get_submodule(str(node.target)) for node in nodes}
    return {name: layer for name, layer in found.items() if isinstance(layer, ChipLayer)}


@contextlib.contextmanager
def evaluated(module: torch.nn.Module) -> Iterator[None]:
    """Everything in evaluation, and each part as it was afterwards."""
    training = [one for one in module.modules() if one.training]
    module.eval()
    try:
        yield
    finally:
        for one in training:
            one.training = True
