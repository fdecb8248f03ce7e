"""A setting by its dotted address: "array.adc.bits"."""

from collections.abc import Mapping
from typing import Any, TypeVar

from stochsim.settings.base import Settings
from stochsim.settings.errors import SettingError

T = TypeVar("T", bound=Settings)


def with_setting(settings: T, values: Mapping[str, Any]) -> T:
    """A copy with these settings, {dotted address: value}, all changed at once and checked again.

    Raises SettingError for an address that leads nowhere, for a section that is not there, and for
    what the settings refuse.
    """
    sections: dict[str, dict[str, Any]] = {}
    changes: dict[str, Any] = {}
    for address, value in values.items():
        head, _, rest = address.partition(".")
        _check_known(settings, head)
        if rest:
            sections.setdefault(head, {})[rest] = value
        else:
            changes[head] = value
    for head, inner in sections.items():
        changes[head] = _inside(settings, head, inner)
    present = {name: getattr(settings, name) for name in type(settings).model_fields}
    return type(settings)(**present | changes)


def _check_known(settings: Settings, name: str) -> None:
    known = type(settings).model_fields
    if name not in known:
        raise SettingError.unknown(name, known)


def _inside(settings: Settings, head: str, values: Mapping[str, Any]) -> Any:
    section = getattr(settings, head)
    first = next(iter(values))
    if section is None:
        rule = f"belongs to '{head}', which the chip does not have"
        raise SettingError.of(first, values[first], rule, section=(head,))
    if not isinstance(section, Settings):
        raise SettingError.unknown(first, (), f"'{head}' is a value, no section", section=(head,))
    try:
        return with_setting(section, values)
    except SettingError as error:
        raise error.inside(head) from None


def has_section(settings: Settings, address: str) -> bool:
    """Whether all sections of an address are there."""
    part: Any = settings
    for name in address.split(".")[:-1]:
        part = getattr(part, name, None)
    return part is not None
