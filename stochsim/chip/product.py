"""What a chip needs of the product W_q x_q of a layer, whatever makes it."""

import abc
import copy
from typing import Self

import numpy as np
from stochsim_kernels.product import accumulator, matmul

from stochsim.accounting import AdcUse, Meter, Sharing
from stochsim.chip.rng_address import Place
from stochsim.hardware import Hardware, Noise
from stochsim.program import Layer
from stochsim.settings import SettingError


def weight_sigma_of(noise: Noise, layer: Layer) -> float | np.ndarray:
    """Read noise of a layer's weights, in weight values; (neuron,) where those of every neuron have
    a scale of their own, (neuron, block) where those of every block have.
    """
    step = layer.weight_step
    if isinstance(step, np.ndarray):
        return noise.weight_sigma + noise.weight_sigma_lsb * step
    return noise.weight_sigma_value(step)


class Product(abc.ABC):
    """Weights on a chip. x_ints: integers (stimulus, input), as `Layer.input.integers` gives them.

    is_digital: whether sums are exact except for errors of weights, so that their operations do not
    depend on their values. sharing: what shares `sums`, all reads of a stimulus or one read.
    numbers_rows: whether random numbers of inputs that differ from read to read belong to rows, of
    which there are 2^16 reads at most.
    plain_weights: the weights where sums are nothing but their products, else None. adc_use: of an
    array, how its ADCs stand against the partial sums; None before it has seen any.
    """

    is_digital: bool
    sharing: Sharing
    numbers_rows: bool = True
    plain_weights: matmul.PackedWeights | None = None
    adc_use: AdcUse | None = None
    _word: int

    def numbered(self, steps: int) -> Self:
        """The same weights, cells and ADCs, with the random numbers of another layer in its reads;
        steps: what that layer's number is more than its own.
        """
        made = copy.copy(self)
        made._word = self._word + steps
        return made

    @abc.abstractmethod
    def sums(
        self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int
    ) -> np.ndarray:
        """W_q x_q: (stimulus, neuron) where all reads share it, else (stimulus, read, neuron)."""

    @abc.abstractmethod
    def sums_of_rows(self, x_ints: np.ndarray, place: Place) -> np.ndarray:
        """W_q x_q of integers (stimulus, read, input) that differ from read to read: (stimulus,
        read, neuron).
        """

    @abc.abstractmethod
    def exact(self, x_ints: np.ndarray) -> np.ndarray:
        """W_q x_q (stimulus, neuron) without the errors of a read; SettingError of an array, which
        has no such sums.
        """

    @abc.abstractmethod
    def report(self, meter: Meter, name: str, x_ints: np.ndarray, reads: int) -> None:
        """Tell the meter what `reads` reads of these integers take, where that depends on them."""


def less_zero_points(
    sums: np.ndarray, integers: np.ndarray, layer: Layer, unit: float = 1.0
) -> np.ndarray:
    """Sums (…, neuron) of weights less their zero points, (neuron,), of those of their codes: less
    the sum of the integers (…, input) times each. unit: what an integer of the product is in sums.
    """
    if layer.zero_points is None:
        return sums
    shift = integers.sum(-1, dtype=np.int64)[..., None] * layer.zero_points
    if unit != 1.0:
        shift = shift * unit
    return sums - (shift if shift.ndim == sums.ndim else shift[:, None])


def refuse_differing(name: str, what: str) -> SettingError:
    """The error of a chip that has no drives that all reads share."""
    rule = f"{name}: {what} differ from read to read, so only samples can be had"
    return SettingError.of((), rule=rule)


def fit_accumulator(sums: np.ndarray, hardware: Hardware) -> np.ndarray:
    """Integers (any shape) in the width of a chip's accumulators: wrapped around, or clipped."""
    bits = hardware.accumulator_bits
    if bits is None or bits >= 8 * sums.dtype.itemsize:
        return sums
    if hardware.accumulator_overflow == "wrap":
        return accumulator.wrap(sums, bits)
    return np.clip(sums, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
