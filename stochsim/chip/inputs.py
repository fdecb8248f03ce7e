"""Stimuli -> integers: rounded to nearest, the same at every read, or stochastically, with new
numbers at every read and step.
"""

import numpy as np
from stochsim_kernels.neuron import channel, drawing, stochastic_rounding
from stochsim_kernels.random.integers import draw_integers

from stochsim.chip.rng_address import INPUTS, Place
from stochsim.hardware import Hardware
from stochsim.program import Quantizer

_NOTHING = np.zeros((1, 1))


class Inputs:
    """The inputs of a chip.

    Stochastic rounding, code = floor(x/scale + u), is uniform noise one step wide before rounding
    to nearest: the channel of a neuron that has no other noise. So P(code | x) is exact, and at one
    bit P(1) = (x/scale + 1)/2, between 0 and 1. Of neighbouring values a < b of a number format,
    P(b) = (x - a)/(b - a) between them.
    """

    def __init__(self, quantizer: Quantizer, hardware: Hardware) -> None:
        self.quantizer = quantizer
        self.are_shared = hardware.noise.input_dither == "none"

    def integers(self, x: np.ndarray, reads: int, place: Place) -> np.ndarray:
        """Brevitas's integers of x (stimulus, input), int8, of a number format its own: of that
        shape where all reads have the same, else (stimulus, read, input).
        """
        quantizer = self.quantizer
        if self.are_shared:
            return self.nearest(x)
        if quantizer.book is not None:
            shape = (len(x), reads, x.shape[1])
            return quantizer.integers(neighbours_at_random(quantizer, x[:, None], shape, place))
        codes = np.empty((len(x), reads, x.shape[1]), np.int8)
        sigma = _NOTHING + stochastic_rounding.uniform_sigma(quantizer.step)
        law = rounding_law(quantizer)
        drawing.draw(x, _NOTHING, sigma, law, place.address(INPUTS), codes)
        return quantizer.integers(codes)

    def two_integers(self, x: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
        """(lower, gap, least) of stochastic rounding: integer = lower + gap (u >= least), with
        lower int8 and least uint32 (stimulus, input).
        """
        quantizer = self.quantizer
        edges = rounding_law(quantizer).edges
        levels, least = stochastic_rounding.two_codes(x, quantizer.step, edges)
        lower = (levels.astype(np.int16) + quantizer.c_min).astype(np.int8)
        return quantizer.integers(lower), 2 if quantizer.bits == 1 else 1, least

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Brevitas's integers of x, rounded to nearest, int8 (stimulus, input)."""
        return self.quantizer.integers(self.quantizer.codes(x))


def neighbours_at_random(
    quantizer: Quantizer, x: np.ndarray, shape: tuple[int, ...], place: Place
) -> np.ndarray:
    """Codes int8 of this shape (stimulus, read, input) of values x that broadcast to it: one of the
    two values of the quantiser's book around each, so that their mean is x between the ends.
    """
    assert quantizer.book is not None
    values = quantizer.scale * np.array(quantizer.book.values)
    inside = np.clip(x, values[0], values[-1]).astype(np.float64)
    lower = np.clip(np.searchsorted(values, inside, side="right") - 1, 0, values.size - 2)
    part = (inside - values[lower]) / (values[lower + 1] - values[lower])
    least = np.rint((1 - part) * 2.0**31).astype(np.uint32)
    u = np.empty(shape, np.uint32)
    draw_integers(place.address(INPUTS), u)
    return (lower + (u >= least) + quantizer.c_min).astype(np.int8)


def rounding_law(quantizer: Quantizer) -> channel.NeuronLaw:
    """Uniform noise before rounding to nearest, which makes the rounding stochastic."""
    return quantizer.law(channel.UNIFORM, channel.IDENTITY)
