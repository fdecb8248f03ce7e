"""What follows the products of a captured graph and is taken along with them: batch normalisation,
folded into their weights, and activations.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from stochsim.lowering.given_grids import GivenGrid
from stochsim.lowering.graph_network import Network
from stochsim.lowering.products import Site
from stochsim.lowering.queries import arguments, belongs_to, constant, operation, origin_of

_ACTIVATIONS = ("relu", "tanh", "sigmoid")


def fold_batch_norms(network: Network, sites: list[Site], kept: Collection[str]) -> None:
    """Put every batch normalisation that follows a site alone into its weights, with the running
    statistics; `kept` names parts that stay as they are.
    """
    for site in sites:
        node = only_user(site.last)
        if node is None or operation(node) != "batch_norm" or belongs_to(node, kept):
            continue
        given = arguments(node)
        if given["input"] is not site.last or given["training"] or given["running_mean"] is None:
            continue
        if site.geometry.lookup:
            continue  # a table has no bias
        if not site.geometry.kernel and len(origin_of(site.node).shape or ()) != 2:
            continue  # it normalises the positions of a linear layer, not its neurons
        if _fold(network, site, given):
            site.last = node
            site.shared = tuple((one, node) for one in site.shared)  # type: ignore[assignment]


def _fold(network: Network, site: Site, given: Mapping[str, Any]) -> bool:
    """weight · f, (bias - mean) · f + shift, with f = gain / sqrt(variance + eps); False where the
    weights' own grid has no negatives of all its values, and f is negative.
    """

    def value(name: str) -> torch.Tensor | None:
        return None if given[name] is None else constant(network, given[name]).detach()

    mean, variance, gain, shift = map(value, ("running_mean", "running_var", "weight", "bias"))
    assert mean is not None
    assert variance is not None
    factor = (variance + given["eps"]).rsqrt()
    factor = factor if gain is None else factor * gain
    grid = site.grids.get("weight")
    if grid is not None:
        turned = _folded(site, grid, factor)
        if turned is None:
            return False
        site.grids["weight"] = turned
    bias = -mean if site.bias is None else site.bias.detach() - mean
    bias = bias * factor if shift is None else bias * factor + shift
    weight = site.weight.detach() * factor.reshape(-1, *(1,) * (site.weight.ndim - 1))
    learned = site.weight.requires_grad
    site.weight = torch.nn.Parameter(weight, learned)
    site.bias = torch.nn.Parameter(bias, learned)
    return True


def _folded(site: Site, grid: GivenGrid, factor: torch.Tensor) -> GivenGrid | None:
    """The grid of weights that are multiplied by factors (neuron,); None where there is none."""
    factors = factor.double().cpu().numpy()
    if grid.bits == 1 and not factors.all():
        return None  # ±scale has no 0
    turned = factors < 0
    if turned.any():
        scale = torch.from_numpy(np.broadcast_to(grid.scale, factors.shape)[turned].copy())
        rows = site.weight.detach().double().cpu()[torch.from_numpy(turned)].flatten(1)
        found = grid.turned(int((rows / scale[:, None]).round().min()))
        if found is None:
            return None
        grid = found
    return grid.times(factors)


def take_activations(sites: list[Site], kept: Collection[str]) -> None:
    """Take along the ReLU, Tanh or Sigmoid that follows a site and is used by nothing else; `kept`
    names parts that stay as they are.
    """
    for site in sites:
        node = only_user(site.last)
        if node is not None and operation(node) in _ACTIVATIONS and not belongs_to(node, kept):
            site.activation = operation(node)
            site.last = node


def only_user(node: fx.Node) -> fx.Node | None:
    """The one node that uses what a node gives; None where there are others."""
    users = list(node.users)
    return users[0] if len(users) == 1 else None
