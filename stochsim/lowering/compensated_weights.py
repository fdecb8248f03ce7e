"""Weights of a converted network on codes whose errors make up for each other on the examples (see
`stochsim.networks.compensated`).
"""

import contextlib
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.observing import Watch, portions, same_random_numbers
from stochsim.lowering.products import Site
from stochsim.lowering.window_products import windows
from stochsim.networks import compensated

_VALUES_AT_ONCE = 2**24


class _Moments:
    """Sums of products of the inputs of a layer's weights, as they are on their grid, without the
    constant that they are shifted by: (group, input, input).
    """

    def __init__(self, layer: ChipLayer, shift: float) -> None:
        self.layer, self._shift = layer, shift
        self.sums: Any = 0.0
        self.rows = 0

    def add(self, x: torch.Tensor, out: torch.Tensor) -> None:
        """Look at what the layer reads in float, (stimulus, …)."""
        layer = self.layer
        x = x.to(layer.weight.dtype)
        positions = x[0].numel() // x.shape[1 if layer.geometry.kernel else -1]
        numbers = layer.weight[0].numel() * layer.geometry.groups * positions
        for some in x.split(max(1, _VALUES_AT_ONCE // max(1, numbers))):
            rows = self._seen(some).movedim(-2, 0).flatten(1, -2).double() - self._shift
            self.sums = self.sums + rows.mT @ rows
            self.rows += rows.shape[1]

    def _seen(self, x: torch.Tensor) -> torch.Tensor:
        """What the weights of each position see of x (stimulus, …), as `windows` has it."""
        layer, grid = self.layer, self.layer.input_grid
        values = grid(layer.rows(x))
        if grid.is_dynamic:
            return values
        return windows(layer.geometry, values, grid.value_of_zero())


def compensated_weights(
    network: Network, sites: Sequence[Site], layers: Mapping[str, ChipLayer], x: torch.Tensor
) -> dict[torch.nn.Parameter, torch.Tensor]:
    """Values on their grids, of the shape of each weight of a layer, by the moments of its inputs
    in the float network on all examples; of layers on one weight together. Weights that are on
    their grids, or that a table or a part in float has too, stay out of it.
    """
    others = _had_by_others(network, sites)
    seen = {
        site: _Moments(layers[site.name], site.input_shift)
        for site in sites
        if layers[site.name].weight not in others and not _is_on_grid(layers[site.name])
    }
    with torch.no_grad(), same_random_numbers():
        for some in portions(x):
            Watch(network, seen).run(some)
        of_weights: dict[torch.nn.Parameter, list[_Moments]] = {}
        for site, one in seen.items():
            of_weights.setdefault(layers[site.name].weight, []).append(one)
        return {weight: _rounded(each) for weight, each in of_weights.items()}


def _had_by_others(network: Network, sites: Sequence[Site]) -> set[torch.nn.Parameter]:
    """Parameters that more than products of layers read."""
    products = {site.node for site in sites if not site.geometry.lookup}
    found = {site.weight for site in sites if site.geometry.lookup}
    for node in network.graph.nodes:
        if node.op == "get_attr" and not products.issuperset(node.users):
            value = operator.attrgetter(str(node.target))(network)
            if isinstance(value, torch.nn.Parameter):
                found.add(value)
    return found


def _is_on_grid(layer: ChipLayer) -> bool:
    weight = layer.weight_of_neurons.detach()
    return torch.equal(layer.weight_grid(weight), weight)


def _rounded(each: list[_Moments]) -> torch.Tensor:
    """The values of one weight, of the moments of all layers that have it."""
    layer = each[0].layer
    weight = layer.weight.detach()
    groups = layer.geometry.groups
    rows = weight.double().reshape(groups, len(weight) // groups, -1)
    nearest = layer.weight_grid.nearest_of_neurons(weight)
    count = sum(one.rows for one in each)
    moments = sum(one.sums for one in each) / count
    found = compensated(
        rows,
        moments,
        lambda numbers, place: nearest(numbers.flatten(), place).reshape(numbers.shape),
        count,
    )
    return found.reshape(weight.shape).to(weight)


@contextlib.contextmanager
def on_codes(
    sites: Iterable[Site],
    layers: Mapping[str, ChipLayer],
    found: Mapping[torch.nn.Parameter, torch.Tensor],
) -> Iterator[None]:
    """Layers have these values for weights, while the float network has its own; afterwards the
    weights themselves have them.
    """
    own = {name: layer.weight for name, layer in layers.items() if layer.weight in found}
    for site in sites:
        if site.name in own and site.input_shift:
            _follow(layers[site.name], found[own[site.name]], site.input_shift)
    for name, weight in own.items():
        layers[name].weight = torch.nn.Parameter(found[weight], weight.requires_grad)
    yield
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(found[weight])
            layers[name].weight = weight


def _follow(layer: ChipLayer, values: torch.Tensor, shift: float) -> None:
    """Let the bias, which takes back what the shift of the inputs adds to sums of weights, be that
    of these values.
    """
    assert layer.bias is not None
    with torch.no_grad():
        before = layer.weight_grid(layer.weight).double().flatten(1).sum(1)
        more = shift * (before - values.double().flatten(1).sum(1))
        layer.bias.copy_(layer.bias.double() + more)
