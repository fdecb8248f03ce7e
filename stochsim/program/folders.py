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

from safetensors import SafetensorError
from safetensors.numpy import load

from stochsim.settings import (
    Format,
    SettingError,
    StochsimError,
    Stored,
    check_head,
    check_is_data,
    head_of,
    strict,
)

FORMAT = Format("stochsim-program", 2, "write it anew with `.save` of its program")
TABLE, ARRAYS = "program.json", "program.safetensors"


def write_folder(folder: Path, stored: Stored) -> None:
    """Both files of a folder.

    Each is written beside its place and then moved there; raises StochsimError where that cannot be
    done.
    """
    head, data = head_of(FORMAT, stored)
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


def read_folder(folder: Path, kinds: tuple[str, ...]) -> Stored:
    """What a folder of one of these kinds holds; raises StochsimError as `load_program`."""
    folder = Path(folder)
    if folder.is_file():
        raise StochsimError(f"{folder}: is a file, where the folder of a program is expected")
    for name in (TABLE, ARRAYS):
        check_is_data(folder / name)
    try:
        text, data = (folder / TABLE).read_bytes(), (folder / ARRAYS).read_bytes()
    except OSError as error:
        raise StochsimError(
            f"{folder}: {Path(str(error.filename)).name} cannot be read ({error.strerror})"
        ) from None
    where = f"{folder}: {TABLE}"
    head = check_head(where, strict.read_json(text, where), FORMAT, kinds)
    if hashlib.sha256(data).hexdigest() != head["sha256"]:
        raise StochsimError(
            f"{folder}: {ARRAYS} is damaged or of another program: its SHA-256 is not the one that "
            f"{TABLE} names"
        )
    try:
        return Stored(head["kind"], head["content"], load(data))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:  # KeyError: a number type
        raise StochsimError(f"{folder}: {ARRAYS} is not readable ({error})") from None


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
