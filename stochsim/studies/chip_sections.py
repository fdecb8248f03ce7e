"""Settings of the chip in a study: what they name takes the place of the chip's own, and nothing
else.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from stochsim.hardware import Hardware
from stochsim.settings import SettingError, Settings


def with_sections(hardware: Hardware, sections: Mapping[str, Any]) -> Hardware:
    """The chip with the settings that these sections, {name: section}, were given, and with single
    ones, {name: value}; a section that it does not have is taken whole.

    Raises SettingError for a section of the chip in which nothing is given, and for a chip that
    cannot be.
    """
    edits: dict[str, Any] = {}
    for name, section in sections.items():
        present = getattr(hardware, name)
        given = dict(_given(name, section, present))
        if not given:
            first = next(iter(type(section).model_fields))
            rule = f"names no setting, so it would change nothing; valid: settings, as {first} = …"
            raise SettingError.of(name, rule=rule)
        edits |= given
    return hardware.with_(edits)


def _given(address: str, value: Any, present: Any) -> Iterator[tuple[str, Any]]:
    """The edits that a value stands for, by address: those of the settings that were given in a
    section, and of the entries of a table.
    """
    if isinstance(value, Settings) and isinstance(present, type(value)):
        for name in type(value).model_fields:
            if name in value.model_fields_set:
                yield from _given(f"{address}.{name}", getattr(value, name), getattr(present, name))
    elif isinstance(value, dict) and isinstance(present, dict):
        for key, inner in value.items():
            yield from _given(f"{address}.{key}", inner, present.get(key))
    else:
        yield address, value
