"""A Program on a Hardware: drives by integer products, codes by thresholds, operations counted as it runs."""

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from scipy import special
from stochsim_kernels import channel, neuron

from stochsim.data import check_stimuli
from stochsim.deploy.checks import check_draw, check_memory, check_whole
from stochsim.deploy.neurons import EVENT, LAYER, Neurons
from stochsim.deploy.product import DigitalProduct, Product, build_product
from stochsim.deploy.program import FloatProgram, Program, Quantizer
from stochsim.energy import Operation, Operations
from stochsim.hardware import Hardware
from stochsim.settings import SettingError

_DRIVES_AT_ONCE = 8_000_000  # 64 MB of them where reads differ, however many stimuli there are


@dataclass(frozen=True)
class Samples:
    """What a chip returns: codes (stimulus, read, neuron) int8 (None for a float network), operations counted, values by quantiser."""

    codes: np.ndarray | None
    operations: Operations
    quantizer: Quantizer | None = None
    _values: np.ndarray | None = field(default=None, repr=False)

    @property
    def values(self) -> np.ndarray:
        """Responses r = z + step c, (stimulus, read, neuron) float32, in units of the drive."""
        if self._values is not None:
            return self._values
        assert self.codes is not None
        assert self.quantizer is not None
        return self.quantizer.values(self.codes)


def _check_noise(noise: float) -> None:
    if not (math.isfinite(noise) and noise >= 0):
        raise SettingError(f"'noise' = {noise!r}: should be finite and at least 0")


