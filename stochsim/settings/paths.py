"""Paths as users give them: text or path objects."""

import os
from pathlib import Path
from typing import Any

from stochsim.settings.errors import SettingError

AnyPath = str | os.PathLike[str]
_MOST_CHARACTERS = 4_095
MOST_BYTES_OF_A_NAME = 255
"""Of one name of a path, as every usual file system has it."""

_RULE = "should be a path, as a str or a pathlib.Path"


def as_path(name: str, value: Any) -> Path:
    """A path given as str or as a path object; raises SettingError for anything else: bytes, empty
    text, a number, and text that no path can be.
    """
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(found, str) or not found or "\0" in found:
        raise SettingError.of(name, value, _RULE)
    if len(found) > _MOST_CHARACTERS:
        rule = f"{_RULE}, of at most {_MOST_CHARACTERS:,} characters, not {len(found):,}"
        raise SettingError.of(name, value, rule)
    try:
        parts = os.fsencode(found).split(os.fsencode(os.sep))
    except UnicodeEncodeError:
        raise SettingError.of(name, value, f"{_RULE}, of characters that names can have") from None
    if any(len(part) > MOST_BYTES_OF_A_NAME for part in parts):
        rule = f"{_RULE}, of names of at most {MOST_BYTES_OF_A_NAME} bytes"
        raise SettingError.of(name, value, rule)
    return Path(found)
