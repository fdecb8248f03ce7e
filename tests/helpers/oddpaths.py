"""Paths that a user can name by mistake, and that no loader can read: what is there is no file of
data, cannot be reached, or holds something else.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path

_AT_MOST = 40 * 2**30


def _socket(path: Path) -> None:
    """Bound by its name alone: what holds a whole path of pytest's is too short."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(_AT_MOST)


MADE: dict[str, Callable[[Path], object]] = {
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "socket": _socket,
    "loop": lambda path: path.symlink_to(path),
    "dangling": lambda path: path.symlink_to(path.with_name("nothing")),
    "40 GiB": _sparse,
    "memory": lambda path: path.symlink_to("/proc/self/mem"),
    "nothing": lambda path: None,
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "UTF-16": lambda path: path.write_bytes("name = 'x'\n".encode("utf-16")),
    "brackets": lambda path: path.write_text("[" * 5_000, encoding="utf-8"),
    "digits": lambda path: path.write_text(f"x = {'9' * 5_000}\n", encoding="utf-8"),
    "accounts": lambda path: path.write_text(
        "root:x:0:0:SECRET:/root:/bin/sh\nother:x:1:1:SECRET:/:/bin/sh\n", encoding="utf-8"
    ),
    "escapes": lambda path: path.write_text('"\\u001b[31mred" = "\\u009b2J"\n', encoding="utf-8"),
}
"""What stands at a path, by its name."""

NAMES = {
    "300 characters": "a" * 300,
    "6,000 characters": "/".join("a" * 3_000),
    "escape": "\x1b[31mred",
    "two lines": "a\nb",
    "bytes that are no text": "a\udc80b",
}
"""Names of nothing."""
