"""Transposed convolutions. Where windows do not overlap every input position gives a block of
outputs, so each is a convolution of kernel 1 with a neuron for each place of the block. Others are
convolutions of their inputs with zeros between them, and the weights turned around.
"""

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload

from stochsim.lowering.graph_network import Network
from stochsim.lowering.on_grid import is_on_grid
from stochsim.lowering.queries import arguments, operation, origin_of
from stochsim.lowering.window_products import of_axes

_aten = torch.ops.aten
_AXES = {"conv_transpose1d": 1, "conv_transpose2d": 2, "conv_transpose3d": 3}
_CONVOLUTIONS = {1: _aten.conv1d.default, 2: _aten.conv2d.default, 3: _aten.conv3d.default}


def write_blocks_as_convolutions(network: Network, stimuli: Collection[fx.Node]) -> None:
    """Transposed convolutions with a stride of their kernel's size as convolutions of kernel 1,
    whose neurons are then put side by side.
    """
    for node in list(network.graph.nodes):
        axes = _AXES.get(operation(node))
        if axes is None:
            continue
        given = arguments(node)
        shape = origin_of(given["weight"]).shape or ()
        if len(shape) == 2 + axes and _is_of_blocks(given, shape[2:], stimuli):
            _write(network.graph, node, given, shape)


def _is_of_blocks(given: dict[str, Any], kernel: tuple[int, ...], stimuli: Any) -> bool:
    """Whether windows stand side by side, with weights that a chip can have; weights on a grid of
    their own keep it.
    """
    axes = len(kernel)
    return (
        of_axes(given["stride"], axes) == kernel
        and not any(of_axes(given["padding"], axes))
        and not any(of_axes(given["output_padding"], axes))
        and given["groups"] == 1
        and set(of_axes(given["dilation"], axes)) == {1}
        and given["input"] in stimuli
        and not {given["weight"], given["bias"]} & set(stimuli)
        and not is_on_grid(given["weight"])
    )


def _write(graph: fx.Graph, node: fx.Node, given: dict[str, Any], shape: tuple[int, ...]) -> None:
    """(input, output, k…) becomes (output · k…, input, 1…), output by output."""
    inputs, outputs, *kernel = shape
    block = math.prod(kernel)
    own = origin_of(node)
    result = own.shape

    def call(target: OpOverload, args: tuple[Any, ...], of: tuple[int, ...] | None) -> fx.Node:
        made = graph.call_function(target, args)
        made.meta = {"origin": own._replace(part="", kind="", shape=of)}
        return made

    places = range(1, len(shape))
    with graph.inserting_before(node):
        turned = call(_aten.permute.default, (given["weight"], [*places, 0]), None)
        sizes = (outputs * block, inputs, *(1,) * len(kernel))
        weight = call(_aten.reshape.default, (turned, list(sizes)), sizes)
        bias = given["bias"]
        if bias is not None:
            bias = call(_aten.repeat_interleave.self_int, (bias, block), (outputs * block,))
        product = _CONVOLUTIONS[len(kernel)]
        before = origin_of(given["input"]).shape
        after = None if before is None else (before[0], outputs * block, *before[2:])
        made = call(product, (given["input"], weight, bias), after)
        made.meta = {"origin": own._replace(shape=after)}
        last = _side_by_side(call, made, outputs, tuple(kernel), result)
    node.replace_all_uses_with(last)
    graph.erase_node(node)


def _side_by_side(
    call: Any,
    made: fx.Node,
    outputs: int,
    kernel: tuple[int, ...],
    result: tuple[int, ...] | None,
) -> fx.Node:
    """Blocks of neurons as neighbours: (stimulus, output · k…, …) to (stimulus, output, …)."""
    before = origin_of(made).shape or ()
    sizes = before[2:]
    axes = len(kernel)
    # (stimulus, output, k…, position…) -> (stimulus, output, position, k, …)
    apart = call(_aten.reshape.default, (made, [-1, outputs, *kernel, *sizes]), None)
    order = [0, 1, *(place for axis in range(axes) for place in (2 + axes + axis, 2 + axis))]
    turned = call(_aten.permute.default, (apart, order), None)
    whole = [size * k for size, k in zip(sizes, kernel, strict=True)]
    return call(_aten.reshape.default, (turned, [-1, outputs, *whole]), result)


def turned_weight(weight: torch.Tensor, groups: int) -> torch.Tensor:
    """The weight (neuron, input, k…) of the convolution that a transposed one of a weight (input,
    neuron of a group, k…) is.
    """
    apart = weight.unflatten(0, (groups, -1)).transpose(1, 2)
    return apart.flatten(0, 1).flip(tuple(range(2, weight.ndim)))
