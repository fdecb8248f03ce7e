"""The line on which a key or section of a TOML text stands, found in one pass over the text.

The text is one that the parser has taken: what is looked for here is only where statements begin
and end. Keys of a statement are read by the parser itself.
"""

import contextlib
import functools
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from stochsim.settings.errors import Fault, KeyPath

_QUOTED = r'"(?:[^"\\\n]++|\\.)*+"' + r"|'[^'\n]*'"
_LONG = r'"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}' + r"|'''(?:[^']++|'(?!''))*+'{3,5}"
_TOKEN = re.compile(rf"{_LONG}|{_QUOTED}|#[^\n]*|[\[\]{{}}\n]|[^\[\]{{}}\n#\"']+", re.DOTALL)
_KEY = re.compile(rf"\s*((?:{_QUOTED}|[\w\s.-])+?)\s*=")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(rf"\s*(\[\[?)((?:{_QUOTED}|[^\]\"'])+)\]")


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


def line_about(text: str, fault: Fault) -> int | None:
    """The line of the first key that the fault is about, else of its section, else of the innermost
    section around one; None where the text has none of them.
    """
    around = [
        place[:length]
        for place in (*fault.places, fault.section)
        for length in range(len(place) - 1, 0, -1)
    ]
    places = [place for place in (*fault.places, fault.section, *around) if place]
    lines = (line_of(text, place) for place in places)
    return next((line for line in lines if line is not None), None)


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


@functools.lru_cache(maxsize=4)
def _lines_and_table(text: str) -> tuple[dict[KeyPath, int], dict[str, Any]]:
    text = _until_bad_line(text)
    lines: dict[KeyPath, int] = {}
    with contextlib.suppress(ValueError, RecursionError):
        lines = first_lines(text)
        return lines, tomllib.loads(text)
    return lines, {}


def _until_bad_line(text: str) -> str:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = syntax_line(error)  # None at the end of the text
        return text if line is None else "\n".join(text.split("\n")[: line - 1])
    except (ValueError, RecursionError):
        return ""
    return text


def syntax_line(error: tomllib.TOMLDecodeError) -> int | None:
    """The line of a syntax error. Before Python 3.14 the parser gives it at the end of its message
    only: "… (at line 3, column 1)".
    """
    given = getattr(error, "lineno", None)
    if given is not None:
        return int(given)
    digits = str(error).rpartition("(at line ")[2].partition(",")[0]
    return int(digits) if digits.isdecimal() else None


def first_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of the first statement that gives each key or section, by its place."""
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    section: KeyPath = ()
    for line, statement in _statements(text):
        header = _HEADER.match(statement)
        if header is not None:
            section = _section(_names(header[2]), counts, header[1] == "[[")
            place = section
        else:
            key = _KEY.match(statement)
            place = () if key is None else (*section, *_names(key[1]))
        for length in range(1, len(place) + 1):
            found.setdefault(place[:length], line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement with the line on which it begins; empty lines and comments are none."""
    line = 1
    first = 1
    depth = 0
    parts: list[str] = []
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word == "\n" and not depth:
            yield from _filled(first, parts)
            parts = []
            first = line + 1
        elif not word.startswith("#"):
            parts.append(word)
        depth += _step(word)
        line += word.count("\n")
    yield from _filled(first, parts)


def _step(word: str) -> int:
    if word in ("[", "{"):
        return 1
    return -1 if word in ("]", "}") else 0


def _filled(first: int, parts: list[str]) -> Iterator[tuple[int, str]]:
    statement = "".join(parts)
    if statement.strip():
        yield first, statement


def _names(key: str) -> KeyPath:
    """The names of a dotted key, quoted ones too."""
    if _BARE.fullmatch(key):
        return (key,)
    names: list[str] = []
    table: Any = tomllib.loads(f"{key} = 0")
    while isinstance(table, dict):
        name = next(iter(table))
        names.append(name)
        table = table[name]
    return tuple(names)


def _section(names: KeyPath, counts: dict[KeyPath, int], is_list: bool) -> KeyPath:
    """The place of a header's table: a list of tables on the way stands for its last one so far.

    counts: how many tables each list has, by its place; counted on here.
    """
    place: KeyPath = ()
    for i, name in enumerate(names):
        place = (*place, name)
        if is_list and i == len(names) - 1:
            counts[place] = counts.get(place, 0) + 1
        if place in counts:
            place = (*place, str(counts[place] - 1))
    return place
