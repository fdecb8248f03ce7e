"""Linear layers, embeddings and dropouts on values whose first axis is not that of the stimuli, as
attention and recurrent modules have them: the same on values (stimulus, …), with what turns the
axes around them.
"""

import math

import torch
from torch import fx

from stochsim.lowering.graph_network import Network
from stochsim.lowering.queries import ROW_DROPOUTS, operation, origin_of

_aten = torch.ops.aten


def put_stimuli_first(network: Network) -> None:
    """Let every linear layer, embedding and dropout read and give values (stimulus, …), where the
    shapes say how.
    """
    for node in list(network.graph.nodes):
        if operation(node) == "linear":
            _split(network.graph, node)
            _turn(network.graph, node, 0)
        elif operation(node) == "embedding":
            _turn(network.graph, node, 1)
        elif operation(node) in ROW_DROPOUTS:
            _drop_apart(network.graph, node)


def _drop_apart(graph: fx.Graph, node: fx.Node) -> None:
    """A dropout on rows (stimulus · head, …) drops from (stimulus, head, …)."""
    source = node.args[0]
    assert isinstance(source, fx.Node)
    shape = origin_of(source).shape
    if shape is None or shape[0] >= -1 or min(shape[1:], default=0) < 0:
        return
    if not _is_led_by_stimuli(source):
        return
    rest = shape[1:]
    with graph.inserting_before(node):
        apart = _new(graph, _aten.reshape.default, (source, [-1, -shape[0], *rest]))
    node.update_arg(0, apart)
    _note(apart, node, (-1, -shape[0], *rest))
    _note(node, node, (-1, -shape[0], *rest))
    with graph.inserting_after(node):
        joined = _new(graph, _aten.reshape.default, (node, [-1, *rest]))
    _note(joined, node, shape)
    node.replace_all_uses_with(joined, lambda user: user is not joined)


def _is_led_by_stimuli(node: fx.Node | None) -> bool:
    """Whether rows that are several of each stimulus stand stimulus by stimulus: as the operation
    says that has put them together.
    """
    while node is not None:
        before = node.all_input_nodes[0] if node.all_input_nodes else None
        if operation(node) == "reshape" and before is not None:
            old, new = origin_of(before).shape or (), origin_of(node).shape or ()
            if -1 in old and min(new) < -1:
                of_rows = next(place for place, size in enumerate(new) if size < -1)
                return math.prod(old[: old.index(-1)]) == math.prod(new[:of_rows])
        node = before
    return False


def _split(graph: fx.Graph, node: fx.Node) -> None:
    """A layer on rows of (…, stimulus, …) in one axis reads these axes apart."""
    source = node.args[0]
    assert isinstance(source, fx.Node)
    shape = origin_of(source).shape
    if operation(source) != "reshape" or shape is None or len(shape) != 2 or shape[0] >= -1:
        return
    before = source.args[0]
    assert isinstance(before, fx.Node)
    axes = _leading(origin_of(before).shape or (), shape)
    result = origin_of(node).shape
    if axes is None or result is None:
        return
    with graph.inserting_before(node):
        apart = _new(graph, _aten.reshape.default, (source, [*axes, shape[1]]))
    node.update_arg(0, apart)
    _note(apart, node, (*axes, shape[1]))
    _note(node, node, (*axes, result[1]))
    with graph.inserting_after(node):
        joined = _new(graph, _aten.reshape.default, (node, [-1, result[1]]))
    _note(joined, node, result)
    node.replace_all_uses_with(joined, lambda user: user is not joined)


def _leading(before: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The two axes that the first of `shape` has, a product with the number of stimuli: in the
    order in which they stood before; None where that cannot be told.
    """
    positions = -shape[0]
    first = next((place for place, size in enumerate(before) if size < 0), None)
    if first is None:
        return None
    ahead = math.prod(before[:first])
    if ahead == positions:
        return positions, -1
    return (-1, positions) if ahead == 1 else None


def _turn(graph: fx.Graph, node: fx.Node, place: int) -> None:
    """A layer on values (…, stimulus, …, input), or ids (…, stimulus, …), reads them with the
    stimuli on the first axis. place: of what it reads among its arguments.
    """
    source = node.args[place]
    assert isinstance(source, fx.Node)
    shape = origin_of(source).shape
    result = origin_of(node).shape
    if shape is None or result is None or shape.count(-1) != 1 or min(shape) < -1:
        return
    axis = shape.index(-1)
    if axis == 0 or (axis == len(shape) - 1 and place == 0):
        return
    with graph.inserting_before(node):
        turned = _new(graph, _aten.transpose.int, (source, 0, axis))
    node.update_arg(place, turned)
    _note(turned, node if place == 0 else source, _swapped(shape, axis))
    with graph.inserting_after(node):
        back = _new(graph, _aten.transpose.int, (node, 0, axis))
    _note(back, node, result)
    _note(node, node, _swapped(result, axis))
    node.replace_all_uses_with(back, lambda user: user is not back)


def _swapped(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    found = list(shape)
    found[0], found[axis] = found[axis], found[0]
    return tuple(found)


def _new(graph: fx.Graph, target: object, args: tuple[object, ...]) -> fx.Node:
    made: fx.Node = graph.call_function(target, args)  # type: ignore[arg-type]
    return made


def _note(node: fx.Node, like: fx.Node, shape: tuple[int, ...]) -> None:
    node.meta["origin"] = origin_of(like)._replace(shape=shape, mixes=False)
