"""TOML files: read and written; `toml_lines` says on which line a key stands."""

import contextlib
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from stochsim.settings.errors import Fault, NotWrittenError, SettingError
from stochsim.settings.paths import AnyPath, as_path, check_is_data
from stochsim.settings.toml_lines import line_about, syntax_line


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
        raise SettingError.of_file(path, f"not valid TOML ({error})", syntax_line(error)) from None
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


def located(error: SettingError, path: AnyPath) -> SettingError:
    """The same error, each fault that names no file yet with `path` and the line, from 1, on which
    its key, or the innermost section around it, stands there; line 1 where the file has neither.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
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
    where = as_path("path", path)
    try:
        where.write_text(tomli_w.dumps(table), encoding="utf-8")
    except OSError as error:
        raise NotWrittenError(f"{where}: cannot be written ({error.strerror})") from None
