"""The graph of a converted network as a table, and back: of known modules, functions and methods
alone, so that reading runs nothing.
"""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.nn import functional

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.trace import attribute, called
from stochsim.program import Arrays
from stochsim.settings import SettingError

_MODULES = (
    *(
        "Flatten",
        "Unflatten",
        "Identity",
        "Dropout",
        "Dropout1d",
        "Dropout2d",
        "ReLU",
        "LeakyReLU",
        "Tanh",
        "Sigmoid",
        "Softmax",
    ),
    *(
        "LogSoftmax",
        "GELU",
        "ELU",
        "Hardtanh",
        "ReLU6",
        "Softplus",
        "MaxPool1d",
        "MaxPool2d",
        "AvgPool1d",
        "AvgPool2d",
    ),
    *(
        "AdaptiveAvgPool1d",
        "AdaptiveAvgPool2d",
        "AdaptiveMaxPool1d",
        "AdaptiveMaxPool2d",
        "BatchNorm1d",
        "BatchNorm2d",
        "LayerNorm",
    ),
    *("Linear", "Conv1d", "Conv2d"),
)
"""Modules whose `__constants__`, and sizes of weights, say how they were made."""

_FUNCTIONS: dict[str, Any] = {
    **{
        f"torch.{name}": getattr(torch, name)
        for name in ("flatten", "relu", "tanh", "sigmoid", "cat", "softmax", "add", "mul", "mean")
    },
    **{
        f"torch.{name}": getattr(torch, name)
        for name in (
            "reshape",
            "squeeze",
            "unsqueeze",
            "permute",
            "transpose",
            "sum",
            "log_softmax",
        )
    },
    **{
        f"functional.{name}": getattr(functional, name)
        for name in (
            *(
                "relu",
                "softmax",
                "log_softmax",
                "max_pool1d",
                "max_pool2d",
                "avg_pool1d",
                "avg_pool2d",
                "adaptive_avg_pool1d",
            ),
            *(
                "adaptive_avg_pool2d",
                "dropout",
                "leaky_relu",
                "gelu",
                "elu",
                "hardtanh",
                "relu6",
                "pad",
                "linear",
                "conv1d",
                "conv2d",
            ),
        )
    },
    **{
        f"operator.{name}": getattr(operator, name)
        for name in ("add", "sub", "mul", "truediv", "getitem", "iadd", "imul", "neg")
    },
}
_METHODS = (
    *(
        "view",
        "reshape",
        "flatten",
        "size",
        "dim",
        "permute",
        "transpose",
        "squeeze",
        "unsqueeze",
        "contiguous",
        "relu",
        "tanh",
        "sigmoid",
    ),
    *(
        "mean",
        "sum",
        "softmax",
        "log_softmax",
        "add",
        "mul",
        "sub",
        "div",
        "clamp",
        "amax",
        "unflatten",
    ),
)


def written(
    network: fx.GraphModule, arrays: Arrays
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """The graph, the modules left in float, and what cannot be written; their arrays are added
    under "float.…".
    """
    modules: dict[str, Any] = {}
    table: list[dict[str, Any]] = []
    not_saved: list[str] = []
    for node in network.graph.nodes:
        try:
            target = _target(network, node, modules, arrays)
            both = {
                "args": _written(node.args),
                "kwargs": {name: _written(value) for name, value in node.kwargs.items()},
            }
            table.append({"name": node.name, "op": node.op, "target": target, **both})
        except SettingError as error:
            not_saved.append(f"'{node.name}' ({error})")
    return table, modules, not_saved


def _target(network: fx.GraphModule, node: fx.Node, modules: dict[str, Any], arrays: Arrays) -> str:
    if node.op == "call_module":
        module = network.get_submodule(str(node.target))
        if not isinstance(module, ChipLayer):
            modules[str(node.target)] = _module_table(module)
            for name, value in module.state_dict().items():
                arrays[f"float.{node.target}.{name}"] = value.detach().cpu().numpy()
    elif node.op == "call_function":
        found = [name for name, one in _FUNCTIONS.items() if one is node.target]
        if not found:
            raise SettingError(
                f"the function {called(network, node)[0]} is not among those that can be saved"
            )
        return found[0]
    elif node.op == "call_method" and node.target not in _METHODS:
        raise SettingError(f"the method {node.target} is not among those that can be saved")
    elif node.op == "get_attr":
        arrays[f"float.{node.target}"] = attribute(network, str(node.target)).detach().cpu().numpy()
    return str(node.target)


def _module_table(module: torch.nn.Module) -> dict[str, Any]:
    name = type(module).__name__
    if getattr(torch.nn, name, None) is not type(module) or name not in _MODULES:
        raise SettingError(f"the module {name} is not among those that can be saved")
    fields = {field: getattr(module, field) for field in getattr(module, "__constants__", ())}
    if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d):
        fields = {
            field: fields[field]
            for field in ("stride", "padding", "dilation", "groups", "padding_mode")
        }
        fields |= {
            "in_channels": module.in_channels,
            "out_channels": module.out_channels,
            "kernel_size": module.kernel_size,
        }
    if isinstance(module, torch.nn.Unflatten):
        fields = {"dim": module.dim, "unflattened_size": module.unflattened_size}
    if isinstance(module, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d):
        fields["bias"] = module.bias is not None
    return {"module": name, "fields": {field: _written(value) for field, value in fields.items()}}


