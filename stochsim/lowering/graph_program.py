"""A converted network as a program: its layers as plain arrays, its other parts as functions of
arrays.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.float_work import float_macs, float_work
from stochsim.lowering.graph_network import Network
from stochsim.lowering.queries import (
    gives_sizes,
    is_at_door,
    measures,
    origin_of,
    part_of,
    passes_codes,
)
from stochsim.lowering.random_parts import random_part
from stochsim.program import FloatCall, Graph, LayerCall, Program
from stochsim.settings import Arrays


def graph_program(
    network: Network,
    layers: Mapping[str, ChipLayer],
    example: torch.Tensor,
    stored: tuple[dict[str, Any], Arrays] | None = None,
) -> Program:
    """The program of a network as its parameters are now; parts in float are those of the network,
    not copies.

    layers: by name among the network's modules, in the order in which they run. example: stimuli
    (stimulus, …). stored: the table and arrays that a file of it holds.
    """
    interpreter = fx.Interpreter(network)
    owners: dict[tuple[int, int], str] = {}
    nodes: list[LayerCall | FloatCall] = []
    needed = _needed(network.graph)
    for node in network.graph.nodes:
        if node not in needed:
            continue
        layer = layers.get(str(node.target)) if node.op == "call_module" else None
        if layer is not None:
            nodes.append(_layer_call(node, layer, owners))
        elif node.op not in ("placeholder", "output"):
            nodes.append(_float_call(node, network, interpreter))
    ends = {node.op: node for node in network.graph.nodes if node.op in ("placeholder", "output")}
    graph = Graph(
        tuple(nodes),
        ends["placeholder"].name,
        ends["output"].all_input_nodes[0].name,
        tuple(example.shape[1:]),
        str(example.dtype).removeprefix("torch."),
        stored,
    )
    return Program({name: layer.layer() for name, layer in layers.items()}, graph)


def _inputs(node: fx.Node) -> tuple[fx.Node, ...]:
    """The nodes whose values a node takes on a chip."""
    random = random_part(node)
    return tuple(node.all_input_nodes) if random is None else random.inputs


def _needed(graph: fx.Graph) -> set[fx.Node]:
    """The nodes that the result needs, and what goes in and out."""
    found = {node for node in graph.nodes if node.op in ("placeholder", "output")}
    for node in reversed(graph.nodes):
        if node in found:
            found.update(_inputs(node))
    return found


def _layer_call(node: fx.Node, layer: ChipLayer, owners: dict[tuple[int, int], str]) -> LayerCall:
    """A node that calls a layer; owners: the first layer with each weight on each grid."""
    name = str(node.target)
    (source,) = node.all_input_nodes
    owner = owners.setdefault((id(layer.weight), id(layer.weight_grid)), name)
    return LayerCall(
        node.name,
        source.name,
        name,
        layer.geometry,
        layer.takes_codes,
        None if owner == name else owner,
    )


def _float_call(node: fx.Node, network: Network, interpreter: fx.Interpreter) -> FloatCall:
    random = random_part(node)
    return FloatCall(
        node.name,
        tuple(one.name for one in _inputs(node)),
        random.compute if random else _InFloat(node, network, interpreter),
        part_of(node),
        float_macs(node),
        measures(node),
        is_free=passes_codes(node) or gives_sizes(node) or is_at_door(node),
        work=float_work(node),
        draws=random.shape if random else None,
        mixes=origin_of(node).mixes,
    )


class _InFloat:
    """What a node computes in torch, as a function of arrays."""

    def __init__(self, node: fx.Node, network: Network, interpreter: fx.Interpreter) -> None:
        self._node = node
        self._network = network
        self._interpreter = interpreter

    def __call__(self, *given: Any) -> Any:
        """Arrays, and whatever else nodes give."""
        node = self._node
        device = self._device()
        inputs = node.all_input_nodes
        tensors = [
            _to_torch(value, device, origin_of(one).dtype)
            for one, value in zip(inputs, given, strict=True)
        ]
        values = dict(zip(inputs, tensors, strict=True))
        args = fx.node.map_arg(node.args, values.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, values.__getitem__)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):  # that of the caller
            return _to_numpy(getattr(self._interpreter, node.op)(node.target, args, kwargs))

    def _device(self) -> torch.device:
        first = next(self._network.parameters(), None)
        return torch.device("cpu") if first is None else first.device


def _to_torch(value: Any, device: torch.device, dtype: str) -> Any:
    """Tensors for arrays, in tuples and lists too; arrays have no bfloat16: float32 stands for
    it.
    """
    if isinstance(value, tuple | list):
        return type(value)(_to_torch(one, device, dtype) for one in value)
    if isinstance(value, np.ndarray):
        found = torch.from_numpy(value).to(device)
        return found.bfloat16() if dtype == "bfloat16" else found
    return value


def _to_numpy(value: Any) -> Any:
    """Arrays for tensors, in tuples and lists too."""
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, tuple | list):
        return type(value)(_to_numpy(one) for one in value)
    if isinstance(value, torch.Tensor):
        found = value.detach().cpu()
        return found.float().numpy() if found.dtype == torch.bfloat16 else found.numpy()
    return value
