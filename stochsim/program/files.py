"""Programs as folders: `program.json` says what it is, `program.safetensors` holds its arrays.

Nothing in them is run when read.

The JSON has the format's name and version, the kind of program, the SHA-256 of the arrays' file,
and widths, scales and activations; a folder whose two files do not belong together is refused.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save
from stochsim_kernels.neuron import channel

from stochsim.program.program import AnyProgram, DeepProgram, Program, RecurrentProgram
from stochsim.program.quantizer import Quantizer
from stochsim.settings import SettingError, StochsimError, nearest, strict

FORMAT, VERSION = "stochsim-program", 1
TABLE, ARRAYS = "program.json", "program.safetensors"

Arrays = dict[str, np.ndarray]

_FIELDS = {
    "weight_bits": int,
    "weight_scale": float,
    "input": dict,
    "output": dict,
    "rho": float,
    "activation": str,
    "own_width": bool,
}
_QUANTIZER = {"bits": int, "scale": float, "unsigned": bool}
_MOST_STEPS = 1_000_000
_ARRAYS = {"weight_codes": np.int8, "bias": np.float64, "sigma": np.float64}


def save_program(program: AnyProgram, folder: Path) -> None:
    """Write a program to a folder, made where it does not exist; a program that stood there is
    replaced.
    """
    arrays: Arrays = {}
    if isinstance(program, DeepProgram):
        table: dict[str, Any] = {
            "hidden": [
                program_table(one, f"hidden.{i}", arrays) for i, one in enumerate(program.hidden)
            ]
        }
        table |= {
            name: program_table(getattr(program, name), name, arrays) for name in ("spread", "last")
        }
        arrays["base"] = program.base
        write_folder(folder, "deep", table, arrays)
    elif isinstance(program, RecurrentProgram):
        table = {
            name: program_table(getattr(program, name), name, arrays)
            for name in ("forward", "lateral")
        }
        arrays["own"] = program.own
        write_folder(
            folder, "recurrent", table | {"steps": program.steps, "radius": program.radius}, arrays
        )
    else:
        write_folder(folder, "single", {"layer": program_table(program, "layer", arrays)}, arrays)


def load_program(folder: Path) -> AnyProgram:
    """What `save_program` wrote: the same program, so the same codes by the same key.

    Raises StochsimError that names the folder where files are missing, damaged, of another format,
    kind or version, or say what no program can be.
    """
    kind, table, arrays = read_folder(folder, ("single", "deep", "recurrent"))
    try:
        return _program(kind, table, arrays)
    except SettingError as error:
        raise StochsimError(f"{folder}: not a program that can be read ({error})") from None


def _program(kind: str, table: dict[str, Any], arrays: Arrays) -> AnyProgram:
    if kind == "deep":
        return _deep(table, arrays)
    if kind == "recurrent":
        return _recurrent(table, arrays)
    check_keys("program", table, ("layer",))
    strict.only_arrays(arrays, layer_arrays("layer"))
    return read_program(table["layer"], "layer", arrays)


def _deep(table: dict[str, Any], arrays: Arrays) -> DeepProgram:
    check_keys("program", table, ("hidden", "spread", "last"))
    layers = {
        f"hidden.{i}": one for i, one in enumerate(strict.items("program.hidden", table["hidden"]))
    }
    both = {"spread": table["spread"], "last": table["last"]}
    strict.only_arrays(arrays, {"base"}.union(*map(layer_arrays, (*layers, *both))))
    _check_reals("base", arrays)
    hidden = tuple(read_program(one, name, arrays) for name, one in layers.items())
    spread, last = (read_program(one, name, arrays) for name, one in both.items())
    return DeepProgram(hidden, spread, last, arrays["base"])


def _recurrent(table: dict[str, Any], arrays: Arrays) -> RecurrentProgram:
    check_keys("program", table, ("forward", "lateral", "steps", "radius"))
    strict.only_arrays(arrays, {"own", *layer_arrays("forward"), *layer_arrays("lateral")})
    _check_reals("own", arrays)
    forward, lateral = (read_program(table[name], name, arrays) for name in ("forward", "lateral"))
    steps = strict.whole("program.steps", table["steps"], 1, _MOST_STEPS)
    radius = strict.number("program.radius", table["radius"], 0.0)
    return RecurrentProgram(forward, lateral, arrays["own"], steps, radius)


def _check_reals(name: str, arrays: Arrays) -> None:
    """Raise SettingError unless an array holds finite float64."""
    found = arrays[name]
    if found.dtype != np.float64 or not np.isfinite(found).all():
        raise SettingError(f"array '{name}' is {found.dtype}: should be finite float64")


def layer_arrays(name: str) -> set[str]:
    """Names of the arrays of one layer."""
    return {f"{name}.{field}" for field in _ARRAYS}


def program_table(program: Program, name: str, arrays: Arrays) -> dict[str, Any]:
    """One layer as a table; its arrays are added to `arrays` under its name."""
    for field, dtype in _ARRAYS.items():
        arrays[f"{name}.{field}"] = np.asarray(getattr(program, field), dtype)
    quantizers = {
        side: {field: getattr(getattr(program, side), field) for field in _QUANTIZER}
        for side in ("input", "output")
    }
    return {field: quantizers.get(field, getattr(program, field)) for field in _FIELDS}


def read_program(table: dict[str, Any], name: str, arrays: Arrays) -> Program:
    """The layer of this name again; raises SettingError for what does not fit or is missing."""
    _check_types(name, table, _FIELDS)
    quantizers = {}
    for side in ("input", "output"):
        _check_types(f"{name}.{side}", table[side], _QUANTIZER)
        quantizers[side] = Quantizer(**table[side])
    for array in layer_arrays(name):
        if array not in arrays:
            raise SettingError(f"array '{array}' is missing")
    found = {field: arrays[f"{name}.{field}"] for field in _ARRAYS}
    strict.number(f"{name}.rho", table["rho"], 0.0)
    program = Program(**(table | quantizers | found))
    _check_layer(name, program)
    return program


def _check_layer(name: str, program: Program) -> None:
    """Raise SettingError where a layer's arrays or widths say what no layer can be."""
    if program.activation not in channel.ACTIVATIONS:
        raise SettingError(
            f"'{name}.activation' = {program.activation!r}: "
            f"{nearest(program.activation, channel.ACTIVATIONS)}"
        )
    widths = {
        "weight_bits": program.weight_bits,
        "input.bits": program.input.bits,
        "output.bits": program.output.bits,
    }
    for field, bits in widths.items():
        if not 1 <= bits <= 8:
            raise SettingError(f"'{name}.{field}' = {bits}: should be from 1 to 8")
    scales = {
        "weight_scale": program.weight_scale,
        "input.scale": program.input.scale,
        "output.scale": program.output.scale,
    }
    for field, scale in scales.items():
        if not 0 < scale < float("inf"):
            raise SettingError(f"'{name}.{field}' = {scale}: should be finite and above 0")
    _check_arrays(name, program)


