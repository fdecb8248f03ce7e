"""Programs: what a chip needs to know of a trained network, as plain arrays."""

from dataclasses import dataclass

import numpy as np

_AT_ONCE = 32768  # values quantised at a time: they stay in the second-level cache


@dataclass(frozen=True)
class Quantizer:
    """A b-bit quantiser with the conventions of Brevitas.

    Two bits and more: codes c in -2^(b-1) … 2^(b-1) - 1 and value scale * c. One bit: c in {0, 1} and values -scale and +scale.
    """

    bits: int
    scale: float

    @property
    def levels(self) -> int:
        """2^b."""
        return int(2**self.bits)

    @property
    def c_min(self) -> int:
        """The smallest code."""
        return 0 if self.bits == 1 else -(self.levels // 2)

    @property
    def z(self) -> float:
        """The value of code 0."""
        return -self.scale if self.bits == 1 else 0.0

    @property
    def step(self) -> float:
        """The distance of neighbouring values, Delta."""
        return 2 * self.scale if self.bits == 1 else self.scale

    def codes(self, values: np.ndarray) -> np.ndarray:
        """int8 codes, any shape, computed in float64 as Brevitas does there; halves go to the even code, 0 to the upper one at one bit."""
        values = np.asarray(values)
        if self.bits == 1:
            return (values >= 0).astype(np.int8)
        out = np.empty(values.shape, np.int8)
        flat, codes = np.ascontiguousarray(values).reshape(-1), out.reshape(-1)
        for first in range(0, flat.size, _AT_ONCE):
            part = np.divide(flat[first : first + _AT_ONCE], self.scale, dtype=np.float64)
            np.rint(part, out=part)
            np.clip(part, self.c_min, self.c_min + self.levels - 1, out=part)
            codes[first : first + _AT_ONCE] = part
        return out

    def values(self, codes: np.ndarray) -> np.ndarray:
        """The values of codes, float32."""
        return (np.float32(self.z) + np.float32(self.step) * codes).astype(np.float32)

    def integers(self, codes: np.ndarray) -> np.ndarray:
        """The factor of `scale` in each code's value: -1 and 1 at one bit, the code itself above. These are Brevitas's integers."""
        return 2 * codes - 1 if self.bits == 1 else codes


@dataclass(frozen=True)
class Program:
    """A quantised single-layer network: drive = weight_scale input.scale (W_q x_q) + bias, then noise, then the output quantiser.

    weight_codes: (neuron, input) int8, -1 and 1 at one bit; bias, sigma: (neuron,) float64 in units of the drive; rho: the exponent of
    the price under which sigma was learned.
    """

    weight_codes: np.ndarray
    weight_bits: int
    weight_scale: float
    input: Quantizer
    output: Quantizer
    bias: np.ndarray
    sigma: np.ndarray
    rho: float
    activation: str = "identity"

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.weight_codes.shape[1])

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(self.weight_codes.shape[0])


@dataclass(frozen=True)
class FloatProgram:
    """The same network without quantisers: weight (neuron, input), bias and sigma (neuron,), float64."""

    weight: np.ndarray
    bias: np.ndarray
    sigma: np.ndarray
    rho: float
