"""The product W_q x_q of a chip: digital and exact, or by an array, read by read."""

from typing import Protocol

import numpy as np
from stochsim_kernels.product import accumulator, matmul, weight_noise
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.integers import draw_integers

from stochsim.chip.array.product import ArrayProduct, held
from stochsim.chip.array.programming import bit_flipped
from stochsim.chip.rng_address import DIGITAL, FLIPS, WEIGHTS, Place, normals
from stochsim.energy import Operation
from stochsim.hardware import Hardware
from stochsim.keys import fold_in
from stochsim.program import Program

_GAUSSIANS_AT_ONCE = 1 << 20  # 12 MB with their integers


class Product(Protocol):
    """What a Chip needs of its product. x_ints: integers (stimulus, input), as
    Program.input.integers gives them.
    """

    @property
    def same_in_all_reads(self) -> bool:
        """Whether `sums` has no axis of reads."""

    def sums(
        self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int
    ) -> np.ndarray:
        """W_q x_q: (stimulus, neuron) where it is the same in all reads, else (stimulus, read,
        neuron).
        """

    def sums_of_rows(self, x_ints: np.ndarray, place: Place) -> np.ndarray:
        """W_q x_q of integers (stimulus, read, input) that differ from read to read: (stimulus,
        read, neuron).
        """

    def operations(self, x_ints: np.ndarray, reads: int) -> dict[Operation, float]:
        """What so many reads of each stimulus take."""


