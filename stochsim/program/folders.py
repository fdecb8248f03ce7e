"""Programs as folders: `program.json` says what it is, `program.safetensors` holds its arrays.

Nothing in them is run when read. The JSON has the format's name and version, the kind of wiring,
the SHA-256 of the arrays' file, and widths, scales and activations; a folder whose two files do not
belong together is refused.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from stochsim.settings import SettingError, StochsimError, strict

FORMAT, VERSION = "stochsim-program", 2
TABLE, ARRAYS = "program.json", "program.safetensors"

Arrays = dict[str, np.ndarray]


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
            f"reads version {VERSION}; write it anew with `.save` of its program"
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
    strict.exact_table(name, table, fields)


def check_types(name: str, table: Mapping[str, Any], fields: Mapping[str, type]) -> None:
    """Raise SettingError unless the table has exactly these fields, of these types."""
    check_keys(name, table, fields)
    for key, kind in fields.items():
        value = table[key]
        right = isinstance(value, (int, float) if kind is float else kind) and (
            kind is bool or not isinstance(value, bool)
        )
        if not right:
            rule = f"should be {'a table' if kind is dict else kind.__name__}"
            raise SettingError.of(f"{name}.{key}", value, rule)
