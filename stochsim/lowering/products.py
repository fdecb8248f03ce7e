"""The products of a captured graph: which of them a chip can take."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import fx

from stochsim.lowering.given_grids import GivenGrid, grid_of_weights, why_no_weights
from stochsim.lowering.graph_network import TAKEN, Network
from stochsim.lowering.on_grid import is_on_grid
from stochsim.lowering.origin import DOOR, Origin
from stochsim.lowering.queries import (
    KEPT,
    arguments,
    belongs_to,
    constant,
    kind_of,
    operation,
    origin_of,
    part_of,
    passes_codes,
)
from stochsim.lowering.transposed import turned_weight
from stochsim.lowering.window_products import geometry_of, transposed_geometry
from stochsim.program import Geometry

_PRODUCTS = {"linear": 0, "conv1d": 1, "conv2d": 2, "conv3d": 3}
"""Operations that a chip can take, and the number of axes of their windows."""

_TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
_OTHER_PRODUCTS = ("embedding_bag", "bilinear")
_PRODUCTS_OF_VALUES = ("matmul", "bmm", "mm", "mv", "dot", "baddbmm", "addmm", "addbmm")
_OWN_LAYERS = (
    *("Linear", "Conv1d", "Conv2d", "Conv3d"),
    *("QuantLinear", "QuantConv1d", "QuantConv2d", "QuantConv3d"),
    "Embedding",
)
LAYERS = "Linear, Conv1d to Conv3d, their transposes and Embedding"
"""What a chip can take, as errors and reasons name it."""

_IDS = GivenGrid(1, np.array(1.0), True)
"""The grid of zeros and a 1 that ids stand for."""


@dataclass(eq=False)
class Site:
    """A product in the graph, with what is taken along.

    node: the product; source: what the layer reads; last: the last node that becomes part of the
    layer; weight (neuron, …), of a table (row, neuron), and bias (neuron,) or None: in float;
    shared: for each of the two, equal for sites that have the same one; grids: those that the
    module brings along, of its "weight", "input" and "output"; input_shift: what `source` is more
    than the product reads; cells: how weight and bias follow from the module's parameters, the same
    text in all captures of a module.
    """

    name: str
    node: fx.Node
    source: fx.Node
    last: fx.Node
    geometry: Geometry
    weight: torch.nn.Parameter
    bias: torch.nn.Parameter | None
    shared: tuple[Any, Any]
    activation: str = "identity"
    grids: dict[str, GivenGrid] = field(default_factory=dict)
    input_shift: float = 0.0
    cells: str = ""

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.weight.shape[1 if self.geometry.lookup else 0]


def write_as_linear(network: Network, stimuli: Collection[fx.Node]) -> None:
    """Products x @ W with a matrix of parameters as linear layers of its transpose."""
    aten = torch.ops.aten
    for node in list(network.graph.nodes):
        name = operation(node)
        if name not in ("matmul", "mm", "addmm"):
            continue
        bias, x, weight = node.args if name == "addmm" else (None, *node.args)
        shapes = [origin_of(one).shape or () for one in (x, weight)]
        is_plain = not node.kwargs and (bias is None or len(origin_of(bias).shape or ()) == 1)
        if x not in stimuli or {weight, bias} & set(stimuli) or not is_plain:
            continue
        if len(shapes[0]) < 2 or len(shapes[1]) != 2:
            continue
        with network.graph.inserting_before(node):
            turned = network.graph.call_function(aten.transpose.int, (weight, 0, 1))
        turned.meta["origin"] = origin_of(weight)._replace(shape=shapes[1][::-1])
        node.target, node.args = aten.linear.default, (x, turned, bias)


def products_of(
    network: Network, kept: Collection[str], stimuli: Collection[fx.Node]
) -> tuple[list[Site], dict[fx.Node, str]]:
    """What a chip can take, and for every product that it cannot, why. kept: paths of parts that
    stay in float; stimuli: the nodes whose values depend on them.
    """
    sites: list[Site] = []
    reasons: dict[fx.Node, str] = {}
    for node in network.graph.nodes:
        why = _reason(node, kept, stimuli)
        if why:
            reasons[node] = why
        elif operation(node) == "embedding" and node in stimuli:
            sites.append(_site_of_table(network, node))
        elif operation(node) in _TRANSPOSED and node in stimuli:
            sites.append(_site_of_transposed(network, node))
        elif operation(node) in _PRODUCTS:
            sites.append(_site(network, node))
    _give_names(network, sites, reasons)
    for site in sites:
        site.cells = repr(_expression(site.shared))
    return sites, reasons


def _expression(value: Any) -> Any:
    """What a weight is computed by from the module's parameters, nodes by their operations."""
    if isinstance(value, tuple | list):
        return [_expression(one) for one in value]
    if not isinstance(value, fx.Node):
        return value
    if value.op == "get_attr":
        return str(value.target)
    return [operation(value), _expression(value.args), _expression([*value.kwargs.items()])]


