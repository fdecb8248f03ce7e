"""Dropouts inside torch's recurrent and attention modules, which are arguments of their operations
and no modules: in the graph as any other, so that a converted network turns them on in training.
"""

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import nn

from stochsim.lowering.graph_network import Network
from stochsim.lowering.queries import DROPOUTS, operation, origin_of

_aten = torch.ops.aten


@contextlib.contextmanager
def own_dropouts_on(module: nn.Module) -> Iterator[list[str]]:
    """With the dropouts inside a module's recurrent and attention modules on, while it is captured;
    the paths of those that were off, which `off_in_evaluation` takes.
    """
    found = {
        path: one
        for path, one in module.named_modules()
        if isinstance(one, nn.RNNBase | nn.MultiheadAttention)
        and one.dropout > 0
        and not one.training
    }
    for one in found.values():
        one.training = True
    try:
        yield list(found)
    finally:
        for one in found.values():
            one.training = False


def off_in_evaluation(network: Network, paths: Collection[str]) -> None:
    """Turn the dropouts of the modules at these paths off, as they are in evaluation."""
    for node in network.graph.nodes:
        if operation(node) in DROPOUTS and origin_of(node).part in paths:
            node.update_arg(2, False)


def recurrent_forms(table: dict[Any, Any]) -> dict[Any, Any]:
    """Decompositions of recurrent operations with the dropout between their layers, which torch's
    own, in `table`, leave out.
    """
    names = ("lstm", "gru", "rnn_tanh", "rnn_relu")
    operations = [getattr(_aten, name).input for name in names]
    return {op: _layer_by_layer(table[op]) for op in operations if op in table}


def _layer_by_layer(form: Any) -> Any:
    """A decomposition of several layers by one of a single layer, and dropout between."""

    def decomposed(  # noqa: PLR0913 - as torch has it
        x: torch.Tensor,
        states: Any,
        params: list[torch.Tensor],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> Any:
        rest = (0.0, train, bidirectional, batch_first)
        if not (train and dropout > 0 and num_layers > 1):
            return form(x, states, params, has_biases, num_layers, *rest)
        of_layer = len(params) // num_layers
        ways = 2 if bidirectional else 1
        is_one = isinstance(states, torch.Tensor)
        last: list[tuple[torch.Tensor, ...]] = []
        for i in range(num_layers):
            own = params[i * of_layer : (i + 1) * of_layer]
            rows = slice(i * ways, (i + 1) * ways)
            first = states[rows] if is_one else [one[rows] for one in states]
            x, *after = form(x, first, own, has_biases, 1, *rest)
            last.append(tuple(after))
            if i < num_layers - 1:
                x = torch.ops.stochsim.dropout(x, dropout, True)
        return (x, *(torch.cat(one, 0) for one in zip(*last, strict=True)))

    return decomposed
