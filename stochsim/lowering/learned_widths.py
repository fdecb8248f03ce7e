"""Widths of a converted network's grids that are learned under their price in joules."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from stochsim.hardware import Hardware
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.networks import LEAST_LEARNED, MOST_BITS, Grid
from stochsim.settings import SettingError, check_choice

SIDES = ("weights", "inputs", "outputs")
"""The grids of a layer whose widths may be learned, in the order of its `bits`."""

_ON_ARRAYS = (
    "widths are learned on digital chips: on an array joules follow the data, and sums the width "
    "of every slice"
)


class _Place(NamedTuple):
    """A grid as a layer has it."""

    layer: str
    side: str
    grid: Grid


def give_widths(
    layers: Mapping[str, ChipLayer],
    hardware: Hardware,
    of: Sequence[str],
    keep: Sequence[str],
) -> None:
    """A parameter `width` for every grid; see `ChipModule.learn_widths`."""
    of, keep = _checked(layers, of, keep)
    if hardware.array is not None:
        raise SettingError.of("hardware.array", rule=_ON_ARRAYS)
    if any(place.grid.width is not None for place in _places(layers)):
        rule = "widths are learned already; `fix_widths` makes them whole numbers"
        raise SettingError.of((), rule=rule)
    kept = {id(place.grid) for place in _places(layers) if place.layer in keep}
    asked = [
        place for place in _places(layers) if place.side in of and not _is_of_ids(layers, place)
    ]
    free = [place for place in asked if id(place.grid) not in kept]
    if not free:
        raise SettingError.of("keep", list(keep), "leaves no width to learn")
    for place in free:
        _check_learnable(place)
    _check_hardware(layers, hardware, free)
    for grid in {id(place.grid): place.grid for place in free}.values():
        grid.learn_width()


def _places(layers: Mapping[str, ChipLayer]) -> Iterator[_Place]:
    """All grids of all layers, those of two layers twice."""
    for name, layer in layers.items():
        for side, grid in zip(SIDES, grids_of(layer), strict=True):
            yield _Place(name, side, grid)


def _is_of_ids(layers: Mapping[str, ChipLayer], place: _Place) -> bool:
    """Whether the values are ids of the rows of a table, which have no width of their own."""
    return place.side == "inputs" and layers[place.layer].geometry.lookup > 0


def grids_of(layer: ChipLayer) -> tuple[Grid, Grid, Grid]:
    """The grids of a layer's weights, inputs and outputs."""
    return layer.weight_grid, layer.input_grid, layer.output_grid


def _checked(layers: Collection[str], of: Any, keep: Any) -> tuple[Sequence[str], Sequence[str]]:
    """Sides and names of layers; raises SettingError for others."""
    for field, given in (("of", of), ("keep", keep)):
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise SettingError.of(field, given, "should be a list of names")
    for side in of:
        check_choice("of", side, SIDES)
    for name in keep:
        check_choice("keep", name, list(layers))
    if not of:
        raise SettingError.of("of", list(of), "should name one kind of widths at least", SIDES)
    return of, keep


def _check_learnable(place: _Place) -> None:
    """Raise SettingError for a grid whose width cannot change."""
    where = {"section": ("layers", place.layer), "value": place.grid.bits}
    keep = f"; keep=['{place.layer}'] leaves the layer's widths as they are"
    if place.grid.bits < LEAST_LEARNED:
        rule = f"widths are learned from {LEAST_LEARNED} bits to {MOST_BITS}{keep}"
        raise SettingError.of(place.side, rule=rule, **where)  # type: ignore[arg-type]
    if place.grid.is_given:
        rule = f"the grid is the module's own, affine or of a format, and stays as it is{keep}"
        raise SettingError.of(place.side, rule=rule, **where)  # type: ignore[arg-type]


def _check_hardware(
    layers: Mapping[str, ChipLayer], hardware: Hardware, places: Collection[_Place]
) -> None:
    """Raise SettingError where the Hardware cannot have a width that may be learned."""
    for place in places:
        widths = list(layers[place.layer].bits)
        for bits in range(LEAST_LEARNED, MOST_BITS + 1):
            widths[SIDES.index(place.side)] = bits
            try:
                hardware.with_precision(*widths)
            except SettingError as error:
                raise error.inside("layers", place.layer) from None


def keep_bounds(layers: Mapping[str, ChipLayer]) -> None:
    """Learned widths that a step of training took out of 2 to 8 back to the nearer end."""
    for place in _places(layers):
        if place.grid.width is not None:
            place.grid.width.data.clamp_(LEAST_LEARNED, MOST_BITS)


def fix_widths(layers: Mapping[str, ChipLayer]) -> None:
    """See `ChipModule.fix_widths`."""
    learned = [place.grid for place in _places(layers) if place.grid.width is not None]
    if not learned:
        raise SettingError.of((), rule="no widths are learned: call learn_widths")
    for grid in {id(grid): grid for grid in learned}.values():
        grid.fix_width()


def real_widths(layers: Mapping[str, ChipLayer]) -> torch.Tensor:
    """Widths of weights, inputs and outputs as real numbers with their gradients, (layer, 3)
    float64.
    """
    rows = [torch.stack([one.real_bits() for one in grids_of(layer)]) for layer in layers.values()]
    return torch.stack(rows).double()
