"""A Hardware as text: one line for a list, the parts that are not the default, one row per price
for a table.
"""

from collections.abc import Iterator

from stochsim.hardware.hardware import Hardware
from stochsim.hardware.price_settings import OPERATION_PRICES
from stochsim.settings import Settings

TABLE_COLUMNS = ("kind", "name", "formula", "unit", "source", "tag", "note")
SHOWN_RHOS = (0.0, 1.0, 2.0)
_SHOWN_ANYWAY = ("rows", "columns", "cell_bits", "cycle_bits", "signs", "bits", "range", "device")
"""Settings of an array that say what it is, at their defaults too."""
_NOT_COUNTED = ("leakage-none", "program-none")
_SHOWN_ELSEWHERE = (
    "name",
    "description",
    "sources",
    "precision.",
    "prices.own",
    *(f"prices.{kind}" for kind in OPERATION_PRICES),
)


def describe(hardware: Hardware) -> str:
    """One line: name, bit widths, description."""
    bits = hardware.precision
    return (
        f"{hardware.name}: {bits.weight_bits}/{bits.input_bits}/{bits.output_bits} bits "
        f"(weight/input/output). {hardware.description}"
    )


def own_settings(hardware: Hardware) -> dict[str, str]:
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


def hardware_table(
    hardware: Hardware, rhos: tuple[float, ...] = SHOWN_RHOS
) -> list[dict[str, str]]:
    """One row per sourced figure, keyed by TABLE_COLUMNS: the cells' device, the price of each
    operation, that of reliability at each ρ.
    """
    voltage_v = hardware.prices.voltage_v
    counted = [
        (kind, chosen)
        for kind, chosen in hardware.price_table().items()
        if chosen.name not in _NOT_COUNTED
    ]
    named = [*counted, *(("hold", hardware.reliability_law(rho).price) for rho in rhos)]
    rows = [(kind, chosen.citation(voltage_v)) for kind, chosen in named]
    prices = [
        {"kind": kind, **{column: getattr(row, column) for column in TABLE_COLUMNS[1:]}}
        for kind, row in rows
    ]
    return [*_device_rows(hardware), *prices]


def _device_rows(hardware: Hardware) -> list[dict[str, str]]:
    device = hardware.array.cells.memory_device if hardware.array is not None else None
    if device is None:
        return []
    facts = (
        device.name,
        device.formula,
        "σ of a cell's conductance",
        device.source,
        device.tag,
        device.note,
    )
    return [dict(zip(TABLE_COLUMNS, ("cells", *facts), strict=True))]
