"""The quantiser of inputs and outputs: codes, the values that they stand for, and the integers that
are multiplied.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from stochsim_kernels.neuron.nearest_codes import fill_nearest_codes

from stochsim.program.shapes import scale
from stochsim.settings import SettingError, check_flag, check_whole, real_array

_BITS_OF_INT8 = 8


def _kernel_type(dtype: np.dtype[Any]) -> type[np.floating]:
    """One of the two types that the kernel is compiled for."""
    return np.float32 if dtype in (np.float32, np.float16) else np.float64


@dataclass(frozen=True)
class Quantizer:
    """A b-bit quantiser with the conventions of Brevitas.

    Two bits and more: codes c in -2^(b-1) … 2^(b-1) - 1 and value scale * c. One bit: c in {0, 1}
    and values -scale and +scale. Unsigned: the same codes, with value scale * (c - c_min), so from
    0 on in steps of scale, at one bit too.

    Raises SettingError for bits outside 1 to 8, a scale that is not finite and above 0, and an
    `unsigned` that is neither True nor False.

    >>> import numpy as np
    >>> from stochsim.program import Quantizer
    >>> grid = Quantizer(bits=2, scale=0.5)
    >>> grid.values(np.array([-2, -1, 0, 1]))
    array([-1. , -0.5,  0. ,  0.5], dtype=float32)
    """

    bits: int
    scale: float
    unsigned: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", check_whole("bits", self.bits, 1, 9))
        object.__setattr__(self, "scale", scale("scale", self.scale))
        object.__setattr__(self, "unsigned", check_flag("unsigned", self.unsigned))

    @property
    def levels(self) -> int:
        """Number of codes, 2^b."""
        return int(2**self.bits)

    @property
    def c_min(self) -> int:
        """The smallest code."""
        return 0 if self.bits == 1 else -(self.levels // 2)

    @property
    def z(self) -> float:
        """The value of code 0."""
        if self.unsigned:
            return -self.c_min * self.scale
        return -self.scale if self.bits == 1 else 0.0

    @property
    def step(self) -> float:
        """The distance of neighbouring values, Delta."""
        return 2 * self.scale if self.bits == 1 and not self.unsigned else self.scale

    @property
    def largest_integer(self) -> int:
        """The largest size of an integer."""
        return self.levels - 1 if self.unsigned else -self.c_min or 1

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Codes of values, int8 of any shape, computed in float64 as Brevitas does there; halves go
        to the even code, 0 to the upper one at one bit. Raises SettingError for what are no real
        numbers, and NaN.
        """
        values = real_array("values", values, "should be real numbers, of any shape")
        if values.dtype.kind == "f" and values.size and np.isnan(values.min()):
            raise SettingError.of("values", rule="holds NaN, which has no code")
        if self.bits == 1:
            return (
                np.divide(values, self.scale, dtype=np.float64) >= 0.5
                if self.unsigned
                else values >= 0
            ).astype(np.int8)
        out = np.empty(values.shape, np.int8)
        flat = np.require(values.reshape(-1), _kernel_type(values.dtype), ("C", "W"))
        ends = (float(self.c_min), float(self.c_min + self.levels - 1))
        shift = ends[0] if self.unsigned else 0.0
        fill_nearest_codes(flat, self.scale, ends[0], shift, ends[1], out.reshape(-1))
        return out

    def values(self, codes: np.ndarray) -> np.ndarray:
        """The values of codes, float32 of any shape; raises SettingError for what are no
        integers.
        """
        codes = self._checked(codes)
        if self.unsigned:
            return np.float32(self.scale) * self.integers(codes).astype(np.float32)
        return (np.float32(self.z) + np.float32(self.step) * codes).astype(np.float32)

    def integers(self, codes: np.ndarray) -> np.ndarray:
        """The factor of `scale` in each code's value, int8 of any shape, as Brevitas has it: -1 and
        1 at one bit, the code itself above. Unsigned: 0 … 2^b - 1, uint8. Raises SettingError for
        what are no integers.
        """
        codes = self._checked(codes)
        if self.unsigned:
            return (codes.astype(np.int16) - self.c_min).astype(np.uint8)
        return 2 * codes - 1 if self.bits == 1 else codes

    def _checked(self, codes: np.ndarray) -> np.ndarray:
        """Codes as integers; those that no b bits have are refused."""
        rule = f"should be integers from {self.c_min} to {self.c_min + self.levels - 1}"
        found = real_array("codes", codes, rule)
        if found.dtype == np.int8 and self.bits == _BITS_OF_INT8:
            return found
        if found.dtype.kind not in "iu":
            raise SettingError.of("codes", found, rule)
        if found.size and not self.c_min <= found.min() <= found.max() < self.c_min + self.levels:
            raise SettingError.of("codes", found, rule)
        return found
