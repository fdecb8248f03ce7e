"""The floating-point accumulators of a layer: additions that round, at random by numbers of their
own.
"""

import copy
from typing import Self

import numpy as np
from stochsim_kernels.product import float_sums
from stochsim_kernels.random.integers import draw_integers

from stochsim.chip.rng_address import SUMS, Place
from stochsim.hardware import TO_ZERO, FloatAccumulation

PRODUCTS, SCALED, BIAS, STIMULUS, OWN = range(5)
"""What is added, as the random numbers of each are told apart: products, the scaled sum to 0, the
bias, and in a circuit the drive of the stimulus and that of a neuron's own code.
"""

_EVENTS = 8  # of each step
_CUTS = {"floor": float_sums.FLOOR, "nearest": float_sums.HALF, "zero": float_sums.SIZE}


class FloatAdder:
    """Accumulators of one layer, whose number on its chip tells their random numbers from those of
    others.
    """

    def __init__(self, accumulation: FloatAccumulation, number: int) -> None:
        self.accumulator = _accumulator(accumulation)
        self._word = SUMS + number

    def numbered(self, steps: int) -> Self:
        """The same accumulators with the random numbers of another layer."""
        made = copy.copy(self)
        made._word = self._word + steps
        return made

    @property
    def is_random(self) -> bool:
        """Whether sums differ from read to read."""
        return self.accumulator.is_random

    def integers(self, shape: tuple[int, int, int], place: Place, what: int) -> np.ndarray:
        """Random integers (stimulus, read, number) uint32; no numbers where nothing is rounded at
        random.
        """
        if not self.is_random:
            return np.empty((*shape[:2], 0), np.uint32)
        u = np.empty(shape, np.uint32)
        draw_integers(place.address(self._word, _EVENTS * place.step + what), u)
        return u

    def add(self, total: np.ndarray, term: np.ndarray, place: Place, what: int) -> None:
        """Add term, which broadcasts, to total float64 (stimulus, neuron), or (stimulus, read,
        neuron) where it is rounded at random, in place.
        """
        rows = total.reshape(-1, total.shape[-1])
        assert np.shares_memory(rows, total)
        shape = total.shape if total.ndim == 3 else (len(total), 1, total.shape[1])
        u = self.integers(shape, place, what).reshape(len(rows), -1)
        own = np.array(np.broadcast_to(term, total.shape)).reshape(rows.shape)
        float_sums.add_rounded(rows, own, self.accumulator, u)


def _accumulator(accumulation: FloatAccumulation) -> float_sums.Accumulator:
    """As the kernel takes it."""
    form, random = accumulation.format, accumulation.random
    rounding, levels = float_sums.NEAREST, 0.0
    if accumulation.rounding == TO_ZERO:
        rounding = float_sums.TO_ZERO
    elif random is not None:
        rounding = _CUTS[random.cut]
        levels = 0.0 if random.random_bits is None else 2.0**random.random_bits
    return float_sums.Accumulator(form.ulp, form.least, form.largest, rounding, levels)
