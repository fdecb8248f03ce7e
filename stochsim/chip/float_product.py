"""The product W_q x_q in floating-point accumulators: products exact, additions rounded."""

import copy
from typing import NamedTuple, Self

import numpy as np
from stochsim_kernels.product import float_sums, matmul

from stochsim.accounting import Meter, Sharing
from stochsim.chip.float_adder import PRODUCTS, FloatAdder
from stochsim.chip.memory_portions import portions
from stochsim.chip.product import Product, refuse_differing
from stochsim.chip.rng_address import Place
from stochsim.formats import SumFormat
from stochsim.hardware import FloatAccumulation, Hardware
from stochsim.program import Layer, product_table

_BITS_OF_FLOAT64 = 53
_EXACT_IN_FLOAT64 = 2**_BITS_OF_FLOAT64
_INTEGERS_AT_ONCE = 1 << 22  # random ones: 16 MB


class FloatProduct(Product):
    """Sums float64 as accumulators hold them, in units of `UnitsOfSums.drive`: of numbers of the
    formats that are multiplied, integers or those of a book, without the scales of tensors and
    neurons, with those of blocks.

    weight_codes: (neuron, input), of a number format the integers of its values, whose products
    float64 has: of formats of 8 bits at most they need 42 bits of significand.
    """

    is_digital = True
    numbers_rows = False

    def __init__(
        self, layer: Layer, hardware: Hardware, weight_codes: np.ndarray, number: int = 0
    ) -> None:
        accumulation = hardware.float_accumulation
        assert accumulation is not None
        self.layer, self.adder = layer, FloatAdder(accumulation, number)
        self.sharing = Sharing.READ if self.adder.is_random else Sharing.STIMULUS
        self._weights = _less_zero_points(weight_codes, layer).T.astype(np.float64, order="C")
        self._groups, self._block = _groups(layer, accumulation)
        self._factors = UnitsOfSums.of(layer).factors
        self._factor_bits = _significant_bits(self._factors)
        largest = int(np.abs(self._weights).max(initial=0)) * layer.input.largest_integer
        self._group_bits = (largest * int(np.diff(self._groups).max())).bit_length()
        self._packed = matmul.pack_weights(weight_codes)
        self._look_for_short_ways(largest * layer.inputs, accumulation.format)

    def _look_for_short_ways(self, bound: int, form: SumFormat) -> None:
        """Whether float64 has every sum of integers, none larger than `bound`, before it is
        rounded; and whether the format itself has them all, so that none is.
        """
        step = float(self._factors[0, 0])
        is_power_of_two = np.frexp(step)[0] == 0.5
        self._is_exact = not self.layer.has_blocks and is_power_of_two and bound < _EXACT_IN_FLOAT64
        has_all = bound <= 2 / form.ulp and form.least <= step and bound * step <= form.largest
        self._is_plain = self._is_exact and has_all

    def numbered(self, steps: int) -> Self:
        """See `Product.numbered`."""
        made = copy.copy(self)
        made.adder = self.adder.numbered(steps)
        return made

    def exact(self, x_ints: np.ndarray) -> np.ndarray:
        """See `Product.exact`; refused where additions round at random."""
        if self.adder.is_random:
            raise refuse_differing("the chip rounds sums at random", "they")
        return self._sums(x_ints[:, None], Place(0, 0, 0))[:, 0]

    def sums(
        self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int
    ) -> np.ndarray:
        """See `Product.sums`."""
        if not self.adder.is_random:
            return self._sums(x_ints[:, None], Place(key, 0, 0))[:, 0]
        of_reads = np.broadcast_to(x_ints[:, None], (len(x_ints), reads, x_ints.shape[1]))
        return self._sums(of_reads, Place(int(key), first_stimulus, first_read))

    def sums_of_rows(self, x_ints: np.ndarray, place: Place) -> np.ndarray:
        """See `Product.sums_of_rows`."""
        return self._sums(x_ints, place)

    def _sums(self, x_ints: np.ndarray, place: Place) -> np.ndarray:
        """Sums (stimulus, read, neuron) of numbers (stimulus, read, input)."""
        stimuli, reads = x_ints.shape[:2]
        out = np.empty((stimuli, reads, self.layer.neurons))
        additions = 1 if self._is_plain or not self.adder.is_random else len(self._block)
        numbers = additions * self.layer.neurons
        for some, of_reads in portions(stimuli, reads, numbers, _INTEGERS_AT_ONCE):
            here = place._replace(
                first_stimulus=place.first_stimulus + some.start,
                first_read=place.first_read + of_reads.start,
            )
            self._fill(x_ints[some, of_reads], here, out[some, of_reads])
        return out

    def _fill(self, x_ints: np.ndarray, place: Place, out: np.ndarray) -> None:
        """Write what the accumulators hold to out (stimulus, read, neuron)."""
        stimuli, reads, neurons = out.shape
        rows = x_ints.reshape(stimuli * reads, -1)
        if self._is_plain:
            out[...] = matmul.product(rows, self._packed).reshape(out.shape)
            out *= self._factors[0, 0]
            return
        integers, scales = self._inputs(rows)
        u = self.adder.integers((stimuli, reads, len(self._block) * neurons), place, PRODUCTS)
        sums = np.empty((len(rows), neurons))
        rounding = self.adder.accumulator, u.reshape(len(rows), -1), sums
        if self._is_exact:
            integers *= self._factors[0, 0]
            float_sums.fill_exact_sums(integers, self._weights, self._groups, *rounding)
        else:
            bits = self._group_bits + self._factor_bits + _significant_bits(scales)
            of_blocks = (self._factors, scales, bits > _BITS_OF_FLOAT64)
            terms = float_sums.Terms(self._groups, self._block, *of_blocks)
            float_sums.fill_sums(integers, self._weights, terms, *rounding)
        out[...] = sums.reshape(out.shape)

    def _inputs(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Integers (row, input) and scales (row, block), float64, of what the layer reads."""
        scales = np.ones((len(numbers), len(self._factors)))
        if not self.layer.input.is_dynamic:
            return numbers.astype(np.float64, order="C"), scales
        parts = []
        for number in range(len(scales.T)):
            integers, own = self.layer.numbers_of_block(numbers, number)
            parts.append(integers)
            scales[:, number] = own
        return np.concatenate(parts, axis=1).astype(np.float64), scales

    def report(self, meter: Meter, name: str, x_ints: np.ndarray, reads: int) -> None:
        """Report nothing: a digital product's operations follow from the layer's shape alone."""


def _less_zero_points(weight_codes: np.ndarray, layer: Layer) -> np.ndarray:
    """Weights (neuron, input) less the zero points of their blocks; those of neurons are taken off
    behind the sum.
    """
    if layer.zero_points is None or not layer.has_blocks:
        return weight_codes
    found = weight_codes.astype(np.int64)
    for number, inputs in enumerate(layer.slices):
        zeros = layer.block(number).zero_points
        if zeros is not None:
            found[:, inputs] -= zeros[:, None]
    return found


def _groups(layer: Layer, accumulation: FloatAccumulation) -> tuple[np.ndarray, np.ndarray]:
    """Where groups of inputs begin and the last ends, and the block of each."""
    begins: list[int] = []
    block: list[int] = []
    for number, inputs in enumerate(layer.slices):
        size = accumulation.group_size(inputs.stop - inputs.start, layer.has_blocks)
        own = range(inputs.start, inputs.stop, size)
        begins += own
        block += [number] * len(own)
    return np.array([*begins, layer.inputs], np.intp), np.array(block, np.intp)


class UnitsOfSums(NamedTuple):
    """What numbers are worth in floating-point accumulators.

    factors: what an integer of a block's product is in them, (block, neuron); drive: what a number
    that they hold is in the drive, (neuron,).
    """

    factors: np.ndarray
    drive: np.ndarray

    @classmethod
    def of(cls, layer: Layer) -> "UnitsOfSums":
        """Those of a layer."""
        of_weights, of_input = (
            1.0 if book is None else product_table(book)[0]
            for book in (layer.weight_book, layer.input.book)
        )
        factors = np.full((len(layer.slices), layer.neurons), of_weights * of_input)
        scale: float | np.ndarray = layer.weight_scale
        if layer.block_size is not None:
            assert isinstance(scale, np.ndarray)
            factors *= scale.T
            scale = 1.0
        return cls(factors, np.broadcast_to(scale * layer.input.scale, (layer.neurons,)).copy())


def _significant_bits(values: np.ndarray) -> int:
    """Bits of the longest significand of float64 values, 0 for zeros alone."""
    fractions = np.ldexp(np.frexp(values)[0], _BITS_OF_FLOAT64).astype(np.int64).reshape(-1)
    lowest = int(np.bitwise_or.reduce(np.abs(fractions)))
    return _BITS_OF_FLOAT64 - ((lowest & -lowest).bit_length() - 1) if lowest else 0
