"""A torch module as a graph: traced, with every Linear and Conv found, batch normalisation folded,
and what follows it taken along.
"""

import contextlib
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from stochsim.settings import StochsimError

CONVERTED = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)
_FUNCTIONS = {"linear": torch.nn.Linear, "conv1d": torch.nn.Conv1d, "conv2d": torch.nn.Conv2d}
_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_OTHER_PRODUCTS = (
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Conv3d",
    "Bilinear",
    "Embedding",
    "EmbeddingBag",
    "RNN",
    "LSTM",
    "GRU",
    "RNNCell",
    "LSTMCell",
    "GRUCell",
    "MultiheadAttention",
    "Transformer",
    "TransformerEncoderLayer",
    "TransformerDecoderLayer",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "bilinear",
    "embedding",
)
_PRODUCTS_OF_VALUES = (
    "matmul",
    "bmm",
    "mm",
    "einsum",
    "scaled_dot_product_attention",
    "baddbmm",
    "addmm",
    "tensordot",
)
_ACTIVATIONS = {
    "ReLU": "relu",
    "relu": "relu",
    "relu_": "relu",
    "Tanh": "tanh",
    "tanh": "tanh",
    "tanh_": "tanh",
    "Sigmoid": "sigmoid",
    "sigmoid": "sigmoid",
    "sigmoid_": "sigmoid",
}
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


@dataclass
class Site:
    """A product in the graph: its node, the float layer, and the activation that is taken along."""

    name: str
    node: fx.Node
    module: Any
    activation: str = "identity"
    shared: int = 0
    """Which weights it has: equal for calls of one layer, which share them."""


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
        f"({type(error).__name__}: {_first_line(error)}); write it without that{advice}"
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


@contextlib.contextmanager
def named_part(node: fx.Node) -> Iterator[None]:
    """Turn an error of torch inside a node into a StochsimError that names it."""
    try:
        yield
    except StochsimError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError, ArithmeticError) as error:
        raise StochsimError(f"the part '{node.name}' cannot run: {error}") from error


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


def passes_codes(network: torch.nn.Module, node: fx.Node) -> bool:
    """Whether it gives on the values of its one input as they are."""
    calls = node.op in ("call_module", "call_function", "call_method")
    return (
        calls
        and len(node.all_input_nodes) == 1
        and called(network, node)[0].lstrip("_") in _OF_CODES
    )


def product_of(network: fx.GraphModule, node: fx.Node, kept: Collection[str]) -> tuple[Any, str]:
    """The float layer of a node, or None and why it cannot be converted; "" where it is no product
    at all.
    """
    if node.op not in ("call_module", "call_function", "call_method"):
        return None, ""
    name, module = called(network, node)
    if node.op == "call_module":
        return _of_module(name, module, str(node.target) in kept)
    if node.op == "call_function" and name in _FUNCTIONS:
        return _of_function(network, node, name)
    if name in _PRODUCTS_OF_VALUES:
        return None, "a product of two computed values: no weights to keep in the chip"
    return None, f"{name} is none of Linear, Conv1d and Conv2d" if name in _OTHER_PRODUCTS else ""


def _of_module(name: str, module: Any, is_kept: bool) -> tuple[Any, str]:
    if is_kept:
        return None, "kept in float, as asked"
    for kind in CONVERTED:
        if isinstance(module, kind):
            if type(module).forward is not kind.forward:
                return None, f"{name} computes its product in a way of its own"
            if module._forward_hooks or module._forward_pre_hooks:
                return None, "it has forward hooks, which a chip cannot run"
            if not module.weight.is_floating_point():
                return None, f"its weights are {module.weight.dtype}: real ones are needed"
            return module, ""
    return None, f"{name} is none of Linear, Conv1d and Conv2d" if name in _OTHER_PRODUCTS else ""


