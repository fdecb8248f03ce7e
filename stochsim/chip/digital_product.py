"""The product W_q x_q by multipliers and accumulators: exact except for the errors of weights."""

from collections.abc import Iterator

import numpy as np
from stochsim_kernels.product import accumulator, matmul, weight_noise
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.integers import draw_integers

from stochsim.accounting import Meter, Sharing
from stochsim.chip.memory_portions import portions
from stochsim.chip.product import Product, fit_accumulator, weight_sigma_of
from stochsim.chip.rng_address import DIGITAL, FLIPS, MOST_NUMBERED, WEIGHTS, Place, normals
from stochsim.hardware import Hardware
from stochsim.program import Layer
from stochsim.settings import SettingError

_EXACT_IN_FLOAT64 = 2**53
_GAUSSIANS_AT_ONCE = 1 << 20  # 12 MB with their integers
_CHANGES_AT_ONCE = 1 << 20  # of weights as they are read: 8 MB, or those of one stimulus


class DigitalProduct(Product):
    """Multipliers and accumulators; weights with the bit errors of their memory, sums within the
    accumulators' width.

    weight_codes: (neuron, input), of a number format the integers of its values. Sums differ from
    read to read only by noise drawn explicitly for every weight. number: that of the layer on its
    chip. Raises SettingError for sums that its accumulators cannot count.
    """

    is_digital = True

    def __init__(
        self, layer: Layer, hardware: Hardware, weight_codes: np.ndarray, number: int = 0
    ) -> None:
        self.layer = layer
        self.hardware = hardware
        self.weight_codes = weight_codes
        self._word = DIGITAL + number
        self._packed = matmul.pack_weights(self.weight_codes)
        self._weight_sigma: float | np.ndarray = 0.0
        if hardware.noise.weight_noise == "explicit":
            sigma = weight_sigma_of(hardware.noise, layer)
            self._weight_sigma = sigma / layer.sum_scale
        self._check_accumulator()
        self.sharing = Sharing.READ if np.any(self._weight_sigma) else Sharing.STIMULUS
        if self.sharing is Sharing.READ and weight_codes.size > MOST_NUMBERED:
            rule = (
                f"should be lumped: the random numbers of a read are told apart up to "
                f"{MOST_NUMBERED} weights, and a layer has {weight_codes.size}"
            )
            raise SettingError.of("noise.weight_noise", "explicit", rule)

    def exact(self, x_ints: np.ndarray) -> np.ndarray:
        """The sums (stimulus, neuron) of this chip's weights, within its accumulators' width,
        without the errors of a single read.
        """
        bits = self.hardware.accumulator_bits
        if bits is None:
            return matmul.product(x_ints, self._packed)
        if self.hardware.accumulator_overflow == "saturate":
            return accumulator.saturating_product(x_ints, self.weight_codes, bits)
        return accumulator.wrap(matmul.product(x_ints, self._packed), bits)

    @property
    def plain_weights(self) -> matmul.PackedWeights | None:  # type: ignore[override]
        """The weights where sums are nothing but their products: no errors of a read, and
        accumulators that hold every partial sum.
        """
        if self.hardware.memory.weight_error_rates[1] > 0 or self.sharing > Sharing.STIMULUS:
            return None
        bits = self.hardware.accumulator_bits
        return self._packed if bits is None or self._bound < 2 ** (bits - 1) else None

    @property
    def _bound(self) -> int:
        """No partial sum is larger in size."""
        layer = self.layer
        return layer.inputs * self._packed.span.magnitude * layer.input.largest_integer

    def _check_accumulator(self) -> None:
        """Raise SettingError for accumulators of a given width where sums are beyond the integers
        that float64 has.
        """
        bits = self.hardware.accumulator_bits
        if bits is not None and self._bound >= _EXACT_IN_FLOAT64:
            rule = f"should be None for sums of up to {self._bound:,}, beyond 53 bits"
            raise SettingError.of("accumulator_bits", bits, rule)

    def sums(
        self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int
    ) -> np.ndarray:
        """Sums (stimulus, neuron), transient weight errors included; (stimulus, read, neuron) where
        noise is drawn for every weight.
        """
        sums = self.exact(x_ints)
        rate = self.hardware.memory.weight_error_rates[1]
        if rate > 0:
            address = DrawAddress.of(key, self._word, FLIPS, first_stimulus)
            weight_noise.transient_flips(
                sums, x_ints, self.weight_codes, self.layer.weight_bits, rate, address
            )
            sums = fit_accumulator(sums, self.hardware)
        if self.sharing <= Sharing.STIMULUS:
            return sums
        return sums[:, None, :] + self._noise_of_weights(
            x_ints, reads, int(key), first_stimulus, first_read
        )

    def sums_of_rows(self, x_ints: np.ndarray, place: Place) -> np.ndarray:
        """Sums (stimulus, read, neuron) of integers (stimulus, read, input); weights are read once
        per stimulus, with the same errors as above.

        Noise of every weight belongs to the row (stimulus, read), and to the step in it.
        """
        stimuli, reads, inputs = x_ints.shape
        sums = self.exact(x_ints.reshape(-1, inputs)).reshape(stimuli, reads, -1)
        rate = self.hardware.memory.weight_error_rates[1]
        if rate > 0:
            for s, changes in self._changed_weights(stimuli, rate, place):
                sums[s] += matmul.integer_product(x_ints[s], changes).astype(sums.dtype)
            sums = fit_accumulator(sums, self.hardware)
        if self.sharing <= Sharing.STIMULUS:
            return sums
        return sums + np.stack(
            [self._noise_of_rows(x, place, place.row(s)) for s, x in enumerate(x_ints)]
        )

    def _changed_weights(
        self, stimuli: int, rate: float, place: Place
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Each stimulus, and what transient errors add to the weights as it reads them, (neuron,
        input) int64.

        Every cell is taken for a neuron with one input of 1, in the order in which
        `transient_flips` counts the cells of the layer.
        """
        codes = self.weight_codes.reshape(-1, 1)
        bits = self.layer.weight_bits
        for part, _ in portions(stimuli, 1, len(codes), _CHANGES_AT_ONCE):
            ones = np.ones((part.stop - part.start, 1), np.int64)
            changes = np.zeros((len(ones), len(codes)), np.int64)
            here = place._replace(first_stimulus=place.first_stimulus + part.start)
            address = here.address(self._word, FLIPS)
            weight_noise.transient_flips(changes, ones, codes, bits, rate, address)
            for s, one in enumerate(changes, part.start):
                yield s, one.reshape(self.weight_codes.shape)

    def _noise_of_rows(self, x_ints: np.ndarray, place: Place, row: int) -> np.ndarray:
        """What fresh noise of every weight adds to the sums of rows (row, input), (row, neuron): a
        Gaussian for each weight and row.
        """
        cells = self.weight_codes.shape
        out = np.empty((len(x_ints), self.layer.neurons))
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
        out = np.empty((len(x_ints), reads, self.layer.neurons))
        sigma = np.full(self.weight_codes.T.shape, self._weight_sigma).T.copy()
        address = DrawAddress.of(key, self._word, WEIGHTS, first_stimulus, first_read)
        x_values = x_ints.astype(np.float64)
        weight = np.zeros(sigma.shape)
        weight_noise.explicit_drives(x_values, weight, sigma, address, out)
        return out

    def report(self, meter: Meter, name: str, x_ints: np.ndarray, reads: int) -> None:
        """Report nothing: a digital product's operations follow from the layer's shape alone."""
