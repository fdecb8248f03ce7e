"""How the layers of a converted network are called, as tables, and back: windows, scales, and
which grids and weights a layer shares with an earlier one.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from stochsim.formats import NeuronBooks
from stochsim.lowering.dynamic_grids import DynamicGrid
from stochsim.lowering.emulated_layer import ACTIVATIONS, ChipLayer
from stochsim.networks import BookGrid, Grid
from stochsim.program import PADDING_MODES, DynamicQuantizer, Geometry, Layer, Quantizer
from stochsim.settings import BOUND_RULE, SettingError, is_bounded, strict

_CALL = (
    *("name", "geometry", "weight_shape", "has_bias", "reads", "weights_of", "log_scales"),
    "frozen",
)
_LSQ = "lsq"
"""A further field, of layers some of whose scales are learned as LSQ does: which."""

_PARAMETERS = ("weight", "bias")
_SIDES = ("weight", "input", "output")
_GEOMETRY = ("kernel", "stride", "padding", "dilation", "groups", "padding_mode")
_OF_TABLES = ("lookup", "padding_row")
_OF_TRANSPOSED = ("input_dilation",)
"""Of a geometry, and in files only where a layer has them."""

_MOST = 2**31 - 1
_MOST_GROUPS = 65_536
_MOST_LOG = 126
"""Of a scale's binary logarithm: float32 holds its power, and that of its inverse."""

Layers = Mapping[str, Layer]


def call_tables(layers: Mapping[str, ChipLayer]) -> list[dict[str, Any]]:
    """How each layer is called: its windows, and which grids and weights it shares with an earlier
    one.
    """
    tables: list[dict[str, Any]] = []
    outputs: dict[int, str] = {}
    weights: dict[tuple[int, int], str] = {}
    for name, layer in layers.items():
        grids = (layer.weight_grid, layer.input_grid, layer.output_grid)
        by_lsq = [side for side, grid in zip(_SIDES, grids, strict=True) if grid.is_lsq]
        tables.append(
            {
                "name": name,
                "geometry": _geometry(layer.geometry),
                "weight_shape": list(layer.weight.shape),
                "has_bias": layer.bias is not None,
                "reads": outputs.get(id(layer.input_grid)) if layer.takes_codes else None,
                "weights_of": weights.get((id(layer.weight), id(layer.weight_grid))),
                "frozen": [
                    one
                    for one in _PARAMETERS
                    if getattr(layer, one) is not None and not getattr(layer, one).requires_grad
                ],
                "log_scales": {
                    side: _checked_log(f"{name}.log_scales.{side}", grid)
                    for side, grid in zip(_SIDES, grids, strict=True)
                },
                **({_LSQ: by_lsq} if by_lsq else {}),
            }
        )
        outputs[id(layer.output_grid)] = name
        weights.setdefault((id(layer.weight), id(layer.weight_grid)), name)
    return tables


def _geometry(geometry: Geometry) -> dict[str, Any]:
    """A geometry as a table, its tuples as lists, as they are read again."""
    fields = (
        *_GEOMETRY,
        *(_OF_TABLES if geometry.lookup else ()),
        *(_OF_TRANSPOSED if geometry.input_dilation else ()),
    )
    own = {field: getattr(geometry, field) for field in fields}
    found: dict[str, Any] = json.loads(json.dumps(own))
    return found


def _checked_log(where: str, grid: Grid) -> float | list[float]:
    """A scale's binary logarithm, or those of all neurons and blocks; raises SettingError for one
    that could not be read again.
    """
    log = grid.log_of_scale().detach().cpu()
    found = log.flatten().tolist() if grid.is_of_neurons else log.item()
    return _logs(where, found, grid.log_scale.numel()) if grid.is_of_neurons else _log(where, found)


def _log(where: str, given: Any) -> float:
    return strict.number(where, given, -_MOST_LOG, _MOST_LOG)


