"""Arrays in files, with a head that says what they are: the one format of programs, checkpoints,
references and pictures.

The head is JSON: the format's name and version, a kind, the SHA-256 of the arrays (of a safetensors
file that holds them and nothing else), and a content. It stands beside the arrays, or in the
metadata of their own file. Nothing of it is run when read.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save, save_file

from stochsim.settings import strict
from stochsim.settings.errors import NotWrittenError, SettingError, StochsimError
from stochsim.settings.files import check_file, explained, is_file
from stochsim.settings.paths import AnyPath, as_path
from stochsim.settings.shown_text import bounded, shown_path
from stochsim.settings.toml import check_levels

Arrays = dict[str, np.ndarray]
_FIELDS = ("format", "version", "kind", "sha256", "content")
_HEAD = "head"
_MOST_OF_REASON = 200


class Format(NamedTuple):
    """What a file is; anew: how one of another version is made again."""

    name: str
    version: int
    anew: str


class Stored(NamedTuple):
    """What a file holds."""

    kind: str
    content: dict[str, Any]
    arrays: Arrays


def head_of(own: Format, stored: Stored) -> tuple[dict[str, Any], bytes]:
    """The head, and the arrays as a safetensors file; raises SettingError for a content that could
    not be read again.
    """
    _check_content(stored.content)
    data = save(_in_order(stored.arrays))
    head = {
        "format": own.name,
        "version": own.version,
        "kind": stored.kind,
        "sha256": hashlib.sha256(data).hexdigest(),
        "content": stored.content,
    }
    return head, data


def _check_content(content: dict[str, Any]) -> None:
    try:
        check_levels(content)
    except ValueError as error:
        raise SettingError.of((), rule=f"cannot be saved ({error})") from None


def _in_order(arrays: Arrays) -> Arrays:
    """By name, each as safetensors writes it."""
    return {name: np.asarray(one, order="C") for name, one in sorted(arrays.items())}


_READERS = {"graph": "; it is a converted network, which load_converted reads"}
"""What reads folders of a kind, for those who took another function."""


def check_head(where: str, head: Any, own: Format, kinds: tuple[str, ...]) -> dict[str, Any]:
    """The head, of a file `where`; raises StochsimError for another format, version or kind."""
    if not isinstance(head, dict) or head.get("format") != own.name:
        found = head.get("format") if isinstance(head, dict) else type(head).__name__
        raise StochsimError(f"{where} has format {strict.shown(found)}: '{own.name}' is expected")
    if head.get("version") != own.version or isinstance(head["version"], bool):
        raise StochsimError(
            f"{where} has version {strict.shown(head.get('version'))} of the format: this release "
            f"reads version {own.version}; {own.anew}"
        )
    try:
        strict.exact_table("head", head, _FIELDS)
    except SettingError as error:
        raise StochsimError(f"{where}: {error}") from None
    if head["kind"] not in kinds:
        found = strict.shown(head["kind"])
        valid = " or ".join(kinds)
        hint = _READERS.get(head["kind"], "") if isinstance(head["kind"], str) else ""
        raise StochsimError(f"{where} is of kind {found}: {valid} is expected here{hint}")
    if not isinstance(head["content"], dict) or not isinstance(head["sha256"], str):
        raise StochsimError(f"{where} has no 'content' or no 'sha256'")
    return head


def write_arrays(path: AnyPath, own: Format, stored: Stored) -> None:
    """One file, its head in the metadata.

    Raises NotWrittenError where it cannot be written.
    """
    head, _ = head_of(own, stored)
    # one entry: safetensors shuffles them
    metadata = {_HEAD: json.dumps(head, sort_keys=True)}
    target = as_path("path", path)
    try:
        if target.exists() and not is_file(target):
            raise NotWrittenError(
                f"{shown_path(path)}: cannot be written (it is there, and no file)"
            )
        save_file(_in_order(stored.arrays), target, metadata=metadata)
    except (OSError, ValueError, SafetensorError) as error:
        reason = bounded(getattr(error, "strerror", None) or str(error), _MOST_OF_REASON)
        raise NotWrittenError(f"{shown_path(path)}: cannot be written ({reason})") from None


@contextmanager
def open_arrays(path: AnyPath) -> Iterator[Any]:
    """A safetensors file, open, for arrays one by one: its door, as `files` is that of texts.

    Raises SettingError for what is no file of data, StochsimError for what is none of arrays.
    """
    path = as_path("path", path)
    check_file(path)
    try:
        with explained(path), safe_open(path, framework="np") as file:
            yield file
    except SettingError:
        raise
    # KeyError, TypeError: a type of numbers that NumPy has not
    except (SafetensorError, KeyError, TypeError) as error:
        reason = bounded(str(error), _MOST_OF_REASON)
        where = shown_path(path)
        raise StochsimError(f"{where}: not a readable file of arrays ({reason})") from None


def read_arrays(
    path: AnyPath, own: Format, kinds: tuple[str, ...], *, finite: bool = True
) -> Stored:
    """What `write_arrays` wrote; finite: whether NaN and infinities in the content are refused.

    Raises StochsimError for a file that is damaged, of another format, version or kind.
    """
    path = as_path("path", path)
    where = shown_path(path)
    with open_arrays(path) as file:
        text = (file.metadata() or {}).get(_HEAD, "{}")
        names = file.keys()  # safe_open is no mapping
        arrays = {name: file.get_tensor(name) for name in names}
    read = strict.read_json(text, f"{where}: its head", finite=finite)
    head = check_head(where, read, own, kinds)
    found = Stored(head["kind"], head["content"], arrays)
    if head_of(own, found)[0]["sha256"] != head["sha256"]:
        raise StochsimError(
            f"{where} is damaged: the SHA-256 of its arrays is not that of its head"
        )
    return found
