"""A layer of a graph on a chip: its codes at every position, with random numbers of their own."""

import copy
from typing import Any, Self

import numpy as np

from stochsim.accounting import Meter
from stochsim.chip.inputs import Inputs
from stochsim.chip.layer_on_chip import ChipSettings, LayerOnChip
from stochsim.chip.rng_address import Place
from stochsim.keys import fold_in
from stochsim.program import DynamicQuantizer, Layer, LayerCall, Quantizer, no_row
from stochsim.settings import SettingError

_ROWS = 1 << 16
_ROWS_AT_ONCE = 1 << 16


class WindowedLayer:
    """The products and neurons of a layer of a graph, one layer for each group of its channels.

    numbers: that of its first group on the chip, and its place among the layers. x_calibration:
    what positions see, (row, input) for each group, for calibrated ADCs. cells: the number of the
    first group of the layer on whose cells it is, None for its own. Random numbers belong to
    (stimulus, read, position): position p of read r is read r × positions + p of its stimulus, so
    what happens once per stimulus (errors of weights as they are read) is shared by all positions;
    on an array, and for noise that depends on what a position sees, it is read r of stimulus s ×
    positions + p.
    """

    def __init__(
        self,
        call: LayerCall,
        layer: Layer,
        chip: ChipSettings,
        numbers: tuple[int, int],
        x_calibration: list[np.ndarray] | None = None,
        cells: int | None = None,
    ) -> None:
        self.call, self.chip = call, chip
        self.input, self.output = layer.input, layer.output
        first, self.order = numbers
        groups = call.geometry.groups
        seen: list[Any] = [None] * groups if x_calibration is None else x_calibration
        cells = first if cells is None else cells
        self.layers = [
            LayerOnChip(call.layer, layer.group(g, groups), chip, first + g, seen[g], cells + g)
            for g in range(groups)
        ]
        self._set_dithered()

    def _set_dithered(self) -> None:
        is_rounded = not self.call.takes_codes and not self.call.geometry.lookup
        self.dithered = self.chip.hardware.noise.input_dither != "none" and is_rounded

    def called(self, call: LayerCall, numbers: tuple[int, int] | None = None) -> Self:
        """The layer as another graph calls it, on the same cells; numbers: those of a layer of its
        own there, None for the same layer.
        """
        made = copy.copy(self)
        made.call = call
        made._set_dithered()
        if numbers is not None:
            first, made.order = numbers
            made.layers = [one.renamed(call.layer, first + g) for g, one in enumerate(self.layers)]
        return made

    @property
    def is_digital(self) -> bool:
        """Whether its products are exact but for errors of weights."""
        return all(layer.is_digital for layer in self.layers)

    @property
    def shares_codes(self) -> bool:
        """Whether inputs that all reads share give outputs that all reads share."""
        return not self.dithered and all(layer.shares_codes for layer in self.layers)

    def values(self, values: np.ndarray, differs: bool, reads: int, place: Place) -> np.ndarray:
        """Values of the outputs, (row, …); values: (row, …), a row for each stimulus, or for each
        stimulus and read where `differs`.

        Rows of the result are (stimulus, read) where `differs`, or where the layer is not certain.
        Raises SettingError where rows cannot be numbered.
        """
        seen, differs = self.seen(values, differs, reads, place)
        self._check_numbers(
            len(seen[0]) // (reads if differs else 1), reads, seen[0].shape[1], place
        )
        parts = [
            _codes(layer, rows, differs, reads, place)
            for layer, rows in zip(self.layers, seen, strict=True)
        ]
        return _values_of(self.call, self.output, np.concatenate(parts, axis=2), values)

    def seen(
        self, values: np.ndarray, differs: bool, reads: int, place: Place
    ) -> tuple[list[np.ndarray], bool]:
        """Integers that positions see, (row, position, input) for each group, of dynamic blocks
        with their scales behind, and whether they differ from read to read.
        """
        if self.dithered and self.input.is_dynamic:
            return self._seen_in_blocks(values, differs, reads, place), True
        integers, differs = self.integers(values, differs, reads, place)
        return rows_of(self.call, self.input, integers), differs

    def integers(
        self, values: np.ndarray, differs: bool, reads: int, place: Place
    ) -> tuple[np.ndarray, bool]:
        """What the layer reads, of the shape of values, and whether it differs from read to
        read.
        """
        if not self.dithered:
            return integers_of(self.call, self.input, values), differs
        flat = np.ascontiguousarray(values.reshape(len(values), -1), np.float64)
        inputs, own = Inputs(self.input, self.chip.hardware), self._place_of_inputs(place)
        if differs:
            drawn = inputs.integers_of_reads(flat.reshape(-1, reads, flat.shape[1]), own)
        else:
            drawn = inputs.integers(flat, reads, own)
        return drawn.reshape(-1, *values.shape[1:]), True

    def _place_of_inputs(self, place: Place) -> Place:
        """That of the numbers by which its inputs are rounded at random."""
        if self.order == 0:
            return place
        return place._replace(key=fold_in(place.key, "inputs", self.order))

    def _seen_in_blocks(
        self, values: np.ndarray, differs: bool, reads: int, place: Place
    ) -> list[np.ndarray]:
        """`seen` of dynamic blocks rounded at random: every input of every window by a number of
        its own, for its block is the window's. Random numbers are those of inputs (group, position,
        input) of a stimulus and read.
        """
        assert isinstance(self.input, DynamicQuantizer)
        rows = np.stack(self.call.geometry.rows(values, 0), axis=1)
        if not differs:
            rows = np.repeat(rows, reads, axis=0)
        inputs = Inputs(self.input, self.chip.hardware)
        of_reads = rows.reshape(-1, reads, *rows.shape[1:])
        drawn = inputs.in_blocks(self.input, of_reads, self._place_of_inputs(place))
        groups = np.moveaxis(drawn.reshape(*rows.shape[:3], -1), 1, 0)
        return [np.ascontiguousarray(one) for one in groups]

    def drives(
        self, values: np.ndarray, rows: tuple[int, int], reads: int, place: Place
    ) -> tuple[np.ndarray, np.ndarray]:
        """Drives of exact products (row, neuron), and those of the layer's array (row, read,
        neuron), of some of the positions of values (stimulus, …). rows: how many at most, and
        whether those of even (0) or of odd number (1).
        """
        most, half = rows
        seen = rows_of(self.call, self.input, integers_of(self.call, self.input, values))
        exact, drawn = [], []
        for layer, own in zip(self.layers, seen, strict=True):
            flat = own.reshape(-1, own.shape[2])
            chosen = np.unique(np.linspace(0, len(flat) - 1, 2 * most).astype(np.int64))
            flat = np.ascontiguousarray(flat[chosen[half % len(chosen) :: 2]])
            exact.append(layer.scaled(layer.layer.exact_sums(flat)))
            drawn.append(layer.drive(flat, reads, place))
        return np.concatenate(exact, 1), np.concatenate(drawn, 2)

    def report(self, meter: Meter, rows: list[np.ndarray], reads: int) -> None:
        """Tell the meter what products of rows (row, position, input) of each group take,
        `reads` reads of each.
        """
        for own, seen in zip(self.layers, rows, strict=True):
            own.report(meter, seen.reshape(-1, seen.shape[2]), reads)

    def _check_numbers(self, stimuli: int, reads: int, positions: int, place: Place) -> None:
        """Raise SettingError where stimuli and positions, or the reads of noise drawn for every
        weight, cannot be numbered.
        """
        limits, most_reads = (
            [("first_stimulus", place.first_stimulus, stimuli, 2**32 // positions)],
            _ROWS // positions,
        )
        if any(layer.is_digital and layer.product_numbers_rows for layer in self.layers):
            limits += [
                ("first_stimulus", place.first_stimulus, stimuli, _ROWS),
                ("first_read", place.first_read, reads, most_reads),
            ]
        for name, first, count, most in limits:
            if first + count > most:
                rule = (
                    f"should be at most {most} together with {count} more: the {positions} "
                    f"positions of layer '{self.call.layer}' are numbered; another key gives more"
                )
                raise SettingError.of(name, first, rule)


def _codes(
    layer: LayerOnChip, rows: np.ndarray, differs: bool, reads: int, place: Place
) -> np.ndarray:
    """Codes (row, position, neuron) of what positions see, (row, position, input)."""
    _, positions, inputs = rows.shape
    if positions == 1 and not differs:
        drawn = layer.codes(rows[:, 0], reads, place)
    else:
        if layer.shares_codes and not differs:
            reads, place = 1, place._replace(first_read=0)
        seen = rows.reshape(-1, reads if differs else 1, positions, inputs)
        drawn = _drawn(layer, _drive(layer, seen, reads, place), seen, reads, place)
    return drawn.reshape(-1, positions, layer.layer.neurons)


def _drive(layer: LayerOnChip, seen: np.ndarray, reads: int, place: Place) -> np.ndarray:
    """Drives (stimulus, read, position, neuron) of seen (stimulus, read, position, input); both
    with one read where it holds for all.

    On an array a position is a stimulus of its own: many rows run at a time.
    """
    stimuli, given, positions, inputs = seen.shape
    if layer.is_digital:
        if given < reads and not layer.shares_drives:
            seen, given = np.repeat(seen, reads, 1), reads
        drive = layer.drive(
            seen.reshape(stimuli, given * positions, inputs),
            given * positions,
            _in_reads(place, positions),
        )
        return drive.reshape(stimuli, given, positions, -1)
    if given < reads or reads == 1:
        drive = layer.drive(seen.reshape(-1, inputs), reads, _in_stimuli(place, positions, 0))
        return drive.reshape(stimuli, positions, reads, -1).swapaxes(1, 2)
    parts = [
        layer.drive(seen[:, read].reshape(-1, inputs), 1, _in_stimuli(place, positions, read))
        for read in range(reads)
    ]
    return np.stack([part.reshape(stimuli, positions, -1) for part in parts], 1)


def _drawn(
    layer: LayerOnChip, drive: np.ndarray, seen: np.ndarray, reads: int, place: Place
) -> np.ndarray:
    """Codes (stimulus, read × position, neuron) of drives and what positions see, as `_drive` has
    them.
    """
    stimuli, _, positions, neurons = drive.shape
    if not layer.neurons.has_weight_noise:
        drive = np.broadcast_to(drive, (stimuli, reads, positions, neurons)).reshape(
            stimuli, reads * positions, neurons
        )
        out = np.empty(drive.shape, np.int8)
        layer.neurons.draw(drive, np.zeros((1, 1)), _in_reads(place, positions), out)
        return out
    lumped, out = layer.lumped(seen), np.empty((stimuli, reads, positions, neurons), np.int8)
    for read in range(reads):  # a sigma of its own for every row
        one, sigma = (values[:, min(read, values.shape[1] - 1)] for values in (drive, lumped))
        codes = np.empty((stimuli * positions, 1, neurons), np.int8)
        sigma = sigma.reshape(stimuli * positions, -1)
        here = _in_stimuli(place, positions, read)
        layer.neurons.draw(one.reshape(codes.shape), sigma, here, codes)
        out[:, read] = codes.reshape(stimuli, positions, neurons)
    return out.reshape(stimuli, reads * positions, neurons)


def _in_reads(place: Place, positions: int) -> Place:
    """Where positions are reads: the place of the first of the first read."""
    return place._replace(first_read=place.first_read * positions)


def _in_stimuli(place: Place, positions: int, read: int) -> Place:
    """Where positions are stimuli: the place of the first of the first stimulus, at this read."""
    return place._replace(
        first_stimulus=place.first_stimulus * positions, first_read=place.first_read + read
    )


def integers_of(call: LayerCall, quantizer: Quantizer, values: np.ndarray) -> np.ndarray:
    """Integers of the codes of values (row, …), of the same shape; of a table the values are ids,
    and values themselves stay where blocks are those of windows. Raises StochsimError for an id
    that no row has.
    """
    rows = call.geometry.lookup
    if not rows:
        return values if quantizer.is_dynamic else quantizer.numbers(values)
    is_row = (values >= 0) & (values < rows) & (values == np.floor(values))
    if not is_row.all():
        raise no_row(call.layer, rows, float(values[~is_row][0]))
    return values.astype(np.int64)


def rows_of(call: LayerCall, quantizer: Quantizer, integers: np.ndarray) -> list[np.ndarray]:
    """Integers that positions see, (row, position, input) for each group, of integers (row, …); of
    values, in dynamic blocks of the inputs of a position, with their scales behind.
    """
    if quantizer.is_dynamic:
        return [quantizer.numbers(own) for own in call.geometry.rows(integers, 0)]
    zero = int(quantizer.integers(quantizer.codes(np.zeros(1)))[0])
    return call.geometry.rows(integers, zero)


def _values_of(
    call: LayerCall, quantizer: Quantizer, codes: np.ndarray, like: np.ndarray
) -> np.ndarray:
    """Values (row, …) of codes (row, position, neuron), in the numbers of the inputs `like`."""
    integers = call.geometry.shaped(quantizer.integers(codes), like.shape[1:])
    return np.ascontiguousarray(integers, like.dtype) * like.dtype.type(quantizer.unit)


def noiseless_values(
    call: LayerCall, layer: Layer, rows: list[np.ndarray], like: np.ndarray
) -> np.ndarray:
    """Values (row, …) that a layer gives without noise of what positions see, (row, position,
    input) for each group.
    """
    parts = []
    for g, seen in enumerate(rows):
        own, flat = layer.group(g, len(rows)), seen.reshape(-1, seen.shape[2])
        firsts = range(0, len(flat), _ROWS_AT_ONCE)
        codes = [own.noiseless_codes(flat[first : first + _ROWS_AT_ONCE]) for first in firsts]
        parts.append(np.concatenate(codes).reshape(*seen.shape[:2], own.neurons))
    return _values_of(call, layer.output, np.concatenate(parts, axis=2), like)


def numbers_of_layers(groups: list[int]) -> list[int]:
    """The number on the chip of each layer's first group: the last layer has 0, as every chip's
    neurons that are read.
    """
    firsts, taken = [], groups[-1]
    for count in groups[:-1]:
        firsts.append(taken)
        taken += count
    return [*firsts, 0]
