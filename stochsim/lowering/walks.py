"""Ways to walk through a converted network: on the chip, by its emulation, with the chip in the
loop, and to see what layers see.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from stochsim.chip import Place
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.trace import named_part
from stochsim.lowering.windowed_layer import WindowedLayer

Tell = Callable[[WindowedLayer, list[np.ndarray], int], None]
Step = Callable[[ChipLayer, torch.Tensor], torch.Tensor]


class Walk(fx.Interpreter):
    """Runs the graph; every ChipLayer by `step` in place of its own forward."""

    def __init__(self, network: Network, step: Step) -> None:
        super().__init__(network)
        self.extra_traceback = False
        self._step, self._layers = step, dict(network.named_modules())

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


class ChipWalk(fx.Interpreter):
    """Runs the graph with its layers on a chip.

    Stimuli stand on the first axis of every tensor; from the first layer on whose codes differ from
    read to read it holds (stimulus, read). share: whether what comes before is computed once for
    all reads. tell: is told each layer, the integers that its positions see (row, position, input)
    by group, and how many reads they stand for.
    """

    def __init__(
        self,
        network: Network,
        layers: Mapping[str, WindowedLayer],
        reads: int,
        place: Place,
        share: bool,
        tell: Tell | None = None,
    ) -> None:
        super().__init__(network)
        self.extra_traceback = False
        self._tell = tell
        self._layers, self._reads, self._place, self._share = layers, reads, place, share
        self._differs = differing(network.graph, layers, share)
        self._result = next(node for node in network.graph.nodes if node.op == "output")

    def values(self, x: torch.Tensor) -> torch.Tensor:
        """The network's outputs (stimulus, read, …)."""
        with torch.no_grad():
            shared = self._share and not self._differs[self._result]
            out = self.run(x if self._share else _repeated(x, self._reads))
            out = _repeated(out, self._reads) if shared else out
            return out.reshape(len(x), self._reads, *out.shape[1:])

    def run_node(self, n: fx.Node) -> Any:
        """A layer on the chip, any other node as it is; raises StochsimError that names a node
        which cannot run.
        """
        if n.op == "call_module" and n.target in self._layers:
            return self._run_layer(n)
        with named_part(n):
            return super().run_node(n)

    def _run_layer(self, n: fx.Node) -> torch.Tensor:
        layer, differs = self._layers[str(n.target)], self._differs[n.all_input_nodes[0]]
        x = self.env[n.all_input_nodes[0]]
        values = x.detach().cpu().numpy()
        if self._tell is not None:
            seen, apart = layer.seen(values, differs, self._reads, self._place)
            self._tell(layer, seen, 1 if apart else self._reads)
        integers = layer.run(values, differs, self._reads, self._place)
        return torch.from_numpy(np.ascontiguousarray(integers)).to(x) * self._scale(
            str(n.target), x
        )

    def _scale(self, target: str, like: torch.Tensor) -> torch.Tensor:
        """The scale of a layer's output, in the numbers that the network computes in."""
        layer = self.module.get_submodule(target)
        assert isinstance(layer, ChipLayer)
        return layer.output_grid.scale().detach().to(like)

    def map_nodes_to_values(self, args: Any, n: fx.Node) -> Any:
        """Arguments; what all reads share is repeated where it meets what they do not."""

        def value(node: fx.Node) -> Any:
            found = self.env[node]
            if (
                self._differs[n]
                and not self._differs[node]
                and isinstance(found, torch.Tensor)
                and node.op != "get_attr"
            ):
                return _repeated(found, self._reads)
            return found

        return fx.node.map_arg(args, value)


def differing(
    graph: fx.Graph, layers: Mapping[str, WindowedLayer], share: bool
) -> dict[fx.Node, bool]:
    """Whether each node's value differs from read to read."""
    differs: dict[fx.Node, bool] = {}
    for node in graph.nodes:
        noisy = (
            node.op == "call_module"
            and node.target in layers
            and not layers[node.target].shares_codes
        )
        begins = node.op == "placeholder" and not share
        differs[node] = begins or noisy or any(differs[before] for before in node.all_input_nodes)
    return differs


def _repeated(x: torch.Tensor, reads: int) -> torch.Tensor:
    return x if reads == 1 else x.repeat_interleave(reads, 0)


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


def measures(node: fx.Node) -> bool:
    """Whether a node asks for a size: of what all reads share it is not that of what they do
    not.
    """
    return node.target in ("size", "dim") or getattr(node.target, "__name__", "") in (
        "getattr",
        "len",
    )
