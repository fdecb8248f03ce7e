"""The line on which a key of a TOML text stands, found in one pass over the text.

The text has been read as TOML already, or refused: what is read here is only where statements
begin, and their keys.
"""

import functools
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

from stochsim.settings.errors import Fault, KeyPath

_ALONE = "\n[]{}=."
_ENDS_BARE = frozenset(_ALONE + "#\"'")
_OPENING = ("[", "{")
_CLOSING = ("]", "}")


class _Statement(NamedTuple):
    """One statement: the key that it opens with, from where it stands in a table, and its line from
    1; header: 0 of a value, 1 of a table, 2 of a list of tables.
    """

    key: KeyPath
    line: int
    header: int


def line_of(text: str, place: KeyPath) -> int | None:
    """The line, from 1, on which the key or section at `place` first stands in TOML text; None
    where it does not.

    A place belongs to the first statement without which it would be missing. Keys inside an inline
    table, and items of a list, stand on the line of that statement; a number is an index of a list.
    The first call for a text takes a time that grows as the text does, each further one none.
    """
    table, lines = _known(text)
    if not stands_in(table, place):
        return None
    found = (lines.get(place[:length]) for length in range(len(place), -1, -1))
    return next((line for line in found if line is not None), None)


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
def _known(text: str) -> tuple[dict[str, object], dict[KeyPath, int]]:
    """The table of a text, and the first line of every place that opens a statement or lies on the
    way to one.
    """
    text, table = _valid(text.replace("\r\n", "\n"))
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    section: KeyPath = ()
    for statement in _statements(text):
        if statement.header:
            section = _section(statement, counts)
        place = section if statement.header else (*section, *statement.key)
        for length in range(len(place), 0, -1):
            if place[:length] in lines:
                break
            lines[place[:length]] = statement.line
    return table, lines


def _valid(text: str) -> tuple[str, dict[str, object]]:
    """The text with its table; of a text with an error, the lines before it."""
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        wrong = syntax_line(error) or text.count("\n") + 1
    begun = [statement.line for statement in _statements(text) if statement.line <= wrong]
    before = "\n".join(text.split("\n")[: max(begun, default=1) - 1]) + "\n"
    try:
        return before, tomllib.loads(before)
    except tomllib.TOMLDecodeError:
        return "", {}


def syntax_line(error: tomllib.TOMLDecodeError) -> int | None:
    """The line of a syntax error. Before Python 3.14 the parser gives it at the end of its message
    only: "… (at line 3, column 1)".
    """
    given = getattr(error, "lineno", None)
    if given is not None:
        return int(given)
    digits = str(error).rpartition("(at line ")[2].partition(",")[0]
    return int(digits) if digits.isdecimal() else None


def _section(statement: _Statement, counts: dict[KeyPath, int]) -> KeyPath:
    """The place that a header opens, with the index of the last item of every list of tables on
    its way; counts: items of those lists so far.
    """
    *parents, last = statement.key
    place: KeyPath = ()
    for name in parents:
        place = _last_item((*place, name), counts)
    place = (*place, last)
    if statement.header == 2:
        counts[place] = counts.get(place, 0) + 1
    return _last_item(place, counts)


def _last_item(place: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    return (*place, str(counts[place] - 1)) if place in counts else place


def _statements(text: str) -> Iterator[_Statement]:
    """The statements of a text, one after the other."""
    line = 1
    depth = 0
    opening: list[str] | None = []  # tokens of the key that is being read, None past it
    begun = 1
    for token in _tokens(text):
        if token == "\n" and depth == 0:
            opening = []
        elif opening is not None and not token.startswith(("#", "\n")):
            begun = begun if opening else line
            opening.append(token)
            if (statement := _whole(opening, begun)) is not None:
                yield statement
                opening = None
        elif token in _OPENING:
            depth += 1
        elif token in _CLOSING:
            depth -= 1
        line += token.count("\n")


def _tokens(text: str) -> Iterator[str]:
    """Strings, comments, brackets, "=", dots, ends of lines, and what stands between them."""
    at = 0
    while at < len(text):
        end = _end(text, at)
        if token := text[at:end].strip(" \t\r"):
            yield token
        at = end


def _end(text: str, at: int) -> int:
    """Where the token ends that begins at `at`."""
    first = text[at]
    if first in _ALONE:
        return at + 1
    if first == "#":
        return _or_all(text, text.find("\n", at))
    if first in "\"'":
        return _end_of_string(text, at, first)
    while at < len(text) and text[at] not in _ENDS_BARE:
        at += 1
    return at


def _end_of_string(text: str, at: int, quote: str) -> int:
    """Where a string ends; one over lines may end in two quotes of its own."""
    closing = 3 * quote if text.startswith(3 * quote, at) else quote
    at += len(closing)
    close = text.find(closing, at)
    while quote == '"' and 0 <= at <= close and (escape := text.find("\\", at, close)) >= 0:
        at = escape + 2
        if close < at:
            close = text.find(closing, at)
    if close < 0:
        return len(text)
    end = close + len(closing)
    while len(closing) == 3 and end < min(close + 5, len(text)) and text[end] == quote:
        end += 1
    return end


def _or_all(text: str, end: int) -> int:
    return len(text) if end < 0 else end


def _whole(tokens: list[str], line: int) -> _Statement | None:
    """The statement that these tokens open; None while its key goes on."""
    if tokens[0] != "[":
        return _Statement(_key(tokens[:-1]), line, 0) if tokens[-1] == "=" else None
    brackets = 2 if tokens[1:2] == ["["] else 1
    if tokens[-brackets:] != ["]"] * brackets:
        return None
    return _Statement(_key(tokens[brackets:-brackets]), line, brackets)


def _key(tokens: list[str]) -> KeyPath:
    return tuple(_name(token) for token in tokens if token != ".")


def _name(token: str) -> str:
    """The name that a key's token writes, bare or quoted."""
    if not token.startswith(('"', "'")):
        return token
    return next(iter(tomllib.loads(f"{token} = 0")))
