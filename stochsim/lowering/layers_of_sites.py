"""The layers of the chip for the products of a captured network, and their place in its graph."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import fx

from stochsim.hardware import Hardware
from stochsim.lowering.emulated_layer import UNSIGNED_OUTPUTS, ChipLayer
from stochsim.lowering.graph_network import Network, keep_used
from stochsim.lowering.grids import Grid, fitted, fitted_to_weights
from stochsim.lowering.observing import Seen
from stochsim.lowering.products import Site, source_of_codes
from stochsim.lowering.queries import origin_of
from stochsim.settings import SettingError, plain

Widths = tuple[int, int, int]


class GridRules(NamedTuple):
    """How grids are fitted."""

    ranges: str
    per_channel: bool


def widths_of(
    sites: list[Site], hardware: Hardware, bits: Mapping[str, Widths]
) -> dict[str, Widths]:
    """Widths of weights, inputs and outputs of every layer, as the Hardware can have them."""
    own = hardware.precision
    chosen = {site.name: (own.weight_bits, own.input_bits, own.output_bits) for site in sites}
    for name, widths in bits.items():
        if name not in chosen:
            raise SettingError.unknown(name, chosen, section=("bits",))
        if not isinstance(widths, tuple | list) or len(widths) != 3:
            rule = "should be three widths, of weights, inputs and outputs"
            raise SettingError.of("", widths, rule, section=("bits", name))
        weights, inputs, outputs = plain(tuple(widths))
        chosen[name] = (weights, inputs, outputs)
    for name, widths in chosen.items():
        try:
            hardware.with_precision(*widths)
        except SettingError as error:
            raise error.inside("bits", name) from None
    return chosen


def layers_of(
    sites: list[Site], seen: dict[str, Seen], widths: dict[str, Widths], how: GridRules
) -> dict[str, ChipLayer]:
    """The layers of the chip, by name; a layer that reads another's codes shares its grid."""
    by_last = {site.last: site for site in sites}
    layers: dict[str, ChipLayer] = {}
    weights: dict[Any, tuple[torch.nn.Parameter, Grid]] = {}
    biases: dict[Any, torch.nn.Parameter | None] = {}
    for site in sites:
        weight_bits, input_bits, output_bits = widths[site.name]
        of_weight, of_bias = site.shared
        if (of_weight, weight_bits) not in weights:
            values = site.weight.detach().cpu().numpy()
            found = fitted_to_weights(values, weight_bits, how.per_channel, how.ranges)
            weights[of_weight, weight_bits] = site.weight, found.to(site.weight)
        weight, weight_grid = weights[of_weight, weight_bits]
        source = source_of_codes(site, by_last)
        own = seen[site.name]
        if source is not None and layers[source.name].output_grid.bits == input_bits:
            input_grid = layers[source.name].output_grid
        else:
            source = None
            inputs = (own.inputs, input_bits, not own.is_signed)
            input_grid = fitted(*inputs, how.ranges, own.input_extremes).to(weight)
        outputs = (own.outputs, output_bits, site.activation in UNSIGNED_OUTPUTS)
        output_grid = fitted(*outputs, how.ranges, own.output_extremes)
        layers[site.name] = ChipLayer(
            site.name,
            site.geometry,
            (weight, biases.setdefault(of_bias, site.bias)),
            (weight_grid, input_grid, output_grid.to(weight)),
            site.activation,
            source is not None,
        )
    return layers


def put_in(network: Network, sites: list[Site], layers: Mapping[str, ChipLayer]) -> None:
    """The layers of the chip in place of the float ones."""
    made: dict[fx.Node, fx.Node] = {}
    for site in sites:
        made[site.last] = _call(network.graph, site, made.get(site.source, site.source))
    keep_used(network, layers)


def _call(graph: fx.Graph, site: Site, source: fx.Node) -> fx.Node:
    """A call of the layer in place of what a site takes along."""
    with graph.inserting_after(site.last):
        node = graph.call_module(site.name, (source,))
        node.meta = dict(site.last.meta)
        last = node
    own = origin_of(site.last).dtype
    if own != str(site.weight.dtype).removeprefix("torch."):  # under the module's own autocast
        with graph.inserting_after(node):
            kind = {"dtype": getattr(torch, own)}
            last = graph.call_function(torch.ops.aten._to_copy.default, (node,), kind)
            last.meta = dict(site.last.meta)
    site.last.replace_all_uses_with(last, lambda user: user not in (node, last))
    return last
