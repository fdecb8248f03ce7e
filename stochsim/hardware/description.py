"""A Hardware as text: one line for a list, one row per price for a table."""

from stochsim.hardware.hardware import Hardware, check_hardware
from stochsim.settings import check_kind

TABLE_COLUMNS = ("kind", "name", "formula", "unit", "source", "tag", "note")
SHOWN_RHOS = (0.0, 1.0, 2.0)
_NOT_COUNTED = ("leakage-none", "program-none")


def describe(hardware: Hardware) -> str:
    """One line: name, bit widths, description.

    >>> import stochsim as ss
    >>> from stochsim.hardware import describe
    >>> print(describe(ss.load_hardware("digital-45nm")))          # doctest: +ELLIPSIS
    digital-45nm: 4/4/4 bits (weight/input/output). Digital, 45 nm, 0.9 V: SRAM...
    """
    check_hardware(hardware)
    bits = hardware.precision
    return (
        f"{hardware.name}: {bits.weight_bits}/{bits.input_bits}/{bits.output_bits} bits "
        f"(weight/input/output). {hardware.description}"
    )


def hardware_table(
    hardware: Hardware, rhos: tuple[float, ...] = SHOWN_RHOS
) -> list[dict[str, str]]:
    """One row per sourced figure, keyed by TABLE_COLUMNS: the cells' device, the price of each
    operation, that of reliability at each ρ.
    """
    check_hardware(hardware)
    check_kind("rhos", rhos, (tuple, list), "should be a tuple of numbers")
    voltage_v = hardware.prices.voltage_v
    counted = [
        (kind, chosen)
        for kind, chosen in hardware.price_table().items()
        if chosen.name not in _NOT_COUNTED
    ]
    named = [*counted, *(("reliability", hardware.reliability_law(rho).price) for rho in rhos)]
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
