"""A layer on a chip: a product and the neurons behind it, for inputs that all reads share and for
inputs that differ from read to read.
"""

import numpy as np

from stochsim.chip.digital_product import DigitalProduct, build_product
from stochsim.chip.neurons import Neurons
from stochsim.chip.rng_address import Place
from stochsim.energy import Operation
from stochsim.hardware import Hardware
from stochsim.keys import fold_in
from stochsim.program import Program


class Layer:
    """One Program among those of a chip; `number` tells its random numbers from those of the
    others, and its cells and memory from theirs.

    x_calibration: integers (stimulus, input) for a calibrated converter range. Raises SettingError
    for a Hardware that the widths of the layer do not fit.
    """

    def __init__(
        self,
        program: Program,
        hardware: Hardware,
        noise: float,
        chip_key: int,
        number: int = 0,
        x_calibration: np.ndarray | None = None,
    ) -> None:
        self.program, self.number = program, number
        own = hardware.with_precision(program.weight_bits, program.input.bits, program.output.bits)
        self.neurons = Neurons(program, own, noise, number)
        self.product = build_product(
            program,
            own,
            fold_in(chip_key, "layer", number) if number else chip_key,
            x_calibration,
            number,
        )

    @property
    def is_digital(self) -> bool:
        """Whether its product is exact but for errors of weights."""
        return isinstance(self.product, DigitalProduct)

    @property
    def reads_weights_rightly(self) -> bool:
        """Whether no bits of weights flip as a stimulus reads them."""
        return self.neurons.hardware.memory.weight_error_rates[1] == 0

    @property
    def is_steady(self) -> bool:
        """Whether inputs that all reads share give drives that all reads share."""
        return self.product.same_in_all_reads

    @property
    def is_certain(self) -> bool:
        """Whether they give codes that all reads share."""
        return self.is_steady and self.neurons.certain

    @property
    def has_rows(self) -> bool:
        """Whether inputs that differ from read to read make every read a row of its own for some
        noise.
        """
        return not self.is_steady or self.neurons.weight_sigma > 0

    def drive(self, integers: np.ndarray, reads: int, place: Place) -> np.ndarray:
        """Drives float64: (stimulus, neuron) where all reads share them, else (stimulus, read,
        neuron).

        integers: of the inputs, (stimulus, input), or (stimulus, read, input) where they differ
        from read to read.
        """
        if integers.ndim == 3:
            return self.scaled(self.product.sums_of_rows(integers, place))
        return self.scaled(
            self.product.sums(integers, reads, place.key, place.first_stimulus, place.first_read)
        )

    def exact_drive(self, integers: np.ndarray) -> np.ndarray:
        """Drives (stimulus, neuron) of the digital product, without the errors of a read."""
        assert isinstance(self.product, DigitalProduct)
        return self.scaled(self.product.exact(integers))

    def lumped(self, integers: np.ndarray) -> np.ndarray:
        """Read noise of the weights as one draw per neuron, sigma_w |x|, exact for additive
        Gaussian noise, in units of the drive.

        (stimulus,) or (stimulus, read), as the integers; (1,) of 0 where the weights have no such
        noise.
        """
        if self.neurons.weight_sigma == 0:
            return np.zeros(1)
        as_float = integers.astype(np.float32)  # whose products are exact, summed in float64
        squares = np.einsum("...i,...i->...", as_float, as_float, dtype=np.float64)
        return np.asarray(self.neurons.weight_sigma * (self.program.input.scale * np.sqrt(squares)))

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
        shared = integers.ndim == 2 and self.is_certain
        out = np.empty((len(integers), 1 if shared else reads, self.program.neurons), np.int8)
        self.draw(integers, place, out)
        return out[:, 0] if shared else out

    def operations(self, integers: np.ndarray, reads: int) -> dict[Operation, float]:
        """What the product takes for so many reads of these integers."""
        if integers.ndim == 3:
            integers, reads = integers.reshape(-1, integers.shape[2]), 1
        return self.product.operations(integers, reads)

    def operations_of_digital(self, reads: int) -> dict[Operation, float]:
        """What the digital product takes for so many reads in all."""
        assert isinstance(self.product, DigitalProduct)
        return self.product.operations_of(reads)

    def scaled(self, sums: np.ndarray) -> np.ndarray:
        """Drives of integer sums, float64."""
        drive = np.multiply(sums, self.program.weight_scale * self.program.input.scale)
        return np.add(drive, self.program.bias, out=drive) if self.program.bias.any() else drive
