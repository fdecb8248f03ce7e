"""Values that a file of another person holds, read into a closed set of types.

JSON without repeated keys, NaN or deep nesting; then whole numbers, numbers, words and names, each
checked where it is taken. Nothing of a file is ever run, and an error names field, value and rule.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from stochsim.settings.errors import SettingError
from stochsim.settings.paths import MOST_BYTES_OF_A_NAME
from stochsim.settings.toml import MOST_DEEP, WHOLE_END, NotOfAFile, check_levels

MOST_CHARACTERS = 10_000
"""Of one string of a table, at most; a Hardware's measured CSV file is the longest there is."""

_MOST_DIGITS = 40
_SHOWN = 60
_LONGEST_NAME = 100


def read_json(text: bytes | str, where: str, *, finite: bool = True) -> Any:
    """The value of a JSON text; raises SettingError that opens with `where` for what is not JSON,
    repeats a key, holds NaN or an infinity (unless `finite` is False: results may), a whole number
    of 2^64 or more, text that is no Unicode, or nests deeper than MOST_DEEP.
    """
    try:
        found = json.loads(
            text,
            object_pairs_hook=_once,
            parse_constant=_no_constant if finite else float,
            parse_float=_finite if finite else float,
            parse_int=_whole,
        )
        check_levels(found)
    except RecursionError:
        rule = f"not valid JSON (it nests deeper than {MOST_DEEP} levels)"
        raise SettingError.of_file(where, rule) from None
    except ValueError as error:
        raise SettingError.of_file(where, f"not valid JSON ({error})") from None
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise NotOfAFile(f"the key {shown(key)} stands twice in one table")
        found[key] = value
    return found


def _no_constant(word: str) -> float:
    raise NotOfAFile(f"{word} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotOfAFile(f"{text[:_SHOWN]} is too large for a number")
    return value


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS or abs(int(text)) >= WHOLE_END:
        raise NotOfAFile(f"{text[:_SHOWN]} is too large: whole numbers are below 2^64 in size")
    return int(text)


def shown(value: Any) -> str:
    """A value as an error shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def table(name: str, value: Any) -> dict[str, Any]:
    """A table; raises SettingError for anything else, as the functions below do."""
    if not isinstance(value, dict):
        raise SettingError.of(name, value, "should be a table")
    return value


def exact_table(name: str, value: Any, fields: Collection[str]) -> dict[str, Any]:
    """A table with these keys and no other."""
    found = table(name, value)
    for key in found:
        if key not in fields:
            raise SettingError.unknown(f"{name}.{_short(key)}", [f"{name}.{one}" for one in fields])
    for key in fields:
        if key not in found:
            raise SettingError.missing(f"{name}.{key}")
    return found


def _short(key: str) -> str:
    return key if len(key) <= _SHOWN else f"{key[:_SHOWN]}…"


def items(name: str, value: Any, most: int = 100_000) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise SettingError.of(name, value, "should be a list")
    if len(value) > most:
        raise SettingError.of(name, rule=f"has {len(value)} items: at most {most}")
    return value


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number from low to high."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingError.of(name, value, f"should be a whole number from {low} to {high}")
    return value


def wholes(name: str, value: Any, low: int, high: int) -> tuple[int, ...]:
    """A list of whole numbers from low to high, as a tuple."""
    found = items(name, value, 64)
    return tuple(whole(f"{name}[{i}]", one, low, high) for i, one in enumerate(found))


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from low to high."""
    right = isinstance(value, int | float) and not isinstance(value, bool)
    if not right or not math.isfinite(value) or not low <= value <= high:
        raise SettingError.of(name, value, f"should be a number {_range(low, high)}")
    return float(value)


def _range(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "that is finite"
    return f"from {low:g} on" if math.isinf(high) else f"from {low:g} to {high:g}"


def flag(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise SettingError.of(name, value, "should be true or false")
    return value


def text(name: str, value: Any) -> str:
    """A string that is shown and never looked into."""
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise SettingError.of(
            name, value, f"should be text of at most {MOST_CHARACTERS} characters"
        )
    return value


def word(name: str, value: Any, choices: Collection[str]) -> str:
    """One of these words."""
    if not isinstance(value, str) or value not in choices:
        raise SettingError.of(name, value, choices=choices)
    return value


def file_name(name: str, value: Any) -> str:
    """The name of a file in one folder: no way out of it, and nothing that is hidden."""
    found = text(name, value)
    is_long = len(found.encode(errors="replace")) > MOST_BYTES_OF_A_NAME
    if found.startswith(".") or is_long or not _plain(found.replace(".", "-")):
        rule = (
            f"should be the name of a file, of letters, digits, . _ and -, of at most "
            f"{MOST_BYTES_OF_A_NAME} bytes"
        )
        raise SettingError.of(name, value, rule)
    return found


def path(name: str, value: Any, refused: Collection[str] = ()) -> str:
    """Names joined by dots, each of letters, digits, _ and -, as parts of a module are called;
    names of Python's own ("__class__") and those in `refused` are none.
    """
    found = text(name, value)
    for part in found.split("."):
        if not _plain(part) or part.startswith("__") or part in refused:
            rule = (
                f"should be names joined by dots, each of letters, digits, _ and -, and none that "
                f"torch's modules have ({shown(part)})"
            )
            raise SettingError.of(name, value, rule)
    return found


def _plain(part: str) -> bool:
    return ("_" + part.replace("-", "_")).isidentifier() and part != ""


def identifier(name: str, value: Any) -> str:
    """One name: letters, digits and _."""
    found = text(name, value)
    if not found.isidentifier() or len(found) > _LONGEST_NAME:
        raise SettingError.of(
            name, value, f"should be one name of letters, digits and _, {_LONGEST_NAME} at most"
        )
    return found


def only_arrays(arrays: Mapping[str, Any], used: Collection[str]) -> None:
    """Raise SettingError for an array that nothing asks for, or for one that is missing."""
    for name in used:
        if name not in arrays:
            raise SettingError.missing(_short(name), section=("arrays",))
    for name in arrays:
        if name not in used:
            rule = "belongs to nothing in the table"
            raise SettingError.of(_short(name), rule=rule, section=("arrays",))


def same_length(name: str, value: Sequence[Any], length: int) -> None:
    """Raise SettingError unless a list has this length."""
    if len(value) != length:
        raise SettingError.of(name, rule=f"has {len(value)} items: should have {length}")
