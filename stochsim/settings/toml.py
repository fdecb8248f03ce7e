"""TOML files: read and written; `toml_lines` says on which line a key stands."""

import contextlib
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import tomli_w

from stochsim.settings.errors import Fault, SettingError
from stochsim.settings.files import read_text, write_text
from stochsim.settings.paths import AnyPath, as_path
from stochsim.settings.shown_text import printable
from stochsim.settings.toml_lines import line_about, syntax_line


def read_toml(path: AnyPath) -> dict[str, Any]:
    """The table of a TOML file; raises SettingError that names the file and, for bad syntax, the
    line.

    >>> from stochsim.settings import read_toml, write_toml
    >>> write_toml("two.toml", {"bits": 2})
    >>> read_toml("two.toml")
    {'bits': 2}
    """
    return read_toml_text(path)[1]


def read_toml_text(path: AnyPath) -> tuple[str, dict[str, Any]]:
    """The text of a TOML file and its table; raises SettingError as `read_toml`."""
    path = as_path("path", path)
    text = read_text(path)
    try:
        found = tomllib.loads(text)
        check_levels(found)
        return text, found
    except tomllib.TOMLDecodeError as error:
        raise SettingError.of_file(path, f"not valid TOML ({error})", syntax_line(error)) from None
    except RecursionError:
        raise SettingError.of_file(path, f"not valid TOML ({_TOO_DEEP})") from None
    except (ValueError, MemoryError) as error:  # a number without end, text that is no Unicode
        raise SettingError.of_file(path, f"not valid TOML ({reason_of(error)})") from None


def reason_of(error: Exception) -> str:
    """What is wrong with a text; of a whole number of thousands of digits in our words, for
    Python's are about a limit of its own.
    """
    return _TOO_LARGE if "integer string conversion" in str(error) else str(error)


MOST_DEEP = 48
"""Levels of tables and lists within each other, at most."""

WHOLE_END = 2**64
"""Whole numbers of a file are smaller in size."""

_TOO_LARGE = "a whole number is too large: all are below 2^64 in size"
_TOO_DEEP = f"tables or lists nest deeper than {MOST_DEEP} levels"


class NotOfAFile(ValueError):
    """A value that no file may hold; whoever reads the file names it."""


def check_levels(value: object) -> None:
    """Raise ValueError where a value from a file nests deeper than MOST_DEEP, holds text that is no
    Unicode or has control characters, or a whole number of WHOLE_END or more.
    """
    level = [value]
    for _ in range(MOST_DEEP):
        inside: list[object] = []
        for one in level:
            inside.extend(_inside(one))
        if not inside:
            return
        level = inside
    raise NotOfAFile(_TOO_DEEP)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, str):
        _check_text(value)
    if isinstance(value, int) and abs(value) >= WHOLE_END:
        raise NotOfAFile(_TOO_LARGE)
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else ()


_CONTROLS = frozenset(map(chr, (*range(32), *range(127, 160)))) - set("\n\r\t")


def _check_text(text: str) -> None:
    """Raise ValueError for half a pair of surrogates, and for what a terminal would obey."""
    text.encode()
    if not text.isprintable() and not _CONTROLS.isdisjoint(text):
        found = next(one for one in text if one in _CONTROLS)
        raise NotOfAFile(f"a name or a text holds the control character {printable(found)}")


def located(error: SettingError, path: AnyPath) -> SettingError:
    """The same error, each fault that names no file yet with `path` and the line, from 1, on which
    its key, or the innermost section around it, stands there; line 1 where the file has neither.
    """
    try:
        text = read_text(as_path("path", path))
    except SettingError:
        return error.at(path)
    faults = error.faults or (Fault(rule=str(error)),)
    return type(error)(faults=[_placed(fault, str(path), text) for fault in faults])


def _placed(fault: Fault, path: str, text: str) -> Fault:
    if fault.file:
        return fault
    return replace(fault, file=path, line=line_about(text, fault) or 1)


@contextlib.contextmanager
def errors_in(path: AnyPath) -> Iterator[None]:
    """SettingErrors of what stands in a TOML file leave with file and line, as `located` finds
    them.
    """
    try:
        yield
    except SettingError as error:
        raise located(error, path) from None


def write_toml(path: AnyPath, table: dict[str, Any]) -> None:
    """Write a table as a TOML file; raises NotWrittenError where that fails."""
    write_text(as_path("path", path), tomli_w.dumps(table))
