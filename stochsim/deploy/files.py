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

from stochsim.deploy.program import AnyProgram, DeepProgram, Program, Quantizer, RecurrentProgram
from stochsim.settings import SettingError, StochsimError, nearest

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
    except (SettingError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StochsimError(f"{folder}: not a program that can be read ({_words(error)})") from None


def _program(kind: str, table: dict[str, Any], arrays: Arrays) -> AnyProgram:
    if kind == "deep":
        check_keys("program", table, ("hidden", "spread", "last"))
        hidden = tuple(
            read_program(one, f"hidden.{i}", arrays) for i, one in enumerate(table["hidden"])
        )
        spread, last = (read_program(table[name], name, arrays) for name in ("spread", "last"))
        return DeepProgram(hidden, spread, last, arrays["base"])
    if kind == "recurrent":
        check_keys("program", table, ("forward", "lateral", "steps", "radius"))
        forward, lateral = (
            read_program(table[name], name, arrays) for name in ("forward", "lateral")
        )
        return RecurrentProgram(
            forward, lateral, arrays["own"], table["steps"], float(table["radius"])
        )
    check_keys("program", table, ("layer",))
    return read_program(table["layer"], "layer", arrays)


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
    """The layer of this name again; raises SettingError for what does not fit, KeyError for arrays
    that are missing.
    """
    _check_types(name, table, _FIELDS)
    quantizers = {}
    for side in ("input", "output"):
        _check_types(f"{name}.{side}", table[side], _QUANTIZER)
        quantizers[side] = Quantizer(**table[side])
    found = {field: arrays[f"{name}.{field}"] for field in _ARRAYS}
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
        head, data = json.loads((folder / TABLE).read_bytes()), (folder / ARRAYS).read_bytes()
    except OSError as error:
        raise StochsimError(
            f"{folder}: {Path(str(error.filename)).name} cannot be read ({error.strerror})"
        ) from None
    except ValueError as error:
        raise StochsimError(f"{folder}: {TABLE} is not valid JSON ({error})") from None
    _check_head(folder, head, kinds)
    if hashlib.sha256(data).hexdigest() != head["sha256"]:
        raise StochsimError(
            f"{folder}: {ARRAYS} is damaged or of another program: its SHA-256 is not the one that "
            f"{TABLE} names"
        )
    try:
        return head["kind"], head["program"], load(data)
    except SafetensorError as error:
        raise StochsimError(f"{folder}: {ARRAYS} is not readable ({error})") from None


def _check_head(folder: Path, head: Any, kinds: tuple[str, ...]) -> None:
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        found = head.get("format") if isinstance(head, dict) else type(head).__name__
        raise StochsimError(f"{folder}: {TABLE} has format {found!r}: '{FORMAT}' is expected")
    if head.get("version") != VERSION:
        raise StochsimError(
            f"{folder}: version {head.get('version')!r} of the format: this release reads version "
            f"{VERSION}"
        )
    if head.get("kind") not in kinds:
        raise StochsimError(
            f"{folder}: a program of kind {head.get('kind')!r}: {' or '.join(kinds)} is expected "
            f"here"
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
            raise SettingError(f"unknown key '{name}.{key}': {nearest(key, fields)}")
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
                f"'{name}.{key}' = {value!r}: should be "
                f"{'a table' if kind is dict else kind.__name__}"
            )


def _words(error: Exception) -> str:
    return f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