def _written(value: Any) -> Any:
    """An argument as JSON has it: nodes by name, tuples and slices told from lists."""
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, tuple | torch.Size):
        return {"tuple": [_written(one) for one in value]}
    if isinstance(value, list):
        return [_written(one) for one in value]
    if isinstance(value, slice):
        return {"slice": [_written(one) for one in (value.start, value.stop, value.step)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SettingError(f"an argument is a {type(value).__name__}, which cannot be saved")


def read(
    table: list[dict[str, Any]],
    modules: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    layers: Mapping[str, ChipLayer],
) -> fx.GraphModule:
    """The network again; raises SettingError for what no table says, KeyError for what is
    missing.
    """
    root = torch.nn.Module()
    for name, own in modules.items():
        _add(root, name, _module(name, own, arrays))
    for name, layer in layers.items():
        _add(root, name, layer)
    graph = fx.Graph()
    found: dict[str, fx.Node] = {}
    for own in table:
        if own["op"] == "get_attr":
            _add(
                root,
                own["target"],
                torch.nn.Parameter(torch.from_numpy(arrays[f"float.{own['target']}"].copy())),
            )
        arguments = (
            _read(own["args"], found),
            {name: _read(value, found) for name, value in own["kwargs"].items()},
        )
        found[own["name"]] = graph.create_node(
            own["op"], _function(own), *arguments, name=own["name"]
        )
    return fx.GraphModule(root, graph, "Network")


def _function(own: Mapping[str, Any]) -> Any:
    op, target = own["op"], own["target"]
    if op == "call_function":
        return _FUNCTIONS[target]
    if op == "call_method" and target not in _METHODS:
        raise SettingError(f"the method {target} is not among those that can be read")
    return target


def _module(name: str, own: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> torch.nn.Module:
    if own["module"] not in _MODULES:
        raise SettingError(f"the module {own['module']} is not among those that can be read")
    module: torch.nn.Module = getattr(torch.nn, own["module"])(
        **{field: _read(value, {}) for field, value in own["fields"].items()}
    )
    prefix = f"float.{name}."
    state = {key: torch.from_numpy(arrays[prefix + key].copy()) for key in module.state_dict()}
    for value in state.values():
        if value.is_floating_point():
            module.to(value.dtype)
    module.load_state_dict(state)
    return module


def _read(value: Any, nodes: Mapping[str, fx.Node]) -> Any:
    if isinstance(value, list):
        return [_read(one, nodes) for one in value]
    if not isinstance(value, dict):
        return value
    (kind, inside), *more = value.items()
    if more or kind not in ("node", "tuple", "slice"):
        raise SettingError(f"an argument {value!r} that no table has")
    if kind == "node":
        return nodes[inside]
    parts = tuple(_read(one, nodes) for one in inside)
    return slice(*parts) if kind == "slice" else parts


def _add(root: torch.nn.Module, path: str, value: Any) -> None:
    """Put a module or parameter at a path of names; modules on the way are made."""
    *way, last = path.split(".")
    for name in way:
        if not hasattr(root, name):
            root.add_module(name, torch.nn.Module())
        root = getattr(root, name)
    setattr(root, last, value)
