"""The layers of a converted network as tables, and back: shapes, scales, and which grids and
weights a layer shares with an earlier one.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from stochsim.lowering.emulated_layer import ACTIVATIONS, ChipLayer
from stochsim.lowering.grids import Grid
from stochsim.lowering.window_geometry import Geometry
from stochsim.program import Arrays, Layer, layer_arrays, read_layer
from stochsim.settings import SettingError, nearest, strict

_LAYER = (
    "name",
    "geometry",
    "groups",
    "weight_shape",
    "has_bias",
    "reads",
    "weights_of",
    "log_scales",
)
_SIDES = ("weight", "input", "output")
_GEOMETRY = ("kernel", "stride", "padding", "dilation", "groups", "padding_mode")
_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
_MOST = 2**31 - 1
_MOST_GROUPS = 65_536
_MOST_LOG = 126
"""Of a scale's binary logarithm: float32 holds its power, and that of its inverse."""

Groups = Mapping[str, tuple[Layer, ...]]


def layer_tables(layers: Mapping[str, ChipLayer]) -> list[dict[str, Any]]:
    """Each layer's shapes, and which grids and weights it shares with an earlier one."""
    tables: list[dict[str, Any]] = []
    outputs: dict[int, str] = {}
    weights: dict[int, str] = {}
    for name, layer in layers.items():
        grids = (layer.weight_grid, layer.input_grid, layer.output_grid)
        # tuples as lists, as they are read again
        geometry = json.loads(json.dumps(vars(layer.geometry)))
        tables.append(
            {
                "name": name,
                "geometry": geometry,
                "groups": layer.geometry.groups,
                "weight_shape": list(layer.weight.shape),
                "has_bias": layer.bias is not None,
                "reads": outputs.get(id(layer.input_grid)) if layer.takes_codes else None,
                "weights_of": weights.get(id(layer.weight)),
                "log_scales": {
                    side: float(grid.log_scale.detach())
                    for side, grid in zip(_SIDES, grids, strict=True)
                },
            }
        )
        outputs[id(layer.output_grid)] = name
        weights.setdefault(id(layer.weight), name)
    return tables


def read_layers(
    given: Any, arrays: Arrays
) -> tuple[dict[str, tuple[Layer, ...]], list[dict[str, Any]], set[str]]:
    """The groups of all layers by name, their tables with the number of groups, and the names of
    the arrays that they take; raises SettingError for what no layer can be.
    """
    layers: dict[str, tuple[Layer, ...]] = {}
    tables: list[dict[str, Any]] = []
    used: set[str] = set()
    for i, own in enumerate(strict.items("program.layers", given)):
        strict.exact_table("layer", own, _LAYER)
        name = strict.path(f"layers[{i}].name", own["name"])
        if name in layers:
            raise SettingError(f"'layers[{i}].name' = '{name}': another layer has this name")
        groups = strict.items(f"{name}.groups", own["groups"], _MOST_GROUPS)
        programs = []
        for g, one in enumerate(groups):
            programs.append(read_layer(one, f"{name}.{g}", arrays))
            used |= layer_arrays(f"{name}.{g}")
        _check_layer(name, own, programs, layers)
        layers[name] = tuple(programs)
        tables.append({**own, "groups": len(groups)})
    return layers, tables, used


def _check_layer(
    name: str, own: Mapping[str, Any], programs: Sequence[Layer], before: Groups
) -> None:
    """Raise SettingError where a layer's table and its groups do not belong together."""
    strict.flag(f"{name}.has_bias", own["has_bias"])
    for field in ("reads", "weights_of"):
        if own[field] is not None:
            strict.word(f"{name}.{field}", own[field], list(before))
    logs = strict.exact_table(f"{name}.log_scales", own["log_scales"], _SIDES)
    for side in _SIDES:
        strict.number(f"{name}.log_scales.{side}", logs[side], -_MOST_LOG, _MOST_LOG)
    geometry = read_geometry(f"{name}.geometry", own["geometry"])
    strict.same_length(f"{name}.groups", programs, geometry.groups)
    _check_groups(name, programs)
    shape = strict.wholes(f"{name}.weight_shape", own["weight_shape"], 1, _MOST)
    size = sum(one.weight_codes.size for one in programs)
    neurons = sum(one.neurons for one in programs)
    fits = len(shape) == 2 + len(geometry.kernel) and shape[2:] == geometry.kernel
    if not fits or math.prod(shape) != size or shape[0] != neurons:
        raise SettingError(
            f"'{name}.weight_shape' = {list(shape)}: should be (neuron, input, …) of {neurons} "
            f"neurons, kernel {list(geometry.kernel)} and {size} weights"
        )
    other = before.get(own["weights_of"]) if own["weights_of"] is not None else None
    if other is not None and sum(one.weight_codes.size for one in other) != size:
        raise SettingError(f"'{name}.weights_of' = '{own['weights_of']}': it has other weights")


