"""The product of an array: partial sums by tile, slice and cycle, each through its noisy ADC,
shifted and added digitally.
"""

import warnings

import numpy as np
from stochsim_kernels.array import crossbar, crossbar_bits
from stochsim_kernels.product import weight_noise
from stochsim_kernels.random.address import DrawAddress

from stochsim.accounting import CLIPPED_SHARE, Meter, Sharing
from stochsim.chip.array.adc import (
    Conversion,
    exact_conversion,
    exact_states,
    grid_conversion,
)
from stochsim.chip.array.adc_range import chosen_range
from stochsim.chip.array.cells import ArrayCells, TileSums
from stochsim.chip.memory_portions import portions, values_of_shared
from stochsim.chip.product import Product, fit_accumulator, refuse_differing
from stochsim.chip.rng_address import ARRAY, Place
from stochsim.hardware import Hardware
from stochsim.program import Layer
from stochsim.settings import SettingError, levels_to_user

_CHECKED_STIMULI = 16
_SLACK = 10
_MOST_SUMS = 1 << 24
"""Partial sums that a range is calibrated on, at most: 192 MB."""
_SUMS_AT_ONCE = 1 << 22
"""Partial sums of a tile, at most, or those of one stimulus: 160 MB with their noise."""

_EXPLICIT = 1 << 30  # event words of noise drawn for every cell


