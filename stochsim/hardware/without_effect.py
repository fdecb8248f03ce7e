"""Knobs that other sections of a chip make idle: turned, they would move neither output nor bill,
so they are refused.

A knob at its default, and a price that is free, are never refused. Knobs that need others of their
own section say so there.
"""

from typing import TYPE_CHECKING

from stochsim.energy import PRICES, part_kind
from stochsim.hardware.array import Array
from stochsim.hardware.parts import RandomSource
from stochsim.hardware.price_settings import OPERATION_PRICES, Prices
from stochsim.settings import SettingError

if TYPE_CHECKING:
    from stochsim.hardware.hardware import Hardware


def check_nothing_idle(chip: "Hardware") -> None:
    """Raises SettingError for the first idle knob, which names its value and the nearest valid
    choice.
    """
    _check_accumulators(chip)
    _check_cells(chip)
    _check_columns(chip)
    _check_random(chip)
    _check_weights_read(chip)
    _check_voltage(chip)


def free_prices(kind: str) -> tuple[str, ...]:
    """Names of the prices of this kind of operation that cost nothing, whatever is counted."""
    return tuple(
        entry.name for entry in PRICES.values() if entry.kind == part_kind(kind) and entry.is_free
    )


def _check_accumulators(chip: "Hardware") -> None:
    if chip.accumulator_overflow != "saturate" and chip.accumulator_bits is None:
        raise SettingError(
            f"'accumulator_overflow' = '{chip.accumulator_overflow}': accumulators without "
            f"'accumulator_bits' hold every sum; "
            "valid: 'saturate', or a number of bits"
        )


def _check_cells(chip: "Hardware") -> None:
    for kind in ("cell", "line"):
        if chip.array is None and not chip.prices.of(kind).is_free:
            raise SettingError(
                f"'prices.{kind}' = '{getattr(chip.prices, kind)}': is counted in an array, of "
                f"which the chip has none; "
                f"valid: {', '.join(free_prices(kind))}"
            )


def _check_columns(chip: "Hardware") -> None:
    """Columns cut a layer into tiles: input lines run across each, with their converters and wires.

    They also bound shared columns.
    """
    array, usual = chip.array, Array().columns
    if (
        array is None
        or array.columns == usual
        or array.cells.wire_ohm > 0
        or array.columns_per_converter > usual
    ):
        return
    dac_j = chip.prices.of("dac").energy_j((array.cycle_bits,), chip.prices.voltage_v)
    if dac_j == 0 and chip.prices.of("line").is_free:
        raise SettingError(
            f"'array.columns' = {array.columns}: matters to wires, whose 'array.cells.wire_ohm' is "
            f"0, to input lines, free by "
            f"'prices.line' = '{chip.prices.line}', and to converters of inputs, free at "
            f"'array.cycle_bits' = {array.cycle_bits} with "
            f"'prices.dac' = '{chip.prices.dac}'; valid: {usual}"
        )


def _check_random(chip: "Hardware") -> None:
    """Random bits are counted per code, and for inputs that are rounded at random."""
    bits, name, free = (
        chip.random.random_bits_per_code,
        chip.prices.random,
        chip.prices.of("random").is_free,
    )
    if free and bits not in (0, RandomSource().random_bits_per_code):
        raise SettingError(
            f"'random.random_bits_per_code' = {bits}: 'prices.random' = '{name}' costs nothing; "
            f"valid: 0, or another price"
        )
    if not free and bits == 0 and chip.noise.input_dither == "none":
        raise SettingError(
            f"'prices.random' = '{name}': with 'random.random_bits_per_code' = 0 none are drawn; "
            f"valid: {', '.join(free_prices('random'))}"
        )


def _check_weights_read(chip: "Hardware") -> None:
    if chip.memory.weights_read != "read":
        return
    name = chip.prices.weight_memory
    if chip.array is not None or name == "memory-in-array":
        raise SettingError(
            "'memory.weights_read' = 'read': weights stay in the array's cells and are not "
            "fetched; valid: 'stimulus'"
        )
    if chip.prices.of("weight_memory").is_free:
        raise SettingError(
            f"'memory.weights_read' = 'read': 'prices.weight_memory' = '{name}' costs nothing; "
            f"valid: 'stimulus'"
        )


def _check_voltage(chip: "Hardware") -> None:
    """The supply voltage enters prices with V in them, and the default prices of reliability at ρ =
    0 and 1.
    """
    prices, usual = chip.prices, Prices.model_fields["voltage_v"].default
    held = chip.reliability.e_bit_j is not None and chip.reliability.e0_j is not None
    if (
        prices.voltage_v != usual
        and held
        and not any(prices.of(kind).has_voltage for kind in OPERATION_PRICES)
    ):
        raise SettingError(
            f"'prices.voltage_v' = {prices.voltage_v:g}: enters none of the chip's prices; valid: "
            f"{usual:g}"
        )
