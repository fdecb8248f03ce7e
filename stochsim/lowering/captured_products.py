"""A module as a graph in float, and the products in it that a chip can take."""

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import fx

from stochsim.lowering.brevitas_layers import plain_layers
from stochsim.lowering.brevitas_quantisers import is_of_brevitas
from stochsim.lowering.capture import Wrapped, captured, copied
from stochsim.lowering.given_grids import from_zero_on
from stochsim.lowering.graph_network import Network
from stochsim.lowering.ids_of_tables import CheckedIds
from stochsim.lowering.observing import STIMULI, portions, same_random_numbers
from stochsim.lowering.own_dropouts import off_in_evaluation, own_dropouts_on
from stochsim.lowering.products import Site, products_of, write_as_linear
from stochsim.lowering.quantised_sites import take_given_grids
from stochsim.lowering.queries import of_stimuli
from stochsim.lowering.signature import Inputs, Outputs
from stochsim.lowering.stimuli_first import put_stimuli_first
from stochsim.lowering.taken_along import fold_batch_norms, take_activations
from stochsim.lowering.training_branches import note_modes, off_in_graph
from stochsim.lowering.transposed import write_blocks_as_convolutions
from stochsim.settings import StochsimError

_SAME = 1e-3  # of the largest output: folding a batch normalisation rounds anew
_ON_EDGES = 0.01  # of a quantised module's values: sums on an edge between two codes

Signature = tuple[Inputs, Outputs]


class CapturedProducts(NamedTuple):
    """A network in float, the products that a chip can take, with what they take along, and those
    that it cannot, with the reasons.
    """

    network: Network
    sites: list[Site]
    reasons: dict[fx.Node, str]


def captured_products(
    module: torch.nn.Module,
    signature: Signature,
    x: torch.Tensor,
    kept: Sequence[str],
    in_training: bool = False,
) -> CapturedProducts:
    """A module's graph for any number of stimuli like x (stimulus, …), and its products; kept:
    paths of parts that stay in float; in_training: of a module whose own code is in training, whose
    graph is checked and then has its dropouts off. Raises StochsimError for what no graph can hold.
    """
    network = _captured(Wrapped(copied(module), *signature), x, kept)
    if in_training:
        check_same(module, signature, x, values_of(network, x))
        off_in_graph(network)
    from_zero_on(network)
    write_as_linear(network, of_stimuli(network.graph))
    write_blocks_as_convolutions(network, of_stimuli(network.graph))
    put_stimuli_first(network)
    sites, reasons = products_of(network, kept, of_stimuli(network.graph))
    fold_batch_norms(network, sites, kept)
    take_activations(sites, kept)
    reasons |= take_given_grids(network, sites, kept)
    return CapturedProducts(network, sites, reasons)


def values_of(network: Network, x: torch.Tensor) -> list[torch.Tensor]:
    """What a network in float gives for the portions of x."""
    with torch.no_grad(), same_random_numbers(), CheckedIds(network):
        return [network(some) for some in portions(x)]


def _captured(whole: Wrapped, x: torch.Tensor, kept: Sequence[str]) -> Network:
    """The graph of a module, its layers of Brevitas in torch's own operations."""
    is_quantised = is_of_brevitas(whole)
    plain = plain_layers(whole, x[:STIMULI]) if is_quantised else contextlib.nullcontext()
    with plain, own_dropouts_on(whole.whole) as paths:
        network = captured(whole, x, kept).eval()
    off_in_evaluation(network, paths)
    note_modes(network, whole.whole)
    return network


def check_same(
    module: torch.nn.Module, signature: Signature, x: torch.Tensor, found: list[torch.Tensor]
) -> None:
    """Raise StochsimError where a captured network gives something else than the module for the
    portions of x, in any of its outputs; found: what the network gives for these portions.
    """
    whole, outputs = Wrapped(copied(module), *signature), signature[1]
    name = type(module).__name__
    with torch.no_grad(), same_random_numbers():
        wanted = [whole(some) for some in portions(x)]
    for expected, given in zip(wanted, found, strict=True):
        if expected.shape != given.shape:
            raise StochsimError(f"{name} gives no tensor of the same shape when it is captured")
    portioned = (
        zip(outputs.apart(one), outputs.apart(other), strict=True)
        for one, other in zip(wanted, found, strict=True)
    )
    is_quantised = is_of_brevitas(whole)
    for leaf, pairs in zip(outputs.leaves, zip(*portioned, strict=True), strict=True):
        _check_output(name, leaf.path, list(pairs), is_quantised)


def _check_output(
    name: str, path: str, pairs: list[tuple[torch.Tensor, torch.Tensor]], is_quantised: bool
) -> None:
    """Raise StochsimError where an output of the module is unlike that of its graph, of a quantised
    one at more than a small share of its values.
    """
    share = _ON_EDGES if is_quantised else 0.0
    advice = "; nor what a forward does with scales or integers of Brevitas's tensors"
    expected, given = (torch.cat(one).double() for one in zip(*pairs, strict=True))
    are_equal = (expected == given) | (expected.isnan() & given.isnan())  # of infinities, too
    size = float(expected[expected.isfinite()].abs().amax()) if expected.isfinite().any() else 0.0
    off = torch.where(are_equal, 0.0, (expected - given).abs())
    apart = float(off.max())
    are_close = off <= _SAME * size  # not of NaN in one of them
    if float((~are_close).double().mean()) > share:
        where = f" (output{path})" if path else ""
        raise StochsimError(
            f"{name} computes something else when it is captured: outputs differ by up to "
            f"{apart:.3g}, where the largest is {size:.3g}{where}. What a module changes outside "
            f"its tensors, and random numbers of no stimulus (torch.rand(8)), cannot be converted"
            f"{advice if is_quantised else ''}"
        )
