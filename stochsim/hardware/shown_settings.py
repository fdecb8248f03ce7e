"""The settings of a Hardware that are not at their default, as text; and its card."""

from collections.abc import Iterator

from stochsim.hardware.parts import Precision
from stochsim.hardware.price_settings import OPERATION_PRICES
from stochsim.hardware.timing import Timing
from stochsim.settings import Settings

_SHOWN_ANYWAY = ("rows", "columns", "cell_bits", "cycle_bits", "signs", "bits", "range", "device")
"""Settings of an array that say what it is, at their defaults too."""
_SHOWN_ELSEWHERE = (
    "name",
    "description",
    "sources",
    "precision.",
    "prices.own",
    *(f"prices.{kind}" for kind in OPERATION_PRICES),
)


def own_settings(hardware: Settings) -> dict[str, str]:
    """What the chip adds to an ideal one, keyed by "section.field": every setting that is not at
    its default, bits and named prices apart.
    """
    return dict(_settings_of("", hardware))


def _settings_of(section: str, part: Settings) -> Iterator[tuple[str, str]]:
    for name, field in type(part).model_fields.items():
        key = f"{section}{name}"
        value = getattr(part, name)
        if key.startswith(_SHOWN_ELSEWHERE):
            continue
        if isinstance(value, Settings):
            yield from _settings_of(f"{key}.", value)
        elif value != field.get_default(call_default_factory=True) or (
            section.startswith("array.") and name in _SHOWN_ANYWAY
        ):
            yield from _texts_of(key, value)


def _texts_of(key: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts_of(f"{key}.{name}", inner)
    else:
        text = str(value)
        yield (
            key,
            text
            if len(text) < 60 and "\n" not in text
            else f"{text[:40]!r}… ({len(text)} characters)",
        )


def setting_rows(hardware: Settings, precision: Precision, timing: Timing) -> list[tuple[str, str]]:
    """Rows of a card: widths, clock, and what the chip adds to an ideal one, section by section."""
    bits = (
        f"{precision.weight_bits} of weights, {precision.input_bits} of inputs, "
        f"{precision.output_bits} of outputs"
    )
    sections: dict[str, list[str]] = {}
    for address, value in own_settings(hardware).items():
        section, _, name = address.rpartition(".")
        sections.setdefault(section or "chip", []).append(f"{name} {value}")
    rows = [(section, ", ".join(settings)) for section, settings in sections.items()]
    return [("bits", bits), ("clock", f"{timing.clock_hz / 1e9:g} GHz"), *rows]
