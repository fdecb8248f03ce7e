"""Stimuli -> integers: rounded to nearest, the same at every read, or stochastically, with new
numbers at every read and step.
"""

import numpy as np
from stochsim_kernels.neuron import channel, drawing, stochastic_rounding
from stochsim_kernels.random.integers import draw_integers

from stochsim.chip.rng_address import INPUTS, Place
from stochsim.hardware import SAME, Hardware
from stochsim.program import DynamicQuantizer, Quantizer
from stochsim.settings import SettingError

_NOTHING = np.zeros((1, 1))


class Inputs:
    """The inputs of a chip.

    Stochastic rounding, code = floor(x/scale + u), is uniform noise one step wide before rounding
    to nearest: the channel of a neuron that has no other noise. So P(code | x) is exact, and at one
    bit P(1) = (x/scale + 1)/2, between 0 and 1. Of neighbouring values a < b of a number format,
    P(b) = (x - a)/(b - a) between them, in dynamic blocks of the values times the scale of the
    block, which is not drawn. With few random bits P is a multiple of 2^-bits of them.
    """

    def __init__(self, quantizer: Quantizer, hardware: Hardware) -> None:
        if quantizer.is_per_neuron:
            rule = "should be of one book for all inputs of a chip"
            raise SettingError.of("input", quantizer.format_name, rule)
        self.quantizer, self.hardware = quantizer, hardware
        self.are_shared = hardware.noise.input_dither == "none"
        self.rounding = hardware.noise.input_rounding
        self._are_by_law = quantizer.book is None and self.rounding.is_exact

    def integers(self, x: np.ndarray, reads: int, place: Place) -> np.ndarray:
        """Brevitas's integers of x (stimulus, input), int8, of a number format its own: of that
        shape where all reads have the same, else (stimulus, read, input); of dynamic blocks with
        their scales behind (see `DynamicQuantizer.numbers`).
        """
        if self.are_shared:
            return self.nearest(x)
        if isinstance(self.quantizer, DynamicQuantizer):
            return self.in_blocks(self.quantizer, np.repeat(x[:, None], reads, 1), place)
        codes = np.empty((len(x), reads, x.shape[1]), np.int8)
        if self._are_by_law:
            drawing.draw(x, _NOTHING, self._sigma, self._law, place.address(INPUTS), codes)
        else:
            self._fill_at_random(x[:, None], place, codes)
        return self.quantizer.integers(codes)

    def integers_of_reads(self, values: np.ndarray, place: Place) -> np.ndarray:
        """Those of values (stimulus, read, input) that differ from read to read, rounded at random
        by the same numbers.
        """
        if isinstance(self.quantizer, DynamicQuantizer):
            return self.in_blocks(self.quantizer, values, place)
        codes = np.empty(values.shape, np.int8)
        if self._are_by_law:
            address = place.address(INPUTS)
            drawing.draw_each(values, _NOTHING, self._sigma, self._law, address, codes)
        else:
            self._fill_at_random(values, place, codes)
        return self.quantizer.integers(codes)

    def two_integers(self, x: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
        """(lower, gap, least) of stochastic rounding of evenly spaced values: integer = lower + gap
        (u >= least), with lower int8 and least uint32 (stimulus, input).
        """
        quantizer = self.quantizer
        if self._are_by_law:
            edges = self._law.edges
            levels, least = stochastic_rounding.two_codes(x, quantizer.step, edges)
        else:
            levels, least = self._two_levels(x)
        lower = (levels.astype(np.int16) + quantizer.c_min).astype(np.int8)
        return quantizer.integers(lower), 2 if quantizer.bits == 1 else 1, least

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Brevitas's integers of x, rounded to nearest, int8 (stimulus, input)."""
        return self.quantizer.numbers(x)

    def in_blocks(
        self, quantizer: DynamicQuantizer, values: np.ndarray, place: Place
    ) -> np.ndarray:
        """Numbers (stimulus, read, …, input + block) of values (stimulus, read, …, input), rounded
        at random between the values of their blocks.
        """
        values = values.astype(np.float64)
        scales = quantizer.block_scales_of(values)
        own = values / quantizer.of_inputs(scales, values.shape[-1])
        own = own.reshape(*values.shape[:2], -1)
        codes = np.empty(own.shape, np.int8)
        Inputs(quantizer.element, self.hardware)._fill_at_random(own, place, codes)
        return quantizer.joined(codes.reshape(values.shape), scales)

    @property
    def _sigma(self) -> np.ndarray:
        return _NOTHING + stochastic_rounding.uniform_sigma(self.quantizer.step)

    @property
    def _law(self) -> channel.NeuronLaw:
        """Uniform noise before rounding to nearest, which makes the rounding stochastic."""
        return self.quantizer.law(channel.UNIFORM, channel.IDENTITY)

    def _fill_at_random(self, x: np.ndarray, place: Place, codes: np.ndarray) -> None:
        """Codes (stimulus, read, input) of x, which broadcasts to them."""
        lower, least = self._two_levels(x)
        u = np.empty(codes.shape, np.uint32)
        draw_integers(place.address(INPUTS), u)
        codes[:] = lower + (u >= least) + self.quantizer.c_min

    def _two_levels(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """level = lower + (u >= least), counted from the lowest value, of x (any shape) and u of 31
        bits.
        """
        lower, part = neighbours(self.quantizer, x)
        chance = self.rounding.chance_up(part, x < 0)
        return lower, np.rint((1 - chance) * 2.0**31).astype(np.uint32)


def neighbours(quantizer: Quantizer, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which value of a quantiser, counted from the lowest, lies below x (any shape), or is the last
    but one, and which part of the way to the next one x is, from 0 to 1. What is off a value by the
    rounding of float32 is on it.
    """
    last = quantizer.levels - 2
    if quantizer.book is None:
        lowest = 0 if quantizer.unsigned else quantizer.c_min or -0.5
        place = x / quantizer.step
        nearest = np.rint(place - lowest) + lowest
        place = np.where(np.abs(place - nearest) <= SAME * np.abs(place), nearest, place)
        place = np.clip(place, lowest, lowest + last + 1)
        lower = np.minimum(np.floor(place - lowest), last)
        return lower.astype(np.intp), place - (lower + lowest)
    values = quantizer.value_table[:, 0]
    inside = np.clip(x, values[0], values[-1]).astype(np.float64)
    lower = np.clip(np.searchsorted(values, inside, side="right") - 1, 0, last)
    for end in (values[lower], values[lower + 1]):
        inside = np.where(np.abs(inside - end) <= SAME * np.abs(inside), end, inside)
    return lower, (inside - values[lower]) / (values[lower + 1] - values[lower])