def _check_arrays(name: str, program: Program) -> None:
    """Raise SettingError where shapes, types or values are none of a layer's."""
    if program.weight_codes.ndim != 2:
        raise SettingError(
            f"'{name}.weight_codes' has shape {program.weight_codes.shape}: should be (neuron, "
            f"input)"
        )
    for field, dtype in _ARRAYS.items():
        found = getattr(program, field)
        if found.dtype != dtype or (field != "weight_codes" and found.shape != (program.neurons,)):
            raise SettingError(
                f"'{name}.{field}' is {found.dtype} {found.shape}: should be {np.dtype(dtype)}, "
                f"one row for each neuron"
            )

    if program.weight_codes.size == 0:
        raise SettingError(f"'{name}.weight_codes' is empty: a layer has neurons and inputs")
    most = max(2 ** (program.weight_bits - 1) - 1, 1)
    if np.max(np.abs(program.weight_codes.astype(np.int16))) > most:
        raise SettingError(f"'{name}.weight_codes' should be from {-most} to {most}")
    if program.weight_bits == 1 and not program.weight_codes.all():
        raise SettingError(f"'{name}.weight_codes' should be -1 or 1 at one bit")
    if not np.isfinite(program.bias).all():
        raise SettingError(f"'{name}.bias' should be finite")
    if not (np.isfinite(program.sigma).all() and (program.sigma >= 0).all()):
        raise SettingError(f"'{name}.sigma' should be finite and at least 0")