class Chip:
    """One Hardware running one Program: one drawn instance of it, chosen by `chip_key`, the same for all its reads.

    `noise` multiplies the sigma that the network bought (it has a price); the Hardware adds its own noise, free and unwanted.
    `calibration`: stimuli (stimulus, input) on which an array's calibrated converter range is set. Raises SettingError for a negative or
    non-finite `noise`, a key that is not one, or a Program whose bits are not those of the Hardware.
    """

    def __init__(
        self, program: Program, hardware: Hardware, noise: float = 1.0, *, chip_key: int = 0, calibration: np.ndarray | None = None
    ) -> None:
        _check_noise(noise)
        bits = {"weight_bits": program.weight_bits, "input_bits": program.input.bits, "output_bits": program.output.bits}
        for name, value in bits.items():
            if getattr(hardware.precision, name) != value:
                has = getattr(hardware.precision, name)
                raise SettingError(f"'{name}' = {has} of {hardware.name}: the program was trained for {value}")
        check_whole("chip_key", chip_key, 0, 2**64)
        self.program, self.hardware, self.noise, self.chip_key = program, hardware, float(noise), chip_key
        self.neurons = Neurons(program, hardware, self.noise)
        integers = None if calibration is None else self._integers(check_stimuli(calibration, program.inputs))
        self.product: Product = build_product(program, hardware, chip_key, integers)

    def drive(self, x: np.ndarray) -> np.ndarray:
        """Drives (stimulus, neuron) float64 of stimuli x (stimulus, input): of the digital product, before noise and errors of a read.

        Raises SettingError for an array, whose drives differ from read to read.
        """
        if not isinstance(self.product, DigitalProduct):
            raise SettingError(f"{self.hardware.name} has an array: its drives differ from read to read, so only samples can be had")
        return self._scaled(self.product.exact(self._integers(x)))

    def sigmas(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations before the activation, (stimulus, neuron): of all Gaussian sources together, and of the other family."""
        sigma, other = self.neurons.sigmas(self._norm(self._integers(x)))
        if self.neurons.family == channel.GAUSSIAN:
            sigma, other = np.hypot(sigma, other), np.zeros((1, 1))
        shape = (len(x), self.program.neurons)
        return np.array(np.broadcast_to(sigma, shape)), np.array(np.broadcast_to(other, shape))

    def thresholds(self, x: np.ndarray) -> np.ndarray:
        """round(2^31 P(code < k | drive)) for k above the smallest code: (stimulus, levels - 1, neuron) uint32."""
        return self.neurons.thresholds(self.drive(x), self.neurons.sigmas(self._norm(self._integers(x))))

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """P(code | drive) as the chip draws it, (stimulus, neuron, level), on a grid of 2^-31; raises SettingError for an array."""
        below = self.thresholds(check_stimuli(x, self.program.inputs)).astype(np.float64).transpose(0, 2, 1) / channel.ONE
        return np.diff(below, axis=-1, prepend=0.0, append=1.0)

    def sample(self, x: np.ndarray, reads: int, key: int, first_stimulus: int = 0, first_read: int = 0, *, count: bool = True) -> Samples:
        """Draw `reads` codes of every neuron for each stimulus of x (stimulus, input).

        Same key, same codes, for any thread count and any split in stimuli or reads (give the absolute first_stimulus, first_read).
        `count=False` counts no operations. Raises SettingError for a shape mismatch, NaN or Inf in x, reads and indices out of range, and
        more codes than memory holds.
        """
        x = check_stimuli(x, self.program.inputs)
        check_draw(len(x), reads, key, first_stimulus, first_read)
        check_memory("samples", (len(x), reads, self.program.neurons), np.int8)
        codes = np.empty((len(x), reads, self.program.neurons), np.int8)
        integers, steady = self._integers(x), self.product.same_in_all_reads
        of_a_read = self.program.neurons
        at_once = len(x) if steady else max(1, _DRIVES_AT_ONCE // (reads * of_a_read))
        reads_at_once = reads if steady or at_once > 1 else max(1, _DRIVES_AT_ONCE // of_a_read)
        for first, begin in itertools.product(range(0, len(x), at_once), range(0, reads, reads_at_once)):
            part, out = integers[first : first + at_once], codes[first : first + at_once, begin : begin + reads_at_once]
            place = (key, first_stimulus + first, first_read + begin)
            drive = self._scaled(self.product.sums(part, out.shape[1], *place))
            norm = self._norm(part) if self.neurons.weight_sigma > 0 else np.zeros(1)
            self.neurons.draw(drive, norm, *place, out)
        return Samples(codes, self._operations(integers, reads) if count else Operations(), self.program.output)

    def operations(self, x: np.ndarray, reads: int) -> Operations:
        """What so many reads of each stimulus take: each multiplies, converts and stores its codes; weights are read once per stimulus."""
        return self._operations(self._integers(check_stimuli(x, self.program.inputs)), reads)

    def _operations(self, integers: np.ndarray, reads: int) -> Operations:
        program, hardware, stimuli = self.program, self.hardware, len(integers)
        weights, codes_read = program.neurons * program.inputs, stimuli * reads
        code_bits = program.input.bits * program.inputs + program.output.bits * program.neurons
        weight_bits = program.weight_bits * weights
        sources = -(-program.neurons // hardware.random.neurons_per_source)
        counts: dict[Operation, float] = self.product.operations(integers, reads) | {
            Operation("weight_memory", (weight_bits,)): stimuli * weight_bits,
            Operation("code_memory", (code_bits,)): codes_read * code_bits,
            Operation("random", ()): codes_read * sources * hardware.random_bits_per_code,
        }
        for sigma in program.sigma:
            held = hardware.reliability.hold(float(self.noise * sigma))
            counts[held] = counts.get(held, 0) + codes_read
        return Operations.of(counts)

    def _integers(self, x: np.ndarray) -> np.ndarray:
        """Brevitas's integers of the inputs, int8 (stimulus, input)."""
        return self.program.input.integers(self.program.input.codes(x))

    def _scaled(self, sums: np.ndarray) -> np.ndarray:
        """Drives of integer sums, float64."""
        drive = np.multiply(sums, self.program.weight_scale * self.program.input.scale)
        return np.add(drive, self.program.bias, out=drive) if self.program.bias.any() else drive

    def _norm(self, integers: np.ndarray) -> np.ndarray:
        """|x| of the quantised input, (stimulus,)."""
        as_float = integers.astype(np.float32)  # whose products are exact, summed in float64
        return self.program.input.scale * np.sqrt(np.einsum("ij,ij->i", as_float, as_float, dtype=np.float64))


class FloatChip:
    """The float network's own samples: no quantiser, no Hardware noise. Uses the same random integers as Chip does.

    Raises SettingError for a negative or non-finite `noise`.
    """

    def __init__(self, program: FloatProgram, noise: float = 1.0) -> None:
        _check_noise(noise)
        self.program, self.noise = program, float(noise)

    def sample(self, x: np.ndarray, reads: int, key: int, first_stimulus: int = 0, first_read: int = 0) -> Samples:
        """Values (stimulus, read, neuron) = drive + sigma Phi^-1((u + 1/2) / 2^31); codes None, nothing counted."""
        weight = self.program.weight
        x = check_stimuli(x, weight.shape[1])
        check_draw(len(x), reads, key, first_stimulus, first_read)
        check_memory("samples", (len(x), reads, weight.shape[0]), np.float64)
        u = np.empty((len(x), reads, weight.shape[0]), np.uint32)
        neuron.draw_integers(np.uint64(key), LAYER, EVENT, first_stimulus, first_read, u)
        drive = np.asarray(x, np.float64) @ weight.T + self.program.bias
        normal = special.ndtri((u + 0.5) / channel.ONE)
        values = (drive[:, None, :] + self.noise * self.program.sigma * normal).astype(np.float32)
        return Samples(None, Operations(), None, values)
