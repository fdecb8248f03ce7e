"""A setting by its dotted address, "array.adc.bits": deep edits that keep what they do not name."""

from collections.abc import Mapping
from types import UnionType
from typing import (
    Any,
    NamedTuple,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    runtime_checkable,
)

from stochsim.settings.errors import KeyPath, SettingError


@runtime_checkable
class Editable(Protocol):
    """What an edit needs of settings, which are built anew from their fields."""

    @property
    def model_fields_set(self) -> set[str]:
        """Names of the fields that were given, not left at their defaults."""

    def kept_fields(self, changed: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that an edit starts from, where `changed` are given anew."""


T = TypeVar("T", bound=Editable)


def with_setting(settings: T, values: Mapping[str, Any], above: KeyPath = ()) -> T:
    """A copy with these settings, {dotted address: value}, all changed at once and checked again.

    An address leads through sections and through tables ("prices.parameters.adc.node_nm"). A table
    in place of a section or of a table is merged with it, key by key; None takes an entry of a
    table away; an object takes the place of a section whole. A section that is not there is made
    of what is named, by a table or by addresses, and of defaults. above: the address of `settings`
    itself, for errors. Raises SettingError for an address that leads nowhere, for a section that is
    given whole and in part, for an empty table, and for what the settings refuse.
    """
    if not isinstance(values, Mapping):
        rule = 'should be a table of addresses and values, as {"array.rows": 64}'
        raise SettingError.of("settings", values, rule)
    whole, parts = _split(values)
    known: dict[str, Any] = type(settings).model_fields  # type: ignore[attr-defined]
    kept = settings.kept_fields(whole | parts)
    for name in (*whole, *parts):
        if name not in known:
            raise SettingError.unknown(name, known)
    present = {name: _section_or_value(kept[name], known[name]) for name in (*whole, *parts)}
    changed = {name: _merged(present[name], value, (*above, name)) for name, value in whole.items()}
    changed |= {name: _inside(present[name], part, (*above, name)) for name, part in parts.items()}
    given = {name: kept[name] for name in kept if name in settings.model_fields_set}
    return type(settings)(**given | changed)  # fields that nobody gave stay so


class _Absent(NamedTuple):
    """A section that is not there, by its class."""

    section: Any


def _section_or_value(present: Any, field: Any) -> Any:
    """What stands in a field, the class of the section where none stands there."""
    section = section_of(field.annotation)
    return _Absent(section) if present is None and section is not None else present


def section_of(annotation: Any) -> Any:
    """The class of a section, which may be absent; None for a value or a table."""
    is_optional = get_origin(annotation) in (Union, UnionType)
    for kind in get_args(annotation) if is_optional else (annotation,):
        if isinstance(kind, type) and hasattr(kind, "model_fields"):
            return kind
    return None


def _split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What is given whole, by name, and what is given in part, by name and the rest of its address;
    raises SettingError for both of one.
    """
    whole: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for address, value in values.items():
        if not isinstance(address, str):
            raise SettingError.of("settings", address, 'should be an address, as "array.rows"')
        head, _, rest = address.partition(".")
        if rest:
            parts.setdefault(head, {})[rest] = value
        else:
            whole[head] = value
    for head in whole.keys() & parts.keys():
        rest = next(iter(parts[head]))
        rule = f"is given whole and in part, by '{head}.{rest}'; valid: one of the two"
        raise SettingError.of(head, whole[head], rule)
    return whole, parts


def _merged(present: Any, value: Any, address: KeyPath) -> Any:
    """A value as it takes the place of the present one: a table is merged with a section or a
    table, key by key.
    """
    if not isinstance(value, Mapping):
        return value
    if isinstance(present, _Absent):
        _check_names_something(value, address, f"settings, as {_first_field(present)} = …")
        return _at(address, lambda: present.section(**_nested(value)))
    if isinstance(present, Editable):
        _check_names_something(value, address, f"{type(present).__name__}() for all defaults")
        return _at(address, lambda: with_setting(present, value, address))
    if not isinstance(present, dict) or not present:
        return value
    first = next(iter(present))
    _check_names_something(value, address, f"with_({{'{'.'.join(address)}.{first}': None}})")
    found = {key: _merged(present.get(key), one, (*address, key)) for key, one in value.items()}
    return _without_nothing(present | found)


def _check_names_something(value: Mapping[str, Any], address: KeyPath, valid: str) -> None:
    if not value:
        rule = f"names nothing, and what it does not name stays; valid: {valid}"
        raise SettingError.of(address[-1], value, rule)


def _inside(present: Any, values: Mapping[str, Any], address: KeyPath) -> Any:
    """The section or table of this address with these values, by the rest of their addresses."""
    head = address[-1]
    first = next(iter(values))
    if isinstance(present, Editable):
        return _at(address, lambda: with_setting(present, values, address))
    if isinstance(present, dict):
        return _at(address, lambda: _with_entries(present, values, address))
    if isinstance(present, _Absent):
        return _at(address, lambda: present.section(**_nested(values)))
    raise SettingError.unknown(first, (), f"'{head}' is a value, no section", section=(head,))


def _first_field(absent: _Absent) -> str:
    return str(next(iter(absent.section.model_fields)))


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """A table of tables that says what addresses say: {"adc": {"bits": 6}} of "adc.bits"."""
    whole, parts = _split(values)
    return whole | {name: _nested(part) for name, part in parts.items()}


def _at(address: KeyPath, edit: Any) -> Any:
    """What `edit` gives; its errors are seen from outside of the section."""
    try:
        return edit()
    except SettingError as error:
        raise error.inside(address[-1]) from None


def _with_entries(table: dict[str, Any], values: Mapping[str, Any], above: KeyPath) -> Any:
    """A copy of a table with these entries, by address; None takes one away."""
    found = dict(table)
    for address, value in values.items():
        key, rest = _entry(found, address)
        if value is None and key not in found:
            raise SettingError.unknown(key, found, "there is none to take away")
        if rest:
            found[key] = _inside(found.get(key, {}), {rest: value}, (*above, key))
        else:
            found[key] = _merged(found.get(key), value, (*above, key))
    return _without_nothing(found)


def _without_nothing(table: dict[str, Any]) -> dict[str, Any]:
    """A table without entries that were taken away, and tables that are empty then."""
    return {key: value for key, value in table.items() if value is not None and value != {}}


def _entry(table: Mapping[str, Any], address: str) -> tuple[str, str]:
    """The key that an address names in a table, which may hold dots, and the rest."""
    for key in table:
        if address == key or address.startswith(f"{key}."):
            return key, address[len(key) + 1 :]
    key, _, rest = address.partition(".")
    return key, rest


def has_section(settings: Any, address: str) -> bool:
    """Whether all sections of an address are there."""
    part: Any = settings
    for name in address.split(".")[:-1]:
        if isinstance(part, dict):
            return True  # a table takes new entries
        part = getattr(part, name, None)
    return part is not None


def value_at(settings: Any, address: str) -> Any:
    """The value at an address; None where a section or entry on the way is not there.

    >>> import stochsim as ss
    >>> from stochsim.settings import value_at
    >>> value_at(ss.load_hardware("rram-array"), "array.adc.bits")
    8
    """
    if not address or settings is None:
        return settings
    if isinstance(settings, dict):
        key, rest = _entry(settings, address)
        return value_at(settings.get(key), rest)
    name, _, rest = address.partition(".")
    return value_at(getattr(settings, name, None), rest)