def _reason(node: fx.Node, kept: Collection[str], stimuli: Collection[fx.Node]) -> str:
    """Why a product cannot be a layer of the chip; "" where it can, or is none."""
    name = operation(node)
    others = (*_OTHER_PRODUCTS, *_PRODUCTS_OF_VALUES, *_TRANSPOSED, "embedding")
    if name not in (*_PRODUCTS, *others):
        return ""
    if name not in _PRODUCTS and node not in stimuli:
        return ""
    if belongs_to(node, kept):
        return KEPT
    if name in _PRODUCTS_OF_VALUES:
        return "a product of two computed values: no weights to keep in the chip"
    if name in _OTHER_PRODUCTS:
        title = "".join(map(str.capitalize, name.split("_")))
        return f"{title} is none of {LAYERS}"
    if name == "embedding":
        return _reason_of_table(node, stimuli)
    given = arguments(node)
    if given["input"] not in stimuli:
        return "what it reads does not depend on the stimuli"
    if given["weight"] in stimuli or given["bias"] in stimuli:
        return "its weight or bias depends on the stimuli: no weights to keep in the chip"
    if name in _TRANSPOSED:
        return _reason_of_transposed(given)
    if len(origin_of(given["weight"]).shape or ()) != 2 + _PRODUCTS[name]:
        return "its weight has not the axes (neuron, input, …)"
    if why_no_weights(given["weight"]):
        return why_no_weights(given["weight"])
    shapes = [origin_of(one).shape or (0,) for one in (node, given["input"])]
    if any(shape[0] != -1 for shape in shapes):
        return "the first axis of its input or output is not that of the stimuli"
    return ""


def _reason_of_table(node: fx.Node, stimuli: Collection[fx.Node]) -> str:
    """Why an embedding whose ids depend on the stimuli cannot be a layer; "" where it can."""
    given = arguments(node)
    if given["weight"] in stimuli:
        return "its table depends on the stimuli: no weights to keep in the chip"
    if kind_of(node) == "QuantEmbedding":
        return "its table has a grid of its own, which its values keep in float"
    if (origin_of(given["indices"]).shape or (0,))[0] != -1:
        return "the first axis of its ids is not that of the stimuli"
    return ""


def _site_of_table(network: Network, node: fx.Node) -> Site:
    """An embedding: its ids as floats, which the layers of a chip read."""
    given = arguments(node)
    weight = _parameter(network, given["weight"])
    row = given["padding_idx"]
    geometry = Geometry(lookup=len(weight), padding_row=row if row >= 0 else None)
    with network.graph.inserting_before(node):
        kind: Any = {"dtype": weight.dtype}
        ids = network.graph.call_function(
            torch.ops.aten._to_copy.default, (given["indices"],), kind
        )
    own = origin_of(given["indices"])
    name = str(weight.dtype).removeprefix("torch.")
    ids.meta["origin"] = Origin("", DOOR, own.shape, name)
    shared = (_identity(given["weight"]), None)
    grids = {"input": _IDS}
    return Site("", node, ids, node, geometry, weight, None, shared, grids=grids)


def _reason_of_transposed(given: Mapping[str, Any]) -> str:
    """Why a transposed convolution of the stimuli cannot be a layer; "" where it can."""
    weight = given["weight"]
    if is_on_grid(weight):
        return "its weights have a grid of their own, of another axis than a convolution's"
    if transposed_geometry((origin_of(weight).shape or ())[2:], given) is None:
        return "its padding takes away more than its windows reach"
    if (origin_of(given["input"]).shape or (0,))[0] != -1:
        return "the first axis of its input is not that of the stimuli"
    return ""


