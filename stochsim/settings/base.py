"""Settings: frozen values, validated where they are built; an error names the field, the value, the
rule and the nearest valid choice.
"""

import bisect
import contextlib
import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

import pydantic
import tomli_w

from stochsim.settings.errors import StochsimError

__all__ = [
    "Fault",
    "Place",
    "SettingError",
    "Settings",
    "StochsimError",
    "check_levels",
    "line_of",
    "nearest",
    "read_toml",
    "write_toml",
]


Place = tuple[str, ...]
"""Where a key stands in a table: the names of its sections, then its own."""


class Fault(NamedTuple):
    """One broken rule: the section that has it, what is said with names relative to that section,
    and the places it is about.
    """

    section: Place
    text: str
    places: tuple[Place, ...]

    def inside(self, section: Place) -> "Fault":
        """The same fault, seen from outside of `section`."""
        return Fault(
            (*section, *self.section), self.text, tuple((*section, *place) for place in self.places)
        )

    @property
    def full_text(self) -> str:
        """What is said, with the key named from the top of the table: "'array.converter.bits' = 13:
        …".
        """
        section = ".".join(self.section)
        opening = re.match(r"(unknown key )?'", self.text)
        if not section:
            return self.text
        return (
            f"{opening[0]}{section}.{self.text[opening.end() :]}"
            if opening
            else f"{section}: {self.text}"
        )


class SettingError(StochsimError, ValueError):
    """A setting breaks a rule; `faults` are the rules one by one, where they are known."""

    def __init__(self, *args: object, faults: Iterable[Fault] = ()) -> None:
        super().__init__(*args)
        self.faults = tuple(faults)

    @property
    def place(self) -> Place:
        """Where the first fault stands; empty where that is not known."""
        return next((place for fault in self.faults for place in fault.places), ())


def nearest(value: object, choices: Iterable[str]) -> str:
    """Half a sentence that names the nearest of `choices`, or all of them."""
    names = [str(choice) for choice in choices]
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(names)}"