class DigitalProduct:
    """Multipliers and accumulators; weights with the bit errors of their memory, sums within the
    accumulators' width.

    number: that of the layer on its chip.
    """

    def __init__(
        self, program: Program, hardware: Hardware, chip_key: int, number: int = 0
    ) -> None:
        self.program, self.hardware, self._word = program, hardware, DIGITAL + number
        self.weight_codes = weights_of_chip(program, hardware, chip_key)
        self._packed = matmul.pack_weights(self.weight_codes)
        own = hardware.noise
        sigma = (
            own.weight_sigma_value(program.weight_scale) / program.weight_scale
            if own.weight_noise == "explicit"
            else 0.0
        )
        self._weight_sigma = sigma

    @property
    def same_in_all_reads(self) -> bool:
        """Whether `sums` has no axis of reads: all but noise drawn explicitly for every weight."""
        return self._weight_sigma == 0

    def exact(self, x_ints: np.ndarray) -> np.ndarray:
        """The sums (stimulus, neuron) of this chip's weights, as its accumulators hold them,
        without the errors of a single read.
        """
        bits = self.hardware.accumulator_bits
        if bits is None:
            return matmul.product(x_ints, self._packed)
        if self.hardware.accumulator_overflow == "saturate":
            return accumulator.saturating_product(x_ints, self.weight_codes, bits)
        return accumulator.wrap(matmul.product(x_ints, self._packed), bits)

    @property
    def plain_weights(self) -> matmul.PackedWeights | None:
        """The weights where sums are nothing but their products: no errors of a read, and
        accumulators that hold every partial sum.
        """
        if self.hardware.memory.weight_error_rates[1] > 0 or not self.same_in_all_reads:
            return None
        bits, program = self.hardware.accumulator_bits, self.program
        bound = program.inputs * self._packed.span.magnitude * program.input.largest_integer
        return self._packed if bits is None or bound < 2 ** (bits - 1) else None

    def sums(
        self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int
    ) -> np.ndarray:
        """(stimulus, neuron), transient weight errors included; (stimulus, read, neuron) where
        every weight has noise of its own.
        """
        sums = self.exact(x_ints)
        rate = self.hardware.memory.weight_error_rates[1]
        if rate > 0:
            address = DrawAddress.of(key, self._word, FLIPS, first_stimulus)
            weight_noise.transient_flips(
                sums, x_ints, self.weight_codes, self.program.weight_bits, rate, address
            )
            sums = self._held(sums)
        if self.same_in_all_reads:
            return sums
        return sums[:, None, :] + self._noise_of_weights(
            x_ints, reads, int(key), first_stimulus, first_read
        )

    def sums_of_rows(self, x_ints: np.ndarray, place: Place) -> np.ndarray:
        """(stimulus, read, neuron) of integers (stimulus, read, input); weights are read once per
        stimulus, with the same errors as above.

        Noise of every weight belongs to the row (stimulus, read), and to the step in it.
        """
        stimuli, reads, inputs = x_ints.shape
        sums = self.exact(x_ints.reshape(-1, inputs)).reshape(stimuli, reads, -1)
        rate = self.hardware.memory.weight_error_rates[1]
        if rate > 0:
            for s, changes in enumerate(self._changed_weights(stimuli, rate, place)):
                sums[s] += matmul.integer_product(x_ints[s], changes).astype(sums.dtype)
            sums = self._held(sums)
        if self.same_in_all_reads:
            return sums
        return sums + np.stack(
            [self._noise_of_rows(x, place, place.row(s)) for s, x in enumerate(x_ints)]
        )

    def _changed_weights(self, stimuli: int, rate: float, place: Place) -> np.ndarray:
        """What transient errors add to the weights as each stimulus reads them, (stimulus, neuron,
        input) int64.

        Every cell is taken for a neuron with one input of 1, in the order in which
        `transient_flips` counts the cells of the layer.
        """
        codes = self.weight_codes.reshape(-1, 1)
        changes, ones = np.zeros((stimuli, len(codes)), np.int64), np.ones((stimuli, 1), np.int64)
        address, bits = place.address(self._word, FLIPS), self.program.weight_bits
        weight_noise.transient_flips(changes, ones, codes, bits, rate, address)
        return changes.reshape(stimuli, *self.weight_codes.shape)

    def _noise_of_rows(self, x_ints: np.ndarray, place: Place, row: int) -> np.ndarray:
        """What fresh noise of every weight adds to the sums of rows (row, input), (row, neuron): a
        Gaussian for each weight and row.
        """
        cells, out = self.weight_codes.shape, np.empty((len(x_ints), self.program.neurons))
        at_once = max(1, _GAUSSIANS_AT_ONCE // self.weight_codes.size)
        for first in range(0, len(x_ints), at_once):
            some = x_ints[first : first + at_once]
            u = np.empty((len(some), 1, self.weight_codes.size), np.uint32)
            address = DrawAddress.of(place.key, self._word, WEIGHTS, row + first, place.step)
            draw_integers(address, u)
            noise = normals(u).reshape(len(some), *cells)
            noise *= some[:, None, :]
            out[first : first + at_once] = self._weight_sigma * noise.sum(axis=2)
        return out

    def _noise_of_weights(
        self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int
    ) -> np.ndarray:
        """What fresh noise of every weight adds to the sums, (stimulus, read, neuron)."""
        out = np.empty((len(x_ints), reads, self.program.neurons))
        sigma = np.full(self.weight_codes.shape, self._weight_sigma)
        address = DrawAddress.of(key, self._word, WEIGHTS, first_stimulus, first_read)
        x_values, weight = x_ints.astype(np.float64), np.zeros(sigma.shape)
        weight_noise.explicit_drives(x_values, weight, sigma, address, out)
        return out

    def _held(self, sums: np.ndarray) -> np.ndarray:
        bits = self.hardware.accumulator_bits
        return sums if bits is None else held(sums, bits, self.hardware.accumulator_overflow)

    def operations(self, x_ints: np.ndarray, reads: int) -> dict[Operation, float]:
        """As `operations_of`."""
        return self.operations_of(len(x_ints) * reads)

    def operations_of(self, codes_read: int) -> dict[Operation, float]:
        """Every read multiplies, adds and converts, whatever it multiplies."""
        program = self.program
        macs = codes_read * program.neurons * program.inputs
        return {
            Operation("multiply", (program.weight_bits, program.input.bits)): macs,
            Operation("add", (self.hardware.accumulator_width(program.inputs),)): macs,
            Operation("dac", (program.input.bits,)): codes_read * program.inputs,
            Operation("adc", (program.output.bits,)): codes_read * program.neurons,
        }


def weights_of_chip(program: Program, hardware: Hardware, chip_key: int) -> np.ndarray:
    """Weight codes (neuron, input) int8 with the persistent bit errors of this chip's memory."""
    rate = hardware.memory.weight_error_rates[0]
    if rate == 0:
        return program.weight_codes
    return bit_flipped(
        program.weight_codes, program.weight_bits, rate, fold_in(chip_key, "weight memory")
    )


def build_product(
    program: Program,
    hardware: Hardware,
    chip_key: int,
    x_calibration: np.ndarray | None = None,
    number: int = 0,
) -> "DigitalProduct | ArrayProduct":
    """The product of this chip's layer `number`: by its array, or digital.

    x_calibration: integers (stimulus, input) for a calibrated converter range.
    """
    if hardware.array is None:
        return DigitalProduct(program, hardware, chip_key, number)
    weights = weights_of_chip(program, hardware, chip_key)
    return ArrayProduct(program, hardware, weights, chip_key, x_calibration, number)
