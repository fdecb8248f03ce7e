"""The graph of a converted network as a table: of known operations alone (see `vocabulary.py`);
`reading.py` makes a network of it again.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import fx

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import TAKEN, Network
from stochsim.lowering.queries import attribute, operation, origin_of
from stochsim.lowering.vocabulary import DTYPES, LEFT_OUT, name_of_operation
from stochsim.settings import BOUND_RULE, Arrays, SettingError, is_bounded, strict

ROLES = ("parameter", "frozen", "buffer")
"""What an array is: learned, a parameter that is not, or no parameter."""


def written(network: Network, arrays: Arrays) -> tuple[list[dict[str, Any]], list[str]]:
    """The graph, and what of it cannot be written; arrays of parts in float are added under
    "float.…".
    """
    table: list[dict[str, Any]] = []
    not_saved: list[str] = []
    for node in network.graph.nodes:
        try:
            table.append(_node(network, node, arrays))
        except SettingError as error:
            not_saved.append(str(error.inside("graph", node.name)))
    return table, not_saved


def _node(network: Network, node: fx.Node, arrays: Arrays) -> dict[str, Any]:
    own = origin_of(node)
    table = {
        "name": node.name,
        "op": node.op,
        "target": _target(network, node),
        "args": _written(node.args),
        "kwargs": {
            name: _written(value) for name, value in node.kwargs.items() if name not in LEFT_OUT
        },
        "part": own.part,
        "kind": own.kind,
        "shape": None if own.shape is None else list(own.shape),
        "dtype": own.dtype,
        "mixes": own.mixes,
    }
    if node.op == "get_attr":
        value = attribute(network, strict.path("target", str(node.target), TAKEN))
        arrays[f"float.{node.target}"] = _array(str(node.target), value)
        is_parameter = isinstance(value, torch.nn.Parameter)
        role = ROLES[not value.requires_grad] if is_parameter else "buffer"
        table["kwargs"] = {"role": role}
    return table


def _target(network: Network, node: fx.Node) -> str:
    if node.op == "call_function":
        found = name_of_operation(node.target)
        if found is None:
            name = operation(node)
            raise _not_saved(f"the operation {name} is not among those that can be saved")
        return found
    if node.op == "call_module":
        path = strict.path("target", str(node.target), TAKEN)
        module = network.get_submodule(path)
        if not isinstance(module, ChipLayer):
            kind = type(module).__name__
            raise _not_saved(f"the module {kind}, kept as it is, cannot be saved")
    return str(node.target)


def _array(name: str, value: torch.Tensor) -> np.ndarray:
    """The numbers of a part in float; raises SettingError for what `reading` would refuse."""
    if value.dtype == torch.bfloat16:
        raise _not_saved(f"its '{name}' is in bfloat16, which files do not hold")
    found: np.ndarray = value.detach().cpu().numpy()
    if not is_bounded(found):
        raise _not_saved(f"its '{name}' {BOUND_RULE}")
    return found


def _written(value: Any) -> Any:
    """An argument as JSON has it: nodes by name, tuples told from lists, numbers of torch by their
    names, infinities by words.
    """
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, tuple | torch.Size):
        return {"tuple": [_written(one) for one in value]}
    if isinstance(value, list):
        return [_written(one) for one in value]
    if isinstance(value, torch.dtype) and str(value).removeprefix("torch.") in DTYPES:
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, float) and math.isinf(value):
        return {"infinity": 1 if value > 0 else -1}
    if isinstance(value, float) and math.isnan(value):
        raise _not_saved("an argument is nan, which cannot be saved")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise _not_saved(f"an argument is a {type(value).__name__}, which cannot be saved")


def _not_saved(rule: str) -> SettingError:
    """The error of the node that is written, whose name `written` puts before it."""
    return SettingError.of("", rule=rule)
