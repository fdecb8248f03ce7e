"""A network from the table that `nodes.written` made, whoever wrote the file.

Every entry is looked up in a closed set (see `vocabulary.py`), names stay names, and the whole is
rehearsed on shapes alone before any number is computed.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import TAKEN, Network, keep_used
from stochsim.lowering.nodes import ROLES
from stochsim.lowering.origin import Origin
from stochsim.lowering.rehearsal import rehearse
from stochsim.lowering.vocabulary import DTYPES, OPERATIONS, WORDS, places_of
from stochsim.settings import BOUND_RULE, SettingError, is_bounded, nearest, strict

_OPERATIONS = ("placeholder", "call_module", "call_function", "get_attr", "output")
_NODE = ("name", "op", "target", "args", "kwargs", "part", "kind", "shape", "dtype", "mixes")
_END = 2**63 - 1
_LARGEST = float(np.finfo(np.float32).max)
_KINDS = "fiub"
"""Kinds of numbers that arrays may have: reals, whole numbers, truth values."""


def read(
    table: Any,
    arrays: Mapping[str, np.ndarray],
    layers: Mapping[str, ChipLayer],
    stimuli: torch.Tensor,
) -> Network:
    """The network again; stimuli: of the shape that it takes. Raises SettingError that names the
    entry that is at fault.
    """
    reader = _Reader(arrays)
    for path, layer in layers.items():
        _put(reader.network, "layers", path, layer)
    for i, own in enumerate(strict.items("program.graph", table)):
        reader.add_node(f"graph[{i}]", own)
    reader.check_whole(layers)
    strict.only_arrays(arrays, {*reader.used, "calibration"})
    network = reader.network.eval()
    keep_used(network, layers)
    rehearse(network, stimuli)
    return network


class _Reader:
    """Builds a network entry by entry; `used` are the arrays that it took."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.network = Network()
        self.arrays = arrays
        self.used: set[str] = set()
        self.nodes: dict[str, fx.Node] = {}

    def array(self, name: str) -> torch.Tensor:
        """A copy of an array of the file."""
        if name not in self.arrays:
            raise SettingError.missing(name, section=("arrays",))
        self.used.add(name)
        found = self.arrays[name]
        if found.dtype.kind not in _KINDS:
            raise SettingError.of(name, found, "should hold real numbers", section=("arrays",))
        if not is_bounded(found):
            raise SettingError.of(name, found, BOUND_RULE, section=("arrays",))
        return torch.from_numpy(found.copy())

    def add_node(self, where: str, own: Any) -> None:
        """The next node of the graph."""
        strict.exact_table(where, own, _NODE)
        name = strict.identifier(f"{where}.name", own["name"])
        if name in self.nodes:
            raise SettingError.of(f"{where}.name", name, "another node has this name already")
        where = f"graph.{name}"
        kind = strict.word(f"{where}.op", own["op"], _OPERATIONS)
        target = self._target(where, kind, own)
        arguments = [
            _argument(f"{where}.args[{i}]", place, value, self.nodes)
            for i, (place, value) in enumerate(_placed(where, kind, own))
        ]
        named = {
            place: _argument(f"{where}.kwargs.{place}", place, value, self.nodes)
            for place, value in _named(where, kind, own, len(arguments)).items()
        }
        _check_arguments(where, kind, arguments)
        if kind == "get_attr":
            named = {}
        node = self.network.graph.create_node(kind, target, tuple(arguments), named, name=name)
        node.meta["origin"] = _origin(where, own)
        self.nodes[name] = node

    def _target(self, where: str, kind: str, own: Mapping[str, Any]) -> Any:
        """What a node calls or gets: looked up, and put in place where it is an array."""
        given = own["target"]
        target = f"{where}.target"
        if kind == "call_function":
            return OPERATIONS[strict.word(target, given, OPERATIONS)]
        if kind == "output":
            return strict.word(target, given, ("output",))
        if kind == "placeholder":
            return strict.identifier(target, given)
        path = strict.path(target, given, TAKEN)
        if kind == "call_module":
            modules = self.network.named_modules()
            layers = [name for name, one in modules if isinstance(one, ChipLayer)]
            strict.word(target, path, sorted(layers))
        else:
            given = strict.table(f"{where}.kwargs", own["kwargs"]).get("role")
            role = strict.word(f"{where}.kwargs.role", given, ROLES)
            self._put_array(target, path, self.array(f"float.{path}"), role)
        return path

    def _put_array(self, where: str, path: str, value: torch.Tensor, role: str) -> None:
        """An array at its path."""
        if role == "buffer":
            _put(self.network, where, path, value)
            return
        if not value.is_floating_point():
            raise SettingError.of(where, path, "a parameter should be an array of floats")
        _put(self.network, where, path, torch.nn.Parameter(value, role == "parameter"))

    def check_whole(self, layers: Collection[str]) -> None:
        """Raise SettingError unless one stimulus goes in, one output comes last, and every layer is
        called once.
        """
        nodes = list(self.network.graph.nodes)
        operations = [node.op for node in nodes]
        if operations.count("placeholder") != 1:
            rule = f"has {operations.count('placeholder')} inputs: should have 1"
            raise SettingError.of("graph", rule=rule)
        if operations.count("output") != 1 or operations[-1] != "output":
            raise SettingError.of("graph", rule="should have one output, and that last")
        called = [node.target for node in nodes if node.op == "call_module"]
        for layer in layers:
            if called.count(layer) != 1:
                rule = f"calls the layer '{layer}' {called.count(layer)} times: should be once"
                raise SettingError.of("graph", rule=rule)
        if not layers:
            raise SettingError.of("layers", [], "a converted network has at least one")


