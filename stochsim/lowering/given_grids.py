"""Grids that a module brings along, as a quantised one does: taken over by the layers of the chip,
so that these give the same integers.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import fx

from stochsim.lowering.graph_network import Network, drop_unused
from stochsim.lowering.on_grid import is_on_grid
from stochsim.lowering.origin import DOOR
from stochsim.lowering.queries import (
    belongs_to,
    constant,
    operation,
    origin_of,
    passes_codes,
)
from stochsim.networks import Grid

_aten = torch.ops.aten
_MOST_BITS = 8
_SAME = 1e-6  # of a step


class GivenGrid(NamedTuple):
    """A grid as a module has it; scale: one, or (neuron,)."""

    bits: int
    scale: np.ndarray
    unsigned: bool
    narrow: bool = False

    def grid(self) -> Grid:
        """The same for a layer of the chip."""
        scale = self.scale if self.scale.ndim else float(self.scale)
        return Grid(self.bits, scale, self.unsigned, self.narrow, is_given=True)

    def times(self, factors: np.ndarray) -> "GivenGrid":
        """The grid of weights (neuron, …) that have been multiplied by factors (neuron,); those of
        a factor 0 are 0 on any.
        """
        return self._replace(scale=self.scale * np.where(factors == 0, 1.0, np.abs(factors)))

    def has(self, value: float) -> bool:
        """Whether a value is on the grid, of one scale, but for the rounding of floats."""
        grid = self.grid()
        step = value / float(self.scale)
        return abs(step - round(step)) < _SAME and grid.low <= round(step) <= grid.high

    def turned(self, lowest: int) -> "GivenGrid | None":
        """A grid that has -x, too, for integers x down to `lowest`; None where that takes more bits
        than a chip has.
        """
        if self.narrow or self.bits == 1 or lowest > -(2 ** (self.bits - 1)):
            return self
        wider = self._replace(bits=self.bits + 1, narrow=True)
        return wider if wider.bits <= _MOST_BITS else None


def why_no_weights(node: fx.Node) -> str:
    """Why a chip cannot have weights of a given grid; "" where it can, or there is none."""
    if not is_on_grid(node):
        return ""
    scale, _, low, high = _arguments(node)
    bits = _signed_bits(low, high)
    if bits > _MOST_BITS:
        return f"its weights are integers of {bits} bits: a chip has up to {_MOST_BITS}"
    if math.prod((origin_of(scale).shape or ())[1:]) != 1:
        return "its weights have scales of parts of a neuron"
    return ""


def _arguments(node: fx.Node) -> tuple[fx.Node, fx.Node, int, int]:
    """Scale, zero, the lowest and the highest integer of a quantiser."""
    return node.args[1:]  # type: ignore[return-value]


def _signed_bits(low: int, high: int) -> int:
    return 1 if low == high else max((-low - 1).bit_length(), high.bit_length()) + 1


def grid_of_weights(network: Network, node: fx.Node) -> GivenGrid:
    """The grid of a quantiser of weights."""
    scale, _, low, high = _arguments(node)
    return GivenGrid(_signed_bits(low, high), _scale(network, scale), False, -low <= high)


def _scale(network: Network, node: Any) -> np.ndarray:
    """One scale, or a row of them."""
    found = constant(network, node).detach().double().cpu().numpy()
    return found.reshape(()) if found.size == 1 else found.reshape(-1)


def grid_of_values(network: Network, node: Any) -> GivenGrid | None:
    """The grid of a quantiser of values; None where a layer of the chip cannot have it."""
    if not is_on_grid(node):
        return None
    scale, zero, low, high = _arguments(node)
    scales = _scale(network, scale)
    if scales.ndim or constant(network, zero).any():
        return None
    if low == high:
        return GivenGrid(1, scales, False)
    bits = (high - low).bit_length()
    is_whole = high - low == 2**bits - 1 and low in (0, -(2 ** (bits - 1)))
    if not is_whole or not 1 <= bits <= _MOST_BITS or (bits == 1 and low):
        return None
    return GivenGrid(bits, scales, low == 0)


def from_zero_on(network: Network) -> None:
    """Grids about another integer than 0 as unsigned ones from 0 on, between two constants that are
    added: one before, and its negative as far behind as values are only moved.
    """
    for node in list(network.graph.nodes):
        shift = _shift(network, node)
        if not shift:
            continue
        scale, zero, low, high = _arguments(node)
        with network.graph.inserting_before(node):
            moved = network.graph.call_function(_aten.add.Tensor, (node.args[0], shift))
            none = network.graph.call_function(_aten.zeros_like.default, (zero,))
        moved.meta = {"origin": origin_of(node)._replace(part="", kind=DOOR)}
        none.meta = {"origin": origin_of(zero)}
        node.args = (moved, scale, none, 0, high - low)
        _add_behind(network.graph, node, list(node.users), -shift)


def _shift(network: Network, node: fx.Node) -> float:
    """What makes an unsigned grid from 0 on of a quantiser's; 0 where it needs none or cannot."""
    if not is_on_grid(node) or node.args[3] == node.args[4]:
        return 0.0
    scale, zero, low, _ = _arguments(node)
    zeros, scales = constant(network, zero), constant(network, scale)
    if zeros.numel() > 1 or scales.numel() > 1 or not zeros.any():
        return 0.0
    return float((zeros.double() - low) * scales.double())


def _add_behind(graph: fx.Graph, node: fx.Node, users: Sequence[fx.Node], value: float) -> None:
    """Add a constant to what a node gives to these users, behind those that only move values."""
    others = []
    for user in users:
        if passes_codes(user) and origin_of(user).shape is not None:
            _add_behind(graph, user, list(user.users), value)
        else:
            others.append(user)
    if not others:
        return
    with graph.inserting_after(node):
        back = graph.call_function(_aten.add.Tensor, (node, value))
    back.meta = {"origin": origin_of(node)}
    for user in others:
        user.replace_input_with(node, back)


def added_constant(node: Any) -> float:
    """The number that a node adds to its one input; 0 where it does something else."""
    if not isinstance(node, fx.Node) or node.target is not _aten.add.Tensor or node.kwargs:
        return 0.0
    value = node.args[1]
    return float(value) if isinstance(value, float) else 0.0


def grid_before(network: Network, source: fx.Node) -> GivenGrid | None:
    """The grid that the values of a source lie on: of a quantiser before it, also behind what moves
    or joins values, or makes negative ones 0; None where there is none.
    """
    if is_on_grid(source):
        return grid_of_values(network, source)
    if operation(source) == "cat":
        grids = [grid_before(network, one) for one in source.all_input_nodes]
        first = grids[0]
        is_one = first is not None and all(one == first for one in grids)
        return first if is_one else None
    if operation(source) == "relu" or passes_codes(source):
        return grid_before(network, source.all_input_nodes[0])
    return None


def drop_repeated(network: Network, reads: Collection[fx.Node], kept: Collection[str]) -> None:
    """Leave out the quantisers of values that only layers of the chip read, which have their grids.

    reads: those layers' nodes; kept: paths of parts that stay.
    """
    drop_unused(network.graph)
    for node in list(network.graph.nodes):
        is_asked = not is_on_grid(node) or belongs_to(node, kept)
        if not is_asked and grid_of_values(network, node) and _feeds_only(node, reads):
            node.replace_all_uses_with(node.args[0])


def _feeds_only(node: fx.Node, layers: Collection[fx.Node]) -> bool:
    return bool(node.users) and all(
        user in layers or (passes_codes(user) and _feeds_only(user, layers)) for user in node.users
    )
