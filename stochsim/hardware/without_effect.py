"""Settings that other sections of a chip leave without effect: turned, they would move neither
output nor bill, so they are refused.

A setting at its default, and a price that is free, are never refused. Settings that need others of
their own section say so there. Every check takes the parts of the chip that it is about and raises
SettingError, which names the setting, its value and the nearest valid choice.
"""

from stochsim.energy import PRICES, part_kind
from stochsim.hardware.array import Array
from stochsim.hardware.parts import Memory, Noise, RandomSource, Reliability
from stochsim.hardware.price_settings import OPERATION_PRICES, Prices
from stochsim.settings import SettingError


def free_prices(kind: str) -> tuple[str, ...]:
    """Names of the prices of this kind of operation that cost nothing, whatever is counted."""
    return tuple(
        entry.name for entry in PRICES.values() if entry.kind == part_kind(kind) and entry.is_free
    )


def check_cells(array: Array | None, prices: Prices) -> None:
    """Cells and input lines are counted in an array."""
    for kind in ("cell", "line"):
        if array is None and not prices.of(kind).is_free:
            rule = "is counted in an array, of which the chip has none"
            name = getattr(prices, kind)
            raise SettingError.of(f"prices.{kind}", name, rule, free_prices(kind))


def check_columns(array: Array | None, prices: Prices) -> None:
    """Columns cut a layer into tiles: input lines run across each, with their DACs and wires.

    They also bound shared columns.
    """
    usual = Array().columns
    if (
        array is None
        or array.columns == usual
        or array.cells.wire_ohm > 0
        or array.columns_per_adc > usual
    ):
        return
    dac_j = prices.of("dac").energy_j((array.cycle_bits,), prices.voltage_v)
    if dac_j == 0 and prices.of("line").is_free:
        rule = (
            f"matters to wires, whose 'array.cells.wire_ohm' is 0, to input lines, free by "
            f"'prices.line' = '{prices.line}', and to DACs, free at "
            f"'array.cycle_bits' = {array.cycle_bits} with 'prices.dac' = '{prices.dac}'"
        )
        others = ("array.cells.wire_ohm", "prices.line", "array.cycle_bits", "prices.dac")
        raise SettingError.of("array.columns", array.columns, rule, [usual], also=others)


def check_random(random: RandomSource, noise: Noise, prices: Prices, of_additions: int) -> None:
    """Random bits are counted per code, and for inputs and sums (`of_additions`, of each addition)
    that are rounded at random.
    """
    bits = random.random_bits_per_code
    free = prices.of("random").is_free
    if free and bits not in (0, RandomSource().random_bits_per_code):
        rule = f"'prices.random' = '{prices.random}' costs nothing; valid: 0, or another price"
        raise SettingError.of("random.random_bits_per_code", bits, rule, also=("prices.random",))
    of_inputs = 0 if noise.input_dither == "none" else noise.input_rounding.billed_bits
    if not free and bits == of_inputs == of_additions == 0:
        rule = "with 'random.random_bits_per_code' = 0 none are drawn"
        raise SettingError.of(
            "prices.random",
            prices.random,
            rule,
            free_prices("random"),
            also=("random.random_bits_per_code",),
        )


def check_weights_read(memory: Memory, array: Array | None, prices: Prices) -> None:
    """How often weights are read belongs to a memory that they are fetched from, at a price."""
    if memory.weights_read != "read":
        return
    name = prices.weight_memory
    if array is not None or name == "memory-in-array":
        rule = "weights stay in the array's cells and are not fetched"
        raise SettingError.of("memory.weights_read", "read", rule, ["stimulus"])
    if prices.of("weight_memory").is_free:
        rule = f"'prices.weight_memory' = '{name}' costs nothing"
        other = ("prices.weight_memory",)
        raise SettingError.of("memory.weights_read", "read", rule, ["stimulus"], also=other)


def check_voltage(prices: Prices, reliability: Reliability) -> None:
    """The supply voltage enters prices with V in them, and the default prices of reliability at ρ =
    0 and 1.
    """
    usual = Prices.model_fields["voltage_v"].default
    priced = reliability.e_bit_j is not None and reliability.e0_j is not None
    if prices.voltage_v == usual or not priced:
        return
    if not any(prices.of(kind).has_voltage for kind in OPERATION_PRICES):
        rule = "enters none of the chip's prices"
        raise SettingError.of("prices.voltage_v", prices.voltage_v, rule, [f"{usual:g}"])
