"""Rounding at random, by as many random bits as are spent on each number: of inputs, of weights, of
gradients.
"""

from typing import Any, Literal, NamedTuple, get_args

from stochsim.settings import SettingError

Cut = Literal["floor", "nearest", "zero"]

SAME = 2.0**-22
"""Share of an input by which it is off where it lies on a value of its grid: float32 and the scale
round.
"""

USUAL_BITS = 16
"""Random bits that a chip is billed for each rounded input where it does not say how many."""


class InputRounding(NamedTuple):
    """How the chance of rounding up follows from the remainder: see `hardware.Noise`."""

    random_bits: int | None = None
    cut: Cut = "floor"

    @property
    def is_exact(self) -> bool:
        """Whether the chance is the remainder itself."""
        return self.random_bits is None

    @property
    def mean_square(self) -> float:
        """The mean squared error of rounding, in squared distances of the neighbours, over all
        remainders from 0 to 1: 1/6 where the chance is the remainder, 1/12 to the nearest.
        """
        if self.random_bits is None:
            return 1 / 6
        step = 2.0**-self.random_bits
        return (2 - step**2 if self.cut == "nearest" else 2 + 2 * step**2) / 12

    @property
    def billed_bits(self) -> int:
        """Random bits of each input, as they are billed."""
        return USUAL_BITS if self.random_bits is None else self.random_bits

    def chance_up(self, part: Any, is_negative: Any) -> Any:
        """P(the upper of the two neighbours), of inputs that lie `part` of the way, from 0 to 1,
        from the lower one to it: NumPy arrays or torch tensors, both of one shape.

        Of r random bits: the multiples of 2^-r, floor(2^r part)/2^r and the like (arXiv
        2504.20634). "nearest" takes the upper of two multiples that are equally near.

        >>> import numpy as np
        >>> from stochsim.hardware import InputRounding
        >>> part, below_0 = np.array([0.4, 0.4]), np.array([False, True])
        >>> InputRounding(2, "floor").chance_up(part, below_0)
        array([0.25, 0.25])
        >>> InputRounding(2, "nearest").chance_up(part, below_0)
        array([0.5, 0.5])
        >>> InputRounding(2, "zero").chance_up(part, below_0)
        array([0.25, 0.5 ])
        """
        if self.random_bits is None:
            return part
        levels = 2.0**self.random_bits
        places = part * levels
        if self.cut == "nearest":
            return (places + 0.5) // 1 / levels
        lower = places // 1 / levels
        if self.cut == "floor":
            return lower
        return lower + is_negative * (-(-places // 1) / levels - lower)


_NAMED = {
    "stochastic": InputRounding(),
    **{f"stochastic-{bits}": InputRounding(bits) for bits in range(USUAL_BITS + 1)},
    **{
        f"stochastic-{bits}-{cut}": InputRounding(bits, cut)
        for bits in range(USUAL_BITS + 1)
        for cut in get_args(Cut)
    },
}
_CHOICES = ("nearest", "stochastic", "stochastic-8")


def rounding_named(field: str, text: object, others: tuple[str, ...] = ()) -> InputRounding | None:
    """The rounding that a word names: "stochastic", by a chance that is the remainder;
    "stochastic-<r>", by r random bits from 0 to 16; "stochastic-<r>-<cut>", one of "floor" (as
    without), "nearest" and "zero"; None of "nearest", to the nearest value, and of `others`.

    Raises SettingError for other words, as a value of `field`.

    >>> from stochsim.hardware import rounding_named
    >>> rounding_named("weight_rounding", "stochastic-8")
    InputRounding(random_bits=8, cut='floor')
    """
    if isinstance(text, str) and text in ("nearest", *others):
        return None
    if not isinstance(text, str) or text not in _NAMED:
        is_random = isinstance(text, str) and text.startswith("stochastic-")
        rule = "should be 'stochastic-<random bits from 0 to 16>', and '-floor', '-nearest' or "
        rule = f"{rule}'-zero' behind it" if is_random else ""
        if isinstance(text, str) and is_random:
            _, number, *cut = text.split("-", 2)
            if number.isdecimal():
                near = "-".join(["stochastic", str(min(int(number), USUAL_BITS)), *cut])
                choices = [near] if near in _NAMED else []
                raise SettingError.of(field, text, rule, choices)
        raise SettingError.of(field, text, rule, (*others, *_CHOICES))
    return _NAMED[text]