def _of_function(network: fx.GraphModule, node: fx.Node, name: str) -> tuple[Any, str]:
    """A module that does what functional.linear and the like do, where weight and bias are
    parameters of the network.
    """
    given = dict(zip(_ARGUMENTS, node.args, strict=False)) | node.kwargs
    tensors = [given.get("weight"), given.get("bias")]
    if any(
        one is not None and (not isinstance(one, fx.Node) or one.op != "get_attr")
        for one in tensors
    ):
        return None, "its weight or bias is computed, no parameter of its own"
    if not isinstance(given.get("input"), fx.Node):
        return None, "its input is not a value of the network"
    weight: Any
    bias: Any
    weight, bias = (
        attribute(network, str(one.target)) if isinstance(one, fx.Node) else None for one in tensors
    )
    with torch.device("meta"):  # its own weights are put in at once
        if name == "linear":
            layer: Any = torch.nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
        else:
            groups = given.get("groups", 1)
            rest = {key: given[key] for key in ("stride", "padding", "dilation") if key in given}
            sizes = (weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:]))
            layer = _FUNCTIONS[name](*sizes, groups=groups, bias=bias is not None, **rest)
    layer.weight = torch.nn.Parameter(weight.detach())
    layer.bias = None if bias is None else torch.nn.Parameter(bias.detach())
    return layer, ""


def attribute(network: torch.nn.Module, path: str) -> Any:
    """What stands at a path of names."""
    found: Any = network
    for part in path.split("."):
        found = getattr(found, part)
    return found


def fold_batch_norms(
    network: fx.GraphModule, sites: list[Site], shapes: dict[fx.Node, Any]
) -> None:
    """Put every batch normalisation that follows a site alone into its weights, with the running
    statistics.
    """
    for site in sites:
        node = _only_user(site.node)
        if node is None or node.op != "call_module":
            continue
        norm: Any = network.get_submodule(str(node.target))
        linear = isinstance(site.module, torch.nn.Linear)
        if (
            type(norm) not in (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
            or norm.running_mean is None
        ):
            continue
        if linear and len(shapes[site.node] or ()) != 2:
            continue  # it normalises the positions of a linear layer, not its neurons
        fuse = fuse_linear_bn_eval if linear else fuse_conv_bn_eval
        site.module = fuse(site.module, norm)
        site.shared = id(site.module)
        _drop(network.graph, node, site.node)


def take_activations(network: fx.GraphModule, sites: list[Site]) -> None:
    """Take along the ReLU, Tanh or Sigmoid that follows a site and is used by nothing else."""
    for site in sites:
        node = _only_user(site.node)
        if node is None or node.op not in ("call_module", "call_function", "call_method"):
            continue
        name = called(network, node)[0]
        if name in _ACTIVATIONS and node.all_input_nodes == [site.node]:
            site.activation = _ACTIVATIONS[name]
            _drop(network.graph, node, site.node)


def data_input(node: fx.Node) -> fx.Node:
    """The value that a product reads, its parameters aside."""
    return next(one for one in node.all_input_nodes if one.op != "get_attr")


def _only_user(node: fx.Node) -> fx.Node | None:
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].all_input_nodes == [node] else None


def _drop(graph: fx.Graph, node: fx.Node, before: fx.Node) -> None:
    node.replace_all_uses_with(before)
    graph.erase_node(node)


def source_of_codes(
    network: fx.GraphModule, node: fx.Node, sites: Collection[fx.Node]
) -> fx.Node | None:
    """The site whose codes reach this node's input as they are, None where there is none."""
    before = node.all_input_nodes[0]
    while before not in sites and passes_codes(network, before):
        before = before.all_input_nodes[0]
    return before if before in sites else None


def float_macs(network: torch.nn.Module, node: fx.Node, shape: tuple[int, ...]) -> int:
    """Multiply-adds of a float Linear or convolution, module or function, for an output of this
    shape; 0 for what is neither.
    """
    name, module = called(network, node)
    if isinstance(module, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d):
        return math.prod(shape) * math.prod(module.weight.shape[1:])
    if node.op == "call_function" and name in (*_FUNCTIONS, "conv3d"):
        weight = (dict(zip(_ARGUMENTS, node.args, strict=False)) | node.kwargs).get("weight")
        if isinstance(weight, fx.Node) and weight.op == "get_attr":
            return math.prod(shape) * math.prod(attribute(network, str(weight.target)).shape[1:])
    return 0


def measures(node: fx.Node) -> bool:
    """Whether a node asks for a size: of what all reads share it is not that of what they do
    not.
    """
    named = getattr(node.target, "__name__", "")
    return node.target in ("size", "dim", "numel") or named in ("getattr", "len", "numel")


def name_of(node: fx.Node) -> str:
    """What a part is called: the name of its module, or that of the node of a function."""
    return str(node.target) if node.op == "call_module" else node.name


def calls(graph: fx.Graph) -> Iterator[fx.Node]:
    """The nodes that compute."""
    return (
        node for node in graph.nodes if node.op in ("call_module", "call_function", "call_method")
    )
