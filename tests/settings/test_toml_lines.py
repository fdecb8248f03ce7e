"""The line of a key in TOML text: held against the parser itself, and linear in the text."""

import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stochsim.settings import KeyPath, SettingError, line_of, located, stands_in

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*(ROOT / "examples").rglob("*.toml"), *(ROOT / "stochsim").rglob("*.toml")])

HARD = '''\
"a.b" = 1            # a quoted key
c . 'd"' = "x = ] \\" # no comment"
e = [
  "[f]",             # f = 1
  [1, 2], { g = 2 },
]
text = """
h = 1
""\\""" """""
raw = \'\'\'
i = "\'\'\'
[[j]]
k = 1
[[j]]
[j.l]
"m\\u00e9" = 2
[[j.n]]
[[j.n]]
o = 3
[p.q]
'''
LINES = {
    ("a.b",): 1,
    ("c", 'd"'): 2,
    ("e",): 3,
    ("e", "2", "g"): 3,
    ("f",): None,
    ("text",): 7,
    ("h",): None,
    ("raw",): 10,
    ("i",): None,
    ("j",): 12,
    ("j", "0", "k"): 13,
    ("j", "1"): 14,
    ("j", "1", "k"): None,
    ("j", "1", "l", "mé"): 16,
    ("j", "1", "n", "1", "o"): 19,
    ("p",): 20,
    ("p", "q"): 20,
}


@pytest.mark.parametrize("place", LINES, ids=".".join)
def test_the_line_of_keys_that_are_hard_to_read(place: KeyPath) -> None:
    assert line_of(HARD, place) == LINES[place]


def _places(table: object, place: KeyPath = ()) -> Iterator[KeyPath]:
    if isinstance(table, dict):
        for name, value in table.items():
            yield (*place, name)
            yield from _places(value, (*place, name))


def _first_prefix_with(text: str, place: KeyPath) -> int | None:
    """The line by definition: of the first statement without which the place would be missing."""
    lines = text.split("\n")
    whole = 0
    for count in range(1, len(lines) + 1):
        try:
            table = tomllib.loads("\n".join(lines[:count]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
        if stands_in(table, place):
            return whole + 1
        whole = count
    return None


@pytest.mark.parametrize("path", SHIPPED[:6], ids=lambda path: path.stem)
def test_the_line_is_that_of_the_first_statement_that_brings_the_key(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    places = list(_places(tomllib.loads(text)))[:40]
    assert places
    assert {place: line_of(text, place) for place in places} == {
        place: _first_prefix_with(text, place) for place in places
    }


def _seconds(lines: int) -> float:
    text = "[a]\n" + "".join(f"k{number} = {number}\n" for number in range(lines))
    begun = time.perf_counter()
    assert line_of(text, ("a", f"k{lines - 1}")) == lines + 1
    return time.perf_counter() - begun


def test_ten_thousand_lines_take_no_second() -> None:
    """Measured 0.05 s; a search by parsing prefixes took 1.1 s, and as much again for every key."""
    assert min(_seconds(10_000 - extra) for extra in range(3)) < 0.5


def test_long_strings_of_escapes_and_open_ones_end() -> None:
    text = 'a = "' + "\\\\" * 100_000 + '"\nb = 1\n'
    assert line_of(text, ("b",)) == 2
    assert line_of("a = 1\nb = '''\nno end", ("a",)) == 1


def test_an_error_is_put_on_its_line(tmp_path: Path) -> None:
    path = tmp_path / "chip.toml"
    path.write_text("a = 1\n[b]\nc = 2\n", encoding="utf-8")
    found = {
        "b.c": located(SettingError.of("b.c", 2, "no"), path),
        "b.d": located(SettingError.missing("b.d"), path),
        "e": located(SettingError.of("e", 2, "no"), path),
    }
    assert {name: error.faults[0].line for name, error in found.items()} == {
        "b.c": 3,
        "b.d": 2,
        "e": 1,
    }
    elsewhere = SettingError.of("b.c", 2, "no").at("other.toml", 7)
    assert str(located(elsewhere, path)).startswith("other.toml:7: ")
