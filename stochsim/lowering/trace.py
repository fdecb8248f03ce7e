"""A torch module as a graph: traced, its parts called by name, and what is unused left out."""

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import fx

from stochsim.settings import StochsimError, bounded

_OF_CODES = (
    "Flatten",
    "Unflatten",
    "Identity",
    "MaxPool1d",
    "MaxPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "AlphaDropout",
    "flatten",
    "reshape",
    "view",
    "squeeze",
    "unsqueeze",
    "permute",
    "transpose",
    "contiguous",
    "max_pool1d",
    "max_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "dropout",
    "dropout1d",
    "dropout2d",
)
"""Modules, functions and methods that move or compare values and make no new ones (dropout: when
not in training).
"""


class _Tracer(fx.Tracer):
    """Remembers where it was when a module could not be traced."""

    def __init__(self, kept: Collection[str]) -> None:
        super().__init__()
        self._kept = kept
        self.where = ""

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self._kept or super().is_leaf_module(
            m, module_qualified_name
        )

    def call_module(
        self, m: torch.nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.where = self.where or self.path_of_module(m)
            raise


def traced(module: torch.nn.Module, kept: Collection[str]) -> fx.GraphModule:
    """The graph of a module; `kept` names parts that stay whole.

    Raises StochsimError that says which part cannot be traced, and why.
    """
    tracer = _Tracer(kept)
    try:
        graph = tracer.trace(module)
    except Exception as error:  # whatever a user's own code raises of a stand-in for a tensor
        raise _cannot_be_traced(module, tracer.where, error) from None
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise StochsimError(
            f"{type(module).__name__} takes {len(inputs)} inputs: only modules of one tensor can "
            f"be converted"
        )
    network = fx.GraphModule(tracer.root, graph, type(module).__name__)
    _lift_attributes(network)
    return network


def _lift_attributes(network: fx.GraphModule) -> None:
    """Give every parameter that the graph itself reads a place of its own at the top, so that it
    stays when the layer that holds it ("a" of `self.a.weight`) becomes one of the chip.
    """
    taken = {name.partition(".")[0] for name, _ in network.named_modules()}
    lifted: dict[str, str] = {}
    for node in network.graph.nodes:
        path = str(node.target)
        if node.op != "get_attr" or "." not in path:
            continue
        if path not in lifted:
            name = path.replace(".", "_")
            while name in taken or hasattr(network, name):
                name += "_again"
            lifted[path] = name
            _put_at_top(network, name, attribute(network, path))
        node.target = lifted[path]
    network.recompile()


def _put_at_top(network: fx.GraphModule, name: str, value: torch.Tensor) -> None:
    if isinstance(value, torch.nn.Parameter):
        network.register_parameter(name, value)
    else:
        network.register_buffer(name, value)


def drop_unused(network: fx.GraphModule) -> None:
    """Remove modules, parameters and buffers that the graph does not use any more."""
    network.graph.eliminate_dead_code()
    network.delete_all_unused_submodules()
    used = {str(node.target) for node in network.graph.nodes if node.op == "get_attr"}
    own = [*network.named_parameters(recurse=False), *network.named_buffers(recurse=False)]
    for name, _ in own:
        if name not in used:
            delattr(network, name)
    network.recompile()


def _cannot_be_traced(module: torch.nn.Module, part: str, error: Exception) -> StochsimError:
    where = f"its part '{part}'" if part else "its own forward"
    advice = f", or leave that part in float by keep_float=('{part}',)" if part else ""
    return StochsimError(
        f"{type(module).__name__} cannot be traced: {where} decides by values or shapes of tensors "
        f"({type(error).__name__}: {first_line(error)}); write it without that{advice}"
    )


def first_line(error: Exception) -> str:
    """The first line of an error's text."""
    return (str(error).splitlines() or [""])[0]


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


class Shapes(fx.Interpreter):
    """The shape of every node's value (None where that is no tensor)."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__(network)
        self.extra_traceback = False
        self.found: dict[fx.Node, tuple[int, ...] | None] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run it, and note its shape."""
        value = super().run_node(n)
        self.found[n] = tuple(value.shape) if isinstance(value, torch.Tensor) else None
        return value


def called(network: torch.nn.Module, node: fx.Node) -> tuple[str, Any]:
    """The name of what a node calls ("Linear", "relu", "view"), and the module where it is one."""
    if node.op == "call_module":
        module = network.get_submodule(str(node.target))
        return type(module).__name__, module
    if node.op == "call_method":
        return str(node.target), None
    return getattr(node.target, "__name__", str(node.target)), None


def torch_name(network: torch.nn.Module, node: fx.Node) -> str:
    """The name of what a node calls where that is torch's own; "" for a user's class or function
    of whatever name.
    """
    name, module = called(network, node)
    if module is not None:
        return name if getattr(torch.nn, name, None) is type(module) else ""
    if node.op == "call_method":
        return name
    own = (getattr(torch, name, None), getattr(torch.nn.functional, name, None))
    return name if any(one is node.target for one in own) else ""


def passes_codes(network: torch.nn.Module, node: fx.Node) -> bool:
    """Whether it gives on the values of its one input as they are."""
    calls = node.op in ("call_module", "call_function", "call_method")
    name = torch_name(network, node).lstrip("_")
    return (
        calls
        and len(node.all_input_nodes) == 1
        and name in _OF_CODES
        and not (node.op == "call_function" and "dropout" in name and is_dropping(node))
    )


def is_dropping(node: fx.Node) -> bool:
    """Whether a dropout function is on: `torch.nn.functional` says so by `training`, which is True
    unless it is given.
    """
    given = dict(zip(("input", "p", "training"), node.args, strict=False)) | dict(node.kwargs)
    return bool(given.get("training", given.get("train", True)))


def attribute(network: torch.nn.Module, path: str) -> Any:
    """What stands at a path of names."""
    found: Any = network
    for part in path.split("."):
        found = getattr(found, part)
    return found


def data_input(node: fx.Node) -> fx.Node | None:
    """The value that a product reads, its parameters aside; None where it reads nothing else."""
    return next((one for one in node.all_input_nodes if one.op != "get_attr"), None)


def measures(node: fx.Node) -> bool:
    """Whether a node asks for a size: of what all reads share it is not that of what they do
    not.
    """
    named = getattr(node.target, "__name__", "")
    return node.target in ("size", "dim", "numel") or named in ("getattr", "len", "numel")


def writes(network: torch.nn.Module, node: fx.Node) -> bool:
    """Whether a node may write into what it reads: torch's names that end in "_", `inplace`, and
    Python's `+=` and its like.
    """
    name, module = called(network, node)
    if module is not None:
        return bool(getattr(module, "inplace", False))
    is_operator = getattr(node.target, "__module__", "") == "_operator" and name.startswith("i")
    return (
        (name.endswith("_") and not name.endswith("__"))
        or is_operator
        or (node.kwargs.get("inplace", False) is not False)
    )


def name_of(node: fx.Node) -> str:
    """What a part is called: the name of its module, or that of the node of a function."""
    return str(node.target) if node.op == "call_module" else node.name


def calls(graph: fx.Graph) -> Iterator[fx.Node]:
    """The nodes that compute."""
    return (
        node for node in graph.nodes if node.op in ("call_module", "call_function", "call_method")
    )
