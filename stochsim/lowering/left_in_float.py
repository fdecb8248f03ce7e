"""What of a converted network is not on the chip, why, and what it is billed for."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from torch import fx

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.float_work import float_work
from stochsim.lowering.graph_network import Network
from stochsim.lowering.queries import (
    KEPT,
    belongs_to,
    calls,
    gives_sizes,
    is_at_door,
    kind_of,
    of_stimuli,
    operation,
    part_of,
    passes_codes,
)
from stochsim.lowering.random_parts import draws


class LeftInFloat(NamedTuple):
    """A part of the network that is not on the chip: its name, what it is, why, and what `bill`
    counts of it.

    cost: "float32" for multiplications and additions in float32 (see `float_work.py`), "nothing"
    for what computes nothing, "random bits" for those of what draws, "not priced" for operations
    that are not known.
    """

    name: str
    what: str
    why: str
    cost: str


def left_in_float(
    network: Network, reasons: Mapping[fx.Node, str], kept: Collection[str] = ()
) -> tuple[LeftInFloat, ...]:
    """What is not on the chip: parts of the module, and functions that belong to none. kept: paths
    of parts that were to stay.
    """
    parts: dict[str, list[fx.Node]] = {}
    stimuli = of_stimuli(network.graph)
    for node in calls(network.graph):
        is_layer = node.op == "call_module" and isinstance(
            network.get_submodule(str(node.target)), ChipLayer
        )
        is_free = gives_sizes(node) or is_at_door(node)
        if not is_layer and not is_free and (node in stimuli or node in reasons):
            parts.setdefault(part_of(node), []).append(node)
    found = (_left(network, part, nodes, reasons) for part, nodes in parts.items())
    asked = {part for part, nodes in parts.items() if belongs_to(nodes[0], kept)}
    return tuple(one._replace(why=KEPT) if one.name in asked else one for one in found)


def _left(
    network: Network, part: str, nodes: list[fx.Node], reasons: Mapping[fx.Node, str]
) -> LeftInFloat:
    """What a part is, why it stays in float, and what it is billed for."""
    refused = [node for node in nodes if node in reasons]
    known = (float_work(node) is not None or passes_codes(node) for node in nodes)
    cost = "float32" if all(known) else "not priced"
    if refused:
        why = reasons[refused[0]]
    elif all(map(passes_codes, nodes)):
        why = "moves, compares or drops values and makes no new ones: codes stay codes"
        cost = "nothing"
    elif any(draws(node) for node in nodes):
        why = "draws random numbers, by the chip's key for every stimulus and read"
        cost = "random bits"
    elif any(operation(node) == "batch_norm" for node in nodes):
        why = (
            "it does not follow a converted layer alone, or has no running statistics, so it "
            "cannot be folded"
        )
    else:
        why = "no product of weights, and not the ReLU, Tanh or Sigmoid of one layer alone"
    first = nodes[0]
    kind = type(network.get_submodule(part)).__name__ if first.op == "call_module" else ""
    return LeftInFloat(part, kind or kind_of(first), why, cost)
