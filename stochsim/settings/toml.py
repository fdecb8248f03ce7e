"""TOML files: read, written, and the line on which a key stands."""

import bisect
import contextlib
import functools
import tomllib
from collections.abc import Iterable
from typing import Any

import tomli_w

from stochsim.settings.errors import KeyPath, NotWrittenError, SettingError
from stochsim.settings.paths import AnyPath, as_path, check_is_data


def read_toml(path: AnyPath) -> dict[str, Any]:
    """The table of a TOML file; raises SettingError that names the file and, for bad syntax, the
    line.

    >>> from stochsim.settings import read_toml, write_toml
    >>> write_toml("two.toml", {"bits": 2})
    >>> read_toml("two.toml")
    {'bits': 2}
    """
    path = as_path("path", path)
    check_is_data(path)
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
        check_levels(found)
        return found
    except OSError as error:
        raise SettingError.of_file(path, f"cannot be read ({error.strerror})") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingError.of_file(path, f"not valid TOML ({error})", _line(error)) from None
    except RecursionError:
        raise SettingError.of_file(path, f"not valid TOML ({_TOO_DEEP})") from None
    except ValueError as error:  # bytes that are no text, a number without end
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
    Unicode, or a whole number of WHOLE_END or more.
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
        value.encode()  # raises ValueError for half a pair of surrogates
    if isinstance(value, int) and abs(value) >= WHOLE_END:
        raise NotOfAFile("a whole number is too large: all are below 2^64 in size")
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else ()


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

    Table headers, dotted and quoted keys and multi-line values are read by the TOML parser itself:
    a place belongs to the first statement without which it would be missing. Keys inside an inline
    table stand on the line of that table; a number is an index of a list.
    """
    prefixes = _prefixes(text)
    count = len(prefixes.lines)
    try:
        last = bisect.bisect_left(
            range(count + 1), True, key=lambda lines: stands_in(prefixes.whole(lines)[1], place)
        )
        return None if last > count else prefixes.whole(last - 1)[0] + 1
    except _TooMuchError:
        return None


_MOST_PARSED = 3_000_000
"""Characters of one text that are parsed to find lines in it, at most."""


class _TooMuchError(Exception):
    """A text would have to be parsed too often to find a line in it."""


class _Prefixes:
    """The first lines of a text, as tables; each is parsed once."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self._known: dict[int, tuple[int, dict[str, Any]]] = {0: (0, {})}
        self._left = _MOST_PARSED

    def whole(self, count: int) -> tuple[int, dict[str, Any]]:
        """The longest run of whole statements in the first `count` lines: how many lines, and their
        table.
        """
        length = count
        while length not in self._known:
            parsed = self._parsed(length)
            if parsed is not None:
                self._known[length] = parsed
            else:
                length -= 1
        self._known[count] = self._known[length]
        return self._known[count]

    def _parsed(self, count: int) -> tuple[int, dict[str, Any]] | None:
        """None where the lines end inside a statement."""
        if self._left < 0:
            raise _TooMuchError
        text = "\n".join(self.lines[:count]) + "\n"
        self._left -= len(text)
        with contextlib.suppress(tomllib.TOMLDecodeError):
            return count, tomllib.loads(text)
        return None


@functools.lru_cache(maxsize=4)
def _prefixes(text: str) -> _Prefixes:
    return _Prefixes(text)


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
    where = as_path("path", path)
    try:
        where.write_text(tomli_w.dumps(table), encoding="utf-8")
    except OSError as error:
        raise NotWrittenError(f"{where}: cannot be written ({error.strerror})") from None
