"""A Hardware as text: one line for a list, one row per price for a table."""

from stochsim.hardware.hardware import Hardware

TABLE_COLUMNS = ("kind", "name", "formula", "unit", "source", "tag", "note")
SHOWN_RHOS = (0.0, 1.0, 2.0)


def describe(hardware: Hardware) -> str:
    """One line: name, bit widths, description."""
    bits = hardware.precision
    return f"{hardware.name}: {bits.weight_bits}/{bits.input_bits}/{bits.output_bits} bits (weight/input/output). {hardware.description}"


def hardware_table(hardware: Hardware, rhos: tuple[float, ...] = SHOWN_RHOS) -> list[dict[str, str]]:
    """One row per price, keyed by TABLE_COLUMNS: the price of each kind of operation, then that of reliability at each ρ."""
    voltage_v = hardware.prices.voltage_v
    named = [*hardware.price_table().items(), *(("hold", hardware.reliability_law(rho).price) for rho in rhos)]
    rows = [(kind, chosen.citation(voltage_v)) for kind, chosen in named]
    return [{"kind": kind, **{column: getattr(row, column) for column in TABLE_COLUMNS[1:]}} for kind, row in rows]
