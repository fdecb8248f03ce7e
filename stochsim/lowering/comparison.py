"""How far a converted network is from the float one on its examples, without noise: by layer, and
by stimulus.
"""

import warnings
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import fx

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.observing import Watch, portions, same_random_numbers
from stochsim.lowering.products import Site
from stochsim.lowering.queries import origin_of
from stochsim.lowering.random_parts import values_without_draws
from stochsim.lowering.signature import Outputs
from stochsim.lowering.walks import Walk
from stochsim.lowering.window_products import squares
from stochsim.settings import levels_to_user

_FEW = 3  # stimuli
_SAME = 1e-3  # of the largest value: sums of another batch are added in another order
_CANCELS = 1e-2  # values of this share of what they are computed from are off by its rounding
_TIMES = 3.0  # what rounding explains
_LEAST_PARTS = 30
_LEAST = 0.02  # of the outputs' size: below, no warning
_LEAST_OF_FEW = 0.1  # of a few stimuli, one of which may lie beyond the examples by chance


class ConversionWarning(UserWarning):
    """A layer is further from its float outputs than rounding explains."""


class LayerError(NamedTuple):
    """The root mean square error of a layer's outputs for float inputs, over that of the float
    outputs; explained: the same of independent errors of inputs, weights and outputs, uniform
    within a step of their grids. parts: how many weights or outputs there are, whichever are
    fewer: of few no law of averages holds.
    """

    relative: float
    explained: float
    parts: int = 0


class ConversionErrors(NamedTuple):
    """How far the noiseless network is from the float one on its examples.

    layers: by name, each for float inputs; outputs (stimulus,): the size of the difference of the
    output over that of the float one, of several the largest; by_output: of each, by where it
    stands in what the module gives ("output['scores']").
    """

    layers: dict[str, LayerError]
    outputs: np.ndarray
    by_output: Mapping[str, np.ndarray] = {}

    def __repr__(self) -> str:
        rows = (
            f"{name} {one.relative:.2%} (rounding explains {one.explained:.2%})"
            for name, one in self.layers.items()
        )
        several = self.by_output if len(self.by_output) > 1 else {"outputs": self.outputs}
        whole = (
            f"{name} {np.mean(one):.2%} (mean), {np.max(one):.2%} (largest)"
            for name, one in several.items()
        )
        return f"ConversionErrors: {'; '.join([*rows, *whole])}"


class _Sums:
    """Sums of squares of a layer, for all portions."""

    def __init__(self, layer: ChipLayer) -> None:
        self._layer = layer
        weight = layer.weight.detach()
        self._weights = float(weight.square().sum() / len(weight))  # of a neuron
        self._of_weights = layer.weight_grid.rounding_variance(layer.weight_of_neurons.detach())
        self._sizes = [weight.numel(), 0]
        self._parts: list[tuple[float, float, float]] = []

    def add(self, x: torch.Tensor, out: torch.Tensor) -> None:
        """Look at what the layer reads and gives in float."""
        layer = self._layer
        x = x.to(layer.weight.dtype)
        seen = float(squares(layer.geometry, x, 0.0).mean())
        is_rounded = not layer.geometry.lookup  # ids are not
        of_inputs = layer.input_grid.rounding_variance(layer.rows(x)) if is_rounded else 0.0
        of_outputs = layer.output_grid.rounding_variance(out)
        explained = of_inputs * self._weights + self._of_weights * seen + of_outputs
        error = float((layer(x) - out).square().mean())
        size = float(out.square().mean())
        self._sizes[1] += out.numel()
        self._parts.append((error * len(x), explained * len(x), size * len(x)))

    def error(self) -> LayerError:
        """Of all portions."""
        error, explained, size = np.sum(self._parts, 0)
        with np.errstate(all="ignore"):  # of values near the largest of float32
            relative, expected = np.sqrt(np.array([error, explained]) / (size or 1.0)).tolist()
        return LayerError(relative, expected, min(self._sizes))


def layer_errors(
    network: Network, sites: Iterable[Site], layers: Mapping[str, ChipLayer], x: torch.Tensor
) -> dict[str, LayerError]:
    """Errors of the layers of a float network's sites on all examples."""
    sums = {site: _Sums(layers[site.name]) for site in sites}
    with torch.no_grad(), same_random_numbers():
        for some in portions(x):
            Watch(network, sums).run(some)
    return {site.name: one.error() for site, one in sums.items()}


