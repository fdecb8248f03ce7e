"""A network from the table that `nodes.written` made, whoever wrote the file.

Every entry is looked up in a closed set (see `vocabulary.py`), names stay names, and the whole is
rehearsed on shapes alone before any number is computed.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import TAKEN, Network
from stochsim.lowering.rehearsal import rehearse
from stochsim.lowering.vocabulary import ALSO_WRITTEN, ARGUMENTS, FUNCTIONS, METHODS, MODULES, WORDS
from stochsim.settings import BOUND_RULE, SettingError, is_bounded, nearest, strict

_OPERATIONS = ("placeholder", "call_module", "call_function", "call_method", "get_attr", "output")
_NODE = ("name", "op", "target", "args", "kwargs")
_END = 2**63 - 1
_LARGEST = float(np.finfo(np.float32).max)
_KINDS = "fiub"
"""Kinds of numbers that arrays may have: reals, whole numbers, truth values."""


def read(
    table: Any,
    modules: Any,
    arrays: Mapping[str, np.ndarray],
    layers: Mapping[str, ChipLayer],
    stimuli: torch.Tensor,
) -> Network:
    """The network again; stimuli: of the shape that it takes. Raises SettingError that names the
    entry that is at fault.
    """
    reader = _Reader(arrays)
    for path, own in strict.table("program.modules", modules).items():
        reader.add_module(path, own)
    for path, layer in layers.items():
        _put(reader.network, "layers", path, layer)
    for i, own in enumerate(strict.items("program.graph", table)):
        reader.add_node(f"graph[{i}]", own)
    reader.check_whole(layers)
    strict.only_arrays(arrays, {*reader.used, "calibration"})
    network = _in_order(reader.network).eval()
    rehearse(network, stimuli)
    return network


def _in_order(network: Network) -> Network:
    """The same with its parts, and so its parameters, in the order in which they are called."""
    ordered = Network()
    ordered.graph = network.graph
    nodes = list(network.graph.nodes)
    parts = [str(node.target) for node in nodes if node.op == "call_module"]
    for path in dict.fromkeys(parts):
        _put(ordered, "graph", path, network.get_submodule(path))
    for path in dict.fromkeys(str(node.target) for node in nodes if node.op == "get_attr"):
        if path not in ordered.state_dict():
            _put(ordered, "graph", path, network.get_parameter(path))
    return ordered


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

    def add_module(self, path: str, own: Any) -> None:
        """A module left in float, with its weights."""
        where = f"modules.{strict.path('modules', path, TAKEN)}"
        strict.exact_table(where, own, ("module", "fields"))
        kind = strict.word(f"{where}.module", own["module"], MODULES)
        fields = strict.table(f"{where}.fields", own["fields"])
        known = (*MODULES[kind], *ALSO_WRITTEN.get(kind, ()))
        for field in fields:
            if field not in known:
                rule = "" if known else f"{kind} has none"
                raise _unknown(f"{where}.fields", field, known, rule)
        given = {
            field: _argument(f"{where}.fields.{field}", field, fields[field], {})
            for field in MODULES[kind]
            if field in fields
        }
        module = self._made(where, kind, given)
        state = {
            key: _scalar(self.array(f"float.{path}.{key}"), value)
            for key, value in module.state_dict().items()
        }
        _fill(where, module, state)
        _put(self.network, where, path, module)

    @staticmethod
    def _made(where: str, kind: str, given: dict[str, Any]) -> torch.nn.Module:
        """A module without numbers: its sizes take no memory before they are compared."""
        try:
            with torch.device("meta"):
                module: torch.nn.Module = getattr(torch.nn, kind)(**given)
        except Exception as error:  # whatever torch raises for arguments that do not fit
            rule = f"no {kind} has these ({_line(error)})"
            raise SettingError.of(f"{where}.fields", given, rule) from None
        return module

    def add_node(self, where: str, own: Any) -> None:
        """The next node of the graph."""
        strict.exact_table(where, own, _NODE)
        name = strict.identifier(f"{where}.name", own["name"])
        if name in self.nodes:
            raise SettingError.of(f"{where}.name", name, "another node has this name already")
        where = f"graph.{name}"
        operation = strict.word(f"{where}.op", own["op"], _OPERATIONS)
        target = self._target(where, operation, own["target"])
        arguments = [
            _argument(f"{where}.args[{i}]", place, value, self.nodes)
            for i, (place, value) in enumerate(_placed(where, operation, own))
        ]
        named = {
            place: _argument(f"{where}.kwargs.{place}", place, value, self.nodes)
            for place, value in _named(where, operation, own, len(arguments)).items()
        }
        _check_arguments(where, operation, arguments)
        self.nodes[name] = self.network.graph.create_node(
            operation, target, tuple(arguments), named, name=name
        )

    def _target(self, where: str, operation: str, given: Any) -> Any:
        """What a node calls or gets: looked up, and put in place where it is an array."""
        where = f"{where}.target"
        if operation == "call_function":
            return FUNCTIONS[strict.word(where, given, FUNCTIONS)]
        if operation == "call_method":
            return strict.word(where, given, METHODS)
        if operation == "output":
            return strict.word(where, given, ("output",))
        if operation == "placeholder":
            return strict.identifier(where, given)
        path = strict.path(where, given, TAKEN)
        if operation == "get_attr":
            self._put_array(where, path, self.array(f"float.{path}"))
        else:
            modules = {
                name
                for name, one in self.network.named_modules()
                if isinstance(one, ChipLayer) or type(one) is not torch.nn.Module
            }
            strict.word(where, path, sorted(modules - {""}))
        return path

    def _put_array(self, where: str, path: str, value: torch.Tensor) -> None:
        """An array at its path; where a module has it already, with the same shape."""
        *way, last = path.split(".")
        owner: Any = dict(self.network.named_modules()).get(".".join(way))
        there = None if owner is None else {**owner._parameters, **owner._buffers}.get(last)
        if there is None:
            grad = value.is_floating_point()
            _put(self.network, where, path, torch.nn.Parameter(value, requires_grad=grad))
        elif there.shape != value.shape:
            rule = f"its array has shape {tuple(value.shape)}: should have {tuple(there.shape)}"
            raise SettingError.of(where, path, rule)
        else:
            with torch.no_grad():
                there.copy_(value)

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


def _check_arguments(where: str, operation: str, arguments: list[Any]) -> None:
    """Raise SettingError where a module or a method is called on what is no value."""
    if operation in ("call_module", "call_method", "output"):
        strict.same_length(f"{where}.args", arguments[:1], 1)
        if not isinstance(arguments[0], fx.Node):
            rule = "should be an earlier node"
            raise SettingError.of(f"{where}.args[0]", arguments[0], rule)


_OTHERS = {
    "placeholder": ("default",),
    "get_attr": (),
    "call_module": ("input",),
    "output": ("value",),
}
"""Arguments of nodes that call no function and no method."""


def _places(operation: str, target: str) -> tuple[str, ...]:
    if operation == "call_function":
        return ARGUMENTS[target]
    return METHODS[target] if operation == "call_method" else _OTHERS[operation]


def _placed(where: str, operation: str, own: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Arguments without a name, each with the name of its place."""
    found = own["args"]
    if isinstance(found, dict) and list(found) == ["tuple"]:
        found = found["tuple"]
    given = strict.items(f"{where}.args", found, 64)
    names = list(_places(operation, own["target"]))
    many = next((i for i, name in enumerate(names) if name.startswith("*")), None)
    if many is not None and len(given) > len(names):
        names[many : many + 1] = [names[many]] * (len(given) - len(names) + 1)
    if len(given) > len(names):
        rule = f"has {len(given)} items: at most {len(names)}, {', '.join(names) or 'none'}"
        raise SettingError.of(f"{where}.args", rule=rule)
    return [(name.lstrip("*"), value) for name, value in zip(names, given, strict=False)]


