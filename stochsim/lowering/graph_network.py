"""The network of a `ChipModule`: its parts, and the order in which they are called, walked through
by an interpreter.

No source is generated from it: names of a graph are looked up, never compiled.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import fx

from stochsim.settings import StochsimError


class Network(torch.nn.Module):
    """A module that holds parts under their names, and a graph whose nodes call them."""

    graph: fx.Graph

    def __init__(self) -> None:
        super().__init__()
        self.graph = fx.Graph()

    def forward(self, *x: torch.Tensor) -> Any:
        """What the graph gives for x."""
        return Interpreter(self).run(*x)

    def __getstate__(self) -> dict[str, Any]:
        """The graph as a list of nodes; operations of torch, which have no pickle, by name."""
        nodes = [
            (
                node.name,
                node.op,
                _name_of(node.target),
                fx.node.map_arg((node.args, node.kwargs), lambda one: _Named(one.name)),
                node.meta,
            )
            for node in self.graph.nodes
        ]
        return {**super().__getstate__(), "graph": nodes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The graph again."""
        graph = fx.Graph()
        made: dict[str, fx.Node] = {}
        for name, op, target, given, meta in state["graph"]:
            args, kwargs = _with_nodes(given, made)
            target = target.operation() if isinstance(target, _Operation) else target
            made[name] = graph.create_node(op, target, args, kwargs, name)
            made[name].meta = meta
        super().__setstate__({**state, "graph": graph})


class _Named(NamedTuple):
    """Stands for a node in a pickle."""

    name: str


class _Operation(NamedTuple):
    """Stands for an operation of torch in a pickle."""

    packet: str
    overload: str

    def operation(self) -> Any:
        """The operation."""
        return getattr(getattr(torch.ops.aten, self.packet), self.overload)


def _name_of(target: Any) -> Any:
    if not isinstance(target, torch._ops.OpOverload):
        return target
    return _Operation(target._schema.name.partition("::")[2], target._overloadname)


def _with_nodes(given: Any, made: Mapping[str, fx.Node]) -> Any:
    """Arguments with nodes for what stands for them."""
    if isinstance(given, _Named):
        return made[given.name]
    if isinstance(given, dict):
        return {key: _with_nodes(one, made) for key, one in given.items()}
    if isinstance(given, tuple | list):
        return type(given)(_with_nodes(one, made) for one in given)
    return given


FROZEN = " (frozen)"
"""Ends the kind of a part that stays in evaluation when its module is put in training."""

CUMULATIVE = " (cumulative average)"
"""Ends the kind of a normalisation whose statistics no momentum moves."""


class Interpreter(fx.Interpreter):
    """Runs a network: dropout, normalisation by the batch and RReLU as its `training` says."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.extra_traceback = False
        self._training = network.training
        self._kind = self._part = ""

    def run_node(self, n: fx.Node) -> Any:
        """Run it, its kind known."""
        origin = n.meta.get("origin")
        self._kind, self._part = ("", "") if origin is None else (origin.kind, origin.part)
        return super().run_node(n)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operation of torch; one that differs in training is on there. Raises StochsimError
        for a normalisation whose statistics do not follow training.
        """
        place = TRAINING_PLACES.get(target)
        if self._training and place is not None and not self._kind.endswith(FROZEN):
            if self._kind.endswith(CUMULATIVE):
                raise StochsimError(
                    f"the part '{self._part}' has momentum=None, so running statistics by the "
                    f"number of its batches, which a converted network does not count: give it a "
                    f"momentum, or keep it in evaluation"
                )
            before = [one.default_value for one in target._schema.arguments[len(args) : place]]
            args = (*args[:place], *before, True, *args[place + 1 :])
        return super().call_function(target, args, kwargs)


_aten = torch.ops.aten
TRAINING_PLACES: dict[Any, int] = {
    _aten.dropout.default: 2,
    _aten.feature_dropout.default: 2,
    _aten.alpha_dropout.default: 2,
    _aten.feature_alpha_dropout.default: 2,
    _aten.batch_norm.default: 5,
    _aten.instance_norm.default: 5,
    _aten.rrelu.default: 3,
}
"""Operations that differ in training, and which argument says so."""


TAKEN = frozenset(dir(Network())) | {"graph"}
"""Names that no part may have: those of every module."""


def put(network: Network, path: str, value: torch.Tensor | torch.nn.Module) -> str:
    """Put a parameter, buffer or module at a path, modules on the way are made; the path, in which
    names that are taken end in "_".
    """
    *way, last = path.split(".")
    owner: torch.nn.Module = network
    found = []
    for name in way:
        free = _free(owner, name, torch.nn.Module)
        if free not in owner._modules:
            owner.add_module(free, torch.nn.Module())
        owner = owner.get_submodule(free)
        found.append(free)
    last = _free(owner, last, type(None))
    if isinstance(value, torch.nn.Module):
        owner.add_module(last, value)
    elif isinstance(value, torch.nn.Parameter):
        owner.register_parameter(last, value)
    else:
        owner.register_buffer(last, value)
    return ".".join([*found, last])


def _free(owner: torch.nn.Module, name: str, kind: type) -> str:
    """The name, with "_" behind it as often as something of another kind has it."""
    while name in TAKEN or not isinstance(getattr(owner, name, None), kind | type(None)):
        name += "_"
    return name


def drop_unused(graph: fx.Graph) -> None:
    """Leave out the nodes that nothing uses, those that draw random numbers too."""
    graph.eliminate_dead_code(is_impure_node=lambda node: node.op in ("placeholder", "output"))


def keep_used(network: Network, layers: Mapping[str, torch.nn.Module]) -> None:
    """Put the layers in, and leave only what the graph uses, in the order in which it does: a
    parameter below the path of a layer gets a path of its own.
    """
    graph = network.graph
    drop_unused(graph)
    kept = Network()
    moved: dict[str, str] = {}
    users = (node for node in graph.nodes if node.op != "get_attr")
    ordered = (one for node in users for one in (*node.all_input_nodes, node))
    for node in dict.fromkeys(one for one in ordered if one.op in ("call_module", "get_attr")):
        path = str(node.target)
        if node.op == "call_module":
            part = layers[path] if path in layers else network.get_submodule(path)
            if path not in moved:
                moved[path] = put(kept, path, part)
        elif path not in moved:
            is_inside = any(path.startswith(f"{name}.") or path == name for name in layers)
            name = path.replace(".", "_") if is_inside else path
            moved[path] = put(kept, name, _value(network, path))
        node.target = moved[path]
    for name in ("_modules", "_parameters", "_buffers"):
        setattr(network, name, getattr(kept, name))


def _value(network: Network, path: str) -> torch.Tensor:
    way, _, last = path.rpartition(".")
    found: torch.Tensor = getattr(network.get_submodule(way), last)
    return found
