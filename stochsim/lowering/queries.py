"""What a node of a captured graph is: the operation that it calls, its arguments by name, the part
of the module that it belongs to.
"""

import contextlib
import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx

from stochsim.lowering.origin import DOOR, Origin
from stochsim.settings import StochsimError, bounded

_MOVES = (
    "reshape",
    "flatten",
    "unflatten",
    "squeeze",
    "unsqueeze",
    "permute",
    "transpose",
    "t",
    "movedim",
    "expand",
    "select",
    "slice",
    "narrow",
    "flip",
    "split",
    "split_with_sizes",
    "chunk",
    "unsafe_split",
    "unsafe_chunk",
    "unbind",
)
"""Operations that move or choose values and make no new ones."""

_OF_CODES = (
    *_MOVES,
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "dropout",
    "feature_dropout",
    "alpha_dropout",
    "feature_alpha_dropout",
)
"""Operations that move or compare values and make no new ones (dropout: where it is off)."""

_WITH_PLACES = (
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "max_pool2d_with_indices",
)
"""Operations that give values that they choose, and where these stood."""

KEPT = "kept in float, as asked"
ROW_DROPOUTS = ("dropout", "alpha_dropout")
"""Those that drop every value by itself."""
DROPOUTS = (*ROW_DROPOUTS, "feature_dropout", "feature_alpha_dropout")
_MEASURES = ("sym_size", "sym_numel", "sym_stride")


def operation(node: fx.Node) -> str:
    """The name of the ATen operation that a node calls, without its overload; that of a function
    of Python; "" for a node that calls none.
    """
    if node.op != "call_function":
        return ""
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target._schema.name.partition("::")[2])
    return str(getattr(node.target, "__name__", ""))


def arguments(node: fx.Node) -> dict[str, Any]:
    """All arguments of the node's operation by name, with their defaults; "self" is the first of
    most.
    """
    found: dict[str, Any] = {}
    for place, one in enumerate(node.target._schema.arguments):  # type: ignore[union-attr]
        if place < len(node.args):
            found[one.name] = node.args[place]
        else:
            found[one.name] = node.kwargs.get(one.name, one.default_value)
    return found


def origin_of(node: fx.Node) -> Origin:
    """Where a node comes from."""
    found: Origin = node.meta.get("origin", Origin())
    return found


def is_at_door(node: fx.Node) -> bool:
    """Whether a node only takes inputs apart or puts outputs together."""
    origin = origin_of(node)
    return origin.kind == DOOR and not origin.part


def part_of(node: fx.Node) -> str:
    """What a part is called: the path of the module that it belongs to, or the node's name."""
    if node.op == "call_module":
        return str(node.target)
    return origin_of(node).part or node.name


def kind_of(node: fx.Node) -> str:
    """The class of the module that a node belongs to, or the operation."""
    return origin_of(node).kind or operation(node)


def belongs_to(node: fx.Node, paths: Any) -> bool:
    """Whether a node is of one of the modules at these paths, or of their parts."""
    part = str(node.target) if node.op == "call_module" else origin_of(node).part
    return any(part == path or part.startswith(f"{path}.") for path in paths)


def passes_codes(node: fx.Node) -> bool:
    """Whether it gives on the values of its one input as they are."""
    name = operation(node)
    if name == "getitem":
        source = node.args[0]
        assert isinstance(source, fx.Node)
        is_chosen = operation(source) in _WITH_PLACES and node.args[1] == 0
        return operation(source) in _MOVES or bool(is_chosen)
    if len([one for one in node.all_input_nodes if not measures(one)]) != 1:
        return False
    return name in _WITH_PLACES or (name in _OF_CODES and not is_dropping(node))


def is_dropping(node: fx.Node) -> bool:
    """Whether a dropout is on whenever the network runs."""
    return operation(node) in DROPOUTS and bool(node.args[2])


def measures(node: fx.Node) -> bool:
    """Whether a node gives a number of stimuli, which of what all reads share is not that of what
    they do not.
    """
    return operation(node) in _MEASURES


def gives_sizes(node: fx.Node) -> bool:
    """Whether a node measures, or computes with such numbers, or takes one of several values."""
    return (
        measures(node)
        or node.target is operator.getitem
        or (node.op == "call_function" and not isinstance(node.target, torch._ops.OpOverload))
    )


def constant(network: torch.nn.Module, node: fx.Node) -> torch.Tensor:
    """What a node gives that depends on no stimuli: of parameters and numbers alone. It asks for a
    gradient where a parameter does.
    """
    if node.op == "get_attr":
        found: torch.Tensor = attribute(network, str(node.target))
        return found
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda one: constant(network, one))
    value: torch.Tensor = node.target(*args, **kwargs)  # type: ignore[operator]
    return value


def of_stimuli(graph: fx.Graph) -> set[fx.Node]:
    """The nodes whose values depend on the stimuli."""
    found = set[fx.Node]()
    for node in graph.nodes:
        if node.op == "placeholder" or not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return found


def attribute(network: torch.nn.Module, path: str) -> Any:
    """What stands at a path of names."""
    found: Any = network
    for name in path.split("."):
        found = getattr(found, name)
    return found


def calls(graph: fx.Graph) -> Iterator[fx.Node]:
    """The nodes that compute."""
    return (node for node in graph.nodes if node.op in ("call_module", "call_function"))


def first_line(error: Exception) -> str:
    """The first line of an error's text."""
    return (str(error).strip().splitlines() or [""])[0]


@contextlib.contextmanager
def named_part(node: fx.Node) -> Iterator[None]:
    """Turn an error of torch inside a node into a StochsimError that names it."""
    try:
        yield
    except StochsimError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError, ArithmeticError) as error:
        line = bounded(first_line(error), 500)
        raise StochsimError(f"the part '{node.name}' cannot run: {line}") from error
