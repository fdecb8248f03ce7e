"""A program on a Hardware: drives by integer products, codes by thresholds, operations counted as
it runs.
"""

import itertools
import math

import numpy as np
from stochsim_kernels.neuron import channel

from stochsim.accounting import Bill, cycles_by_layer, upkeep
from stochsim.accounting import counts as tally
from stochsim.chip.digital_product import Product
from stochsim.chip.feed_forward import FeedForward
from stochsim.chip.neurons import Neurons
from stochsim.chip.recurrent import Recurrent
from stochsim.chip.rng_address import Place
from stochsim.chip.samples import Samples
from stochsim.data import check_stimuli
from stochsim.energy import Operations
from stochsim.hardware import Hardware
from stochsim.program import AnyProgram, RecurrentProgram
from stochsim.settings import SettingError, check_draw, check_memory, check_noise, check_whole

_DRIVES_AT_ONCE = 8_000_000  # 64 MB of them where reads differ, however many stimuli there are
_STATES_AT_ONCE = (
    1 << 19
)  # of a recurrent circuit, or of digital layers: 4 MB, which stay in the cache from step to step


class Chip:
    """One Hardware running one program: one drawn instance of it, chosen by `chip_key`, the same
    for all its reads.

    program: Program, DeepProgram or RecurrentProgram. `noise` multiplies the sigma that the network
    bought (it has a price); the Hardware adds its own noise to every layer, free and unwanted.
    `calibration`: stimuli (stimulus, input) on which an array's calibrated converter range is set.
    Raises SettingError for a negative or non-finite `noise`, a key that is not one, or a program
    whose bits are not those of the Hardware (output_bits are those of all codes that neurons
    write), and StochsimError for unstable recurrent weights.
    """

    def __init__(
        self,
        program: AnyProgram,
        hardware: Hardware,
        noise: float = 1.0,
        *,
        chip_key: int = 0,
        calibration: np.ndarray | None = None,
    ) -> None:
        check_noise(noise)
        _check_widths(program, hardware)
        check_whole("chip_key", chip_key, 0, 2**64)
        self.program, self.hardware, self.noise, self.chip_key = (
            program,
            hardware,
            float(noise),
            chip_key,
        )
        stimuli = None if calibration is None else check_stimuli(calibration, program.inputs)
        if hardware.array is None or hardware.array.converter.range != "calibrated":
            stimuli = None
        kind = Recurrent if isinstance(program, RecurrentProgram) else FeedForward
        rest = (hardware, self.noise, chip_key, stimuli)
        self._circuit: Recurrent | FeedForward = kind(program, *rest)  # type: ignore[arg-type]

    @property
    def neurons(self) -> Neurons:
        """The neurons whose codes are read."""
        return (
            self._circuit.forward.neurons
            if isinstance(self._circuit, Recurrent)
            else self._circuit.last.neurons
        )

    @property
    def product(self) -> Product:
        """The product of the layer whose codes are read; in a recurrent circuit that of the
        stimulus.
        """
        return (
            self._circuit.forward.product
            if isinstance(self._circuit, Recurrent)
            else self._circuit.last.product
        )

    def drive(self, x: np.ndarray) -> np.ndarray:
        """Drives (stimulus, neuron) float64 of stimuli x (stimulus, input): of the digital product,
        before noise and errors of a read.

        Raises SettingError where drives differ from read to read: for an array, inputs that are
        rounded stochastically, hidden layers with noise, and a recurrent circuit.
        """
        return self._feed_forward.known(x)[0]

    def sigmas(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations before the activation, (stimulus, neuron): of all Gaussian sources
        together, and of the other family.
        """
        sigma, other = self._feed_forward.known_sigmas(x)[1]
        if self.neurons.family == channel.GAUSSIAN:
            sigma, other = np.hypot(sigma, other), np.zeros((1, 1))
        shape = (len(x), self.program.neurons)
        return np.array(np.broadcast_to(sigma, shape)), np.array(np.broadcast_to(other, shape))

    def thresholds(self, x: np.ndarray) -> np.ndarray:
        """round(2^31 P(code < k | drive)) for k above the smallest code: (stimulus, levels - 1,
        neuron) uint32.
        """
        return self.neurons.thresholds(*self._feed_forward.known(x))

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """P(code | drive) as the chip draws it, (stimulus, neuron, level), on a grid of 2^-31;
        raises SettingError as `drive`.
        """
        below = (
            self.thresholds(check_stimuli(x, self.program.inputs))
            .astype(np.float64)
            .transpose(0, 2, 1)
            / channel.ONE
        )
        return np.diff(below, axis=-1, prepend=0.0, append=1.0)

    @property
    def _feed_forward(self) -> FeedForward:
        if isinstance(self._circuit, Recurrent):
            name = self.hardware.name
            raise SettingError(
                f"{name} runs a recurrent program: its drives differ from read to read, so only "
                f"samples can be had"
            )
        return self._circuit

    def sample(
        self,
        x: np.ndarray,
        reads: int,
        key: int,
        first_stimulus: int = 0,
        first_read: int = 0,
        *,
        count: bool = True,
        thin: int | None = None,
    ) -> Samples:
        """Draw `reads` codes of every neuron for each stimulus of x (stimulus, input).

        Same key, same codes, for any thread count and any split in stimuli or reads (give the
        absolute first_stimulus, first_read). `count=False` counts no operations. thin: of a
        recurrent program, one chain per stimulus in place of one per read: the first read after the
        program's steps, then one every `thin` steps, so reads depend on each other and take fewer
        steps. Raises SettingError for a shape mismatch, NaN or Inf in x, reads and indices out of
        range, more codes than memory holds, and `thin` of another program or with a first_read, for
        a chain starts at its first.
        """
        x = check_stimuli(x, self.program.inputs)
        place = self._checked_place(len(x), reads, key, first_stimulus, first_read, thin)
        check_memory("samples", (len(x), reads, self.program.neurons), np.int8)
        codes = np.empty((len(x), reads, self.program.neurons), np.int8)
        counts = self._run(x, reads, place, codes, count, thin)
        return Samples(codes, tally.total(counts), self.program.output)

    def reads_are_independent(self, thin: int | None = None) -> bool:
        """Whether reads are independent draws by construction: each a chain of its own, by numbers
        that no shift register gave.

        What all reads share (cells and weights as they were made and read, a sum that is held) is
        part of the law that they are drawn from.
        """
        return thin is None and self.hardware.random.lfsr_bits == 0

    def register_period(self, thin: int | None = None) -> int | None:
        """Reads after which the chip's shift registers give the same integers again; None without
        registers.
        """
        own = self.hardware.random
        if own.lfsr_bits == 0:
            return None
        steps = thin or (self.program.steps if isinstance(self.program, RecurrentProgram) else 1)
        period = 2**own.lfsr_bits - 1
        return period // math.gcd(period, own.threshold_bits * steps)

    def operations(self, x: np.ndarray, reads: int, *, thin: int | None = None) -> Operations:
        """What so many reads of each stimulus take: each multiplies, converts and stores its codes;
        weights are read once per stimulus.

        Where that depends on draws (the currents of an array whose inputs differ from read to read,
        neurons held at a noise that noisy layers set), these are those of key 0. A recurrent
        circuit with an array runs, as `sample` does.
        """
        return tally.total(self._counted(x, reads, thin))

    def bill(
        self, x: np.ndarray, reads: int = 1, rho: float | None = None, *, thin: int | None = None
    ) -> Bill:
        """`operations` by layer, priced, and the cycles of a read; rho: of the price of
        reliability, None for the program's own.
        """
        found = tally.by_layer(self._counted(x, reads, thin), tally.layer_names(self.program))
        cycles = cycles_by_layer(self.program, self.hardware, int(reads), thin)
        return Bill(
            self.hardware,
            found,
            cycles,
            len(x),
            int(reads),
            self.program.rho if rho is None else float(rho),
        )

    def _counted(self, x: np.ndarray, reads: int, thin: int | None) -> tally.Counts:
        x = check_stimuli(x, self.program.inputs)
        return self._run(
            x, reads, self._checked_place(len(x), reads, 0, 0, 0, thin), None, True, thin
        )

    def _upkeep(self, stimuli: int, reads: int, thin: int | None = None) -> tally.Counts:
        layers = dict(zip(tally.layer_names(self.program), self.program.layers, strict=True))
        return upkeep(
            self.hardware,
            layers,
            cycles_by_layer(self.program, self.hardware, reads, thin),
            stimuli * reads,
        )

    def _checked_place(
        self,
        stimuli: int,
        reads: int,
        key: int,
        first_stimulus: int,
        first_read: int,
        thin: int | None,
    ) -> Place:
        check_draw(stimuli, reads, key, first_stimulus, first_read)
        if thin is not None:
            self._check_chain(reads, first_read, thin)
        place = Place(int(key), int(first_stimulus), int(first_read))
        if self._circuit.has_rows:
            place.check_rows(stimuli, reads if thin is None else 1)
        return place

    def _check_chain(self, reads: int, first_read: int, thin: int) -> None:
        if not isinstance(self._circuit, Recurrent):
            raise SettingError(
                f"'thin' = {thin!r}: only a recurrent program has steps between reads; valid: None"
            )
        check_whole("thin", thin, 1, 2**31)
        if first_read != 0:
            raise SettingError(
                f"'first_read' = {first_read}: a chain (thin = {thin}) starts at its first read; "
                f"valid: 0"
            )
        most = (
            2**31 - 1 - self._circuit.program.steps
        ) // thin + 1  # every step has two event words, of 32 bits
        if reads > most:
            raise SettingError(
                f"'reads' = {reads}: a chain has fewer than 2^31 steps; valid with thin = {thin}: "
                f"up to {most}"
            )

    def _run(
        self,
        x: np.ndarray,
        reads: int,
        place: Place,
        codes: np.ndarray | None,
        count: bool,
        thin: int | None,
    ) -> tally.Counts:
        """Run portion by portion; returns what it took, nothing where that is not counted."""
        if thin is not None:
            return self._run_chains(x, reads, thin, place, codes, count)
        counts = (
            self._circuit.standing(len(x), reads) | self._upkeep(len(x), reads) if count else {}
        )
        for part, some in self._portions(len(x), reads):
            here = place._replace(
                first_stimulus=place.first_stimulus + part.start,
                first_read=place.first_read + some.start,
            )
            out = None if codes is None else codes[part, some]
            self._circuit.run(x[part], some.stop - some.start, here, out, counts if count else None)
        return counts

    def _run_chains(
        self,
        x: np.ndarray,
        reads: int,
        thin: int,
        place: Place,
        codes: np.ndarray | None,
        count: bool,
    ) -> tally.Counts:
        """As `_run`, one chain per stimulus: portions are of stimuli alone."""
        assert isinstance(self._circuit, Recurrent)
        counts = (
            self._circuit.standing(len(x), reads, thin) | self._upkeep(len(x), reads, thin)
            if count
            else {}
        )
        for part, _ in self._portions(len(x), 1):
            here = place._replace(first_stimulus=place.first_stimulus + part.start)
            self._circuit.run_chain(
                x[part],
                reads,
                thin,
                here,
                None if codes is None else codes[part],
                counts if count else None,
            )
        return counts

    def _portions(self, stimuli: int, reads: int) -> list[tuple[slice, slice]]:
        """Stimuli and reads that run together: all where reads share their drives, else as many as
        memory or cache may hold.
        """
        if self._circuit.shares_drives:
            return [(slice(0, stimuli), slice(0, reads))]
        widest = max(max(layer.neurons, layer.inputs) for layer in self.program.layers)
        few = isinstance(self._circuit, Recurrent) or self._circuit.is_digital
        most = min(_STATES_AT_ONCE, _DRIVES_AT_ONCE) if few else _DRIVES_AT_ONCE
        at_once = max(1, most // (reads * widest))
        reads_at_once = reads if at_once > 1 else max(1, most // widest)
        firsts = itertools.product(range(0, stimuli, at_once), range(0, reads, reads_at_once))
        return [
            (slice(a, min(a + at_once, stimuli)), slice(b, min(b + reads_at_once, reads)))
            for a, b in firsts
        ]


def _check_widths(program: AnyProgram, hardware: Hardware) -> None:
    """One Hardware has one width for weights, one for stimuli and one for the codes that neurons
    write; those of deeper layers too.

    A layer whose weights were given a width of their own has that one, whatever the Hardware's is.
    """
    widths = [("input_bits", program.input.bits)]
    for layer in program.layers:
        widths += [] if layer.own_width else [("weight_bits", layer.weight_bits)]
        widths += [("output_bits", layer.output.bits)]
    for name, value in widths:
        has = getattr(hardware.precision, name)
        if has != value:
            raise SettingError(
                f"'{name}' = {has} of {hardware.name}: the program was trained for {value}"
            )
