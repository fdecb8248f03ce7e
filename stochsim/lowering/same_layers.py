"""Another graph of a module on the layers of a network that was made of it: its products are found
among the network's, and what is in float is shared.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from stochsim.lowering.captured_products import CapturedProducts
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.products import Site, source_of_codes
from stochsim.lowering.quantised_sites import shift_input
from stochsim.lowering.queries import operation, origin_of
from stochsim.lowering.taken_along import only_user
from stochsim.settings import StochsimError


class KnownProduct(NamedTuple):
    """A product of a network: the layer that it became, the operations that this one does, and what
    its input is shifted by.
    """

    layer: str
    along: tuple[str, ...]
    shift: float


KnownProducts = Mapping[str, Mapping[int, Sequence[KnownProduct]]]


def known_products(sites: Iterable[Site]) -> KnownProducts:
    """The products of a network by their weights and the call of their module, those of one call in
    the order in which they run.
    """
    found: dict[str, dict[int, list[KnownProduct]]] = {}
    for site in sites:
        known = KnownProduct(site.name, _along(site), site.input_shift)
        calls = found.setdefault(site.cells, {})
        calls.setdefault(origin_of(site.node).call, []).append(known)
    return found


def _along(site: Site) -> tuple[str, ...]:
    """The operations from a product to the last that it takes along."""
    found, node = [operation(site.node)], site.node
    while node is not site.last:
        after = only_user(node)
        assert after is not None
        node = after
        found.append(operation(node))
    return tuple(found)


def layers_for(
    captured: CapturedProducts, products: KnownProducts, base: Network
) -> tuple[dict[str, ChipLayer], dict[str, str]]:
    """The layers of the base for the sites of another graph of its module, by the names that the
    sites take, and for each further one, such as a step beyond those that the base has in this call
    of its module, the name of the layer on whose cells it is: that of the last step there.

    Raises StochsimError for a site that computes what no layer of the base does.
    """
    by_last = {site.last: site for site in captured.sites}
    of_calls = [known for calls in products.values() for known in calls.values()]
    names = {one.layer for known in of_calls for one in known}
    layers: dict[str, ChipLayer] = {}
    cells: dict[str, str] = {}
    steps: dict[tuple[str, int], int] = {}
    for site in captured.sites:
        known, is_further = _known(site, products, steps)
        layer = base.get_submodule(known.layer)
        assert isinstance(layer, ChipLayer)
        _check_like(site, layer, known)
        source = source_of_codes(site, by_last)
        before = None if source is None else layers[source.name]
        if known.shift and not site.input_shift:
            shift_input(captured.network, site, known.shift)
        if is_further:
            while site.name in layers or site.name in names:
                site.name += "_"
            cells[site.name] = known.layer
        else:
            site.name = known.layer
        layers[site.name] = _like(layer, site, before)
    return layers, cells


def _known(
    site: Site, products: KnownProducts, steps: dict[tuple[str, int], int]
) -> tuple[KnownProduct, bool]:
    """The product of the base that a site is, or that it follows on the same weights, and whether
    it follows one; steps: how many sites there were of each call of weights, which is counted up.
    """
    calls = products.get(site.cells)
    if calls is None:
        raise StochsimError(
            f"the product '{site.name}' is none of the layers that the module has for its examples"
        )
    call = origin_of(site.node).call
    known = calls[call] if call in calls else calls[max(calls)]
    step = steps.get((site.cells, call), 0)
    steps[site.cells, call] = step + 1
    return known[min(step, len(known) - 1)], call not in calls or step >= len(known)


def _check_like(site: Site, layer: ChipLayer, known: KnownProduct) -> None:
    """Raise StochsimError where a layer does not compute what a site does."""
    own, other = site.geometry, layer.geometry
    if site.weight.shape != layer.weight.shape or (own.groups, own.lookup) != (
        other.groups,
        other.lookup,
    ):
        raise StochsimError(
            f"the product '{site.name}' has weights {tuple(site.weight.shape)}, where the layer "
            f"'{known.layer}' of the examples has {tuple(layer.weight.shape)}"
        )
    if _along(site) != known.along:
        has, had = (" + ".join(one) for one in (_along(site), known.along))
        raise StochsimError(
            f"the layer '{known.layer}' of the examples is {had}, and the product '{site.name}' "
            f"{has}"
        )


def _like(layer: ChipLayer, site: Site, before: ChipLayer | None) -> ChipLayer:
    """The layer itself, or one that shares all of its parameters and grids, where a site is called
    in another way. before: the layer whose codes the site reads.
    """
    takes_codes = before is not None and before.output_grid is layer.input_grid
    takes_codes = takes_codes and layer.takes_codes
    if (site.name, site.geometry, takes_codes) == (layer.name, layer.geometry, layer.takes_codes):
        return layer
    made = copy.copy(layer)  # with the same dicts of parameters and grids
    made.name, made.geometry, made.takes_codes = site.name, site.geometry, takes_codes
    return made


def shared_paths(network: Network, base: Network, buffers: Iterable[str]) -> list[str]:
    """Paths of what a network has from the base: all parameters, the module's own `buffers`, and
    constants that are equal. Raises StochsimError for a parameter that the base has not.
    """
    found: list[str] = []
    for node in network.graph.nodes:
        path = str(node.target)
        if node.op not in ("get_attr", "call_module") or path in found:
            continue
        own, other = _value(network, path), _value(base, path)
        if isinstance(own, ChipLayer):
            continue
        if isinstance(own, torch.nn.Parameter | torch.nn.Module):
            if not _are_alike(own, other):
                raise StochsimError(
                    f"its part '{path}' in float has parameters that the network of the examples "
                    f"has not"
                )
            found.append(path)
        elif _are_alike(own, other) and (path in buffers or _are_equal(own, other)):
            found.append(path)
    return found


def _are_alike(own: Any, other: Any) -> bool:
    """Whether two parts are of one kind and shape."""
    shapes = [getattr(one, "shape", None) for one in (own, other)]
    return type(own) is type(other) and shapes[0] == shapes[1]


def _are_equal(own: torch.Tensor, other: torch.Tensor) -> bool:
    return own.dtype == other.dtype and torch.equal(own, other)


def _value(network: torch.nn.Module, path: str) -> Any:
    """What stands at a path, None where nothing does."""
    found: Any = network
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def share(network: Network, base: Network, paths: Iterable[str]) -> None:
    """Put what the base has at these paths into a network, wherever it was moved or loaded."""
    for path in paths:
        way, _, last = path.rpartition(".")
        owner, source = network.get_submodule(way), base.get_submodule(way)
        for name in ("_parameters", "_buffers", "_modules"):
            held = getattr(source, name)
            if last in held:
                getattr(owner, name)[last] = held[last]
