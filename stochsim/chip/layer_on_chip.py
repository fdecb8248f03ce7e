"""A layer on a chip: a product and the neurons behind it, for inputs that all reads share and for
inputs that differ from read to read.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from stochsim.accounting import Meter, Sharing
from stochsim.chip.array.array_product import ArrayProduct
from stochsim.chip.array.programming import bit_flipped
from stochsim.chip.blocked_product import BlockedProduct, key_of_block
from stochsim.chip.digital_product import DigitalProduct
from stochsim.chip.float_adder import BIAS, FloatAdder
from stochsim.chip.float_product import FloatProduct, UnitsOfSums
from stochsim.chip.neurons import Neurons
from stochsim.chip.product import Product, less_zero_points
from stochsim.chip.rng_address import Place
from stochsim.formats import CodeBook
from stochsim.hardware import Hardware
from stochsim.keys import fold_in
from stochsim.program import Layer
from stochsim.settings import SettingError

_EXACT_IN_FLOAT32 = 2**24
"""Up to which sums of integers are exact in float32, whatever their order."""


class ChipSettings(NamedTuple):
    """What all layers of a chip share: its Hardware, the factor on the trained sigma of its
    neurons, and the key of what is drawn once per chip. has_exact_products: whether products are
    digital, array or none.
    """

    hardware: Hardware
    sigma_scale: float
    chip_key: int
    has_exact_products: bool = False


class LayerOnChip:
    """A layer of a program on its chip: its product and the neurons behind it.

    name: in the program, and in bills. number: tells its random numbers from those of the others.
    cells: the number of the layer on whose cells, or in whose place of the memory, its weights are;
    None for its own. sigma_scale: multiplies the sigma of its neurons. x_calibration: integers
    (stimulus, input) for a calibrated ADC range. Raises SettingError for a Hardware that the widths
    of the layer do not fit.
    """

    def __init__(
        self,
        name: str,
        layer: Layer,
        chip: ChipSettings,
        number: int = 0,
        x_calibration: np.ndarray | None = None,
        cells: int | None = None,
    ) -> None:
        self.name = name
        self.layer = layer
        self.number = number
        own = chip.hardware.with_precision(layer.weight_bits, layer.input.bits, layer.output.bits)
        self.neurons = Neurons(layer, own, chip.sigma_scale, number)
        cells = number if cells is None else cells
        chip_key = fold_in(chip.chip_key, "layer", cells) if cells else chip.chip_key
        drawn = number, chip_key
        self.product: Product = (
            build_digital_product(layer, own, *drawn)
            if chip.has_exact_products
            else build_product(layer, own, *drawn, x_calibration)
        )
        accumulation = own.float_accumulation
        self.adder = None if accumulation is None else FloatAdder(accumulation, number)
        self._units = None if accumulation is None else UnitsOfSums.of(layer)

    def renamed(self, name: str, number: int) -> Self:
        """A layer on the same cells, with random numbers of its own in every read."""
        made = copy.copy(self)
        made.name, made.number = name, number
        steps = number - self.number
        made.product, made.neurons = self.product.numbered(steps), self.neurons.numbered(number)
        made.adder = None if self.adder is None else self.adder.numbered(steps)
        return made

    @property
    def is_digital(self) -> bool:
        """Whether the layer's product is exact except for errors of weights."""
        return self.product.is_digital

    @property
    def reads_weights_rightly(self) -> bool:
        """Whether no bits of weights flip as a stimulus reads them."""
        return self.neurons.hardware.memory.weight_error_rates[1] == 0

    @property
    def shares_drives(self) -> bool:
        """Whether inputs that all reads share give drives that all reads share."""
        return self.product.sharing <= Sharing.STIMULUS

    @property
    def shares_codes(self) -> bool:
        """Whether inputs that all reads share give codes that all reads share."""
        return self.shares_drives and self.neurons.is_noiseless

    @property
    def numbers_rows(self) -> bool:
        """Whether inputs that differ from read to read make every read a row of its own for some
        noise.
        """
        return self.product_numbers_rows or self.neurons.has_weight_noise

    @property
    def product_numbers_rows(self) -> bool:
        """Whether its product alone makes every read a row."""
        return not self.shares_drives and self.product.numbers_rows

    def drive(self, integers: np.ndarray, reads: int, place: Place) -> np.ndarray:
        """Drives float64: (stimulus, neuron) where all reads share them, else (stimulus, read,
        neuron).

        integers: of the inputs, (stimulus, input), or (stimulus, read, input) where they differ
        from read to read.
        """
        if integers.ndim == 3:
            sums = self.product.sums_of_rows(integers, place)
        else:
            at = (place.key, place.first_stimulus, place.first_read)
            sums = self.product.sums(integers, reads, *at)
        return self._drive_of(self._from_zero(sums, integers), place)

    def _from_zero(self, sums: np.ndarray, integers: np.ndarray) -> np.ndarray:
        """Sums (…, neuron) of the product, less zero points that are not those of blocks."""
        if self.layer.has_blocks:
            return sums
        unit = 1.0 if self._units is None else float(self._units.factors[0, 0])
        return less_zero_points(sums, integers, self.layer, unit)

    def exact_drive(self, integers: np.ndarray) -> np.ndarray:
        """Drives (stimulus, neuron) of the digital product, without the errors of a read;
        SettingError where the product is not digital.
        """
        sums = self._from_zero(self.product.exact(integers), integers)
        return self._drive_of(sums, Place(0, 0, 0))

    def _drive_of(self, sums: np.ndarray, place: Place) -> np.ndarray:
        """Drives of sums, of their shape; in floating-point accumulators each step rounds."""
        if self.adder is None or self._units is None:
            return self.scaled(sums)
        drive = np.array(sums, np.float64, order="C")
        self.adder.scale(drive, self._units.drive, place)
        if self.layer.bias.any():
            self.adder.add(drive, self.layer.bias, place, BIAS)
        return drive

    def add(self, drive: np.ndarray, term: np.ndarray, place: Place, what: int) -> None:
        """Add term, which broadcasts, to drives (stimulus, read, neuron), in place; what: see
        `FloatAdder`.
        """
        if self.adder is None:
            drive += term
        else:
            self.adder.add(drive, term, place, what)

    def lumped(self, integers: np.ndarray) -> np.ndarray:
        """Read noise of the weights as one draw per neuron, sigma_w |x|, exact for additive
        Gaussian noise, in units of the drive.

        (stimulus, 1) or (stimulus, read, 1), as the integers, with an axis of neurons where their
        weights have scales of their own; (1, 1) of 0 where the weights have no such noise.
        """
        if not self.neurons.has_weight_noise:
            return np.zeros((1, 1))
        scale, sigma = self.layer.input.unit, self.neurons.weight_sigma
        if np.ndim(sigma) < 2:
            return np.asarray(sigma * (scale * np.sqrt(self._squares(integers)))[..., None])
        parts = [self._squares_of_block(integers, one) for one in range(len(self.layer.slices))]
        return np.asarray(scale * np.sqrt(np.stack(parts, -1) @ np.square(sigma).T))

    def _squares_of_block(self, numbers: np.ndarray, number: int) -> np.ndarray:
        """Sums of the squares of the inputs of one block in units of `input.unit`, (…)."""
        integers, scales = self.layer.numbers_of_block(numbers, number)
        found = self._squares_of(integers)
        return found if scales is None else np.square(scales) * found

    def _squares(self, integers: np.ndarray) -> np.ndarray:
        """Sums of the squares of inputs in units of `input.unit`, float64 (…)."""
        if not self.layer.input.is_dynamic:
            return self._squares_of(integers)
        found = self._squares_of_block(integers, 0)
        for number in range(1, len(self.layer.slices)):
            found += self._squares_of_block(integers, number)
        return found

    def _squares_of(self, integers: np.ndarray) -> np.ndarray:
        """Sums of the squares of integers (…, input), float64 (…)."""
        as_float = integers.astype(np.float32)
        largest = integers.shape[-1] * self.layer.input.largest_integer**2
        exact = np.float32 if largest <= _EXACT_IN_FLOAT32 else np.float64
        found = np.einsum("...i,...i->...", as_float, as_float, dtype=exact)
        return found.astype(np.float64)

    def draw(
        self, integers: np.ndarray, place: Place, out: np.ndarray, sigma: np.ndarray | None = None
    ) -> None:
        """Write codes to out (stimulus, read, neuron) int8; sigma: see `Neurons.sigmas`."""
        drive = self.drive(integers, out.shape[1], place)
        self.neurons.draw(drive, self.lumped(integers), place, out, sigma)

    def codes(self, integers: np.ndarray, reads: int, place: Place) -> np.ndarray:
        """Codes int8: (stimulus, neuron) where all reads share them, else (stimulus, read,
        neuron).
        """
        shared = integers.ndim == 2 and self.shares_codes
        out = np.empty((len(integers), 1 if shared else reads, self.layer.neurons), np.int8)
        self.draw(integers, place, out)
        return out[:, 0] if shared else out

    def report(self, meter: Meter, integers: np.ndarray, reads: int) -> None:
        """Tell the meter what the product takes for `reads` reads of these integers, (stimulus,
        input), or (stimulus, read, input) where they differ from read to read.
        """
        if meter.is_on:
            if integers.ndim == 3:
                integers = integers.reshape(-1, integers.shape[2])
                reads = 1
            self.product.report(meter, self.name, integers, reads)

    def scaled(self, sums: np.ndarray) -> np.ndarray:
        """Drives of integer sums, float64 of their shape (…, neuron)."""
        drive = np.multiply(sums, self.layer.sum_scale * self.layer.input.unit)
        return np.add(drive, self.layer.bias, out=drive) if self.layer.bias.any() else drive


