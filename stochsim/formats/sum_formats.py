"""Floating-point formats of sums: a sign, x bits of exponent and y of mantissa, with subnormals, as
IEEE 754 has them: the largest exponent is for no numbers.
"""

from typing import NamedTuple

from stochsim.formats.floating import widths_named
from stochsim.settings import SettingError

_OTHERS_NAMES = {
    "float64": "fp32",
    "fp64": "fp32",
    "double": "fp32",
    "float32": "fp32",
    "single": "fp32",
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "fp8": "fp8-e5m2",
    "float8": "fp8-e5m2",
}
"""Nearest ones by what others call them."""
_EXPONENT_BITS = range(2, 9)
_MANTISSA_BITS = range(1, 24)


class SumFormat(NamedTuple):
    """A sign, `exponent_bits` and `mantissa_bits`.

    >>> from stochsim.formats import sum_format
    >>> sum_format("accumulator_format", "fp16").largest
    65504.0
    """

    exponent_bits: int
    mantissa_bits: int

    @property
    def bits(self) -> int:
        """Of a register, with the sign."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def bias(self) -> int:
        """Of the exponent: 2^(x-1) - 1."""
        return int(2 ** (self.exponent_bits - 1) - 1)

    @property
    def ulp(self) -> float:
        """The distance of neighbouring numbers at 1."""
        return 2.0**-self.mantissa_bits

    @property
    def least(self) -> float:
        """The smallest number above 0, and the distance of subnormal ones."""
        return 2.0 ** (1 - self.bias - self.mantissa_bits)

    @property
    def largest(self) -> float:
        """The largest number."""
        return (2 - self.ulp) * 2.0**self.bias


SUM_FORMATS = {
    "fp32": SumFormat(8, 23),
    "tf32": SumFormat(8, 10),
    "bf16": SumFormat(8, 7),
    "fp16": SumFormat(5, 10),
}
"""Those with names of their own: binary32 and binary16 of IEEE 754, bfloat16, and NVIDIA's tf32,
of 19 bits.
"""


def sum_format(field: str, name: object) -> SumFormat:
    """The format of a name: of SUM_FORMATS, or fp<bits>-e<x>m<y> with 2 to 8 bits of exponent and 1
    to 23 of mantissa. Raises SettingError for other names, as a value of `field`.

    >>> from stochsim.formats import sum_format
    >>> sum_format("accumulator_format", "fp12-e4m7").largest
    255.0
    """
    if isinstance(name, str) and name in SUM_FORMATS:
        return SUM_FORMATS[name]
    widths = widths_named(name) if isinstance(name, str) else None
    if widths is None:
        names = ", ".join(f"'{one}'" for one in SUM_FORMATS)
        rule = f"should be {names}, or 'fp<bits>-e<x>m<y>' of 1 + x + y bits"
        raise SettingError.of(field, name, rule, _meant(name) or SUM_FORMATS)
    bits, exponent, mantissa = widths
    if exponent not in _EXPONENT_BITS or mantissa not in _MANTISSA_BITS:
        rule = "should have 2 to 8 bits of exponent and 1 to 23 of mantissa"
        nearest = _name(min(max(exponent, 2), 8), min(max(mantissa, 1), 23))
        raise SettingError.of(field, name, rule, [nearest])
    format_ = SumFormat(exponent, mantissa)
    if bits != format_.bits:
        rule = f"its bits are a sign, exponent and mantissa, {format_.bits} here"
        raise SettingError.of(field, name, rule, [_name(exponent, mantissa)])
    return format_


def _name(exponent: int, mantissa: int) -> str:
    """That of a format: its own where it has one."""
    format_ = SumFormat(exponent, mantissa)
    own = (name for name, one in SUM_FORMATS.items() if one == format_)
    return next(own, f"fp{format_.bits}-e{exponent}m{mantissa}")


def _meant(name: object) -> list[str]:
    """What a name of other people's stands for, as "float16" and "E5M10"; none of others."""
    if not isinstance(name, str):
        return []
    if name.lower() in _OTHERS_NAMES:
        return [_OTHERS_NAMES[name.lower()]]
    exponent, _, mantissa = name.lower().removeprefix("e").partition("m")
    if not (name.lower().startswith("e") and exponent.isdecimal() and mantissa.isdecimal()):
        return []
    widths = int(exponent), int(mantissa)
    is_one = widths[0] in _EXPONENT_BITS and widths[1] in _MANTISSA_BITS
    return [_name(*widths)] if is_one else []
