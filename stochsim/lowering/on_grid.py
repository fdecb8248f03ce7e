"""Quantisers that a module brings along: one operation that a capture keeps whole, in place of
what quantisation libraries compute in many.
"""

from typing import Any

import torch
from torch import fx

from stochsim.lowering.graph_network import Network
from stochsim.lowering.queries import operation, origin_of

_aten = torch.ops.aten
_OWN = torch.library.Library("stochsim", "FRAGMENT")
_OWN.define("on_grid(Tensor x, Tensor scale, Tensor zero, int low, int high) -> Tensor")


def on_grid(
    x: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, low: int, high: int
) -> torch.Tensor:
    """(c - zero) · scale for the integer c from low to high nearest to x / scale + zero, halves to
    the even one, of x of any shape; low = high: ±scale, 0 to the upper. As Brevitas computes it,
    step by step. scale, zero: of shapes that broadcast to x.
    """
    if low == high:
        return torch.where(x >= 0, scale, -scale)
    return ((x / scale + zero).round().clamp(low, high) - zero) * scale


_OWN.impl("on_grid", on_grid, "CompositeExplicitAutograd")
_OWN.impl("on_grid", lambda x, *rest: torch.empty_like(x), "Meta")


class OnGrid(torch.nn.Module):
    """A quantiser as a module; see `on_grid`."""

    scale: torch.Tensor
    zero: torch.Tensor

    def __init__(self, scale: torch.Tensor, zero: torch.Tensor, low: int, high: int) -> None:
        super().__init__()
        self.register_buffer("scale", scale.detach().clone())
        self.register_buffer("zero", zero.detach().clone().to(scale.dtype))
        self.low = low
        self.high = high

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Values on the grid."""
        found: torch.Tensor = torch.ops.stochsim.on_grid(
            x, self.scale, self.zero, self.low, self.high
        )
        return found


def is_on_grid(node: Any) -> bool:
    """Whether a node is a quantiser that the module brought along."""
    return isinstance(node, fx.Node) and operation(node) == "on_grid"


def in_plain_operations(network: Network) -> None:
    """torch's own operations for the quantisers that are left in the graph."""
    for node in list(network.graph.nodes):
        if is_on_grid(node):
            with network.graph.inserting_before(node):
                made = _in_parts(network.graph, node)
            node.replace_all_uses_with(made)
            network.graph.erase_node(node)


def _in_parts(graph: fx.Graph, node: fx.Node) -> fx.Node:
    x, scale, zero, low, high = node.args

    def call(target: Any, *args: Any) -> fx.Node:
        made = graph.call_function(target, args)
        made.meta = {"origin": origin_of(node)}
        return made

    if low == high:
        is_high = call(_aten.ge.Scalar, x, 0)
        return call(_aten.where.self, is_high, scale, call(_aten.neg.default, scale))
    codes = call(
        _aten.round.default, call(_aten.add.Tensor, call(_aten.div.Tensor, x, scale), zero)
    )
    shifted = call(_aten.sub.Tensor, call(_aten.clamp.default, codes, low, high), zero)
    return call(_aten.mul.Tensor, shifted, scale)
