"""What training knows of a chip: the noise that its Hardware adds to every drive, and where the
random numbers come from.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch

import stochsim.networks.forked_torch  # noqa: F401 - all that runs torch here loads this file
from stochsim.formats import BLOCK_FORMATS
from stochsim.hardware import SAME, Hardware, InputRounding
from stochsim.settings import SettingError

_DITHER_LSB = {"none": 0.0, "stochastic": 1 / math.sqrt(12), "triangular": 1 / math.sqrt(6)}


_BY_REMAINDERS = InputRounding()


@dataclass(frozen=True)
class HardwareNoise:
    """Standard deviations of what a chip adds, as in `hardware.Noise`."""

    read_sigma: float = 0.0
    read_sigma_lsb: float = 0.0
    read_sigma_fs: float = 0.0
    weight_sigma: float = 0.0
    weight_sigma_lsb: float = 0.0
    input_dither: bool = False
    input_rounding: InputRounding = _BY_REMAINDERS

    @classmethod
    def of(cls, hardware: Hardware, models_array: bool = False) -> "HardwareNoise":
        """The noise of a chip's neurons and weights; models_array: whether what uses it has a model
        of the sums of arrays.

        Raises SettingError for what training has no model of: an array, a measured neuron, errors
        of memories.
        """
        own = hardware.noise
        memory = hardware.memory
        for name, present in (
            ("array", hardware.array is not None and not models_array),
            ("noise.measured_csv", bool(own.measured_csv)),
            ("memory", memory.code_errors + sum(memory.weight_error_rates) > 0),
        ):
            if present:
                rule = (
                    f"noise-aware training has no model of it on {hardware.name}; valid: read "
                    f"noise, noise of weights, dither"
                )
                raise SettingError.of(name, rule=rule)
        lsb = math.hypot(own.read_sigma_lsb, _DITHER_LSB[own.dither])
        return cls(
            own.read_sigma,
            lsb,
            own.read_sigma_fs or 0.0,
            own.weight_sigma,
            own.weight_sigma_lsb,
            own.input_dither == "stochastic",
            own.input_rounding,
        )

    def check_formats(self, weight_format: str | None, input_format: str | None) -> None:
        """Raise SettingError for number formats, None for integers, of which training has no model
        beside this noise.
        """
        rule = "noise-aware training has no model of its values beside {}"
        if self.input_dither and input_format is not None:
            what = "stochastic rounding of inputs"
            raise SettingError.of("input_format", input_format, rule.format(what))
        if self.has_noisy_weights and weight_format in BLOCK_FORMATS:
            raise SettingError.of("weight_format", weight_format, rule.format("noise of weights"))

    def variance(
        self,
        step: Any,
        weight_step: Any,
        x: torch.Tensor,
        bits: Any,
        rounding: torch.Tensor | None = None,
    ) -> Any:
        """Variance that the chip adds to a drive: a number, or (stimulus, 1) where weights are
        noisy; x (stimulus, input), quantised; step and bits of the neurons' codes; rounding: see
        `weight_variance`.
        """
        return self.read_variance(step, bits) + self.weight_variance(weight_step, x, rounding)

    def read_variance(self, step: Any, bits: Any) -> Any:
        """The part of neurons: read noise and the dither of their outputs, a number; step and bits
        of their codes.
        """
        found = 0.0
        if self.read_sigma + self.read_sigma_lsb > 0:
            found = self.read_sigma**2 + (self.read_sigma_lsb * step) ** 2
        if self.read_sigma_fs > 0:
            found = found + (self.read_sigma_fs * 2**bits * step) ** 2
        return found

    @property
    def has_noisy_weights(self) -> bool:
        """Whether reads of weights are noisy."""
        return self.weight_sigma + self.weight_sigma_lsb > 0

    def variance_per_weight(self, weight_step: Any) -> Any:
        """Variance of one weight from read to read, in units of weights: the drive's per E x² of an
        input of that weight.
        """
        return (self.weight_sigma + self.weight_sigma_lsb * weight_step) ** 2

    def weight_variance(
        self, weight_step: Any, x: torch.Tensor, rounding: torch.Tensor | None = None
    ) -> Any:
        """The part of weights, σ_w² Σ E x²: (stimulus, 1), the number 0 where they are not noisy.

        x (stimulus, input): what the layer reads, or its mean over reads where `rounding`, of the
        same shape, is its variance: noise of weights and of inputs is independent, so E x² is
        (mean)² + variance.
        """
        if not self.has_noisy_weights:
            return 0.0
        second_moments = x.square() if rounding is None else x.square() + rounding
        return self.variance_per_weight(weight_step) * second_moments.sum(-1, keepdim=True)


def with_chances(
    x: torch.Tensor, step: torch.Tensor, offset: float, rounding: InputRounding
) -> torch.Tensor:
    """Numbers x (any shape) moved between their neighbours on the grid step · (integer + offset),
    so that rounding at random takes the upper one by the chance of `rounding`; the gradient is that
    of x.
    """
    if rounding.is_exact:
        return x
    place = x / step
    nearest = (place - offset).round() + offset
    place = torch.where((place - nearest).abs() <= SAME * place.abs(), nearest, place) - offset
    lower = place.floor()
    moved = (lower + rounding.chance_up(place - lower, x < 0) + offset) * step
    return x + (moved - x).detach()


class Draws:
    """Random tensors from one generator on the CPU, so that the numbers are the same on every
    device.
    """

    def __init__(self, generator: torch.Generator, device: torch.device | str = "cpu") -> None:
        self.generator = generator
        self.device = device

    def normal(self, *shape: int) -> torch.Tensor:
        """Standard normal numbers of this shape."""
        return torch.randn(shape, generator=self.generator).to(self.device)

    def uniform(self, *shape: int) -> torch.Tensor:
        """Numbers of this shape, uniform on [-1/2, 1/2)."""
        return (torch.rand(shape, generator=self.generator) - 0.5).to(self.device)

    def integers(self, below: int, count: int) -> torch.Tensor:
        """Whole numbers from 0 to below - 1, (count,)."""
        return torch.randint(below, (count,), generator=self.generator).to(self.device)
