"""Tables of settings, read from the classes that check them: name, unit, default, range, one line.

Units and lines are in setting_words.toml, by class and field; all else is what the classes say.
"""

import tomllib
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen, MultipleOf
from pydantic.fields import FieldInfo

from stochsim.controls import CONTROLS
from stochsim.energy import ADC_MODELS, TAGS
from stochsim.hardware import OPERATION_PRICES, devices, presets
from stochsim.networks import ARCHITECTURES, ArchitectureSettings
from stochsim.settings import Settings
from stochsim.training import Method

WORDS: dict[str, dict[str, list[str]]] = tomllib.loads(
    (Path(__file__).parent / "setting_words.toml").read_text(encoding="utf-8")
)
"""{class: {field: [unit, line]}}."""

CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("Cells", "device"): (*devices(), "measured"),
    ("Entry", "tag"): tuple(TAGS),
    ("HardwareSettings", "preset"): presets(),
    ("GridSettings", "architecture"): tuple(ARCHITECTURES),
    ("GridSettings", "method"): get_args(Method),
    ("GridSettings", "control"): tuple(CONTROLS),
    ("SearchSettings", "architecture"): tuple(ARCHITECTURES),
    ("SearchSettings", "method"): get_args(Method),
    ("ObjectiveSettings", "adc_models"): tuple(ADC_MODELS),
}
"""Names that are checked by code, not by a type."""

STANDS_FOR = {"NetworkOptions": ArchitectureSettings}
"""Settings that are None unless given, and the class that then says what holds."""

UNLIMITED = 1e99
"""A bound from here on keeps numbers finite and says nothing to a reader."""

HEAD = ("setting", "unit", "default", "range", "what it is")
_LIMITS = ((Ge, "ge", "at least"), (Gt, "gt", "above"), (Le, "le", "at most"), (Lt, "lt", "below"))
_PLAIN = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}


class Section(NamedTuple):
    """A table of a TOML file: its address ("" for the top level), and the class that checks it."""

    address: str
    settings: type[Settings]


def sections(address: str, cls: type[Settings]) -> Iterator[Section]:
    """A class and the sections inside it, in the order of its fields."""
    yield Section(address, cls)
    for name, field in cls.model_fields.items():
        for inner, is_named in inner_settings(field.annotation):
            below = f"{address}.{name}" if address else name
            yield from sections(f"{below}.NAME" if is_named else below, inner)


def inner_settings(annotation: Any) -> list[tuple[type[Settings], bool]]:
    """The settings classes that a field holds, each with whether it holds them by name."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return inner_settings(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [found for each in get_args(annotation) for found in inner_settings(each)]
    if origin is dict:
        return [(cls, True) for cls, _ in inner_settings(get_args(annotation)[1])]
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [(annotation, False)]
    return []


def settings_table(cls: type[Settings]) -> list[str]:
    """The Markdown table of a class's own fields; sections inside it have tables of their own."""
    rows = [
        _row(cls, name, field)
        for name, field in cls.model_fields.items()
        if not inner_settings(field.annotation) and not _is_named_price(cls, name)
    ]
    return markdown_table(HEAD, rows)


def markdown_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    ]


def _row(cls: type[Settings], name: str, field: FieldInfo) -> tuple[str, ...]:
    unit, line = words_of(cls, name)
    given = STANDS_FOR.get(cls.__name__)
    if given is not None and name in given.model_fields:
        field = given.model_fields[name]
    return (f"`{name}`", unit, default_text(field), range_of(cls, name, field), line)


def words_of(cls: type[Settings], name: str) -> list[str]:
    """[unit, line] of a field, those of the class that it is inherited from where it has none."""
    for each in cls.__mro__:
        found = WORDS.get(each.__name__, {}).get(name)
        if found is not None:
            return found
    raise KeyError(f"docs/setting_words.toml has no line for {cls.__name__}.{name}")


def _is_named_price(cls: type[Settings], name: str) -> bool:
    """Whether it names the price of a kind of operation; the page of prices has a table of them."""
    return cls.__name__ == "Prices" and name in OPERATION_PRICES


def default_text(field: FieldInfo) -> str:
    """The default as a TOML file would give it; "needed" where a file must give the setting."""
    if field.is_required():
        return "needed"
    return _value_text(field.get_default(call_default_factory=True))


def _value_text(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(_value_text(each).strip('`') for each in value)}]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`"


def range_of(cls: type[Settings], name: str, field: FieldInfo) -> str:
    """The values that a field takes, in words."""
    for each in cls.__mro__:
        if (each.__name__, name) in CHOICES:
            return ", ".join(f"`{choice}`" for choice in CHOICES[each.__name__, name])
    return range_text(field.annotation, tuple(field.metadata))


def range_text(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """The values of a type with pydantic's limits, in words."""
    origin = get_origin(annotation)
    inner = get_args(annotation)
    if origin is Annotated:
        return range_text(inner[0], (*_flat(inner[1:]), *metadata))
    if origin in (Union, types.UnionType):
        others = [each for each in inner if each is not type(None)]
        return " or ".join(range_text(each, metadata) for each in others)
    if origin is Literal:
        return ", ".join(_value_text(each) for each in inner)
    if origin is tuple and inner[-1] is Ellipsis:
        least = "one or more" if any(isinstance(each, MinLen) for each in metadata) else "list"
        return f"{least} of: {range_text(inner[0])}"
    if origin is tuple:
        return "two values, lower and upper"
    if origin is dict:
        return f"table of: {range_text(inner[1])}"
    return _limited(annotation, metadata)


def _flat(metadata: tuple[Any, ...]) -> tuple[Any, ...]:
    """Limits, those inside a pydantic Field too."""
    return tuple(
        limit
        for each in metadata
        for limit in (each.metadata if isinstance(each, FieldInfo) else (each,))
    )


def _limited(plain: type, metadata: tuple[Any, ...]) -> str:
    found = {
        name: (word, getattr(each, name))
        for kind, name, word in _LIMITS
        for each in metadata
        if isinstance(each, kind) and abs(getattr(each, name)) < UNLIMITED
    }
    whole = "whole, " if plain is int else ""
    steps = [
        f", a multiple of {each.multiple_of}" for each in metadata if isinstance(each, MultipleOf)
    ]
    if "ge" in found and "le" in found:
        return f"{whole}{_number(found['ge'][1])} to {_number(found['le'][1])}{''.join(steps)}"
    if not found:
        return _PLAIN[plain]
    words = " and ".join(f"{word} {_number(limit)}" for word, limit in found.values())
    return f"{whole}{words}{''.join(steps)}"


def _number(limit: float) -> str:
    if limit == 2**63:
        return "2^63"
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
