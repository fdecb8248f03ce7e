"""TOML files: read, written, and the line on which a key stands."""

import functools
import tomllib
from collections.abc import Iterable
from typing import Any

import tomli_w

from stochsim.settings.errors import KeyPath, SettingError
from stochsim.settings.files import read_text, write_text
from stochsim.settings.paths import AnyPath, as_path
from stochsim.settings.shown_text import printable
from stochsim.settings.toml_lines import first_lines


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
        raise SettingError.of_file(path, f"not valid TOML ({error})", _line(error)) from None
    except RecursionError:
        raise SettingError.of_file(path, f"not valid TOML ({_TOO_DEEP})") from None
    except (ValueError, MemoryError) as error:  # a number without end, text that is no Unicode
        raise SettingError.of_file(path, f"not valid TOML ({error})") from None


MOST_DEEP = 48
"""Levels of tables and lists within each other, at most."""

WHOLE_END = 2**64
"""Whole numbers of a file are smaller in size."""

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
        raise NotOfAFile("a whole number is too large: all are below 2^64 in size")
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


def _line(error: tomllib.TOMLDecodeError) -> int | None:
    """The line of a syntax error. Before Python 3.14 the parser gives it at the end of its message
    only: "… (at line 3, column 1)".
    """
    given = getattr(error, "lineno", None)
    if given is not None:
        return int(given)
    digits = str(error).rpartition("(at line ")[2].partition(",")[0]
    return int(digits) if digits.isdecimal() else None


def line_of(text: str, place: KeyPath) -> int | None:
    """The line, from 1, on which the key or section at `place` first stands in TOML text; None
    where it does not.

    Keys inside an inline table or a list stand on the line on which that begins; a number is an
    index of a list. Of a text that is no TOML, the lines before the bad one count.
    """
    lines, table = _lines_and_table(text)
    if place in lines:
        return lines[place]
    if not stands_in(table, place):
        return None
    prefixes = (place[:length] for length in range(len(place) - 1, 0, -1))
    return next((lines[prefix] for prefix in prefixes if prefix in lines), None)


@functools.lru_cache(maxsize=4)
def _lines_and_table(text: str) -> tuple[dict[KeyPath, int], dict[str, Any]]:
    text = _until_bad_line(text)
    try:
        return first_lines(text), tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}, {}


def _until_bad_line(text: str) -> str:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        before = text.split("\n")[: (_line(error) or 1) - 1]
        return "\n".join(before)
    except (ValueError, RecursionError):
        return ""
    return text


def stands_in(table: object, place: KeyPath) -> bool:
    """Whether a table has this key or section."""
    for name in place:
        if isinstance(table, list) and name.isdigit() and int(name) < len(table):
            table = table[int(name)]
        elif isinstance(table, dict) and name in table:
            table = table[name]
        else:
            return False
    return True


def write_toml(path: AnyPath, table: dict[str, Any]) -> None:
    """Write a table as a TOML file; raises NotWrittenError where that fails."""
    write_text(as_path("path", path), tomli_w.dumps(table))
