"""The floating-point accumulators of a layer: additions that round, at random by numbers of their
own.
"""

import copy
from typing import Self

import numpy as np
from stochsim_kernels.product import float_sums
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.integers import draw_integers

from stochsim.chip.rng_address import MOST_NUMBERED, SUMS, Place
from stochsim.hardware import TO_ZERO, FloatAccumulation
from stochsim.keys import fold_in

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
        event = _EVENTS * place.step + what
        if shape[2] <= MOST_NUMBERED:
            return _drawn(place.address(self._word, event), shape)
        parts = []
        for number, first in enumerate(range(0, shape[2], MOST_NUMBERED)):
            here = place._replace(key=fold_in(place.key, "sums", number)) if number else place
            own = (*shape[:2], min(MOST_NUMBERED, shape[2] - first))
            parts.append(_drawn(here.address(self._word, event), own))
        return np.concatenate(parts, axis=2)

    def scale(self, total: np.ndarray, factors: np.ndarray, place: Place) -> None:
        """Multiply total, as `add` has it, by factors (neuron,), in place."""
        rows, u = self._rows(total, place, SCALED)
        float_sums.scale_rounded(rows, factors, self.accumulator, u)

    def add(self, total: np.ndarray, term: np.ndarray, place: Place, what: int) -> None:
        """Add term, which broadcasts, to total float64 (stimulus, neuron), or (stimulus, read,
        neuron) where it is rounded at random, in place.
        """
        rows, u = self._rows(total, place, what)
        own = np.array(np.broadcast_to(term, total.shape)).reshape(rows.shape)
        float_sums.add_rounded(rows, own, self.accumulator, u)

    def _rows(self, total: np.ndarray, place: Place, what: int) -> tuple[np.ndarray, np.ndarray]:
        """Total as rows (row, neuron), on its memory, and the random integers of each."""
        rows = total.reshape(-1, total.shape[-1])
        assert np.shares_memory(rows, total)
        shape = total.shape if total.ndim == 3 else (len(total), 1, total.shape[1])
        return rows, self.integers(shape, place, what).reshape(len(rows), -1)


def _drawn(address: DrawAddress, shape: tuple[int, int, int]) -> np.ndarray:
    u = np.empty(shape, np.uint32)
    draw_integers(address, u)
    return u


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
