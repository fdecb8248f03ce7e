"""A program on a Hardware: drives by integer products, codes by thresholds, operations counted as it runs."""

import itertools

import numpy as np
from stochsim_kernels import channel

from stochsim.data import check_stimuli
from stochsim.deploy import counts as bill
from stochsim.deploy.checks import check_draw, check_memory, check_noise, check_whole
from stochsim.deploy.feed_forward import FeedForward
from stochsim.deploy.neurons import Neurons
from stochsim.deploy.product import Product
from stochsim.deploy.program import AnyProgram, RecurrentProgram
from stochsim.deploy.recurrent import Recurrent
from stochsim.deploy.samples import Samples
from stochsim.deploy.words import Place
from stochsim.energy import Operations
from stochsim.hardware import Hardware
from stochsim.settings import SettingError

_DRIVES_AT_ONCE = 8_000_000  # 64 MB of them where reads differ, however many stimuli there are
_STATES_AT_ONCE = 1 << 19  # of a recurrent circuit, or of digital layers: 4 MB, which stay in the cache from step to step


class Chip:
    """One Hardware running one program: one drawn instance of it, chosen by `chip_key`, the same for all its reads.

    program: Program, DeepProgram or RecurrentProgram. `noise` multiplies the sigma that the network bought (it has a price); the Hardware
    adds its own noise to every layer, free and unwanted. `calibration`: stimuli (stimulus, input) on which an array's calibrated converter
    range is set. Raises SettingError for a negative or non-finite `noise`, a key that is not one, or a program whose bits are not those of
    the Hardware (output_bits are those of all codes that neurons write), and StochsimError for unstable recurrent weights.
    """

    def __init__(
        self, program: AnyProgram, hardware: Hardware, noise: float = 1.0, *, chip_key: int = 0, calibration: np.ndarray | None = None
    ) -> None:
        check_noise(noise)
        _check_widths(program, hardware)
        check_whole("chip_key", chip_key, 0, 2**64)
        self.program, self.hardware, self.noise, self.chip_key = program, hardware, float(noise), chip_key
        stimuli = None if calibration is None else check_stimuli(calibration, program.inputs)
        if hardware.array is None or hardware.array.converter.range != "calibrated":
            stimuli = None
        kind = Recurrent if isinstance(program, RecurrentProgram) else FeedForward
        self._circuit: Recurrent | FeedForward = kind(program, hardware, self.noise, chip_key, stimuli)  # type: ignore[arg-type]

    @property
    def neurons(self) -> Neurons:
        """The neurons whose codes are read."""
        return self._circuit.forward.neurons if isinstance(self._circuit, Recurrent) else self._circuit.last.neurons

    @property
    def product(self) -> Product:
        """The product of the layer whose codes are read; in a recurrent circuit that of the stimulus."""
        return self._circuit.forward.product if isinstance(self._circuit, Recurrent) else self._circuit.last.product

    def drive(self, x: np.ndarray) -> np.ndarray:
        """Drives (stimulus, neuron) float64 of stimuli x (stimulus, input): of the digital product, before noise and errors of a read.

        Raises SettingError where drives differ from read to read: for an array, inputs that are rounded stochastically, hidden layers with
        noise, and a recurrent circuit.
        """
        return self._feed_forward.known(x)[0]

    def sigmas(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations before the activation, (stimulus, neuron): of all Gaussian sources together, and of the other family."""
        sigma, other = self._feed_forward.known_sigmas(x)[1]
        if self.neurons.family == channel.GAUSSIAN:
            sigma, other = np.hypot(sigma, other), np.zeros((1, 1))
        shape = (len(x), self.program.neurons)
        return np.array(np.broadcast_to(sigma, shape)), np.array(np.broadcast_to(other, shape))

    def thresholds(self, x: np.ndarray) -> np.ndarray:
        """round(2^31 P(code < k | drive)) for k above the smallest code: (stimulus, levels - 1, neuron) uint32."""
        return self.neurons.thresholds(*self._feed_forward.known(x))

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """P(code | drive) as the chip draws it, (stimulus, neuron, level), on a grid of 2^-31; raises SettingError as `drive`."""
        below = self.thresholds(check_stimuli(x, self.program.inputs)).astype(np.float64).transpose(0, 2, 1) / channel.ONE
        return np.diff(below, axis=-1, prepend=0.0, append=1.0)

    @property
    def _feed_forward(self) -> FeedForward:
        if isinstance(self._circuit, Recurrent):
            name = self.hardware.name
            raise SettingError(f"{name} runs a recurrent program: its drives differ from read to read, so only samples can be had")
        return self._circuit

    def sample(self, x: np.ndarray, reads: int, key: int, first_stimulus: int = 0, first_read: int = 0, *, count: bool = True) -> Samples:
        """Draw `reads` codes of every neuron for each stimulus of x (stimulus, input).

        Same key, same codes, for any thread count and any split in stimuli or reads (give the absolute first_stimulus, first_read).
        `count=False` counts no operations. Raises SettingError for a shape mismatch, NaN or Inf in x, reads and indices out of range, and
        more codes than memory holds.
        """
        x = check_stimuli(x, self.program.inputs)
        place = self._checked_place(len(x), reads, key, first_stimulus, first_read)
        check_memory("samples", (len(x), reads, self.program.neurons), np.int8)
        codes = np.empty((len(x), reads, self.program.neurons), np.int8)
        counts = self._run(x, reads, place, codes, count)
        return Samples(codes, Operations.of(counts), self.program.output)

    def operations(self, x: np.ndarray, reads: int) -> Operations:
        """What so many reads of each stimulus take: each multiplies, converts and stores its codes; weights are read once per stimulus.

        Where that depends on draws (the currents of an array whose inputs differ from read to read, neurons held at a noise that noisy
        layers set), these are those of key 0. A recurrent circuit with an array runs, as `sample` does.
        """
        x = check_stimuli(x, self.program.inputs)
        return Operations.of(self._run(x, reads, self._checked_place(len(x), reads, 0, 0, 0), None, True))

    def _checked_place(self, stimuli: int, reads: int, key: int, first_stimulus: int, first_read: int) -> Place:
        check_draw(stimuli, reads, key, first_stimulus, first_read)
        place = Place(int(key), int(first_stimulus), int(first_read))
        if self._circuit.has_rows:
            place.check_rows(stimuli, reads)
        return place

    def _run(self, x: np.ndarray, reads: int, place: Place, codes: np.ndarray | None, count: bool) -> bill.Counts:
        """Run portion by portion; returns what it took, nothing where that is not counted."""
        counts = self._circuit.standing(len(x), reads) if count else {}
        for part, some in self._portions(len(x), reads):
            here = place._replace(first_stimulus=place.first_stimulus + part.start, first_read=place.first_read + some.start)
            out = None if codes is None else codes[part, some]
            self._circuit.run(x[part], some.stop - some.start, here, out, counts if count else None)
        return counts

    def _portions(self, stimuli: int, reads: int) -> list[tuple[slice, slice]]:
        """Stimuli and reads that run together: all where reads share their drives, else as many as memory or cache may hold."""
        if self._circuit.shares_drives:
            return [(slice(0, stimuli), slice(0, reads))]
        widest = max(max(layer.neurons, layer.inputs) for layer in self.program.layers)
        few = isinstance(self._circuit, Recurrent) or self._circuit.is_digital
        most = min(_STATES_AT_ONCE, _DRIVES_AT_ONCE) if few else _DRIVES_AT_ONCE
        at_once = max(1, most // (reads * widest))
        reads_at_once = reads if at_once > 1 else max(1, most // widest)
        firsts = itertools.product(range(0, stimuli, at_once), range(0, reads, reads_at_once))
        return [(slice(a, min(a + at_once, stimuli)), slice(b, min(b + reads_at_once, reads))) for a, b in firsts]


def _check_widths(program: AnyProgram, hardware: Hardware) -> None:
    """One Hardware has one width for weights, one for stimuli and one for the codes that neurons write; those of deeper layers too."""
    widths = [("input_bits", program.input.bits)]
    widths += [pair for layer in program.layers for pair in (("weight_bits", layer.weight_bits), ("output_bits", layer.output.bits))]
    for name, value in widths:
        has = getattr(hardware.precision, name)
        if has != value:
            raise SettingError(f"'{name}' = {has} of {hardware.name}: the program was trained for {value}")
