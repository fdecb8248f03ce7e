"""Programs as folders: `program.json` says what it is, `program.safetensors` holds its arrays (see
settings/array_files.py).

The kind is that of the wiring; the content has widths, scales and activations. A folder whose two
files do not belong together is refused.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from stochsim.settings import (
    Format,
    SettingError,
    StochsimError,
    Stored,
    bounded,
    check_head,
    decoded,
    head_of,
    is_file,
    read_bytes,
    shown_path,
    strict,
)

FORMAT = Format("stochsim-program", 2, "write it anew with `.save` of its program")
TABLE, ARRAYS = "program.json", "program.safetensors"
_MOST_BYTES_OF_TABLE = 16 * 2**20
_MOST_OF_REASON = 200


def write_folder(folder: Path, stored: Stored) -> None:
    """Both files of a folder.

    Each is written beside its place, moved there, and read again; raises StochsimError where that
    cannot be done, or where something else is read than was written.
    """
    head, data = head_of(FORMAT, stored)
    text = json.dumps(head, indent=1, sort_keys=True, allow_nan=False) + "\n"
    if len(text) > _MOST_BYTES_OF_TABLE:
        raise StochsimError(
            f"{shown_path(folder)}: cannot be written (a table of {len(text):,} bytes: at most "
            f"{_MOST_BYTES_OF_TABLE:,})"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in ((ARRAYS, data), (TABLE, text.encode())):
            part = folder / f"{name}.part"
            part.write_bytes(content)
            part.replace(folder / name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StochsimError(f"{shown_path(folder)}: cannot be written ({reason})") from None
    found = read_folder(folder, (stored.kind,))
    arrays = found.arrays.keys() == stored.arrays.keys() and all(
        np.array_equal(found.arrays[name], value, equal_nan=value.dtype.kind == "f")
        for name, value in stored.arrays.items()
    )
    if not arrays or found.content != json.loads(text)["content"]:
        raise StochsimError(f"{shown_path(folder)}: something else is read than was written")


def read_folder(folder: Path, kinds: tuple[str, ...]) -> Stored:
    """What a folder of one of these kinds holds; raises StochsimError as `load_program`."""
    where = shown_path(folder)
    if is_file(folder):
        raise StochsimError(f"{where}: is a file, where the folder of a program is expected")
    text = decoded(folder / TABLE, read_bytes(folder / TABLE, _MOST_BYTES_OF_TABLE))
    data = read_bytes(folder / ARRAYS)
    table_file = f"{where}: {TABLE}"
    head = check_head(table_file, strict.read_json(text, table_file), FORMAT, kinds)
    if hashlib.sha256(data).hexdigest() != head["sha256"]:
        raise StochsimError(
            f"{where}: {ARRAYS} is damaged or of another program: its SHA-256 is not the one that "
            f"{TABLE} names"
        )
    try:
        return Stored(head["kind"], head["content"], load(data))
    # KeyError: a type of numbers that NumPy has not
    except (SafetensorError, KeyError, ValueError, TypeError, MemoryError) as error:
        reason = bounded(str(error), _MOST_OF_REASON)
        raise StochsimError(f"{where}: {ARRAYS} is not readable ({reason})") from None


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