def _site_of_transposed(network: Network, node: fx.Node) -> Site:
    """A transposed convolution, its weight turned around as a parameter of its own."""
    given = arguments(node)
    own = _parameter(network, given["weight"])
    weight = turned_weight(own.detach(), given["groups"]).clone()
    bias = None if given["bias"] is None else _parameter(network, given["bias"])
    geometry = transposed_geometry(tuple(own.shape[2:]), given)
    assert geometry is not None
    shared = (("turned", _identity(given["weight"])), _identity(given["bias"]))
    made = torch.nn.Parameter(weight, own.requires_grad)
    return Site("", node, given["input"], node, geometry, made, bias, shared)


def _site(network: Network, node: fx.Node) -> Site:
    """The product of a node, its weights as parameters of their own."""
    given = arguments(node)
    grids = {}
    if is_on_grid(given["weight"]):
        grids["weight"] = grid_of_weights(network, given["weight"])
        given["weight"] = given["weight"].args[0]
    weight = _parameter(network, given["weight"])
    bias = None if given["bias"] is None else _parameter(network, given["bias"])
    geometry = geometry_of(_PRODUCTS[operation(node)], tuple(weight.shape), given)
    source = given["input"]
    padded = _padded(geometry, source)
    if padded is not None:
        geometry = padded
        source = arguments(source)["self"]
    shared = (_identity(given["weight"]), _identity(given["bias"]))
    return Site("", node, source, node, geometry, weight, bias, shared, grids=grids)


def _identity(node: fx.Node | None) -> Any:
    """Equal for nodes that give one tensor."""
    return node.target if node is not None and node.op == "get_attr" else node


def _padded(geometry: Geometry, source: fx.Node) -> Geometry | None:
    """The geometry with the padding that an operation before it gives to its windows alone, as
    torch's convolutions have it for other paddings than zeros; None where there is none.
    """
    if operation(source) != "pad" or geometry.is_padded or len(source.users) != 1:
        return None
    given = arguments(source)
    sizes = given["pad"]
    mode = "zeros" if given["mode"] == "constant" else given["mode"]
    if len(sizes) != 2 * len(geometry.kernel) or min(sizes) < 0 or given["value"]:
        return None
    pairs = tuple(zip(sizes[::2], sizes[1::2], strict=True))[::-1]
    return replace(geometry, padding=pairs, padding_mode=mode)


def _parameter(network: Network, node: fx.Node) -> torch.nn.Parameter:
    """What a node gives, in the numbers that it was rounded from under autocast: a parameter
    itself, which other parts may read too, or a copy of what is computed.
    """
    while operation(node) == "_to_copy":
        (node,) = node.all_input_nodes
    value = constant(network, node)
    if isinstance(value, torch.nn.Parameter):
        return value
    return torch.nn.Parameter(value.detach().clone(), requires_grad=value.requires_grad)


def _give_names(network: Network, sites: list[Site], refused: Collection[fx.Node]) -> None:
    """Names of their own for the sites: no name of a part that stays, nor of another site."""
    nodes = {site.node for site in sites}
    others = [node for node in network.graph.nodes if node.op == "call_function"]
    taken = {part_of(node) for node in refused}
    modules = {origin_of(node).part for node in others}
    for site in sites:
        name = ".".join(one + "_" * (one in TAKEN) for one in _own_name(site).split("."))
        is_function = not origin_of(site.node).part
        first, calls = name, 1
        while name in taken or (is_function and name in modules):
            calls += 1
            name = f"{first}_again" if calls == 2 else f"{first}_again_{calls}"
        taken.add(name)
        site.name = name
    names = {site.name for site in sites}
    for node in others:  # what else is done in a layer's module, as by hooks, has its own name
        if origin_of(node).part in names and node not in nodes:
            node.meta["origin"] = origin_of(node)._replace(part="", kind="")


def _own_name(site: Site) -> str:
    """The path of its module; that of its weight, where the module is of several products."""
    path = site.shared[0]
    is_alone = kind_of(site.node) in _OWN_LAYERS or not origin_of(site.node).part
    if is_alone or not isinstance(path, str):
        return part_of(site.node)
    return path.removesuffix("weight").rstrip("._")


def source_of_codes(site: Site, sites: Mapping[fx.Node, Site]) -> Site | None:
    """The site whose codes reach this one's input as they are, None where there is none; sites: by
    their last nodes.
    """
    before = site.source
    while before not in sites and passes_codes(before):
        before = before.all_input_nodes[0]
    return sites.get(before)
