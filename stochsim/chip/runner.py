"""What a chip needs of the runner of its program's wiring."""

import abc

import numpy as np

from stochsim.accounting import Meter, Sharing
from stochsim.chip.layer_on_chip import ChipSettings, LayerOnChip
from stochsim.chip.rng_address import Place
from stochsim.program import Program


class Runner(abc.ABC):
    """Runs the layers of a program on a chip, as they are wired.

    readout: the layer whose neurons' codes are read. sharing: what drives and noise of those
    neurons are the same for, all reads of a stimulus or one read. is_digital: whether all products
    are. numbers_rows: whether some noise takes every read for a row of its own. widest: values of
    the widest layer, of one read.
    """

    readout: LayerOnChip
    sharing: Sharing
    is_digital: bool
    numbers_rows: bool
    widest: int

    @abc.abstractmethod
    def __init__(
        self, program: Program, chip: ChipSettings, x_calibration: np.ndarray | None
    ) -> None:
        """x_calibration: stimuli (stimulus, input) for calibrated ADCs."""

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
