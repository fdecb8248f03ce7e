"""The graph of a converted network as a table: of known modules, functions and methods alone
(see `vocabulary.py`); `reading.py` makes a network of it again.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import fx

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import TAKEN, Network
from stochsim.lowering.trace import attribute, called
from stochsim.lowering.vocabulary import METHODS, fields_of, name_of_function
from stochsim.settings import BOUND_RULE, Arrays, SettingError, is_bounded, strict


def written(
    network: Network, arrays: Arrays
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
            own = {"name": node.name, "op": node.op, "target": target}
            own["args"] = _written(node.args)
            own["kwargs"] = {name: _written(value) for name, value in node.kwargs.items()}
            table.append(own)
        except SettingError as error:
            not_saved.append(str(error.inside("graph", node.name)))
    return table, modules, not_saved


def _target(network: Network, node: fx.Node, modules: dict[str, Any], arrays: Arrays) -> str:
    if node.op == "call_function":
        found = name_of_function(node.target)
        if found is None:
            name, _ = called(network, node)
            raise _not_saved(f"the function {name} is not among those that can be saved")
        return found
    target = str(node.target)
    if node.op == "call_method" and target not in METHODS:
        raise _not_saved(f"the method {target} is not among those that can be saved")
    if node.op == "call_module":
        _add_module(network, strict.path("target", target, TAKEN), modules, arrays)
    if node.op == "get_attr":
        value = attribute(network, strict.path("target", target, TAKEN))
        arrays[f"float.{target}"] = _array(target, value)
    return target


def _add_module(network: Network, path: str, modules: dict[str, Any], arrays: Arrays) -> None:
    module = network.get_submodule(path)
    if isinstance(module, ChipLayer):
        return
    fields = fields_of(module)
    if fields is None:
        kind = type(module).__name__
        raise _not_saved(f"the module {kind} is not among those that can be saved")
    modules[path] = {
        "module": type(module).__name__,
        "fields": {field: _written(value) for field, value in fields.items()},
    }
    for name, value in module.state_dict().items():
        arrays[f"float.{path}.{name}"] = _array(name, value)


def _array(name: str, value: Any) -> np.ndarray:
    """The numbers of a part in float; raises SettingError for what `reading` would refuse."""
    found: np.ndarray = value.detach().cpu().numpy()
    if not is_bounded(found):
        raise _not_saved(f"its '{name}' {BOUND_RULE}")
    return found


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
    if isinstance(value, float) and not math.isfinite(value):
        raise _not_saved(f"an argument is {value}, which cannot be saved")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise _not_saved(f"an argument is a {type(value).__name__}, which cannot be saved")


def _not_saved(rule: str) -> SettingError:
    """The error of the node that is written, whose name `written` puts before it."""
    return SettingError.of("", rule=rule)
