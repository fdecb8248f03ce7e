"""Paths as users give them: text or path objects."""

import os
from pathlib import Path
from typing import Any

from stochsim.settings.errors import SettingError

AnyPath = str | os.PathLike[str]


def as_path(name: str, value: Any) -> Path:
    """A path given as str or as a path object; raises SettingError for anything else: bytes, empty
    text, a number.
    """
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(found, str) or not found or "\0" in found:
        raise SettingError.of(name, value, "should be a path, as a str or a pathlib.Path")
    return Path(found)


def check_is_file(path: Path) -> None:
    """Raise SettingError where a folder stands in place of a file."""
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError):
        return
    if is_folder:
        raise SettingError.of_file(path, "cannot be read (a folder, where a file is expected)")


def check_is_data(path: Path) -> None:
    """Raise SettingError where a device, a pipe or a socket stands: reading it may never end."""
    try:
        is_other = path.exists() and not path.is_file() and not path.is_dir()
    except (OSError, ValueError):  # a name that no file can have; opening it says so
        return
    if is_other:
        raise SettingError.of_file(path, "cannot be read (no file of data)")