def _logs(where: str, given: Any, count: int) -> list[float]:
    strict.same_length(where, strict.items(where, given, count), count)
    return [_log(f"{where}[{i}]", one) for i, one in enumerate(given)]


def check_calls(given: Any, layers: Layers) -> list[dict[str, Any]]:
    """The tables of how layers are called; raises SettingError unless there is one for each layer,
    in order, that fits it.
    """
    tables = strict.items("program.calls", given)
    strict.same_length("program.calls", tables, len(layers))
    before: dict[str, Layer] = {}
    for i, (own, name) in enumerate(zip(tables, layers, strict=True)):
        has_lsq = isinstance(own, dict) and _LSQ in own
        strict.exact_table(f"calls[{i}]", own, (*_CALL, _LSQ) if has_lsq else _CALL)
        strict.word(f"calls[{i}].name", own["name"], (name,))
        _check_call(name, own, layers[name], before)
        before[name] = layers[name]
    return tables


def _check_call(name: str, own: Mapping[str, Any], layer: Layer, before: Layers) -> None:
    """Raise SettingError where the table of a layer's call does not fit it."""
    if layer.activation not in ACTIVATIONS:
        raise SettingError.of(f"{name}.activation", layer.activation, choices=ACTIVATIONS)
    strict.flag(f"{name}.has_bias", own["has_bias"])
    for field in ("reads", "weights_of"):
        if own[field] is not None:
            strict.word(f"{name}.{field}", own[field], list(before))
    for i, one in enumerate(strict.items(f"{name}.frozen", own["frozen"], len(_PARAMETERS))):
        strict.word(f"{name}.frozen[{i}]", one, _PARAMETERS)
    for i, one in enumerate(strict.items(f"{name}.lsq", own.get(_LSQ, []), len(_SIDES))):
        strict.word(f"{name}.lsq[{i}]", one, _SIDES)
    logs = strict.exact_table(f"{name}.log_scales", own["log_scales"], _SIDES)
    for side in _SIDES:
        where = f"{name}.log_scales.{side}"
        if side == "weight" and layer.has_scales_of_neurons:
            _logs(where, logs[side], np.size(layer.weight_scale))
        else:
            _log(where, logs[side])
    geometry = read_geometry(f"{name}.geometry", own["geometry"])
    if layer.neurons % geometry.groups:
        rule = f"should divide the layer's {layer.neurons} neurons"
        raise SettingError.of(f"{name}.geometry.groups", geometry.groups, rule)
    size = layer.weight_codes.size
    _check_shape(f"{name}.weight_shape", own["weight_shape"], layer, geometry)
    if own["weights_of"] is not None and before[own["weights_of"]].weight_codes.size != size:
        raise SettingError.of(f"{name}.weights_of", own["weights_of"], "has other weights")


def _check_shape(where: str, given: Any, layer: Layer, geometry: Geometry) -> None:
    """Raise SettingError unless the shape of a weight fits its layer."""
    shape = strict.wholes(where, given, 1, _MOST)
    size, neurons = layer.weight_codes.size, layer.neurons
    if geometry.lookup:
        if shape != (geometry.lookup, neurons) or geometry.lookup != layer.inputs:
            rule = f"should be (row, neuron) of {layer.inputs} rows and {neurons} neurons"
            raise SettingError.of(where, list(shape), rule)
        return
    fits = len(shape) == 2 + len(geometry.kernel) and shape[2:] == geometry.kernel
    if not fits or math.prod(shape) != size or shape[0] != neurons:
        rule = (
            f"should be (neuron, input, …) of {neurons} neurons, kernel {list(geometry.kernel)} "
            f"and {size} weights"
        )
        raise SettingError.of(where, list(shape), rule)


