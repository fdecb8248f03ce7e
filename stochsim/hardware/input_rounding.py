"""Rounding of inputs at random, by as many random bits as a chip spends on each."""

from typing import Any, Literal, NamedTuple

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
