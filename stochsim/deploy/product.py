"""The product W_q x_q of a chip: digital and exact, or by an array, read by read."""

from typing import Protocol

import numpy as np
from stochsim_kernels import accumulator, matmul, weight_noise

from stochsim.deploy.array_product import ArrayProduct, held
from stochsim.deploy.cells import bit_flipped
from stochsim.deploy.program import Program
from stochsim.energy import Operation
from stochsim.hardware import Hardware
from stochsim.keys import fold_in

_LAYER = 1 << 30
"""The layer word of a digital product's random numbers: apart from those of the neurons behind it."""

_FLIPS, _WEIGHTS = 0, 1  # event words


class Product(Protocol):
    """What a Chip needs of its product. x_ints: integers (stimulus, input), as Program.input.integers gives them."""

    @property
    def same_in_all_reads(self) -> bool:
        """Whether `sums` has no axis of reads."""

    def sums(self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int) -> np.ndarray:
        """W_q x_q: (stimulus, neuron) where it is the same in all reads, else (stimulus, read, neuron)."""

    def operations(self, x_ints: np.ndarray, reads: int) -> dict[Operation, float]:
        """What so many reads of each stimulus take."""


class DigitalProduct:
    """Multipliers and accumulators; weights with the bit errors of their memory, sums within the accumulators' width."""

    def __init__(self, program: Program, hardware: Hardware, chip_key: int) -> None:
        self.program, self.hardware = program, hardware
        self.weight_codes = weights_of_chip(program, hardware, chip_key)
        self._packed = matmul.pack_weights(self.weight_codes)
        own = hardware.noise
        sigma = own.weight_sigma_value(program.weight_scale) / program.weight_scale if own.weight_noise == "explicit" else 0.0
        self._weight_sigma = sigma

    @property
    def same_in_all_reads(self) -> bool:
        """Whether `sums` has no axis of reads: all but noise drawn explicitly for every weight."""
        return self._weight_sigma == 0

    def exact(self, x_ints: np.ndarray) -> np.ndarray:
        """The sums (stimulus, neuron) of this chip's weights, as its accumulators hold them, without the errors of a single read."""
        bits = self.hardware.accumulator_bits
        if bits is None:
            return matmul.product(x_ints, self._packed)
        if self.hardware.accumulator_overflow == "saturate":
            return accumulator.saturating_product(x_ints, self.weight_codes, bits)
        return accumulator.wrap(matmul.product(x_ints, self._packed), bits)

    def sums(self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int) -> np.ndarray:
        """(stimulus, neuron), transient weight errors included; (stimulus, read, neuron) where every weight has noise of its own."""
        sums = self.exact(x_ints)
        rate = self.hardware.memory.weight_error_rates[1]
        if rate > 0:
            place = (int(key), _LAYER, _FLIPS, first_stimulus)
            weight_noise.transient_flips(sums, x_ints, self.weight_codes, self.program.weight_bits, rate, *place)
            if self.hardware.accumulator_bits is not None:
                sums = held(sums, self.hardware.accumulator_bits, self.hardware.accumulator_overflow)
        if self.same_in_all_reads:
            return sums
        out = np.empty((len(x_ints), reads, self.program.neurons))
        sigma = np.full(self.weight_codes.shape, self._weight_sigma)
        place = (int(key), _LAYER, _WEIGHTS, first_stimulus)
        weight_noise.explicit_drives(x_ints.astype(np.float64), np.zeros(sigma.shape), sigma, *place, first_read, out)
        return sums[:, None, :] + out

    def operations(self, x_ints: np.ndarray, reads: int) -> dict[Operation, float]:
        """Every read multiplies, adds and converts."""
        program, codes_read = self.program, len(x_ints) * reads
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
    return bit_flipped(program.weight_codes, program.weight_bits, rate, fold_in(chip_key, "weight memory"))


def build_product(program: Program, hardware: Hardware, chip_key: int, x_calibration: np.ndarray | None) -> Product:
    """The product of this chip: by its array, or digital; x_calibration: integers (stimulus, input) for a calibrated converter range."""
    if hardware.array is None:
        return DigitalProduct(program, hardware, chip_key)
    weights = weights_of_chip(program, hardware, chip_key)
    return ArrayProduct(program, hardware, weights, chip_key, x_calibration)