def _named(where: str, operation: str, own: Mapping[str, Any], taken: int) -> dict[str, Any]:
    """Arguments with a name; none that has been given without one."""
    given = strict.table(f"{where}.kwargs", own["kwargs"])
    names = [name.lstrip("*") for name in _places(operation, own["target"])]
    if operation in ("placeholder", "output", "get_attr"):
        names = []
    for name in given:
        if name not in names:
            rule = "" if names else "none is taken here"
            raise _unknown(f"{where}.kwargs", name, names, rule)
        if names.index(name) < taken:
            rule = "given without a name already"
            raise SettingError.of(f"{where}.kwargs.{name}", given[name], rule)
    return given


def _argument(where: str, place: str, value: Any, nodes: Mapping[str, fx.Node]) -> Any:
    """A node, a number, a truth value, None, one of the words of its place, or tuples, lists and
    slices of these.
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
    if place not in WORDS:
        raise SettingError.of(where, value, "no word is taken here")
    return strict.word(where, value, WORDS[place])


def _kind_of_argument(
    where: str, place: str, value: dict[str, Any], nodes: Mapping[str, fx.Node]
) -> Any:
    kinds = ("node", "tuple", "slice")
    if len(value) != 1 or next(iter(value)) not in kinds:
        raise SettingError.of(where, value, "should have one key", kinds)
    ((kind, inside),) = value.items()
    if kind == "node":
        if not isinstance(inside, str) or inside not in nodes:
            near = nearest(strict.shown(inside), nodes) if nodes else "there is none"
            raise SettingError.of(where, rule=f"names the node {strict.shown(inside)}; {near}")
        return nodes[inside]
    parts = tuple(_argument(where, place, one, nodes) for one in strict.items(where, inside, 64))
    if kind == "tuple":
        return parts
    strict.same_length(where, parts, 3)
    return slice(*parts)


def _scalar(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A single value without axes where `like` has none: files have at least one axis."""
    return value.reshape(()) if like.ndim == 0 and value.numel() == 1 else value


def _fill(where: str, module: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Give a module that has no numbers those of the file; raises SettingError where shapes
    differ.
    """
    for key, value in module.state_dict().items():
        if value.shape != state[key].shape or (
            value.is_floating_point() != state[key].is_floating_point()
        ):
            rule = (
                f"the array of its '{key}' is {state[key].dtype} {tuple(state[key].shape)}, its "
                f"fields say {value.dtype} {tuple(value.shape)}"
            )
            raise SettingError.of(where, rule=rule)
    module.load_state_dict(state, assign=True)


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


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
