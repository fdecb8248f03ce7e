"""The door of every file that a user names: what is there is a file of data, of bounded size, and
text is UTF-8. What is not is an error that names the path, the rule and the nearest name beside it.
"""

import errno
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stochsim.settings.errors import NotWrittenError, SettingError, close_name
from stochsim.settings.free_memory import available_bytes
from stochsim.settings.shown_text import bounded, shown_path

MOST_BYTES_OF_TEXT = 4 * 2**20
"""Of a file that people write (TOML, CSV), at most."""

_MOST_BESIDE = 1_000
_MOST_OF_REASON = 200
_KINDS = {
    stat.S_IFDIR: "a folder, where a file is expected",
    stat.S_IFIFO: "no file of data: a pipe",
    stat.S_IFSOCK: "no file of data: a socket",
    stat.S_IFCHR: "no file of data: a device",
    stat.S_IFBLK: "no file of data: a device",
}
_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""What text of other encodings begins with; the longer ones first."""

_UTF_8_MARK = b"\xef\xbb\xbf"


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what goes wrong in opening or reading `path` into a SettingError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise _missing(path, error) from None
    except OSError as error:
        reason = bounded(error.strerror or str(error), _MOST_OF_REASON)
        raise SettingError.of_file(path, f"cannot be read ({reason})") from None
    except MemoryError:
        rule = "cannot be read (it does not fit into memory)"
        raise SettingError.of_file(path, rule) from None
    except ValueError as error:  # text that no name of a file can be
        raise SettingError.of_file(path, f"cannot be read ({error})") from None


def check_file(path: Path, most: int | None = None) -> int:
    """The bytes of a file. Raises SettingError where there is none, where it is a folder, a device,
    a pipe or a socket, whose reading may never end, or has more bytes than `most`; None: than there
    is memory for, twice over.
    """
    with explained(path):
        found = os.stat(path)
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "")
    if kind:
        raise SettingError.of_file(path, f"cannot be read ({kind})")
    _check_size(path, found.st_size, available_bytes() // 2 if most is None else most)
    return found.st_size


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """All bytes of a file; raises SettingError as `check_file`, and where it cannot be read."""
    check_file(path, most)
    limit = available_bytes() // 2 if most is None else most
    with explained(path), open(os.open(path, _FLAGS), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # it has changed since
            raise SettingError.of_file(path, "cannot be read (no file of data)")
        data = file.read(limit + 1) or b""
    _check_size(path, len(data), limit)
    return data


_FLAGS = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


def read_text(path: Path, most: int = MOST_BYTES_OF_TEXT) -> str:
    r"""The text of a UTF-8 file, with or without a byte order mark, its lines ended by "\n"; raises
    SettingError as `read_bytes`, and for what is no UTF-8, with the encoding that it looks like.
    """
    return decoded(path, read_bytes(path, most)).replace("\r\n", "\n").replace("\r", "\n")


def decoded(path: object, data: bytes) -> str:
    """Bytes of a file `path` as text; raises SettingError for what is no UTF-8."""
    found = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")
    if not found and b"\0" in data:
        found = "no text, or UTF-16 without a mark"
    if found:
        raise SettingError.of_file(path, f"not UTF-8 text ({found}): save it as UTF-8")
    try:
        return data.removeprefix(_UTF_8_MARK).decode()
    except UnicodeDecodeError as error:
        byte = data[error.start + (3 if data.startswith(_UTF_8_MARK) else 0)]
        line = data.count(b"\n", 0, error.start) + 1
        rule = (
            f"not UTF-8 text (byte 0x{byte:02X}; perhaps Latin-1, Windows-1252): save it as UTF-8"
        )
        raise SettingError.of_file(path, rule, line) from None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 whatever the locale is; raises NotWrittenError where that fails."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise NotWrittenError(f"{shown_path(path)}: cannot be written ({error})") from None
    write_bytes(path, data)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file; raises NotWrittenError where that fails."""
    try:
        with open(path, "wb", opener=_to_write) as file:
            file.write(data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotWrittenError(f"{shown_path(path)}: cannot be written ({reason})") from None


def _to_write(path: str, flags: int) -> int:
    """A pipe that nobody reads is an error, not a wait without end."""
    found = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    os.set_blocking(found, True)
    return found


def is_file(path: Path) -> bool:
    """Whether a file of data stands there: no folder, no device, no pipe, and a name that can be
    one.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _check_size(path: Path, size: int, most: int) -> None:
    if size > most:
        rule = f"cannot be read ({_mebibytes(size)}: at most {_mebibytes(most)})"
        raise SettingError.of_file(path, rule)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _missing(path: Path, error: OSError) -> SettingError:
    """The error of a file that is not there, with the nearest name in its folder."""
    near = close_name(path.name, _beside(path))
    hint = f"did you mean '{near}'?" if near else ""
    reason = error.strerror or os.strerror(errno.ENOENT)
    return SettingError.of_file(path, f"cannot be read ({reason})", hint=hint)


def _beside(path: Path) -> list[str]:
    try:
        with os.scandir(path.parent) as entries:
            return [entry.name for entry in itertools.islice(entries, _MOST_BESIDE)]
    except (OSError, ValueError):
        return []
