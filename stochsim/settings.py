"""Settings: frozen values, validated where they are built; an error names the field, the value, the rule and the nearest valid choice."""

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import pydantic
import tomli_w

from stochsim.errors import StochsimError

__all__ = ["SettingError", "Settings", "StochsimError", "nearest", "read_toml", "write_toml"]


class SettingError(StochsimError, ValueError):
    """A setting breaks a rule."""


def nearest(value: object, choices: Iterable[str]) -> str:
    """Half a sentence that names the nearest of `choices`, or all of them."""
    names = [str(choice) for choice in choices]
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(names)}"


class Settings(pydantic.BaseModel):
    """Base of all settings: frozen, strict types, unknown keys refused, no NaN and no infinity."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def __init__(self, **table: Any) -> None:
        """Raises SettingError, never pydantic's own error. TOML arrays become tuples."""
        try:
            super().__init__(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})
        except pydantic.ValidationError as error:
            raise SettingError(_explain(type(self), error)) from None

    @classmethod
    def from_table(cls, table: dict[str, Any], where: str = "") -> Self:
        """Build from a TOML table; `where` (a file, a section) opens the message of a SettingError."""
        try:
            return cls(**table)
        except SettingError as error:
            raise SettingError(f"{where}: {error}" if where else str(error)) from None

    def to_table(self) -> dict[str, Any]:
        """The settings as plain TOML values, None left out; from_table gives back an equal object."""
        return self.model_dump(mode="json", exclude_none=True)


_OWN_WORDS = {"tuple_type": "should be a list", "model_type": "should be a table", "model_attributes_type": "should be a table"}


def _explain(cls: type[pydantic.BaseModel], error: pydantic.ValidationError) -> str:
    found = error.errors(include_url=False)
    # a list whose items are all invalid is also reported as too short: once is enough
    inside = {details["loc"][:-1] for details in found if details["loc"]}
    return "; ".join(_explain_one(cls, details) for details in found if not (details["type"] == "too_short" and details["loc"] in inside))


def _explain_one(cls: type[pydantic.BaseModel], details: Any) -> str:
    place = ".".join(str(part) for part in details["loc"])
    inner = details.get("ctx", {}).get("error")
    if isinstance(inner, ValueError) and not place:  # a rule that ties several fields together names them itself
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
        return f"'{place}.{context['discriminator'].strip(chr(39))}' = {context['tag']!r}: {nearest(context['tag'], choices)}"
    if details["type"] == "union_tag_not_found":
        return f"'{place}.{details['ctx']['discriminator'].strip(chr(39))}' is missing"
    if details["type"] == "too_short":
        return f"'{place}' = {list(details['input'])}: should name at least {details['ctx']['min_length']}"
    rule = _OWN_WORDS.get(details["type"]) or details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"'{place}' = {details['input']!r}: {rule}"


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; raises SettingError that names the file and, for bad syntax, the line."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: not valid TOML ({error})") from None


def write_toml(path: Path, table: dict[str, Any]) -> None:
    """Write a table as TOML."""
    path.write_text(tomli_w.dumps(table))