class Settings(pydantic.BaseModel):
    """Base of all settings: frozen, strict types, unknown keys refused, no NaN and no infinity."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )

    def __init__(self, /, **table: Any) -> None:
        """Raises SettingError, never pydantic's own error. TOML arrays become tuples."""
        try:
            super().__init__(
                **{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
            )
        except pydantic.ValidationError as error:
            raise SettingError(
                _explain(type(self), error), faults=_faults(type(self), error)
            ) from None

    @classmethod
    def from_table(cls, table: dict[str, Any], where: str = "") -> Self:
        """Build from a TOML table; `where` (a file, a section) opens the message of a
        SettingError.
        """
        try:
            return cls(**table)
        except SettingError as error:
            raise SettingError(
                f"{where}: {error}" if where else str(error), faults=error.faults
            ) from None

    def to_table(self) -> dict[str, Any]:
        """The settings as plain TOML values, None left out; from_table gives back an equal
        object.
        """
        return self.model_dump(mode="json", exclude_none=True)


_OWN_WORDS = {
    "tuple_type": "should be a list",
    "model_type": "should be a table",
    "model_attributes_type": "should be a table",
}


def _details(error: pydantic.ValidationError) -> list[Any]:
    found = error.errors(include_url=False)
    # a list whose items are all invalid is also reported as too short: once is enough
    inside = {details["loc"][:-1] for details in found if details["loc"]}
    return [
        details
        for details in found
        if not (details["type"] == "too_short" and details["loc"] in inside)
    ]


def _explain(cls: type[pydantic.BaseModel], error: pydantic.ValidationError) -> str:
    return "; ".join(_explain_one(cls, details) for details in _details(error))


def _faults(cls: type[pydantic.BaseModel], error: pydantic.ValidationError) -> list[Fault]:
    return [fault for details in _details(error) for fault in _faults_of_one(cls, details)]


def _faults_of_one(cls: type[pydantic.BaseModel], details: Any) -> list[Fault]:
    place = tuple(str(part) for part in details["loc"])
    inner = details.get("ctx", {}).get("error")
    if isinstance(inner, SettingError) and inner.faults and place:  # a nested section
        return [fault.inside(place) for fault in inner.faults]
    if place and isinstance(inner, SettingError):  # a rule of one field, which does not name it
        return [Fault(place, str(inner), (place,))]
    text = _explain_one(cls, details)
    return [Fault((), text, (place,) if place else _named_in(cls, text))]


def _named_in(cls: type[pydantic.BaseModel], text: str) -> tuple[Place, ...]:
    """The fields of `cls` that a rule names in quotes, in the order in which it does."""
    names = [tuple(name.split(".")) for name in re.findall(r"'([\w.-]+)'", text)]
    return tuple(name for name in names if name[0] in cls.model_fields)


def _explain_one(cls: type[pydantic.BaseModel], details: Any) -> str:
    place = ".".join(str(part) for part in details["loc"])
    inner = details.get("ctx", {}).get("error")
    if (
        isinstance(inner, ValueError) and not place
    ):  # a rule that ties several fields together names them itself
        return str(inner)
    if isinstance(inner, SettingError):  # a nested section explained itself
        return f"{place}: {inner}"
    if details["type"] == "extra_forbidden":
        return f"unknown key '{place}': {nearest(place, cls.model_fields)}"
    if details["type"] == "missing":
        return f"'{place}' is missing"
    if details["type"] == "union_tag_invalid":
        context = details["ctx"]
        choices = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        return (
            f"'{place}.{context['discriminator'].strip(chr(39))}' = {context['tag']!r}: "
            f"{nearest(context['tag'], choices)}"
        )
    if details["type"] == "union_tag_not_found":
        return f"'{place}.{details['ctx']['discriminator'].strip(chr(39))}' is missing"
    if details["type"] == "too_short":
        return (
            f"'{place}' = {list(details['input'])}: should name at least "
            f"{details['ctx']['min_length']}"
        )
    rule = _OWN_WORDS.get(details["type"]) or details["msg"].removeprefix(
        "Value error, "
    ).removeprefix("Input ")
    return f"'{place}' = {details['input']!r}: {rule}"


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; raises SettingError that names the file and, for bad syntax, the line."""
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
        check_levels(found)
        return found
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise SettingError(f"{path}: not valid TOML ({_TOO_DEEP})") from None
    except ValueError as error:  # bad syntax, bytes that are no text, a number without end
        raise SettingError(f"{path}: not valid TOML ({error})") from None


MOST_DEEP = 48
"""Levels of tables and lists within each other, at most."""

WHOLE_END = 2**64
"""Whole numbers of a file are smaller in size."""

_TOO_DEEP = f"tables or lists nest deeper than {MOST_DEEP} levels"


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
    raise ValueError(_TOO_DEEP)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, str):
        value.encode()  # raises ValueError for half a pair of surrogates
    if isinstance(value, int) and abs(value) >= WHOLE_END:
        raise ValueError("a whole number is too large: all are below 2^64 in size")
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else ()


def line_of(text: str, place: Place) -> int | None:
    """The line, from 1, on which the key or section at `place` first stands in TOML text; None
    where it does not.

    Table headers, dotted and quoted keys and multi-line values are read by the TOML parser itself:
    a place belongs to the first statement without which it would be missing. Keys inside an inline
    table stand on the line of that table; a number is an index of a list.
    """
    lines = text.split("\n")

    def whole(count: int) -> tuple[int, dict[str, Any]]:
        """The longest run of whole statements in the first `count` lines: how many lines, and their
        table.
        """
        for length in range(count, 0, -1):
            with contextlib.suppress(
                tomllib.TOMLDecodeError
            ):  # it ends inside a statement of several lines
                return length, tomllib.loads("\n".join(lines[:length]) + "\n")
        return 0, {}

    last = bisect.bisect_left(
        range(len(lines) + 1), True, key=lambda count: _holds(whole(count)[1], place)
    )
    return None if last > len(lines) else whole(last - 1)[0] + 1


def _holds(table: object, place: Place) -> bool:
    for name in place:
        if isinstance(table, list) and name.isdigit() and int(name) < len(table):
            table = table[int(name)]
        elif isinstance(table, dict) and name in table:
            table = table[name]
        else:
            return False
    return True


def write_toml(path: Path, table: dict[str, Any]) -> None:
    """Write a table as TOML."""
    path.write_text(tomli_w.dumps(table))
