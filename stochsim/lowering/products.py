"""The products of a traced graph: which of them a chip can take, with the batch normalisation and
the activation that follow.
"""

import copy
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from stochsim.lowering.trace import attribute, called, passes_codes, torch_name

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


@dataclass
class Site:
    """A product in the graph: its node, the float layer, and the activation that is taken along."""

    name: str
    node: fx.Node
    module: Any
    activation: str = "identity"
    shared: int = 0
    """Which weights it has: equal for calls of one layer, which share them."""


def product_of(network: fx.GraphModule, node: fx.Node, kept: Collection[str]) -> tuple[Any, str]:
    """The float layer of a node, or None and why it cannot be converted; "" where it is no product
    at all.
    """
    if node.op not in ("call_module", "call_function", "call_method"):
        return None, ""
    name, module = called(network, node)
    if node.op == "call_module":
        return _of_module(name, module, str(node.target) in kept)
    if node.op == "call_function" and torch_name(network, node) in _FUNCTIONS:
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


def fold_batch_norms(
    network: fx.GraphModule,
    sites: list[Site],
    shapes: dict[fx.Node, Any],
    kept: Collection[str],
) -> None:
    """Put every batch normalisation that follows a site alone into its weights, with the running
    statistics; `kept` names parts that stay as they are.
    """
    for site in sites:
        node = _only_user(site.node)
        if node is None or node.op != "call_module" or str(node.target) in kept:
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
        site.module = fuse(site.module, _with_scale(norm))
        site.shared = id(site.module)
        _drop(network.graph, node, site.node)


def _with_scale(norm: Any) -> Any:
    """A batch normalisation with a scale and a shift, 1 and 0 where it has none."""
    if norm.weight is not None:
        return norm
    scaled = copy.deepcopy(norm)
    scaled.weight = torch.nn.Parameter(torch.ones_like(norm.running_mean))
    scaled.bias = torch.nn.Parameter(torch.zeros_like(norm.running_mean))
    return scaled


def take_activations(network: fx.GraphModule, sites: list[Site], kept: Collection[str]) -> None:
    """Take along the ReLU, Tanh or Sigmoid that follows a site and is used by nothing else; `kept`
    names parts that stay as they are.
    """
    for site in sites:
        node = _only_user(site.node)
        if node is None or node.op not in ("call_module", "call_function", "call_method"):
            continue
        name = "" if str(node.target) in kept else torch_name(network, node)
        if name in _ACTIVATIONS and node.all_input_nodes == [site.node]:
            site.activation = _ACTIVATIONS[name]
            _drop(network.graph, node, site.node)


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
