"""Programs read from folders: every name, number and array is checked before it is used."""

from pathlib import Path
from typing import Any

import numpy as np
from stochsim_kernels.neuron import channel

from stochsim.program.folders import check_keys, check_types, read_folder
from stochsim.program.layer import ARRAYS_OF_LAYER, FIELDS_OF_LAYER, QUANTIZER_FIELDS, Layer
from stochsim.program.program import Program
from stochsim.program.quantizer import Quantizer
from stochsim.program.wiring import KINDS, FeedForward, LogSigmaHead, Recurrent, Wiring
from stochsim.settings import Arrays, SettingError, StochsimError, check_whole, strict

_MOST_STEPS = 1_000_000
_NUMBERS: dict[str, tuple[str, ...]] = {"recurrent": ("steps", "radius")}
_ARRAYS: dict[str, tuple[str, ...]] = {"log-sigma": ("base",), "recurrent": ("table",)}
"""Stored numbers and arrays of the wirings that have any."""


def load_program(folder: str | Path) -> Program:
    """What `Program.save` wrote: the same program, so the same codes by the same key.

    Raises StochsimError that names the folder where files are missing, damaged, of another format,
    kind or version, or say what no program can be.
    """
    kind, table, arrays = read_folder(Path(folder), KINDS)
    try:
        return _program(kind, table, arrays)
    except SettingError as error:
        raise StochsimError(f"{folder}: not a program that can be read ({error})") from None


def _program(kind: str, table: dict[str, Any], arrays: Arrays) -> Program:
    check_keys("program", table, ("layers", "rho", *_NUMBERS.get(kind, ())))
    layers, used = read_layers(table["layers"], arrays)
    own = [f"wiring.{name}" for name in _ARRAYS.get(kind, ())]
    strict.only_arrays(arrays, used.union(own))
    for name in own:
        _check_reals(name, arrays)
    rho = strict.number("program.rho", table["rho"], 0.0)
    return Program(layers, _wiring(kind, table, arrays), rho)


def read_layers(given: Any, arrays: Arrays) -> tuple[dict[str, Layer], set[str]]:
    """All layers by name, and the names of the arrays that they take; raises SettingError for what
    no layer can be.
    """
    layers: dict[str, Layer] = {}
    used: set[str] = set()
    for i, row in enumerate(strict.items("program.layers", given)):
        check_keys(f"layers.{i}", row, ("name", *FIELDS_OF_LAYER))
        name = strict.text(f"layers.{i}.name", row["name"])
        if name in layers:
            raise SettingError.of(f"layers.{i}.name", name, "another layer has this name")
        own = {field: row[field] for field in FIELDS_OF_LAYER}
        layers[name] = _read_layer(own, f"layers.{name}", arrays)
        used |= {f"layers.{name}.{field}" for field in ARRAYS_OF_LAYER}
    return layers, used


def _wiring(kind: str, table: dict[str, Any], arrays: Arrays) -> Wiring:
    if kind == FeedForward.kind:
        return FeedForward()
    if kind == LogSigmaHead.kind:
        return LogSigmaHead(arrays["wiring.base"])
    steps = strict.whole("program.steps", table["steps"], 1, _MOST_STEPS)
    radius = strict.number("program.radius", table["radius"], 0.0)
    return Recurrent(arrays["wiring.table"], steps, radius)


def _check_reals(name: str, arrays: Arrays) -> None:
    """Raise SettingError unless an array is there and holds finite float64."""
    if name not in arrays:
        raise SettingError.missing(name, section=("arrays",))
    found = arrays[name]
    if found.dtype != np.float64 or not np.isfinite(found).all():
        raise SettingError.of(name, found, "should be finite float64", section=("arrays",))


def _read_layer(table: dict[str, Any], name: str, arrays: Arrays) -> Layer:
    """The layer of this name again; raises SettingError for what does not fit or is missing."""
    check_types(name, table, FIELDS_OF_LAYER)
    quantizers = {}
    for side in ("input", "output"):
        check_types(f"{name}.{side}", table[side], QUANTIZER_FIELDS)
        quantizers[side] = Quantizer(**table[side])
    for field in sorted(ARRAYS_OF_LAYER):
        if f"{name}.{field}" not in arrays:
            raise SettingError.missing(f"{name}.{field}", section=("arrays",))
    found = {field: arrays[f"{name}.{field}"] for field in ARRAYS_OF_LAYER}
    layer = Layer(**(table | quantizers | found))
    _check_layer(name, layer)
    return layer


def _check_layer(name: str, layer: Layer) -> None:
    """Raise SettingError where a layer's arrays or widths say what no layer can be."""
    if layer.activation not in channel.ACTIVATIONS:
        activations = channel.ACTIVATIONS
        raise SettingError.of(f"{name}.activation", layer.activation, choices=activations)
    widths = {
        "weight_bits": layer.weight_bits,
        "input.bits": layer.input.bits,
        "output.bits": layer.output.bits,
    }
    for field, bits in widths.items():
        check_whole(f"{name}.{field}", bits, 1, 9)
    scales = {
        "weight_scale": layer.weight_scale,
        "input.scale": layer.input.scale,
        "output.scale": layer.output.scale,
    }
    for field, scale in scales.items():
        if not 0 < scale < float("inf"):
            raise SettingError.of(f"{name}.{field}", scale, "should be finite and above 0")
    _check_arrays(name, layer)


def _check_arrays(name: str, layer: Layer) -> None:
    """Raise SettingError where shapes, types or values are none of a layer's."""
    if layer.weight_codes.ndim != 2:
        rule = "should have shape (neuron, input)"
        raise SettingError.of(f"{name}.weight_codes", layer.weight_codes, rule)
    for field, dtype in ARRAYS_OF_LAYER.items():
        found = getattr(layer, field)
        if found.dtype != dtype or (field != "weight_codes" and found.shape != (layer.neurons,)):
            rule = f"should be {np.dtype(dtype)}, one row for each neuron"
            raise SettingError.of(f"{name}.{field}", found, rule)
    codes = layer.weight_codes
    if codes.size == 0:
        rule = "should have at least one neuron and one input"
        raise SettingError.of(f"{name}.weight_codes", codes, rule)
    most = max(2 ** (layer.weight_bits - 1) - 1, 1)
    in_range = np.abs(codes.astype(np.int16)) <= most
    _check_values(f"{name}.weight_codes", codes, in_range, f"should be from {-most} to {most}")
    if layer.weight_bits == 1:
        _check_values(f"{name}.weight_codes", codes, codes != 0, "should be -1 or 1 at one bit")
    _check_values(f"{name}.bias", layer.bias, np.isfinite(layer.bias), "should be finite")
    positive = np.isfinite(layer.sigma) & (layer.sigma >= 0)
    _check_values(f"{name}.sigma", layer.sigma, positive, "should be finite and at least 0")


def _check_values(field: str, values: np.ndarray, are_right: np.ndarray, rule: str) -> None:
    """Raise SettingError that shows the first value that is not right; arrays of one shape."""
    wrong = values[~are_right]
    if wrong.size:
        raise SettingError.of(field, wrong.flat[0], rule)
