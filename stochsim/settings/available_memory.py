"""The memory that is left to this process (no NumPy here: files are read before it is loaded)."""

import os
from collections.abc import Iterator
from pathlib import Path

_NONE = 2**62
"""In place of a limit that is not there."""

_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
"""Files of a group's limit and use, and the line of memory.stat that says what of it is given back
when it is needed.
"""


def available_bytes() -> int:
    """Memory that can be had without swapping: what the system reports as available, all of it
    where it does not; less where the control group of a container allows less.
    """
    return min(_of_machine(), bytes_of_groups())


def _of_machine() -> int:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _NONE


def bytes_of_groups(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> int:
    """Memory that the control groups of this process, version 2 or 1, still allow: the least of
    them and of those that they are in; 2^62 where none sets a limit.

    root: where the groups are mounted; own: the file that names those of the process.
    """
    found = [_NONE]
    for line in _lines(own):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found += [_left(folder, *_V2) for folder in _folders(root, path)]
        elif "memory" in controllers.split(","):
            found += [_left(folder, *_V1) for folder in _folders(root / "memory", path)]
    return max(0, min(found))


def _folders(root: Path, path: str) -> Iterator[Path]:
    """The folder of a group and those around it; in a container, which may not see its own path,
    those that are there.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:length])


def _left(folder: Path, limit: str, use: str, given_back: str) -> int:
    most = _number(folder / limit)
    used = _number(folder / use)
    if most is None or used is None:
        return _NONE
    cached = 0
    for line in _lines(folder / "memory.stat"):
        name, _, value = line.partition(" ")
        if name == given_back and value.isdecimal():
            cached = int(value)
    return most - max(0, used - cached)


def _number(path: Path) -> int | None:
    """The number in a file; None where there is no file, or no number ("max")."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