def build_product(
    layer: Layer,
    hardware: Hardware,
    number: int,
    chip_key: int,
    x_calibration: np.ndarray | None = None,
) -> Product:
    """The product of this chip's layer `number`: by its array, or digital.

    x_calibration: integers (stimulus, input) for a calibrated ADC range.
    """
    if hardware.array is None:
        return build_digital_product(layer, hardware, number, chip_key)
    weights = weights_of_chip(layer, hardware, chip_key)
    layer = layer.in_integers()
    hardware = hardware.with_precision(layer.weight_bits, layer.input.bits)

    def of_block(block: int, inputs: slice) -> Product:
        seen = None if x_calibration is None else np.ascontiguousarray(x_calibration[:, inputs])
        own = np.ascontiguousarray(weights[:, inputs])
        key = key_of_block(chip_key, block)
        return ArrayProduct(layer.block(block), hardware, own, key, seen, number)

    return _joined(layer, of_block)


def build_digital_product(layer: Layer, hardware: Hardware, number: int, chip_key: int) -> Product:
    """The digital product of this chip's layer `number`, whether the Hardware has an array or
    not.
    """
    weights = weights_of_chip(layer, hardware, chip_key)

    if hardware.accumulator_format is not None:
        return FloatProduct(layer, hardware, weights, number)

    def of_block(block: int, inputs: slice) -> Product:
        own = np.ascontiguousarray(weights[:, inputs])
        return DigitalProduct(layer.block(block), hardware, own, number)

    return _joined(layer, of_block)


