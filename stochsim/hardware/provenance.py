"""Sources of a chip's figures, and which of them still hold after an edit; its description then.

A source is a line of text. One that opens with dotted addresses ("prices.adc, prices.dac: ZigZag,
28 nm [src]") is about these settings: an address goes from it when its setting changes, and the
line with its last address. A line without addresses stays for as long as its chip. A description is
about the chip as it was first written down: an edit puts before it what it has changed since.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from stochsim.settings import SettingError, Settings, section_of, value_at

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
        section = section_of(section.model_fields[name].annotation)
        before += f"{name}."


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


_EDITED = re.compile(r"edited: ([a-z0-9_.]+(?:, [a-z0-9_.]+)*); before: (.*)", re.DOTALL)
_NO_FACTS = ("name", "description", "sources")


def description_of_edit(before: Settings, after: Settings) -> str:
    """The description of a chip `before`, with the addresses of all settings that edits have
    changed since it was written: those in `after` and those of earlier edits.

    >>> import stochsim as ss
    >>> chip = ss.load_hardware("thermal-floor")
    >>> chip.with_({"noise.read_sigma": 0.1}).description       # doctest: +ELLIPSIS
    'edited: noise.read_sigma; before: Thermal floor, 300 K: ...'
    """
    description: str = value_at(before, "description")
    changed = [name for name in _changed("", before, after) if name not in _NO_FACTS]
    if not (changed and description):
        return description
    earlier = _EDITED.fullmatch(description)
    names = earlier[1].split(", ") if earlier else []
    listed = ", ".join(dict.fromkeys((*names, *changed)))
    return f"edited: {listed}; before: {earlier[2] if earlier else description}"


def _changed(section: str, before: Settings, after: Settings) -> Iterator[str]:
    """Addresses of the settings that differ; of a section that only one of both has its own."""
    for name in type(before).model_fields:
        address = f"{section}{name}"
        old = getattr(before, name)
        new = getattr(after, name)
        if isinstance(old, Settings) and isinstance(new, type(old)):
            yield from _changed(f"{address}.", old, new)
        elif old != new:
            yield address
