"""Sites of a quantised module: the quantisers before and behind them become their grids."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import fx

from stochsim.lowering.fitted_grids import fitted_from_lowest
from stochsim.lowering.given_grids import (
    GivenGrid,
    added_constant,
    grid_before,
    grid_of_values,
)
from stochsim.lowering.graph_network import Network
from stochsim.lowering.observing import Seen
from stochsim.lowering.on_grid import is_on_grid
from stochsim.lowering.origin import DOOR
from stochsim.lowering.products import Site, source_of_codes
from stochsim.lowering.queries import belongs_to, origin_of
from stochsim.lowering.taken_along import only_user

_aten = torch.ops.aten


def take_given_grids(
    network: Network, sites: list[Site], kept: Collection[str]
) -> dict[fx.Node, str]:
    """Take along the quantiser that follows a site alone, and note the grid of what it reads; a
    constant between goes into the bias. `kept` names parts that stay as they are.

    Sites that no layer of the chip can then be are left out of `sites`: their nodes, and why.
    """
    reasons: dict[fx.Node, str] = {}
    for site in list(sites):
        if not site.geometry.lookup:
            _take_input(network, site)
        if _has_border_of_none(site):
            sites.remove(site)
            reasons[site.node] = "its border of 0 is neither of the two values ±scale of its inputs"
        else:
            _take_output(network, site, kept)
    return reasons


def _has_border_of_none(site: Site) -> bool:
    """Whether windows are padded with a value that their inputs' grid does not have."""
    grid = site.grids.get("input")
    is_sign = grid is not None and grid.bits == 1 and not grid.unsigned
    return is_sign and site.geometry.is_padded and site.geometry.padding_mode == "zeros"


def _take_output(network: Network, site: Site, kept: Collection[str]) -> None:
    before, node = site.last, only_user(site.last)
    shift = added_constant(node)
    if shift and node is not None and site.activation == "identity":
        before, node = node, only_user(node)
    if node is None or not is_on_grid(node) or belongs_to(node, kept):
        return
    grid = grid_of_values(network, node)
    if grid is None or node.args[0] is not before:
        return
    site.grids["output"] = grid
    site.last = node
    if shift:
        _add_to_bias(site, torch.full((site.neurons,), shift))


def _take_input(network: Network, site: Site) -> None:
    shift = added_constant(site.source)
    before = site.source.all_input_nodes[0] if shift else site.source
    grid = grid_before(network, before)
    if grid is None or (shift and site.geometry.is_padded and not grid.has(-shift)):
        return
    if shift and site.geometry.input_dilation:
        return  # zeros between inputs are not shifted
    site.grids["input"] = grid
    if not shift:
        return
    _read_shifted(network.graph, site, before, -shift)


def take_affine_inputs(
    network: Network,
    sites: Collection[Site],
    seen: Mapping[str, Seen],
    bits: Mapping[str, tuple[int, int, int]],
    ranges: str,
) -> None:
    """Grids from the lowest value on for the inputs that have negative ones, of sites that read no
    codes of others: what is read is shifted by a number of steps, which the bias takes back.
    """
    by_last = {site.last: site for site in sites}
    for site in sites:
        own, width = seen[site.name], bits[site.name][1]
        is_free = "input" not in site.grids and source_of_codes(site, by_last) is None
        is_free &= not site.geometry.input_dilation  # zeros between inputs are not shifted
        if not is_free or not own.is_signed or width == 1:
            continue
        scale, zero = fitted_from_lowest(own.inputs, width, ranges, own.input_extremes)
        site.grids["input"] = GivenGrid(width, np.asarray(scale), True)
        shift_input(network, site, zero * scale)


def shift_input(network: Network, site: Site, shift: float) -> None:
    """Let a site read its inputs plus a constant, which its bias takes back (see `layers_of`)."""
    with network.graph.inserting_before(site.node):
        moved = network.graph.call_function(_aten.add.Tensor, (site.source, shift))
    moved.meta = {"origin": origin_of(site.source)._replace(part="", kind=DOOR)}
    _read_shifted(network.graph, site, moved, shift)


def _read_shifted(graph: fx.Graph, site: Site, source: fx.Node, shift: float) -> None:
    """Let a site read `source`, its inputs plus a constant."""
    if site.geometry.is_padded and site.geometry.padding_mode == "zeros":
        source = _padded(graph, site, source, shift)
    site.source = source
    site.input_shift = shift
    site.shared = (site.shared[0], site.node)


def _padded(graph: fx.Graph, site: Site, source: fx.Node, value: float) -> fx.Node:
    """The source with a border of what 0 has become, in place of the layer's own padding."""
    pads = [one for pair in reversed(site.geometry.padding) for one in pair]
    with graph.inserting_before(site.node):
        made = graph.call_function(_aten.constant_pad_nd.default, (source, pads, value))
    made.meta = {"origin": origin_of(source)._replace(part="", kind=DOOR, shape=None)}
    none = ((0, 0),) * len(site.geometry.kernel)
    site.geometry = replace(site.geometry, padding=none)
    return made


def _add_to_bias(site: Site, values: torch.Tensor) -> None:
    values = values.to(site.weight)
    found = values if site.bias is None else site.bias.detach() + values
    learned = site.weight.requires_grad if site.bias is None else site.bias.requires_grad
    site.bias = torch.nn.Parameter(found, learned)
    site.shared = (site.shared[0], site.node)