def _joined(layer: Layer, of_block: Callable[[int, slice], Product]) -> Product:
    """The product of a layer, by those of its blocks where these have scales of their own."""
    parts = [of_block(number, inputs) for number, inputs in enumerate(layer.slices)]
    return BlockedProduct(layer, parts) if layer.has_blocks else parts[0]


def weights_of_chip(layer: Layer, hardware: Hardware, chip_key: int) -> np.ndarray:
    """Weight codes (neuron, input) int8 with the persistent bit errors of this chip's memory, of a
    number format the integers of its values; SettingError for such errors in these.
    """
    rate = hardware.memory.weight_error_rates[0]
    if layer.weight_book is not None:
        _check_no_errors(layer.weight_book, hardware)
        return layer.multiplied(layer.weight_codes)
    if rate == 0:
        return layer.weight_codes
    key = fold_in(chip_key, "weight memory")
    return bit_flipped(layer.weight_codes, layer.weight_bits, rate, key)


def _check_no_errors(book: CodeBook, hardware: Hardware) -> None:
    """Raise SettingError for bit errors of weights whose patterns are no integers."""
    memory = hardware.memory
    if any(memory.weight_error_rates):
        names = ("weight_errors", "weight_read_errors", "voltage_over_vmin")
        name = next(one for one in names if getattr(memory, one))
        rule = f"makes errors of weights, and should not with those of the format '{book.name}'"
        raise SettingError.of(f"memory.{name}", getattr(memory, name), rule)
