"""Floating-point accumulators: their format, how an addition is rounded, and what is added before
they round.
"""

from typing import NamedTuple

from stochsim.formats import SumFormat, sum_format
from stochsim.hardware.array import Array
from stochsim.hardware.input_rounding import InputRounding, rounding_named
from stochsim.hardware.parts import Memory, Noise
from stochsim.settings import SettingError

TO_ZERO = "to-zero"
BIT_LINE = "add-bit-line"
"""The price of additions of an in-memory chip whose array is not described."""


class FloatAccumulation(NamedTuple):
    """How a chip adds products in floating point: see `hardware.Hardware`.

    random: how an addition is rounded at random, None where it is to nearest or towards zero.
    """

    format: SumFormat
    rounding: str = "nearest"
    random: InputRounding | None = None
    group: int | None = None

    @classmethod
    def named(
        cls, format_: str, rounding: str | None = None, group: int | None = None
    ) -> "FloatAccumulation":
        """By the words of a chip; raises SettingError for those that name nothing.

        >>> from stochsim.hardware import FloatAccumulation
        >>> FloatAccumulation.named("bf16", "stochastic-8").random_bits
        8
        """
        word = "nearest" if rounding is None else rounding
        random = rounding_named("accumulator_rounding", word, (TO_ZERO,))
        return cls(sum_format("accumulator_format", format_), word, random, group)

    def group_size(self, inputs: int, is_block: bool) -> int:
        """How many products are added exactly, of the inputs of a sum or of a block."""
        return min(inputs, self.group or (inputs if is_block else 1))

    @property
    def random_bits(self) -> int:
        """Random bits of an addition, as they are billed."""
        return 0 if self.random is None else self.random.billed_bits


def check_accumulators(
    integer: tuple[int | None, str], format_: str | None, floating: tuple[str | None, int | None]
) -> None:
    """Raise SettingError for settings of accumulators that do not go together: integer ones have
    (bits, overflow), floating-point ones a format and (rounding, group).
    """
    bits, overflow = integer
    if format_ is not None and bits is not None:
        names = ("accumulator_bits", "accumulator_format")
        raise SettingError.of(names, (bits, format_), "give one of both")
    if overflow != "saturate" and bits is None:
        rule = (
            "accumulators without 'accumulator_bits' hold every sum, or take the largest number of "
            "their format; valid: saturate, or a number of bits"
        )
        raise SettingError.of("accumulator_overflow", overflow, rule)
    names = ("accumulator_rounding", "accumulator_group")
    for name, value in zip(names, floating, strict=True):
        if format_ is None and value is not None:
            rule = "integers are added exactly; valid: None, or an 'accumulator_format'"
            raise SettingError.of(name, value, rule)


def check_digital_adders(format_: str, price_of_adds: str) -> None:
    """Raise SettingError where products are added on a bit line, which has no format."""
    if price_of_adds == BIT_LINE:
        name = "prices.add"
        rule = f"should be left out beside '{name}' = '{BIT_LINE}': currents add on the bit line"
        raise SettingError.of("accumulator_format", format_, rule, also=(name,))


def check_beside_float_sums(
    format_: str, array: Array | None, noise: Noise, memory: Memory
) -> None:
    """Raise SettingError for parts of a chip that floating-point sums do not go with."""
    of_reads = "transient_share" if memory.voltage_over_vmin is not None else "weight_read_errors"
    reasons = {
        "array": (array is not None, "an array's accumulators add the codes of its ADCs"),
        "noise.weight_noise": (noise.weight_noise == "explicit", "noise lies behind the sums"),
        f"memory.{of_reads}": (
            memory.weight_error_rates[1] > 0,
            "errors of weights as they are read are those of integer sums",
        ),
    }
    for name, (is_there, reason) in reasons.items():
        if is_there:
            rule = f"should be left out beside '{name}': {reason}"
            raise SettingError.of("accumulator_format", format_, rule, also=(name,))
