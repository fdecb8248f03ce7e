"""The neurons of a chip: from drives to codes, by the noise that the network bought and the noise that the Hardware adds."""

import math

import numpy as np
from stochsim_kernels import channel, flips, mixing, neuron, source

from stochsim.deploy.program import Program
from stochsim.hardware import Hardware, read_channel_text
from stochsim.settings import SettingError

LAYER = 0
EVENT = 0
_CODE_ERRORS = 1  # the event word of bits that flip in stored codes

_DITHER = {"none": ("", 0.0), "stochastic": ("uniform", 1 / math.sqrt(12)), "triangular": ("triangular", 1 / math.sqrt(6))}
"""The family of each dither and its standard deviation in steps of the output."""

_THRESHOLDS_AT_ONCE = 16_000_000  # thresholds, and random integers, held at a time: 64 MB of each


class Neurons:
    """One layer's neurons on a Hardware; `noise` multiplies the sigma that the network bought.

    Raises SettingError where the codes of a measured neuron are not those of the program.
    """

    def __init__(self, program: Program, hardware: Hardware, noise: float) -> None:
        self.program, self.hardware, self.noise = program, hardware, noise
        output, own = program.output, hardware.noise
        dither, sigma_lsb = _DITHER[own.dither]
        self.family = channel.FAMILIES[dither or own.family]
        read = own.read_sigma_drive(output.step)
        self.other_sigma = sigma_lsb * output.step if dither else 0.0 if own.family == "gaussian" else read
        self.gaussian_sigma = read if own.family == "gaussian" else 0.0
        self.activation = channel.ACTIVATIONS[program.activation]
        self.edges = channel.inverse_edges(self.activation, output.z, output.step, output.c_min, output.levels)
        self.measured = read_channel_text(own.measured_csv) if own.measured_csv else None
        if self.measured is not None and self.measured.bits != output.bits:
            raise SettingError(f"'noise.measured_csv' has codes of {self.measured.bits} bits: the program's outputs have {output.bits}")

    @property
    def weight_sigma(self) -> float:
        """Read noise of every weight that is lumped at the neurons, in weight values."""
        own = self.hardware.noise
        return own.weight_sigma_value(self.program.weight_scale) if own.weight_noise == "lumped" else 0.0

    def sigmas(self, norm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two standard deviations before the activation, (stimulus, neuron) with axes of length 1 where they do not matter.

        The first is Gaussian: the multiplied sigma of the network and the Hardware's read noise where its family is Gaussian add in
        variance. So does the weights' read noise, lumped as sigma_w |x|, exact for additive Gaussian weight noise; norm: (stimulus,), |x|
        of quantised inputs, or (1,) where weights have no noise. It is the second, or, where another family is that, part of the first.
        """
        steady = (self.noise * self.program.sigma) ** 2 + self.gaussian_sigma**2
        lumped = (self.weight_sigma * norm)[:, None]
        if self.family == channel.GAUSSIAN:
            return np.sqrt(steady)[None, :], lumped
        return np.sqrt(steady + lumped**2), np.array([[self.other_sigma]])

    def thresholds(self, drive: np.ndarray, sigmas: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """round(2^31 P(code < k)) for k above the smallest code, (stimulus, levels - 1, neuron) uint32, with errors of stored codes."""
        table, rate = self._compared(drive, sigmas), self.hardware.memory.code_errors
        return mixing.mix_bit_errors(table, rate) if rate > 0 else table

    def _compared(self, drive: np.ndarray, sigmas: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """What the comparators hold against u, on the grid of their bits: codes before they are stored."""
        output, bits = self.program.output, self.hardware.random.threshold_bits
        if self.measured is not None:
            table = mixing.thresholds_from_cumulative(self.measured.below(drive))
        else:
            table = np.empty((len(drive), output.levels - 1, drive.shape[1]), np.uint32)
            step = (output.z, output.step, output.c_min)
            whole = (_rows(sigma, drive.shape) for sigma in sigmas)
            channel.fill_thresholds(drive, *whole, self.family, self.activation, self.edges, *step, table)
        return mixing.round_thresholds(table, bits) if bits < 31 else table

    def draw(self, drive: np.ndarray, norm: np.ndarray, key: int, first_stimulus: int, first_read: int, out: np.ndarray) -> None:
        """Write codes to out (stimulus, read, neuron) int8; drive (stimulus, neuron), or (stimulus, read, neuron) where reads differ."""
        sigmas, output = self.sigmas(norm), self.program.output
        own, each = self.hardware, drive.ndim == 3
        if own.random.is_ideal and own.memory.code_errors == 0 and self.measured is None:
            draw = neuron.draw_each if each else neuron.draw
            place = (int(key), LAYER, EVENT, first_stimulus, first_read)
            draw(drive, *sigmas, self.family, self.activation, self.edges, output.z, output.step, output.c_min, *place, out)
            return
        stimuli, reads, neurons = out.shape
        sigmas = (_rows(sigmas[0], (stimuli, neurons)), _rows(sigmas[1], (stimuli, neurons)))
        of_a_read = neurons * (output.levels if each else 1)
        at_once = max(1, _THRESHOLDS_AT_ONCE // max(output.levels * neurons, reads * of_a_read))
        reads_at_once = max(1, _THRESHOLDS_AT_ONCE // of_a_read)
        for first in range(0, stimuli, at_once):
            part = slice(first, first + at_once)
            for begin in range(0, reads, reads_at_once):
                some = slice(begin, begin + reads_at_once)
                here = (key, first_stimulus + first, first_read + begin)
                drives = drive[part, some] if each else drive[part]
                self._draw_by_own_source(drives, (sigmas[0][part], sigmas[1][part]), *here, out[part, some])

    def _draw_by_own_source(
        self, drive: np.ndarray, sigmas: tuple[np.ndarray, ...], key: int, first_stimulus: int, first_read: int, codes: np.ndarray
    ) -> None:
        own, output = self.hardware.random, self.program.output
        out, u = codes, np.empty(codes.shape, np.uint32)
        place = (first_stimulus, first_read)
        source.fill_source(own.lfsr_bits, own.threshold_bits, own.neurons_per_source, key, LAYER, EVENT, *place, u)
        if drive.ndim == 3:  # every read is a row of its own
            reads, neurons = drive.shape[1:]
            sigmas = tuple(np.repeat(sigma, reads, axis=0) for sigma in sigmas)
            drive, u, out = drive.reshape(-1, neurons), u.reshape((-1, 1, neurons)), codes.reshape((-1, 1, neurons))
        thresholds = self.thresholds if own.is_ideal else self._compared
        source.count_thresholds(thresholds(drive, (sigmas[0], sigmas[1])), u, output.c_min, out)
        if not own.is_ideal:  # in the thresholds, errors would repeat with the register and be shared with the source
            rate = self.hardware.memory.code_errors
            flips.flip_codes(codes, output.c_min, output.bits, rate, key, LAYER, _CODE_ERRORS, *place)


def _rows(one: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array of this shape, where `one` may be a single row for all."""
    return np.array(np.broadcast_to(one, shape))
