"""A Program on a Hardware: drives by integer products, codes by thresholds, operations counted as it runs."""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import special
from stochsim_kernels import channel, matmul, neuron

from stochsim.data import check_stimuli
from stochsim.deploy.program import FloatProgram, Program, Quantizer
from stochsim.energy import Operation, Operations
from stochsim.hardware import Hardware
from stochsim.settings import SettingError

_LAYER = 0
_EVENT = 0
_THRESHOLDS_AT_ONCE = 16_000_000  # 64 MB of them, however many stimuli there are


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


def _check_draw(stimuli: int, reads: int, key: int, first_stimulus: int, first_read: int) -> None:
    rules = (
        ("reads", reads, 1, 2**31),
        ("key", key, 0, 2**64),
        ("first_stimulus", first_stimulus, 0, 2**32 - stimuli + 1),  # stimuli are counted in 32 bits
        ("first_read", first_read, 0, 2**62),
    )
    for name, value, low, end in rules:
        if not isinstance(value, (int, np.integer)) or not low <= value < end:
            raise SettingError(f"'{name}' = {value!r}: should be an integer from {low} to {end - 1}")


def _check_noise(noise: float) -> None:
    if not (math.isfinite(noise) and noise >= 0):
        raise SettingError(f"'noise' = {noise!r}: should be finite and at least 0")


class Chip:
    """One Hardware running one Program.

    `noise` multiplies the sigma that the network bought (it has a price); the Hardware adds its own noise, free and unwanted.
    Raises SettingError for a negative or non-finite `noise` or a Program whose bits are not those of the Hardware.
    """

    def __init__(self, program: Program, hardware: Hardware, noise: float = 1.0) -> None:
        _check_noise(noise)
        bits = {"weight_bits": program.weight_bits, "input_bits": program.input.bits, "output_bits": program.output.bits}
        for name, value in bits.items():
            if getattr(hardware.precision, name) != value:
                has = getattr(hardware.precision, name)
                raise SettingError(f"'{name}' = {has} of {hardware.name}: the program was trained for {value}")
        self.program, self.hardware, self.noise = program, hardware, float(noise)

    def drive(self, x: np.ndarray) -> np.ndarray:
        """Noiseless drives (stimulus, neuron) float64 of stimuli x (stimulus, input)."""
        program = self.program
        integers = program.input.integers(program.input.codes(np.asarray(x, np.float64)))
        product = matmul.integer_product(integers, program.weight_codes)
        return program.weight_scale * program.input.scale * product + program.bias

    def sigmas(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations before the activation, (stimulus, neuron): of all Gaussian sources together, and of the other family.

        Gaussian sources add in variance: the multiplied sigma of the network, the weights' read noise lumped as sigma_w |x| over the
        quantised input (exact for additive Gaussian weight noise), and the Hardware's read noise where its family is Gaussian.
        """
        program, noise = self.program, self.hardware.noise
        read = noise.read_sigma_drive(program.output.step)
        weight = noise.weight_sigma_value(program.weight_scale)
        norm = np.linalg.norm(program.input.values(program.input.codes(np.asarray(x, np.float64))).astype(np.float64), axis=1)
        variance = (self.noise * program.sigma)[None, :] ** 2 + (weight * norm)[:, None] ** 2
        if noise.family == "gaussian":
            return np.sqrt(variance + read**2), np.zeros_like(variance)
        return np.sqrt(variance), np.full_like(variance, read)

    def thresholds(self, x: np.ndarray) -> np.ndarray:
        """round(2^31 P(code < k | drive)) for k above the smallest code: (stimulus, levels - 1, neuron) uint32."""
        output, activation = self.program.output, channel.ACTIVATIONS[self.program.activation]
        edges = channel.inverse_edges(activation, output.z, output.step, output.c_min, output.levels)
        sigma, other = self.sigmas(x)
        out = np.empty((len(x), output.levels - 1, self.program.neurons), np.uint32)
        family = channel.FAMILIES[self.hardware.noise.family]
        channel.fill_thresholds(self.drive(x), sigma, other, family, activation, edges, output.z, output.step, output.c_min, out)
        return out

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """P(code | drive) as the chip draws it, (stimulus, neuron, level), on a grid of 2^-31."""
        below = self.thresholds(check_stimuli(x, self.program.inputs)).astype(np.float64).transpose(0, 2, 1) / channel.ONE
        return np.diff(below, axis=-1, prepend=0.0, append=1.0)

    def sample(self, x: np.ndarray, reads: int, key: int, first_stimulus: int = 0, first_read: int = 0) -> Samples:
        """Draw `reads` codes of every neuron for each stimulus of x (stimulus, input).

        Same key, same codes, for any thread count and any split in stimuli or reads (give the absolute first_stimulus, first_read).
        Raises SettingError for a shape mismatch, NaN or Inf in x, or reads and indices out of range.
        """
        x = check_stimuli(x, self.program.inputs)
        _check_draw(len(x), reads, key, first_stimulus, first_read)
        output, neurons = self.program.output, self.program.neurons
        codes = np.empty((len(x), reads, neurons), np.int8)
        at_once = max(1, _THRESHOLDS_AT_ONCE // (neurons * output.levels))
        for first in range(0, len(x), at_once):
            thresholds, part = self.thresholds(x[first : first + at_once]), codes[first : first + at_once]
            neuron.draw_codes(thresholds, output.c_min, np.uint64(key), _LAYER, _EVENT, first_stimulus + first, first_read, part)
        return Samples(codes, self.operations(len(x), reads), self.program.output)

    def operations(self, stimuli: int, reads: int) -> Operations:
        """What so many reads take: each multiplies, converts and stores its codes; weights are read once per stimulus."""
        program, hardware = self.program, self.hardware
        weights, codes_read = program.neurons * program.inputs, stimuli * reads
        macs, code_bits = codes_read * weights, program.input.bits * program.inputs + program.output.bits * program.neurons
        weight_bits = program.weight_bits * weights
        counts: dict[Operation, float] = {
            Operation("multiply", (program.weight_bits, program.input.bits)): macs,
            Operation("add", (hardware.accumulator_width(program.inputs),)): macs,
            Operation("dac", (program.input.bits,)): codes_read * program.inputs,
            Operation("adc", (program.output.bits,)): codes_read * program.neurons,
            Operation("weight_memory", (weight_bits,)): stimuli * weight_bits,
            Operation("code_memory", (code_bits,)): codes_read * code_bits,
            Operation("random", ()): codes_read * program.neurons * hardware.random_bits_per_code,
        }
        for sigma in program.sigma:
            held = hardware.reliability.hold(float(self.noise * sigma))
            counts[held] = counts.get(held, 0) + codes_read
        return Operations.of(counts)


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
        _check_draw(len(x), reads, key, first_stimulus, first_read)
        u = np.empty((len(x), reads, weight.shape[0]), np.uint32)
        neuron.draw_integers(np.uint64(key), _LAYER, _EVENT, first_stimulus, first_read, u)
        drive = np.asarray(x, np.float64) @ weight.T + self.program.bias
        normal = special.ndtri((u + 0.5) / channel.ONE)
        values = (drive[:, None, :] + self.noise * self.program.sigma * normal).astype(np.float32)
        return Samples(None, Operations(), None, values)