def read_geometry(name: str, given: Any) -> Geometry:
    """A Geometry from its table; raises SettingError for what no window can be."""
    has = given if isinstance(given, Mapping) else {}
    more = (group for group in (_OF_TABLES, _OF_TRANSPOSED) if group[0] in has)
    own = strict.exact_table(name, given, (*_GEOMETRY, *itertools.chain(*more)))
    kernel, stride, dilation = (
        strict.wholes(f"{name}.{field}", own[field], 1, _MOST)
        for field in ("kernel", "stride", "dilation")
    )
    pads = strict.items(f"{name}.padding", own["padding"])
    padding = [strict.wholes(f"{name}.padding[{i}]", pair, 0, _MOST) for i, pair in enumerate(pads)]
    if len(kernel) > 3:
        raise SettingError.of(f"{name}.kernel", list(kernel), "should have at most 3 axes")
    for field, value in (("stride", stride), ("dilation", dilation), ("padding", padding)):
        strict.same_length(f"{name}.{field}", value, len(kernel))
    for i, pair in enumerate(padding):
        strict.same_length(f"{name}.padding[{i}]", pair, 2)
    groups = strict.whole(f"{name}.groups", own["groups"], 1, _MOST_GROUPS)
    mode = strict.word(f"{name}.padding_mode", own["padding_mode"], PADDING_MODES)
    pairs = tuple((one[0], one[1]) for one in padding)
    window = Geometry(kernel, stride, pairs, dilation, groups, mode)
    if _OF_TRANSPOSED[0] in own:
        apart = strict.wholes(f"{name}.input_dilation", own["input_dilation"], 1, _MOST)
        strict.same_length(f"{name}.input_dilation", apart, len(kernel))
        window = replace(window, input_dilation=apart)
    if "lookup" not in own:
        return window
    rows, row = own["lookup"], own["padding_row"]
    strict.whole(f"{name}.lookup", rows, 1, _MOST)
    if row is not None:
        strict.whole(f"{name}.padding_row", row, 0, rows - 1)
    return replace(window, lookup=rows, padding_row=row)


def built(tables: Sequence[Mapping[str, Any]], stored: Layers, dtype: Any) -> dict[str, ChipLayer]:
    """The layers again, each with its parameters or those it shares."""
    layers: dict[str, ChipLayer] = {}
    for own in tables:
        first = stored[own["name"]]
        source = None if own["reads"] is None else layers[own["reads"]]
        log = own["log_scales"]
        if source is None:
            input_grid = _grid_of(first.input, log["input"], dtype)
            input_grid.shift = math.nan  # that of the graph
        else:
            input_grid = source.output_grid
        output_grid = _grid_of(first.output, log["output"], dtype)
        if own["weights_of"] is None:
            weight, bias, weight_grid = _parameters(own, first, dtype)
        else:
            other = layers[own["weights_of"]]
            weight, weight_grid = other.weight, other.weight_grid
            bias = _bias(own, first, dtype)
            if bias is not None and other.bias is not None and torch.equal(bias, other.bias):
                bias = other.bias
        made = ChipLayer(
            own["name"],
            read_geometry("geometry", own["geometry"]),
            (weight, bias),
            (weight_grid, input_grid, output_grid),
            first.activation,
            source is not None,
        )
        for side, grid in zip(_SIDES, (weight_grid, input_grid, output_grid), strict=True):
            grid.is_lsq = side in own.get(_LSQ, [])
        made.log_sigma = _log_sigma(first, dtype)
        if own["weights_of"] is not None and made.log_sigma is not None:  # one of the same cells
            other_sigma = layers[own["weights_of"]].log_sigma
            if other_sigma is not None and torch.equal(other_sigma, made.log_sigma):
                made.log_sigma = other_sigma
        layers[made.name] = made
    return layers


def _log_sigma(layer: Layer, dtype: torch.dtype) -> torch.nn.Parameter | None:
    """The logarithms of its neurons' noise, one where all have the same; None for none. Raises
    SettingError where some have none.
    """
    if not np.any(layer.sigma):
        return None
    if not np.all(layer.sigma > 0):
        raise SettingError.of("sigma", layer.sigma.min(), "should be above 0 for all neurons or 0")
    is_one = np.all(layer.sigma == layer.sigma[0])
    found = np.log(layer.sigma[0] if is_one else layer.sigma)
    return torch.nn.Parameter(torch.as_tensor(found, dtype=dtype))