class ArrayProduct(Product):
    """Weights on the array of a Hardware.

    weight_codes: (neuron, input) int8, with the errors of its memory; x_calibration: input integers
    (stimulus, input) for a calibrated range; number: that of the layer on its chip. Raises
    SettingError for an array that the widths do not fit, or a calibrated range without data.
    """

    is_digital = False
    sharing = Sharing.READ

    def __init__(
        self,
        layer: Layer,
        hardware: Hardware,
        weight_codes: np.ndarray,
        chip_key: int,
        x_calibration: np.ndarray | None,
        number: int = 0,
    ) -> None:
        assert hardware.array is not None
        self.hardware = hardware
        self.array = hardware.array
        self._word = ARRAY + number
        widths = (layer.weight_bits, layer.input.bits)
        self._accumulator_width = hardware.accumulator_width(layer.inputs, widths)
        self.cells = ArrayCells(layer, self.array, weight_codes, chip_key)
        self._check_sums_fit()
        data = None if x_calibration is None else self._clean_sums(self._some_of(x_calibration))
        whole = self.cells.unit == 1
        self.range = chosen_range(self.array, self.cells.largest_sum, data, whole)
        self.adc_use = None if data is None else self.range.use(data, self.cells.step)
        self.conversion, self.fused = self._conversion(chip_key)
        self._readout = self._kernel_readout()
        places = self.cells.tiles * int(self._readout.factor.sum(dtype=np.int64))
        self._zero_sum = places * self.range.digital_zero(self.array)
        self._clips = self._clips_on_the_way()
        self.fused = self.fused and self._clips is None
        self._words = (
            crossbar_bits.pack_cells(self.cells.codes, self.array.rows, self.array.cell_bits)
            if self.fused
            else None
        )
        self._is_looked_at = False

    def _check_sums_fit(self) -> None:
        """Raise SettingError where a partial sum, in 1/unit cell steps × digits, could leave 32
        bits.
        """
        cells, array = self.cells, self.array
        largest = self._largest()
        if largest >= 2**31:
            fewer = cells.rows * (2**31 - 1) // largest
            names = ("array.rows", "array.cell_bits", "array.cycle_bits")
            rule = (
                f"make partial sums of up to {largest:,} units, beyond 31 bits; valid: "
                f"array.rows of at most {fewer:,}, or fewer bits of cells or cycles"
            )
            values = (array.rows, array.cell_bits, array.cycle_bits)
            raise SettingError.of(names, values, rule)

    def _largest(self) -> int:
        """No partial sum, in 1/unit cell steps × digits, is larger in size."""
        return int(np.abs(self.cells.cells).max()) * self.cells.rows * self.cells.top_digit

    def _some_of(self, x_ints: np.ndarray) -> np.ndarray:
        """As many of these stimuli, evenly spaced, as have _MOST_SUMS partial sums together."""
        cells = self.cells
        each = cells.tiles * cells.slices * cells.cycles * cells.neurons
        return x_ints[:: max(1, -(-len(x_ints) * each // _MOST_SUMS))]

    def _clean_sums(self, x_ints: np.ndarray) -> np.ndarray:
        """All noiseless partial sums of these inputs, in cell steps × digits."""
        digits = self.cells.digits(self.cells.unsigned(x_ints))
        return (
            np.concatenate([one.sums.ravel() for one in self.cells.partials(digits)])
            / self.cells.unit
        )

    def _conversion(self, chip_key: int) -> tuple[Conversion, bool]:
        """The channel of the ADCs, and whether packed bits count the partial sums: whole
        steps, few planes, noise by the state alone.

        Fixed by the chip and never by batch or reads.
        """
        array = self.array
        cells = self.cells
        settings = self.array.cells
        differential = array.signs == "differential"
        span = (-cells.largest_sum if differential else 0, cells.largest_sum)
        sigma = array.cell_read_sigma
        active = cells.rows if sigma > 0 else 0
        known = (sigma == 0 or array.cycle_bits == 1) and (
            settings.shot_sigma == 0 or not differential
        )
        few_planes = array.cell_bits * array.cycle_bits <= 2
        noiseless = sigma == settings.shot_sigma == 0
        if (
            cells.unit == 1
            and exact_states(array, span, active)
            and known
            and (few_planes or noiseless)
        ):
            rows = np.arange(active + 1)[:, None] if active else np.zeros((1, 1))
            current = np.maximum(np.arange(span[0], span[1] + 1), 0)
            own = len(cells.codes) * sigma**2 * rows + settings.shot_sigma**2 * current
            return exact_conversion(
                self.range, span, own / self.range.lsb**2 + array.adc.sigma_lsb**2
            ), few_planes
        most = (
            0.0
            if settings.read_noise == "explicit"
            else cells.most_variance() / (cells.unit * self.range.lsb) ** 2
        )
        sigmas = (array.adc.sigma_lsb, float(np.sqrt(array.adc.sigma_lsb**2 + most)))
        shape = (cells.tiles, cells.slices, cells.neurons)
        # noise drawn for every cell is in the sums before they meet an ADC
        farthest = 2**31 if settings.read_noise == "explicit" else self._largest()
        found = grid_conversion(
            array.adc, self.range, 1 / cells.unit, farthest, sigmas, shape, chip_key
        )
        return found, cells.unit == 1 and few_planes and noiseless

    def _kernel_readout(self) -> crossbar.Readout:
        """What sums the codes as the ADCs put them out, less the digital zero of their range."""
        place = np.arange(self.cells.slices)[:, None]
        cycle = np.arange(self.cells.cycles)
        factor = 1 << (self.array.cell_bits * place + self.array.cycle_bits * cycle)
        found = self.conversion
        zero = self.range.digital_zero(self.array)
        ends = (found.channel.code_min - zero, found.channel.code_max - zero)
        channel = found.channel._replace(code_min=ends[0], code_max=ends[1])
        grid = None
        references = None
        if found.reference is not None:
            group = np.arange(self.cells.neurons) // self.array.adc.reference_columns
            references = crossbar.References(group, found.reference)
        if found.gain.size:
            grid = crossbar.GridMap(found.gain, found.offset, found.shift)
        try:
            return crossbar.readout(
                channel, factor, self.cells.tiles, found.origin, grid, references
            )
        except ValueError as error:
            bits = self.array.adc.bits
            raise SettingError.of("array.adc.bits", bits, str(error)) from None

    def _clips_on_the_way(self) -> int | None:
        """Bits of accumulators that may clip a sum before it returns; None where the end result is
        the same, as without negative codes.
        """
        bits = self.hardware.accumulator_bits
        readout = self._readout
        if (
            bits is None
            or self.hardware.accumulator_overflow == "wrap"
            or readout.channel.code_min >= 0
        ):
            return None
        return (
            bits
            if crossbar.accumulator_bound(readout.channel, readout.factor, readout.tiles)
            >= 2 ** (bits - 1)
            else None
        )

    def sums(
        self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int
    ) -> np.ndarray:
        """Noisy products W_q x_q of integers (stimulus, input), float64 (stimulus, read, neuron):
        the ADCs' codes put together, in the width of the accumulators; the rest comes afterwards.

        Weights and inputs are stored shifted, W = w u + w0 and x = v y + x0 with u, y >= 0 (u
        signed in differential columns), so W x = w v (u y) + v w0 Σy + w x0 Σu + w0 x0 inputs, of
        which only u y passes through the array; the rest is digital.
        """
        self._look_at(x_ints)
        unsigned = self.cells.unsigned(x_ints)
        codes = self._codes(unsigned, reads, int(key), first_stimulus, first_read)
        codes = fit_accumulator(codes, self.hardware) + np.int64(self._zero_sum)
        w, w0 = self.cells.weight_map
        v, x0 = self.cells.input_map
        shifts = (
            v * w0 * unsigned.sum(axis=1, dtype=np.int64)[:, None]
            + w * x0 * self.cells.stored_sums
            + w0 * x0 * self.cells.inputs
        )
        return w * v * self.range.lsb * codes + shifts[:, None, :]

    def sums_of_rows(self, x_ints: np.ndarray, place: Place) -> np.ndarray:
        """Sums (stimulus, read, neuron) of integers (stimulus, read, input): every row (stimulus,
        read) is an input, read once a step.
        """
        return np.stack(
            [
                self.sums(x, 1, place.key, place.row(s), place.step)[:, 0]
                for s, x in enumerate(x_ints)
            ]
        )

    def _codes(
        self, unsigned: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int
    ) -> np.ndarray:
        """Σ over tiles, slices and cycles of ADC codes, as they are put out, times their places,
        int32 (stimulus, read, neuron).
        """
        out = np.zeros((len(unsigned), reads, self.cells.neurons), np.int32)
        for part, some in portions(len(out), reads, self._values_of_read(reads), _SUMS_AT_ONCE):
            first = (first_stimulus + part.start, first_read + some.start)
            self._add_codes(
                unsigned[part], DrawAddress.of(key, self._word, 0, *first), out[part, some]
            )
        return out

    def _values_of_read(self, reads: int) -> int:
        """Partial sums of a tile for one of `reads` reads of a stimulus, which share them, or what
        stands for its conversions.
        """
        cells = self.cells
        of_tile = cells.slices * cells.cycles * cells.neurons
        return values_of_shared(of_tile, cells.tiles * of_tile, reads)

    def _add_codes(self, unsigned: np.ndarray, address: DrawAddress, out: np.ndarray) -> None:
        """Add the codes of inputs (stimulus, input) to out (stimulus, read, column)."""
        if self._words is not None:
            words = crossbar_bits.pack_inputs(
                unsigned, self.array.rows, self.cells.input_bits, self.array.cycle_bits
            )
            classes = crossbar_bits.square_sums(words) if self.array.cell_read_sigma > 0 else None
            crossbar.draw_crossbar(words, self._words, self._readout, address, out, classes)
            return
        streams = crossbar.draw_streams(address, len(unsigned), self._readout, self.cells.neurons)
        digits = self.cells.digits(unsigned)
        for one in self.cells.partials(digits):
            if one.variance is not None and self.array.cells.read_noise == "explicit":
                self._convert_with_noise(one, digits, streams, address, out)
            else:
                self._convert(one, streams, address.first_read, out)

    def _convert(
        self, one: TileSums, streams: np.ndarray, first_read: int, out: np.ndarray
    ) -> None:
        """Add the codes of a tile to out (stimulus, read, column): all at once, or, where
        accumulators may clip, event by event.
        """
        events = one.sums.reshape(-1, *one.sums.shape[2:])
        classes = self._classes(one.variance)
        kinds = None if classes is None else classes.reshape(events.shape)
        at_once = len(events) if self._clips is None else 1
        for first in range(0, len(events), at_once):
            some = slice(first, first + at_once)
            event = crossbar.Event(one.tile, *divmod(first, self.cells.cycles))
            where = (self._readout, streams, event, first_read, out)
            crossbar.convert_partials(events[some], *where, None if kinds is None else kinds[some])
            self._clip(out)

    def _clip(self, out: np.ndarray) -> None:
        """Keep accumulators (any shape), in place, within their bits where these may clip them."""
        if self._clips is not None:
            half = 2 ** (self._clips - 1)
            np.clip(out, -half, half - 1, out=out)

    def _convert_with_noise(
        self,
        one: TileSums,
        digits: np.ndarray,
        streams: np.ndarray,
        address: DrawAddress,
        out: np.ndarray,
    ) -> None:
        """Add the codes of a tile whose every cell has noise of its own at every read to out
        (stimulus, read, column), one event after the other.
        """
        for piece, cycle in np.ndindex(one.sums.shape[:2]):
            event = crossbar.Event(one.tile, piece, cycle)
            noisy = self._with_noise_of_every_cell(event, digits, out.shape[1], address)
            for read in range(out.shape[1]):
                single = np.zeros((len(out), 1, self.cells.neurons), np.int32)
                where = (self._readout, streams, event, address.first_read + read)
                crossbar.convert_partials(noisy[:, read], *where, single)
                out[:, read] += single[:, 0]
            self._clip(out)

    def _classes(self, variance: np.ndarray | None) -> np.ndarray | None:
        if variance is None or self.conversion.sigma_step == 0:
            return None
        return self.conversion.sigma_class(
            variance / (self.cells.unit * self.range.lsb) ** 2 + self.array.adc.sigma_lsb**2
        )

    def _with_noise_of_every_cell(
        self, one: crossbar.Event, digits: np.ndarray, reads: int, address: DrawAddress
    ) -> np.ndarray:
        """Partial sums with a fresh Gaussian at every cell and read, int32 (stimulus, read,
        column): what the lumped noise stands for.
        """
        cells = self.cells
        lines = np.ascontiguousarray(digits[:, one.cycle, cells.part(one.tile)], np.float64)
        weight = np.ascontiguousarray(cells.net[one.piece, cells.part(one.tile)].T, np.float64)
        variance = sum(found for found in cells.variances(one.tile, one.piece) if found is not None)
        event = _EXPLICIT + (one.tile * cells.slices + one.piece) * cells.cycles + one.cycle
        out = np.empty((len(lines), reads, cells.neurons))
        sigma = np.ascontiguousarray(np.sqrt(variance).T, np.float64)
        here = address._replace(event=event)
        weight_noise.explicit_drives(lines, weight, sigma, here, out)
        return np.rint(out).astype(np.int32)

    def _look_at(self, x_ints: np.ndarray) -> None:
        """How the ADCs stand against the first stimuli (stimulus, input) that the product meets:
        warn of clipping, once; it is `adc_use` where there was no data to calibrate on, and its
        share clipped where that is warned of and such data did not clip.
        """
        if self._is_looked_at or not len(x_ints):
            return
        self._is_looked_at = True
        sums = self._clean_sums(x_ints[:_CHECKED_STIMULI])
        use = self.range.use(sums, self.cells.step)
        self.adc_use = self.adc_use or use
        most = CLIPPED_SHARE
        if self.array.adc.range == "auto":
            most *= _SLACK  # nobody asked for this range, and a few stimuli scatter around its ends
        if use.clipped > most:
            if self.adc_use.clipped <= CLIPPED_SHARE:
                self.adc_use = self.adc_use.with_clipping_of(use)
            warnings.warn(
                f"the array's ADCs clip {use.clipped:.2%} of the partial sums of the first "
                f"{min(len(x_ints), _CHECKED_STIMULI)} stimuli (more than "
                f"{most:.1%}); array.adc.range = 'fixed' with range_max = "
                f"{self.range.reaching(sums, self.array):g} would clip none",
                stacklevel=levels_to_user(),
            )

    def exact(self, x_ints: np.ndarray) -> np.ndarray:
        """Refused: the sums of an array differ from read to read."""
        raise refuse_differing(f"{self.hardware.name} has an array", "its drives")

    def report(self, meter: Meter, name: str, x_ints: np.ndarray, reads: int) -> None:
        """Count what `reads` reads of these integers (stimulus, input) take in the array: counts
        follow the data.

        `multiply`: active rows × cells on them; `cell`: their currents, as shares of full
        conductance × the largest digit; `line`: changes of level of the input lines, from idle, ×
        the cells that the whole lines pass, used or not; `dac`: digits given to the lines of each
        tile; `adc`: conversions; `add`: conversions shifted and added.
        """
        self._look_at(x_ints)
        cells = self.cells
        array = self.array
        digits = cells.digits(cells.unsigned(x_ints))
        tiling = cells.tiling
        toggles = np.count_nonzero(np.diff(digits, axis=1, prepend=np.uint8(0)))
        conversions = len(x_ints) * cells.cycles * tiling.conversions
        active = float(np.count_nonzero(digits) * tiling.cells_of_a_row)
        meter.add(name, "multiply", reads * active, array.cell_bits, array.cycle_bits)
        meter.add(name, "cell", reads * self._current(digits))
        meter.add(name, "line", reads * float(toggles * tiling.line_cells))
        meter.add(name, "dac", reads * float(digits.size * tiling.column_tiles), array.cycle_bits)
        meter.add(name, "adc", reads * conversions, array.adc.bits)
        meter.add(name, "add", reads * conversions, self._accumulator_width)

    def _current(self, digits: np.ndarray) -> float:
        """Currents of the cells for these digits (stimulus, cycle, input), summed, as shares of
        full conductance × the largest digit: a cell at level 0 draws g_min/g_max of its device.
        """
        cells = self.cells
        full = cells.unit * cells.full_conductance * cells.top_digit
        lines = digits.sum(axis=(0, 1), dtype=np.float64)
        columns = cells.conductance().sum(axis=(0, 1, 3), dtype=np.float64)
        return float(lines @ columns / full)
