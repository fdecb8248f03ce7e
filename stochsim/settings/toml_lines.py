"""The line of every key and section of a TOML text, in one pass over it.

The text is one that the parser has taken: what is looked for here is only where statements begin
and end. Keys of a statement are read by the parser itself.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from stochsim.settings.errors import KeyPath

_QUOTED = r'"(?:[^"\\\n]++|\\.)*+"' + r"|'[^'\n]*'"
_LONG = r'"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}' + r"|'''(?:[^']++|'(?!''))*+'{3,5}"
_TOKEN = re.compile(rf"{_LONG}|{_QUOTED}|#[^\n]*|[\[\]{{}}\n]|[^\[\]{{}}\n#\"']+", re.DOTALL)
_KEY = re.compile(rf"\s*((?:{_QUOTED}|[\w\s.-])+?)\s*=")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(rf"\s*(\[\[?)((?:{_QUOTED}|[^\]\"'])+)\]")


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