def write_folder(folder: Path, kind: str, table: dict[str, Any], arrays: Arrays) -> None:
    """Both files of a folder.

    Each is written beside its place and then moved there; raises StochsimError where that cannot be
    done.
    """
    data = save({name: np.ascontiguousarray(value) for name, value in sorted(arrays.items())})
    head = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "sha256": hashlib.sha256(data).hexdigest(),
        "program": table,
    }
    text = json.dumps(head, indent=1, sort_keys=True, allow_nan=False) + "\n"
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in ((ARRAYS, data), (TABLE, text.encode())):
            part = folder / f"{name}.part"
            part.write_bytes(content)
            part.replace(folder / name)
    except OSError as error:
        raise StochsimError(f"{folder}: cannot be written ({error.strerror})") from None


def read_folder(folder: Path, kinds: tuple[str, ...]) -> tuple[str, dict[str, Any], Arrays]:
    """Kind, table and arrays of a folder of one of these kinds; raises StochsimError as
    `load_program`.
    """
    folder = Path(folder)
    try:
        text, data = (folder / TABLE).read_bytes(), (folder / ARRAYS).read_bytes()
    except OSError as error:
        raise StochsimError(
            f"{folder}: {Path(str(error.filename)).name} cannot be read ({error.strerror})"
        ) from None
    head = strict.read_json(text, f"{folder}: {TABLE}")
    _check_head(folder, head, kinds)
    if hashlib.sha256(data).hexdigest() != head["sha256"]:
        raise StochsimError(
            f"{folder}: {ARRAYS} is damaged or of another program: its SHA-256 is not the one that "
            f"{TABLE} names"
        )
    try:
        return head["kind"], head["program"], load(data)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:  # KeyError: a number type
        raise StochsimError(f"{folder}: {ARRAYS} is not readable ({error})") from None


def _check_head(folder: Path, head: Any, kinds: tuple[str, ...]) -> None:
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        found = head.get("format") if isinstance(head, dict) else type(head).__name__
        raise StochsimError(
            f"{folder}: {TABLE} has format {strict.shown(found)}: '{FORMAT}' is expected"
        )
    if head.get("version") != VERSION or isinstance(head["version"], bool):
        raise StochsimError(
            f"{folder}: version {strict.shown(head.get('version'))} of the format: this release "
            f"reads version {VERSION}"
        )
    if not isinstance(head.get("kind"), str) or head["kind"] not in kinds:
        raise StochsimError(
            f"{folder}: a program of kind {strict.shown(head.get('kind'))}: {' or '.join(kinds)} "
            f"is expected here"
        )
    if not isinstance(head.get("program"), dict) or not isinstance(head.get("sha256"), str):
        raise StochsimError(f"{folder}: {TABLE} has no 'program' or no 'sha256'")


def check_keys(
    name: str, table: Mapping[str, Any], fields: Mapping[str, Any] | tuple[str, ...]
) -> None:
    """Raise SettingError unless the table has exactly these fields."""
    if not isinstance(table, Mapping):
        raise SettingError(f"'{name}' should be a table")
    for key in table:
        if key not in fields:
            raise SettingError(f"unknown key '{name}.{key[:100]}': {nearest(key, fields)}")
    for key in fields:
        if key not in table:
            raise SettingError(f"'{name}.{key}' is missing")


def _check_types(name: str, table: Mapping[str, Any], fields: Mapping[str, type]) -> None:
    check_keys(name, table, fields)
    for key, kind in fields.items():
        value = table[key]
        right = isinstance(value, (int, float) if kind is float else kind) and (
            kind is bool or not isinstance(value, bool)
        )
        if not right:
            raise SettingError(
                f"'{name}.{key}' = {strict.shown(value)}: should be "
                f"{'a table' if kind is dict else kind.__name__}"
            )
