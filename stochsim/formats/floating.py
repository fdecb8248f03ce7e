"""Floating-point formats of few bits: a sign, x bits of exponent and y of mantissa, ExMy, with
subnormals; halves are rounded to the even mantissa, as IEEE 754 does.

E2M1, E3M2, E2M3, E4M3 and E5M2 are those of the OCP (Microscaling Formats 1.0 for FP4 and FP6,
8-bit Floating Point 1.0 for FP8). Any other ExMy is by the rule of FP4 and FP6: bias
2^(x-1) - 1, every pattern a finite number.
"""

import math
import re
from dataclasses import dataclass

from stochsim.formats.books import MOST_BITS, CodeBook
from stochsim.settings import SettingError, check_choice, check_whole

NO_SPECIALS = "none"
ONE_NAN = "nan"
IEEE = "ieee"
SPECIALS = {
    NO_SPECIALS: "every pattern is a finite number",
    ONE_NAN: "the largest pattern of either sign is NaN; no infinities",
    IEEE: "the largest exponent is for infinities and NaN",
}
"""What patterns are no finite numbers, by name."""

_NAME = re.compile(r"fp([1-9]\d{0,2})-e([1-9]\d{0,2})m(0|[1-9]\d{0,2})", re.ASCII)


@dataclass(frozen=True)
class FloatFormat:
    """A sign, `exponent_bits` and `mantissa_bits`, 2 to 8 in all; specials: one of SPECIALS.

    Raises SettingError for other widths, and specials that are unknown or leave no finite number
    but 0.

    >>> from stochsim.formats import FloatFormat
    >>> book = FloatFormat(exponent_bits=2, mantissa_bits=1).code_book()
    >>> [value for value in book.values if value >= 0]
    [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    """

    exponent_bits: int
    mantissa_bits: int
    specials: str = NO_SPECIALS

    def __post_init__(self) -> None:
        check_whole("exponent_bits", self.exponent_bits, 1, MOST_BITS)
        check_whole("mantissa_bits", self.mantissa_bits, 0, MOST_BITS)
        check_choice("specials", self.specials, SPECIALS)
        if self.bits > MOST_BITS:
            rule = f"should be {MOST_BITS} at most with the sign"
            both = (self.exponent_bits, self.mantissa_bits)
            raise SettingError.of(("exponent_bits", "mantissa_bits"), both, rule)
        if self.specials == IEEE and self.exponent_bits == 1:
            rule = "leaves no exponent for numbers of 1 bit of exponent"
            raise SettingError.of("specials", self.specials, rule, (NO_SPECIALS, ONE_NAN))

    @property
    def bits(self) -> int:
        """Of a stored number, with the sign."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def bias(self) -> int:
        """Of the exponent: 2^(x-1) - 1, but 0 of 1 bit."""
        return int(2 ** (self.exponent_bits - 1) - 1)

    @property
    def name(self) -> str:
        """fp<bits>-e<x>m<y>."""
        return f"fp{self.bits}-e{self.exponent_bits}m{self.mantissa_bits}"

    def number(self, pattern: int) -> float:
        """The number that a pattern without its sign stands for."""
        exponent, mantissa = divmod(pattern, 2**self.mantissa_bits)
        is_largest = exponent == 2**self.exponent_bits - 1
        if self.specials == IEEE and is_largest:
            return math.nan if mantissa else math.inf
        if self.specials == ONE_NAN and pattern == 2 ** (self.bits - 1) - 1:
            return math.nan
        if exponent == 0:
            return math.ldexp(mantissa, 1 - self.bias - self.mantissa_bits)
        significand = 2**self.mantissa_bits + mantissa
        return math.ldexp(significand, exponent - self.bias - self.mantissa_bits)

    def code_book(self) -> CodeBook:
        """Its finite values; numbers beyond the largest take it (saturating)."""
        positive = [self.number(pattern) for pattern in range(2 ** (self.bits - 1))]
        finite = [one for one in positive if math.isfinite(one)]
        values = [-one for one in reversed(finite[1:])] + finite
        zero = len(finite) - 1
        ties = [abs(k + 1 - zero) % 2 == 0 for k in range(len(values) - 1)]
        patterns = positive + [-one for one in positive]
        return CodeBook(tuple(values), (), tuple(ties), tuple(patterns), self.name)


FLOATING = {
    one.name: one
    for one in (
        FloatFormat(2, 1),
        FloatFormat(3, 2),
        FloatFormat(2, 3),
        FloatFormat(4, 3, ONE_NAN),
        FloatFormat(5, 2, IEEE),
    )
}
"""Those of the OCP, by name."""


def widths_named(name: str) -> tuple[int, int, int] | None:
    """(bits, exponent bits, mantissa bits) of fp<bits>-e<x>m<y>; None of another name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    bits, exponent, mantissa = (int(one) for one in found.groups())
    return bits, exponent, mantissa


def float_format(name: str) -> FloatFormat | None:
    """The format of a name, fp<bits>-e<x>m<y>; None for other names. Raises SettingError where the
    bits are not those of a sign, x and y, and beyond 8.
    """
    if name in FLOATING:
        return FLOATING[name]
    widths = widths_named(name)
    if widths is None:
        return None
    bits, exponent, mantissa = widths
    if bits != 1 + exponent + mantissa:
        own = 1 + exponent + mantissa
        rule = f"its bits are a sign, exponent and mantissa, {own} here"
        right = [f"fp{own}-e{exponent}m{mantissa}"] if own <= MOST_BITS else []
        raise SettingError.of("format", name, rule if right else f"{rule}: 8 at most", right)
    try:
        return FloatFormat(exponent, mantissa)
    except SettingError as error:
        raise SettingError.of("format", name, error.faults[0].rule) from None
