"""A setting by its dotted address, "array.adc.bits": deep edits that keep what they do not name."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from stochsim.settings.errors import KeyPath, SettingError, shown

if TYPE_CHECKING:
    from stochsim.settings.base import Settings

T = TypeVar("T", bound="Settings")

_EXAMPLES = 3


def with_setting(settings: T, values: Mapping[str, Any], above: KeyPath = ()) -> T:
    """A copy with these settings, {dotted address: value}, all changed at once and checked again.

    An address leads through sections and through tables ("prices.parameters.adc.node_nm"); None
    takes an entry of a table away. above: the address of `settings` itself, for errors. Raises
    SettingError for an address that leads nowhere, for a section that is not there, for one that is
    given whole and in part, for a table that would reset or drop what it does not name, and for
    what the settings refuse.
    """
    if not isinstance(values, Mapping):
        rule = 'should be a table of addresses and values, as {"array.rows": 64}'
        raise SettingError.of("settings", values, rule)
    whole, parts = _split(values)
    for name in (*whole, *parts):
        _check_known(settings, name)
    kept = settings.kept_fields(whole)
    for name, value in whole.items():
        _check_keeps(kept[name], value, (*above, name))
    inner = {name: _inside(kept[name], name, part, above) for name, part in parts.items()}
    given = {name: kept[name] for name in kept if name in settings.model_fields_set}
    return type(settings)(**given | whole | inner)  # fields that nobody gave stay so


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


def _check_known(settings: "Settings", name: str) -> None:
    known = type(settings).model_fields
    if name not in known:
        raise SettingError.unknown(name, known)


def _check_keeps(present: Any, value: Any, address: KeyPath) -> None:
    """Raise SettingError for a table in place of a section, or of a table with more in it: what it
    does not name would be lost.
    """
    if not isinstance(value, Mapping):
        return
    name = ".".join(address)
    if hasattr(present, "kept_fields"):
        cls = type(present).__name__
        rule = f"would reset what it does not name; valid: {_addresses(name, value)}, or {cls}(…)"
        raise SettingError.of(address[-1], value, rule)
    dropped = [key for key in present if key not in value] if isinstance(present, dict) else []
    if dropped:
        rule = (
            f"would drop {shown(dropped[0])}, which it does not name; valid: "
            f"{_addresses(name, value)}; to drop it, with_({{'{name}.{dropped[0]}': None}})"
        )
        raise SettingError.of(address[-1], value, rule)


def _addresses(name: str, value: Mapping[Any, Any]) -> str:
    """The edit that is meant, by addresses."""
    pairs = [f"'{name}.{key}': {shown(one)}" for key, one in list(value.items())[:_EXAMPLES]]
    more = ", …" if len(value) > _EXAMPLES else ""
    return f"with_({{{', '.join(pairs)}{more}}})"


def _inside(present: Any, head: str, values: Mapping[str, Any], above: KeyPath) -> Any:
    """The section or table `head` with these values, by the rest of their addresses."""
    first = next(iter(values))
    if present is None:
        rule = f"belongs to '{head}', which the chip does not have"
        raise SettingError.of(first, values[first], rule, section=(head,))
    try:
        if hasattr(present, "kept_fields"):
            return with_setting(present, values, (*above, head))
        if isinstance(present, dict):
            return _with_entries(present, values, (*above, head))
    except SettingError as error:
        raise error.inside(head) from None
    raise SettingError.unknown(first, (), f"'{head}' is a value, no section", section=(head,))


def _with_entries(table: dict[str, Any], values: Mapping[str, Any], above: KeyPath) -> Any:
    """A copy of a table with these entries, by address; None takes one away, and a table that is
    empty then goes too.
    """
    found = dict(table)
    for address, value in values.items():
        key, rest = _entry(found, address)
        if value is None and key not in found:
            raise SettingError.unknown(key, found, "there is none to take away")
        if not rest:
            _check_keeps(found.get(key), value, (*above, key))
            found[key] = value
        else:
            found[key] = _inside(found.get(key, {}), key, {rest: value}, above)
    return {key: value for key, value in found.items() if value is not None and value != {}}


def _entry(table: Mapping[str, Any], address: str) -> tuple[str, str]:
    """The key that an address names in a table, which may hold dots, and the rest."""
    for key in table:
        if address == key or address.startswith(f"{key}."):
            return key, address[len(key) + 1 :]
    key, _, rest = address.partition(".")
    return key, rest


def has_section(settings: "Settings", address: str) -> bool:
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
