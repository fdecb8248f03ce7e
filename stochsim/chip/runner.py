"""What a chip needs of the runner of its program's wiring."""

import abc

import numpy as np

from stochsim.accounting import Meter, Sharing
from stochsim.chip.layer_on_chip import ChipSettings, LayerOnChip
from stochsim.chip.memory_portions import BYTES_OF_VALUE
from stochsim.chip.rng_address import Place
from stochsim.chip.samples import Samples
from stochsim.energy import Operations
from stochsim.program import Program
from stochsim.settings import check_memory


class Runner(abc.ABC):
    """Runs the layers of a program on a chip, as they are wired.

    readout: the layer whose neurons' codes are read. sharing: what drives and noise of those
    neurons are the same for, all reads of a stimulus or one read. is_digital: whether all products
    are. numbers_rows: whether some noise takes every read for a row of its own. widest: values of
    the widest layer, of one read.
    """

    program: Program
    readout: LayerOnChip
    sharing: Sharing
    is_digital: bool
    numbers_rows: bool
    widest: int

    @property
    @abc.abstractmethod
    def all_layers(self) -> list[LayerOnChip]:
        """Every layer on the chip, in the order in which they run."""

    @property
    @abc.abstractmethod
    def shares_codes(self) -> bool:
        """Whether all reads of a stimulus give the same codes."""

    @abc.abstractmethod
    def __init__(
        self, program: Program, chip: ChipSettings, x_calibration: np.ndarray | None
    ) -> None:
        """x_calibration: stimuli (stimulus, input) for calibrated ADCs."""

    @property
    @abc.abstractmethod
    def values_at_once(self) -> int:
        """Values that run together at most, so that memory or the cache holds them."""

    def values_of_read(self, x: np.ndarray, reads: int) -> int:
        """Values of the widest layer, of one of `reads` reads of one of the stimuli x."""
        return self.widest

    def empty(self, x: np.ndarray, reads: int) -> np.ndarray:
        """Where codes (stimulus, read, neuron) go; raises SettingError for more than memory
        holds.
        """
        shape = (len(x), reads, self.program.neurons)
        beside = x.nbytes + self.working_bytes(x, reads)  # samples keep their stimuli
        check_memory("samples", shape, np.int8, beside=beside)
        return np.empty(shape, np.int8)

    def working_bytes(self, x: np.ndarray, reads: int) -> int:
        """About what a portion of these reads takes on its way."""
        values = len(x) * reads * self.values_of_read(x, reads)
        return BYTES_OF_VALUE * min(values, self.values_at_once)

    def samples(self, out: np.ndarray, operations: Operations) -> Samples:
        """What a chip returns, of what `run` wrote."""
        return Samples(out, operations, self.program.output)

    @abc.abstractmethod
    def run(self, x: np.ndarray, reads: int, place: Place, out: np.ndarray, meter: Meter) -> None:
        """Write codes of x (stimulus, input) to out (stimulus, read, neuron), and tell the meter
        what they take beyond what is fixed.
        """

    @abc.abstractmethod
    def count(self, x: np.ndarray, reads: int, place: Place, meter: Meter) -> None:
        """Tell the meter what `run` would, without its codes."""

    def known(self, x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Drives of the readout before the errors of a read, (stimulus, neuron), and its sigmas
        (see `Neurons.sigmas`).

        Raises SettingError where they differ from read to read.
        """
        integers, sigmas = self.known_sigmas(x)
        return self.readout.exact_drive(integers), sigmas

    @abc.abstractmethod
    def known_sigmas(self, x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """What the readout reads, (stimulus, input), and its sigmas; raises SettingError where they
        differ from read to read.
        """