def _origin(where: str, own: Mapping[str, Any]) -> Origin:
    """Where a node comes from; its shape is only said, not relied on before it is computed."""
    shape = own["shape"]
    if shape is not None:
        sizes = strict.items(f"{where}.shape", shape, 64)
        shape = tuple(strict.whole(f"{where}.shape", size, -_END, _END) for size in sizes)
    dtype = own["dtype"]
    if dtype != "":
        strict.word(f"{where}.dtype", dtype, DTYPES)
    part, kind = (strict.text(f"{where}.{field}", own[field]) for field in ("part", "kind"))
    return Origin(part, kind, shape, dtype, strict.flag(f"{where}.mixes", own["mixes"]))


def _check_arguments(where: str, kind: str, arguments: list[Any]) -> None:
    """Raise SettingError where a layer is called on what is no value."""
    if kind in ("call_module", "output"):
        strict.same_length(f"{where}.args", arguments[:1], 1)
        if not isinstance(arguments[0], fx.Node):
            rule = "should be an earlier node"
            raise SettingError.of(f"{where}.args[0]", arguments[0], rule)


_OTHERS = {
    "placeholder": (("default",), ()),
    "get_attr": ((), ("role",)),
    "call_module": (("input",), ()),
    "output": (("value",), ()),
}
"""Arguments of nodes that call no operation: without a name, and with one."""


def _places(kind: str, target: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return places_of(target) if kind == "call_function" else _OTHERS[kind]


def _placed(where: str, kind: str, own: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Arguments without a name, each with the name of its place."""
    found = own["args"]
    if isinstance(found, dict) and list(found) == ["tuple"]:
        found = found["tuple"]
    given = strict.items(f"{where}.args", found, 64)
    names, _ = _places(kind, own["target"])
    if len(given) > len(names):
        rule = f"has {len(given)} items: at most {len(names)}, {', '.join(names) or 'none'}"
        raise SettingError.of(f"{where}.args", rule=rule)
    return list(zip(names, given, strict=False))


def _named(where: str, kind: str, own: Mapping[str, Any], taken: int) -> dict[str, Any]:
    """Arguments with a name; none that has been given without one."""
    given = strict.table(f"{where}.kwargs", own["kwargs"])
    placed, others = _places(kind, own["target"])
    names = [*placed, *others] if kind == "call_function" else list(others)
    for name in given:
        if name not in names:
            rule = "" if names else "none is taken here"
            raise _unknown(f"{where}.kwargs", name, names, rule)
        if name in placed and placed.index(name) < taken:
            rule = "given without a name already"
            raise SettingError.of(f"{where}.kwargs.{name}", given[name], rule)
    return given


def _argument(where: str, place: str, value: Any, nodes: Mapping[str, fx.Node]) -> Any:
    """A node, a number, a truth value, None, one of the words of its place, or tuples and lists of
    these.
    """
    if isinstance(value, list):
        return [_argument(where, place, one, nodes) for one in value]
    if isinstance(value, dict):
        return _kind_of_argument(where, place, value, nodes)
    if isinstance(value, str):
        return _word(where, place, value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return strict.whole(where, value, -_END - 1, _END)
    return strict.number(where, value, -_LARGEST, _LARGEST)


def _word(where: str, place: str, value: str) -> str:
    if place == "role":
        return strict.word(where, value, ROLES)
    if place not in WORDS:
        raise SettingError.of(where, value, "no word is taken here")
    return strict.word(where, value, WORDS[place])


def _kind_of_argument(
    where: str, place: str, value: dict[str, Any], nodes: Mapping[str, fx.Node]
) -> Any:
    kinds = ("node", "tuple", "dtype", "infinity")
    if len(value) != 1 or next(iter(value)) not in kinds:
        raise SettingError.of(where, value, "should have one key", kinds)
    ((kind, inside),) = value.items()
    if kind == "node":
        if not isinstance(inside, str) or inside not in nodes:
            near = nearest(strict.shown(inside), nodes) if nodes else "there is none"
            raise SettingError.of(where, rule=f"names the node {strict.shown(inside)}; {near}")
        return nodes[inside]
    if kind == "dtype":
        return getattr(torch, strict.word(where, inside, DTYPES))
    if kind == "infinity":
        return math.copysign(math.inf, strict.whole(where, inside, -1, 1))
    return tuple(_argument(where, place, one, nodes) for one in strict.items(where, inside, 64))


def _put(root: torch.nn.Module, where: str, path: str, value: Any) -> None:
    """Put a module or parameter at a path of names; modules on the way are made."""
    *way, last = strict.path(where, path, TAKEN).split(".")
    for name in way:
        if name not in root._modules:
            _check_free(root, where, path, name)
            root.add_module(name, torch.nn.Module())
        root = root._modules[name]  # type: ignore[assignment]
    _check_free(root, where, path, last)
    setattr(root, last, value)


def _check_free(root: torch.nn.Module, where: str, path: str, name: str) -> None:
    """Raise SettingError where something has this name already: a part, or torch's own."""
    if hasattr(root, name):
        raise SettingError.of(where, path, f"the path is taken already, at '{name}'")


def _unknown(where: str, key: str, known: Collection[str], rule: str) -> SettingError:
    """The error of a key of the table at `where` that is none of `known`; a long one is cut."""
    return SettingError.unknown(key[:60], known, rule, section=tuple(where.split(".")))
