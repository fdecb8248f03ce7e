"""Settings: frozen values, validated where they are built; an error names the field, the value, the
rule and the nearest valid choice.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import pydantic

from stochsim.settings.dotted import with_setting
from stochsim.settings.errors import Fault, KeyPath, SettingError
from stochsim.settings.plain_numbers import plain


class Settings(pydantic.BaseModel):
    """Base of all settings: frozen, strict types, unknown keys refused, no NaN and no infinity."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )

    def __init__(self, /, *unnamed: Any, **table: Any) -> None:
        """Raises SettingError, never pydantic's own error. TOML arrays become tuples, NumPy's
        numbers Python's.
        """
        if unnamed:
            raise SettingError.of((), rule=_by_name(type(self)))
        table = plain(table)
        _check_keys(table)
        table = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
        try:
            super().__init__(**table)
        except pydantic.ValidationError as error:
            raise SettingError(faults=_faults(type(self), table, error)) from None

    @classmethod
    def from_table(cls, table: dict[str, Any], where: str = "") -> Self:
        """Build from a TOML table; `where` (a file) opens the message of a SettingError."""
        try:
            return cls(**table)
        except SettingError as error:
            if not where:
                raise
            raise error.at(where) from None

    def to_table(self) -> dict[str, Any]:
        """The settings as plain TOML values, None left out; from_table gives back an equal
        object.
        """
        return self.model_dump(mode="json", exclude_none=True)

    def replace(self, **changes: Any) -> Self:
        """A copy with these fields changed, checked again, as `with_` with their names: a table for
        a section is merged with it, an object takes its place.

        >>> import stochsim as ss
        >>> ss.Precision(weight_bits=4, input_bits=4, output_bits=4).replace(weight_bits=2)
        Precision(weight_bits=2, input_bits=4, output_bits=4)
        """
        return with_setting(self, changes)

    def with_(self, settings: Mapping[str, Any]) -> Self:
        """A copy with these settings, {dotted address: value}, all changed at once and checked
        again; all others are as they were.

        An address leads through sections and tables. A table is merged with the section or table in
        whose place it stands, key by key; None takes an entry of a table away; an object takes the
        place of a section whole; a section that is not there is made of what is named and of
        defaults. Raises SettingError for an address that leads nowhere, an empty table, and for
        what the settings refuse.

        >>> from stochsim.hardware import Adc, Array
        >>> Array(adc=Adc(bits=6, sigma_lsb=0.3)).with_({"adc.bits": 5}).adc.sigma_lsb
        0.3
        """
        return with_setting(self, settings)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with `update` as by `replace`: checked, unlike pydantic's own."""
        return self.replace(**update) if update else super().model_copy(deep=deep)

    def kept_fields(self, changed: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that an edit starts from, {name: value}; `changed` are those given anew, whole
        or in part.

        A class whose fields tie others (a price its parameters) leaves out what no longer applies.
        """
        return {name: getattr(self, name) for name in type(self).model_fields}


def _check_keys(table: dict[Any, Any], path: KeyPath = ()) -> None:
    """Raise SettingError for a key in a table of a table that is no text, as every key is."""
    for key, value in table.items():
        if not isinstance(key, str):
            raise SettingError.of((), key, "the keys of a table should be text", section=path)
        if isinstance(value, dict):
            _check_keys(value, (*path, key))


def _by_name(cls: type[pydantic.BaseModel]) -> str:
    """The rule that settings are given by name, with those that have to be, or else all."""
    needed = [name for name, field in cls.model_fields.items() if field.is_required()]
    given = ", ".join(f"{name}=…" for name in needed or cls.model_fields)
    return f"settings are given by name: {cls.__name__}({given})"


_OWN_WORDS = {
    "tuple_type": "should be a list",
    "model_type": "should be a table",
    "model_attributes_type": "should be a table",
}


def _faults(
    cls: type[pydantic.BaseModel], table: dict[str, Any], error: pydantic.ValidationError
) -> Iterator[Fault]:
    """What pydantic found wrong with `table`, in our words."""
    found = error.errors(include_url=False)
    # a list whose items are all invalid is also reported as too short: once is enough
    inside = {details["loc"][:-1] for details in found if details["loc"]}
    for details in found:
        if not (details["type"] == "too_short" and details["loc"] in inside):
            yield from _error(cls, table, details).faults


def _error(cls: type[pydantic.BaseModel], table: dict[str, Any], details: Any) -> SettingError:
    context = details.get("ctx", {})
    inner = context.get("error")
    path = _path(details, table)
    if isinstance(inner, SettingError):  # of a nested section, or of a validator
        return inner.inside(*path)
    if isinstance(inner, ValueError) and not path:  # a rule that ties fields, in words of its own
        return SettingError.of((), rule=str(inner))
    *section, last = path
    if details["type"] == "extra_forbidden":
        return SettingError.unknown(last, cls.model_fields, section=tuple(section))
    if details["type"] == "missing":
        return SettingError.missing("", section=path)
    if details["type"] == "union_tag_not_found":
        return SettingError.missing(context["discriminator"].strip("'"), section=path)
    if details["type"] == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        return SettingError.of(
            context["discriminator"].strip("'"), context["tag"], "", tags, section=path
        )
    if details["type"] == "too_short":
        rule = f"should name at least {context['min_length']}"
        return SettingError.of("", list(details["input"]), rule, section=path)
    return SettingError.of("", details["input"], _rule(details), section=path)


def _rule(details: Any) -> str:
    """The rule in pydantic's words, or in ours where those speak of Python."""
    words = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    for bound in details.get("ctx", {}).values():
        if isinstance(bound, float) and not 1e-5 < abs(bound) < 1e15 and bound:
            # pydantic writes all of its zeros
            words = f"{words.rpartition(' ')[0]} {bound:g}"
    return _OWN_WORDS.get(details["type"], words)


def _path(details: Any, table: Any) -> KeyPath:
    """Where the key stands in `table`: pydantic's location without the names of a union's members,
    which no table has.
    """
    field, *inner = details["loc"] or (None,)
    if field is None:
        return ()
    absent = inner.pop() if inner and details["type"] == "missing" else None
    path = [field]
    table = table.get(field)
    for part in inner:
        if _has(table, part):
            table = table[part]
            path.append(part)
    return tuple(str(part) for part in (*path, absent) if part is not None)


def _has(table: object, part: int | str) -> bool:
    if isinstance(table, dict):
        return part in table
    return isinstance(table, list | tuple) and isinstance(part, int) and part < len(table)
