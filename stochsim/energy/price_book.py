"""Reading the price book: TOML entries become prices and facts; an error names the file and the
line of the entry.
"""

import math
from collections.abc import Collection
from importlib import resources
from pathlib import Path
from typing import Any

from stochsim.energy.entries import Entry, Fact
from stochsim.energy.pricing import ARGUMENTS, Price
from stochsim.settings import SettingError, line_of, read_text, read_toml

Book = tuple[dict[str, Price], dict[str, Fact]]
BOOK = resources.files("stochsim.energy") / "book"
_SECTIONS = ("prices", "facts")
# the argument at which an entry is tried when it is read, or the nearest one within its range
_PROBE = 8.0


def read_book(path: Path) -> Book:
    """The prices and facts of one file: tables [prices.NAME] (see Entry) and [facts.NAME] (see
    Fact), keyed by name.

    Raises SettingError with file and line for a bad entry: no unit, no source, an unknown key,
    kind, tag or name in a formula, and a formula that gives a negative number, or none, where it is
    tried.
    """
    book = read_toml(path)
    for section, entries in book.items():
        if section not in _SECTIONS or not isinstance(entries, dict):
            error = SettingError.of("section", section, "unknown, or no table", _SECTIONS)
            raise _located(error, path, section)
    prices = {name: _price(path, name, table) for name, table in book.get("prices", {}).items()}
    return prices, {name: _fact(path, name, table) for name, table in book.get("facts", {}).items()}


def read_books(folder: Any = BOOK) -> Book:
    """All books of a folder; raises SettingError for a name that stands in two of them."""
    prices: dict[str, Price] = {}
    facts: dict[str, Fact] = {}
    for entry in sorted(folder.iterdir(), key=lambda each: str(each.name)):
        if entry.name.endswith(".toml"):
            with resources.as_file(entry) as path:
                new_prices, new_facts = read_book(path)
                _refuse_twice(path, "prices", prices, new_prices)
                _refuse_twice(path, "facts", facts, new_facts)
            prices = prices | new_prices
            facts = facts | new_facts
    return prices, facts


def _refuse_twice(path: Path, section: str, known: Collection[str], new: Collection[str]) -> None:
    for name in new:
        if name in known:
            error = SettingError.of("", rule="stands in two books", section=(section, name))
            raise _located(error, path, section, name)


def _price(path: Path, name: str, table: Any) -> Price:
    try:
        price = Entry.from_table(_checked_table(table)).price(name, str(path))
    except SettingError as error:
        raise _located(error.inside("prices", name), path, "prices", name) from None
    if not price.required:
        price.energy_j(tuple(_probe(price, argument) for argument in ARGUMENTS[price.kind]))
    return price


def _fact(path: Path, name: str, table: Any) -> Fact:
    try:
        return Fact.from_table({"name": name, **_checked_table(table)})
    except SettingError as error:
        raise _located(error.inside("facts", name), path, "facts", name) from None


def _checked_table(table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise SettingError.of("", table, "should be a table")
    return table


def _probe(price: Price, argument: str) -> float:
    low, high = price.valid.get(argument, (-math.inf, math.inf))
    return min(max(_PROBE, low), high)


def _located(error: SettingError, path: Path, *entry: str) -> SettingError:
    """The error with the book and the line on which the entry begins."""
    return error.at(path, line_of(read_text(path), entry))
