"""The neurons of a chip: from drives to codes, by the noise level that the network was trained to
and the noise that the Hardware adds.
"""

import copy
import math
from typing import Self

import numpy as np
from stochsim_kernels.neuron import bit_error_channel, channel, drawing
from stochsim_kernels.random import flips, source
from stochsim_kernels.random.address import DrawAddress

from stochsim.chip.product import weight_sigma_of
from stochsim.chip.rng_address import NEURONS, Place
from stochsim.formats import CodeBook, NeuronBooks
from stochsim.hardware import Hardware, read_channel_text
from stochsim.program import Layer
from stochsim.settings import SettingError, counted

_DITHER = {
    "none": ("", 0.0),
    "stochastic": ("uniform", 1 / math.sqrt(12)),
    "triangular": ("triangular", 1 / math.sqrt(6)),
}
"""The family of each dither and its standard deviation in steps of the output."""

_BESIDE_EDGES_AT_ONCE = 1_000_000  # drives less an edge at a time: 8 MB
_TINY = float(np.nextafter(0.0, 1.0))
_THRESHOLDS_AT_ONCE = 16_000_000  # thresholds, and random integers, at a time: 64 MB of each


class Neurons:
    """One layer's neurons on a Hardware; `sigma_scale` multiplies the sigma that the network was
    trained to; number: that of the layer on its chip.

    Raises SettingError where the codes of a measured neuron are not those of the program.
    """

    def __init__(
        self, layer: Layer, hardware: Hardware, sigma_scale: float, number: int = 0
    ) -> None:
        self.layer = layer
        self.hardware = hardware
        self.sigma_scale = sigma_scale
        self.word = NEURONS + number
        output = layer.output
        own = hardware.noise
        dither, sigma_lsb = _DITHER[own.dither]
        self.family = channel.FAMILIES[dither or own.family]
        read = own.read_sigma_drive(output.step, output.levels)
        is_gaussian = own.family == "gaussian"
        self.gaussian_sigma = read if is_gaussian else 0.0
        self.other_sigma = 0.0 if is_gaussian else read
        if dither:
            self.other_sigma = sigma_lsb * output.step
        self.activation = channel.ACTIVATIONS[layer.activation]
        self.law = output.law(self.family, self.activation)
        if isinstance(output.book, NeuronBooks):
            laws = [output.law(self.family, self.activation, n) for n in range(layer.neurons)]
            ties = np.stack([law.uneven[1] > 0 for law in laws], axis=1)
            if self.activation in (channel.RELU, channel.STEP):  # edges are the next numbers then
                ties[...] = True
            self._edges_of_neurons = np.stack([law.edges for law in laws], axis=1), ties
            self._at_zero = channel.uneven_law(
                self.family, channel.IDENTITY, np.zeros(1), np.ones(1), output.c_min
            )
        if output.book is not None:
            _check_uneven(output.book, hardware)
        self.measured = read_channel_text(own.measured_csv) if own.measured_csv else None
        if self.measured is not None and self.measured.bits != output.bits:
            rule = (
                f"has codes of {counted(self.measured.bits, 'bit', 'bits')}: should be "
                f"{output.bits}, as the program's outputs are"
            )
            raise SettingError.of("noise.measured_csv", rule=rule)

    def numbered(self, number: int) -> Self:
        """Such neurons with the random numbers of another layer."""
        made = copy.copy(self)
        made.word = NEURONS + number
        return made

    @property
    def weight_sigma(self) -> float | np.ndarray:
        """Read noise of every weight that is lumped at the neurons, in weight values; (neuron,)
        where the weights of neurons have scales of their own, (neuron, block) where blocks have.
        """
        own = self.hardware.noise
        if own.weight_noise != "lumped":
            return 0.0
        return weight_sigma_of(own, self.layer)

    @property
    def has_weight_noise(self) -> bool:
        """Whether read noise of weights is lumped at the neurons."""
        return bool(np.any(self.weight_sigma))

    @property
    def is_noiseless(self) -> bool:
        """Whether a drive gives one code: no noise, no errors of stored codes."""
        errors = self.hardware.memory.code_errors
        own = (self.gaussian_sigma, self.other_sigma, self.has_weight_noise, errors)
        trained = np.any(self.sigma_scale * self.layer.sigma)
        return self.measured is None and not any(own) and not trained

    def sigmas(
        self, lumped: np.ndarray, sigma: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Two standard deviations before the activation, (stimulus, neuron) with axes of length 1
        where they do not matter.

        The first is Gaussian: the multiplied sigma of the network and the Hardware's read noise
        where its family is Gaussian add in variance. `lumped` is the weights' read noise,
        (stimulus, 1 or neuron), or (1, 1) of 0 where they have none: the second, or, where another
        family is that, part of the first. sigma: that of the network, (stimulus, neuron), where it
        is not the program's own. Where either has an axis of reads, lumped (stimulus, read, …) or
        sigma (stimulus, read, neuron), so have the results.
        """
        steady = (
            self.sigma_scale * (self.layer.sigma[None, :] if sigma is None else sigma)
        ) ** 2 + self.gaussian_sigma**2
        if steady.ndim != lumped.ndim:
            steady, lumped = (one if one.ndim == 3 else one[:, None] for one in (steady, lumped))
        if self.family == channel.GAUSSIAN:
            return np.sqrt(steady), lumped
        return np.sqrt(steady + lumped**2), np.full((1,) * steady.ndim, self.other_sigma)

    def thresholds(self, drive: np.ndarray, sigmas: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """round(2^31 P(code < k)) for k above the smallest code, (stimulus, levels - 1, neuron)
        uint32, with errors of stored codes.
        """
        table = self._compared(drive, sigmas)
        rate = self.hardware.memory.code_errors
        return bit_error_channel.mix_bit_errors(table, rate) if rate > 0 else table

    def _compared(self, drive: np.ndarray, sigmas: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """The thresholds that comparators compare u with, (stimulus, levels - 1, neuron) uint32, on
        the grid of their bits: of codes before they are stored.
        """
        output = self.layer.output
        bits = self.hardware.random.threshold_bits
        if self.measured is not None:
            table = bit_error_channel.thresholds_from_cumulative(self.measured.below(drive))
        else:
            table = self._filled(drive, sigmas)[:, : output.levels - 1]
        return bit_error_channel.round_thresholds(table, bits) if bits < 31 else table

    def _filled(self, drive: np.ndarray, sigmas: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """The law's thresholds (stimulus, edge, neuron) uint32, in calls that Ctrl-C may part."""
        stimuli, neurons = drive.shape
        table = np.empty((stimuli, self.law.edges.size, neurons), np.uint32)
        sigma, other = (_rows(one, drive.shape) for one in sigmas)
        at_once = drawing.stimuli_at_once(self.law, neurons)
        if self.layer.output.is_per_neuron:
            of_stimulus = neurons * self.law.edges.size
            at_once = max(1, min(at_once, _BESIDE_EDGES_AT_ONCE // of_stimulus))
        for first in range(0, stimuli, at_once):
            part = slice(first, first + at_once)
            self._fill(drive[part], (sigma[part], other[part]), table[part])
        return table

    def _fill(
        self, drive: np.ndarray, sigmas: tuple[np.ndarray, np.ndarray], table: np.ndarray
    ) -> None:
        """Write thresholds to table (stimulus, edge, neuron); drive, sigmas: (stimulus, neuron).
        Where every neuron has edges of its own, a drive less an edge is compared with 0.
        """
        if not self.layer.output.is_per_neuron:
            channel.fill_thresholds(drive, *sigmas, self.law, table)
            return
        edges, ties = self._edges_of_neurons
        beside = drive[:, None] - edges
        beside[(beside == 0) & ~ties] = -_TINY
        rows = beside.reshape(-1, drive.shape[1])
        own = [np.repeat(sigma, len(edges), axis=0) for sigma in sigmas]
        below = table.reshape(len(rows), 1, -1)  # a view: whole stimuli
        channel.fill_thresholds(rows, *own, self._at_zero, below)

    def draw(
        self,
        drive: np.ndarray,
        lumped: np.ndarray,
        place: Place,
        out: np.ndarray,
        sigma: np.ndarray | None = None,
        u: np.ndarray | None = None,
    ) -> None:
        """Write codes to out (stimulus, read, neuron) int8; drive (stimulus, neuron), or (stimulus,
        read, neuron) where reads differ.

        lumped, sigma: as in `sigmas`; where they differ from read to read, every read is a row of
        its own. u: the integers of the chip's random source, of the shape of `out`, where they
        are not those of `place`.
        """
        sigmas = self.sigmas(lumped, sigma)
        if not self.draws_directly:
            self._draw_in_portions(drive, sigmas, place, out, u)
        elif sigmas[0].ndim == 2:
            draw = drawing.draw_each if drive.ndim == 3 else drawing.draw
            draw(drive, *sigmas, self.law, place.address(self.word), out)
        else:
            self._draw_rows(drive, sigmas, place, out)

    @property
    def draws_directly(self) -> bool:
        """Whether kernels go from drives to codes, without a table of thresholds at hand."""
        return (
            self.hardware.random.is_ideal
            and self.hardware.memory.code_errors == 0
            and self.measured is None
            and not self.layer.output.is_per_neuron
        )

    def _draw_rows(
        self,
        drive: np.ndarray,
        sigmas: tuple[np.ndarray, np.ndarray],
        place: Place,
        out: np.ndarray,
    ) -> None:
        drive = np.broadcast_to(drive if drive.ndim == 3 else drive[:, None], out.shape)
        for s, rows in enumerate(out):
            sigma, other = (one[min(s, len(one) - 1)] for one in sigmas)
            address = DrawAddress.of(place.key, self.word, place.draws, place.row(s))
            drawing.draw_each(drive[s][:, None], sigma, other, self.law, address, rows[:, None])

    def _draw_in_portions(
        self,
        drive: np.ndarray,
        sigmas: tuple[np.ndarray, np.ndarray],
        place: Place,
        out: np.ndarray,
        u: np.ndarray | None,
    ) -> None:
        """Draw by thresholds and the integers of the chip's random source, in portions that fit
        into memory.
        """
        stimuli, reads, neurons = out.shape
        levels = self.layer.output.levels
        each = drive.ndim == 3 or sigmas[0].ndim == 3
        if each:
            drive, sigma, other = (
                np.broadcast_to(one if one.ndim == 3 else one[:, None], out.shape)
                for one in (drive, *sigmas)
            )
        else:
            sigma, other = (_rows(one, drive.shape) for one in sigmas)
        of_a_read = neurons * (levels if each else 1)
        at_once = max(1, _THRESHOLDS_AT_ONCE // max(levels * neurons, reads * of_a_read))
        reads_at_once = max(1, _THRESHOLDS_AT_ONCE // of_a_read)
        for first in range(0, stimuli, at_once):
            for begin in range(0, reads, reads_at_once):
                part = np.s_[first : first + at_once, begin : begin + reads_at_once]
                here = place._replace(
                    first_stimulus=place.first_stimulus + first, first_read=place.first_read + begin
                )
                own = part if each else part[0]
                integers = (
                    self.source(here, out[part].shape)
                    if u is None
                    else np.ascontiguousarray(u[part])
                )
                self._draw_by_own_source(
                    drive[own], (sigma[own], other[own]), integers, here, out[part]
                )

    def source(self, place: Place, shape: tuple[int, ...]) -> np.ndarray:
        """The integers u of the chip's random source, uint32 of this shape (stimulus, read,
        neuron).
        """
        own = self.hardware.random
        u = np.empty(shape, np.uint32)
        of_chip = source.ChipSource(own.lfsr_bits, own.threshold_bits, own.neurons_per_source)
        source.fill_source(of_chip, place.address(self.word), u)
        return u

    def _draw_by_own_source(
        self,
        drive: np.ndarray,
        sigmas: tuple[np.ndarray, np.ndarray],
        u: np.ndarray,
        place: Place,
        codes: np.ndarray,
    ) -> None:
        own = self.hardware.random
        output = self.layer.output
        out = codes
        if drive.ndim == 3:  # every read is a row of its own
            neurons = drive.shape[2]
            drive = drive.reshape(-1, neurons)
            sigmas = (sigmas[0].reshape(-1, neurons), sigmas[1].reshape(-1, neurons))
            u = u.reshape((-1, 1, neurons))
            out = np.empty((len(drive), 1, neurons), np.int8)
        thresholds = self.thresholds if own.is_ideal else self._compared
        drawing.count_thresholds(thresholds(drive, sigmas), u, output.c_min, out)
        if out is not codes:
            codes[...] = out.reshape(codes.shape)
        # in the thresholds, errors would repeat with the register and be shared with the source
        if not own.is_ideal:
            rate = self.hardware.memory.code_errors
            address = place.address(self.word, place.errors)
            flips.flip_codes(codes, output.c_min, output.bits, rate, address)


def _check_uneven(book: CodeBook | NeuronBooks, hardware: Hardware) -> None:
    """Raise SettingError for settings that only evenly spaced values have a law for."""
    name = f"outputs of the format '{book.name}'"
    if hardware.noise.dither != "none":
        rule = f"should be 'none' with {name}: dither is uniform over a step, and theirs differ"
        raise SettingError.of("noise.dither", hardware.noise.dither, rule)
    if hardware.noise.measured_csv:
        rule = f"should be empty with {name}: a measured neuron has values of its own"
        raise SettingError.of("noise.measured_csv", rule=rule)
    if hardware.memory.code_errors and not book.has_codes_in_order:
        rule = f"should be 0 with {name}, whose bits are not in the order of their values"
        raise SettingError.of("memory.code_errors", hardware.memory.code_errors, rule)


def _rows(one: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array of this shape, where `one` may be a single row for all."""
    return np.array(np.broadcast_to(one, shape))