def _parameters(
    own: Mapping[str, Any], layer: Layer, dtype: torch.dtype
) -> tuple[torch.nn.Parameter, torch.nn.Parameter | None, Grid]:
    """Weight and bias of the integer codes, and the weights' grid."""
    log = own["log_scales"]["weight"]
    is_table = "lookup" in own["geometry"]
    grid = _grid_of_weights(layer)
    _put_log(grid, log, dtype)
    whole = layer.weight_integers.astype(np.float64)
    integers = torch.from_numpy(whole if is_table else whole.reshape(own["weight_shape"])).to(dtype)
    values = integers * grid.scale_of(integers).detach()
    weight = torch.nn.Parameter(values.t().contiguous() if is_table else values)
    if not is_bounded(weight.detach()):
        raise SettingError.of(f"{own['name']}.weight", rule=BOUND_RULE)
    weight.requires_grad_("weight" not in own["frozen"])
    return weight, _bias(own, layer, dtype), grid


def _grid_of_weights(layer: Layer) -> Grid:
    """The grid of a layer's weights, its scales those of the layer."""
    if layer.weight_book is not None:
        given = (layer.weight_book, layer.weight_scale, layer.block_size, layer.block_scales)
        return BookGrid(*given)
    is_narrow = layer.weight_bits == 1 or layer.weight_codes.min() > -(2 ** (layer.weight_bits - 1))
    is_narrow = is_narrow or layer.zero_points is not None
    more: dict[str, Any] = {"block_size": layer.block_size}
    if layer.zero_points is not None:
        more |= _zeros(layer)
    return Grid(layer.weight_bits, layer.weight_scale, narrow=bool(is_narrow), **more)


def _zeros(layer: Layer) -> dict[str, Any]:
    """The zero points of a layer's weights, one for all where they are alike."""
    assert layer.zero_points is not None
    found = layer.zero_points.astype(np.int64)
    is_one = not layer.has_scales_of_neurons and np.all(found == found[0])
    return {"zero_points": int(found[0]) if is_one else found, "is_given": True}


def _bias(own: Mapping[str, Any], layer: Layer, dtype: torch.dtype) -> torch.nn.Parameter | None:
    """The bias of a layer, None where it has none."""
    if not own["has_bias"]:
        return None
    if not is_bounded(layer.bias):
        raise SettingError.of(f"{own['name']}.bias", rule=BOUND_RULE)
    values = torch.from_numpy(layer.bias.copy()).to(dtype)
    return torch.nn.Parameter(values, "bias" not in own["frozen"])


def _grid_of(quantizer: Quantizer, log_scale: float, dtype: torch.dtype) -> Grid:
    if isinstance(quantizer.book, NeuronBooks):
        rule = "should be of one book for all neurons of a layer"
        raise SettingError.of("grid", quantizer.format_name, rule)
    grid: Grid
    if quantizer.book is None:
        grid = Grid(quantizer.bits, quantizer.scale, quantizer.unsigned)
    elif isinstance(quantizer, DynamicQuantizer):
        own = (quantizer.block_size, quantizer.block_scales)
        grid = DynamicGrid(quantizer.book, *own, quantizer.scale)
    else:
        grid = BookGrid(quantizer.book, quantizer.scale)
    _put_log(grid, log_scale, dtype)
    return grid


def _put_log(grid: Grid, log_scale: float | list[float], dtype: torch.dtype) -> None:
    """The stored logarithm of a scale, to which the scale itself belongs."""
    grid.to(dtype)
    value = torch.tensor(log_scale, dtype=dtype).reshape(grid.log_scale.shape)
    with torch.no_grad():
        grid.log_scale.copy_(value)
        grid.given_log.copy_(value)