def warn_of_layers(network: Network, x: torch.Tensor) -> None:
    """Warn of the layers of a converted network that are further from what their weights give in
    float than rounding explains, for stimuli x (stimulus, …).
    """
    sums: dict[str, _Sums] = {}

    def in_float(layer: ChipLayer, values: torch.Tensor) -> torch.Tensor:
        found = layer.in_float(values)
        if layer.has_given_grids:  # a quantised module's own
            return found
        sums.setdefault(layer.name, _Sums(layer)).add(values, found)
        return found

    with torch.no_grad(), same_random_numbers():
        Walk(network, in_float).run(x.clone())
    warn_of({name: one.error() for name, one in sums.items()}, _LEAST_OF_FEW)


def output_errors(
    network: Network, x: torch.Tensor, wanted: list[torch.Tensor], outputs: Outputs
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """See `ConversionErrors.outputs` and `by_output`; wanted: the float outputs of the portions of
    x.
    """
    found: dict[str, list[torch.Tensor]] = {f"output{one.path}": [] for one in outputs.leaves}
    with torch.no_grad(), same_random_numbers():
        for some, expected in zip(portions(x), wanted, strict=True):
            pairs = zip(outputs.apart(network(some)), outputs.apart(expected), strict=True)
            for errors, (one, other) in zip(found.values(), pairs, strict=True):
                errors.append(_relative(one, other))
    by_output = {name: torch.cat(one).cpu().numpy() for name, one in found.items()}
    return np.max(list(by_output.values()), axis=0), by_output


def _relative(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The size of the difference over that of what is wanted, (stimulus,), of finite numbers."""
    flat, given = (one.double().reshape(len(wanted), -1) for one in (wanted, found))
    are_finite = flat.isfinite() & given.isfinite()
    flat = torch.where(are_finite, flat, 0.0)
    off = torch.where(are_finite, given, 0.0) - flat
    size = flat.norm(dim=1)
    return off.norm(dim=1) / torch.where(size > 0, size, 1.0)


def warn_of(errors: Mapping[str, LayerError], least: float = _LEAST) -> None:
    """Warn of the layers that rounding does not explain, from an error of `least` on."""
    for name, one in errors.items():
        is_far = one.relative > max(least, _TIMES * one.explained)
        if is_far and one.parts >= _LEAST_PARTS:
            text = (
                f"layer '{name}' is {one.relative:.1%} of its outputs' size off its float outputs, "
                f"where rounding explains {one.explained:.1%}: its values are unlike the examples, "
                f"or errors of its weights add up"
            )
            warnings.warn(text, ConversionWarning, stacklevel=levels_to_user())


def note_mixing_parts(network: Network, x: torch.Tensor) -> None:
    """Note (`Origin.mixes`) the parts whose values for a stimulus alone are others than among
    others, such as a normalisation by the batch: a chip's reads must not stand among them. x: two
    stimuli at least.
    """
    some = x[:_FEW]
    together = values_without_draws(network, some)
    alone = [values_without_draws(network, some[i : i + 1]) for i in range(len(some))]
    mixed = set[fx.Node]()
    for node, value in together.items():
        if (origin_of(node).shape or (0,))[0] != -1:
            continue
        each = [values[node] for values in alone]
        inputs = [together[one] for one in node.all_input_nodes if one in together]
        size = max(_largest(value), _CANCELS * max(map(_largest, inputs), default=0.0))
        if any((one.ndim, one.shape[1:]) != (value.ndim, value.shape[1:]) for one in each):
            continue
        if not _are_close(torch.cat(each), value, _SAME * size):
            if mixed.isdisjoint(node.all_input_nodes):
                node.meta["origin"] = origin_of(node)._replace(mixes=True)
            mixed.add(node)


def _largest(value: torch.Tensor) -> float:
    """The largest size of a finite number."""
    sizes = value.abs() if value.is_complex() else value.double()
    found = torch.nan_to_num(sizes, nan=0, posinf=0, neginf=0)
    return float(found.abs().max()) if found.numel() else 0.0


def _are_close(found: torch.Tensor, wanted: torch.Tensor, within: float) -> bool:
    """Whether two values agree; those that are no numbers do."""
    one, other = (
        torch.view_as_real(value) if value.is_complex() else value.double()
        for value in (found, wanted)
    )
    return torch.allclose(one, other, 0, within, equal_nan=True)
