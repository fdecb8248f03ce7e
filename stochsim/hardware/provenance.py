"""Sources of a chip's figures, and which of them still hold after an edit.

A source is a line of text. One that opens with dotted addresses ("prices.adc, prices.dac: ZigZag,
28 nm [src]") is about these settings: an address goes from it when its setting changes, and the
line with its last address. A line without addresses stays for as long as its chip.
"""

from collections.abc import Iterable
from typing import Any

from stochsim.settings import SettingError, Settings, value_at

_PRICES = "prices."
_CELLS = "array.cells."


def split_source(source: str, known: type[Settings]) -> tuple[tuple[str, ...], str]:
    """The addresses that a source opens with, () where there are none, and the rest of its text.

    known: the settings that addresses lead through. Raises SettingError for an opening that is an
    address but for one name.
    """
    opening, colon, text = source.partition(": ")
    names = tuple(opening.split(", "))
    if not colon or not all(_looks_like_address(name, known) for name in names):
        return (), source
    for name in names:
        _check_address(name, known)
    return names, text


def _looks_like_address(name: str, known: type[Settings]) -> bool:
    head, dot, rest = name.partition(".")
    return bool(dot and rest) and " " not in name and head in known.model_fields


def _check_address(address: str, known: type[Settings]) -> None:
    section: type[Settings] | None = known
    before = ""
    for name in address.split("."):
        if section is None:
            return  # inside a table, whose keys are the user's
        if name not in section.model_fields:
            valid = [f"{before}{field}" for field in section.model_fields]
            rule = "a source is about settings that there are"
            raise SettingError.of("", address, rule, valid)
        section = _section_of(section.model_fields[name].annotation)
        before += f"{name}."


def _section_of(annotation: Any) -> type[Settings] | None:
    """The class of a section, which may be absent; None for a value or a table."""
    for kind in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(kind, type) and issubclass(kind, Settings):
            return kind
    return None


def sources_that_hold(
    sources: Iterable[str],
    before: Any,
    after: Any,
    known: type[Settings],
    taken: Iterable[str] = (),
) -> tuple[str, ...]:
    """The sources less those addresses whose setting differs between `before` and `after`, both a
    Hardware or a chip file's table; `taken`: addresses that have a newer source.
    """
    gone = set(taken)
    kept = []
    for source in sources:
        addresses, text = split_source(source, known)
        still = [one for one in addresses if one not in gone and _same(one, before, after)]
        if not addresses:
            kept.append(source)
        elif still:
            kept.append(f"{', '.join(still)}: {text}")
    return tuple(kept)


def _same(address: str, before: Any, after: Any) -> bool:
    return bool(_fact(before, address) == _fact(after, address))


def _fact(chip: Any, address: str) -> Any:
    """What a source of this address vouches for: of a price its name, parameters and own entry; of
    cells their device too, of which all else there is said.
    """
    value = value_at(chip, address)
    if address.startswith(_CELLS):
        return (value, value_at(chip, f"{_CELLS}device"))
    kind = address.removeprefix(_PRICES)
    if not address.startswith(_PRICES) or not isinstance(value, str):
        return value
    tables = [value_at(chip, f"{_PRICES}{name}") for name in ("parameters", "own")]
    found = [table if isinstance(table, dict) else {} for table in tables]
    return (value, found[0].get(kind), found[1].get(value))


def addresses_of(sources: Iterable[str], known: type[Settings]) -> tuple[str, ...]:
    """All addresses that these sources are about."""
    return tuple(address for source in sources for address in split_source(source, known)[0])