def _check_groups(name: str, programs: Sequence[Layer]) -> None:
    """Raise SettingError unless all groups of a layer have the same shape, widths and scales."""
    first = programs[0]
    if first.activation not in ACTIVATIONS:
        raise SettingError(
            f"layer '{name}' has the activation '{first.activation}': "
            f"{nearest(first.activation, ACTIVATIONS)}"
        )
    for g, one in enumerate(programs):
        for field in ("weight_bits", "weight_scale", "input", "output", "activation"):
            if getattr(one, field) != getattr(first, field):
                raise SettingError(
                    f"'{name}.groups[{g}].{field}' = {getattr(one, field)}: should be "
                    f"{getattr(first, field)}, as in the first group"
                )
        if one.weight_codes.shape != first.weight_codes.shape:
            raise SettingError(
                f"'{name}.groups[{g}]' has weights {one.weight_codes.shape}: should have "
                f"{first.weight_codes.shape}, as the first group has"
            )


def read_geometry(name: str, given: Any) -> Geometry:
    """A Geometry from its table; raises SettingError for what no window can be."""
    own = strict.exact_table(name, given, _GEOMETRY)
    kernel, stride, dilation = (
        strict.wholes(f"{name}.{field}", own[field], 1, _MOST)
        for field in ("kernel", "stride", "dilation")
    )
    pads = strict.items(f"{name}.padding", own["padding"])
    padding = [strict.wholes(f"{name}.padding[{i}]", pair, 0, _MOST) for i, pair in enumerate(pads)]
    if len(kernel) > 2:
        raise SettingError(f"'{name}.kernel' = {list(kernel)}: should have at most 2 axes")
    for field, value in (("stride", stride), ("dilation", dilation), ("padding", padding)):
        strict.same_length(f"{name}.{field}", value, len(kernel))
    for i, pair in enumerate(padding):
        strict.same_length(f"{name}.padding[{i}]", pair, 2)
    groups = strict.whole(f"{name}.groups", own["groups"], 1, _MOST_GROUPS)
    mode = strict.word(f"{name}.padding_mode", own["padding_mode"], _PADDING_MODES)
    return Geometry(
        kernel, stride, tuple((one[0], one[1]) for one in padding), dilation, groups, mode
    )


def built(
    tables: Sequence[Mapping[str, Any]], programs: Groups, dtype: Any
) -> dict[str, ChipLayer]:
    """The layers again, each with its parameters or those it shares."""
    layers: dict[str, ChipLayer] = {}
    for own in tables:
        first = programs[own["name"]][0]
        source = None if own["reads"] is None else layers[own["reads"]]
        log = own["log_scales"]
        if source is None:
            input_grid = _grid(first.input.bits, log["input"], first.input.unsigned, dtype)
        else:
            input_grid = source.output_grid
        output_grid = _grid(first.output.bits, log["output"], first.output.unsigned, dtype)
        if own["weights_of"] is None:
            weight, bias, weight_grid = _parameters(own, programs[own["name"]], dtype)
        else:
            other = layers[own["weights_of"]]
            weight, bias, weight_grid = other.weight, other.bias, other.weight_grid
        layers[own["name"]] = ChipLayer(
            own["name"],
            read_geometry("geometry", own["geometry"]),
            (weight, bias),
            (weight_grid, input_grid, output_grid),
            first.activation,
            source is not None,
        )
    return layers


def _parameters(
    own: Mapping[str, Any], programs: Sequence[Layer], dtype: torch.dtype
) -> tuple[torch.nn.Parameter, torch.nn.Parameter | None, Grid]:
    """Weight and bias of the integer codes, and the weights' grid."""
    log = own["log_scales"]["weight"]
    grid = _grid(programs[0].weight_bits, log, False, dtype, narrow=True)
    codes = np.concatenate([one.weight_codes for one in programs]).reshape(own["weight_shape"])
    scale = grid.scale().detach()
    weight = torch.nn.Parameter(torch.from_numpy(codes.astype(np.float64)).to(dtype) * scale)
    if not own["has_bias"]:
        return weight, None, grid
    values = torch.from_numpy(np.concatenate([one.bias for one in programs])).to(dtype)
    return weight, torch.nn.Parameter(values), grid


def _grid(
    bits: int, log_scale: float, unsigned: bool, dtype: torch.dtype, narrow: bool = False
) -> Grid:
    grid = Grid(bits, 1.0, unsigned, narrow).to(dtype)
    with torch.no_grad():
        grid.log_scale.fill_(log_scale)
    return grid
