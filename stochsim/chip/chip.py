"""A program on a Hardware: its wiring's runner draws codes, a meter counts operations."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from stochsim_kernels.neuron import channel, normal_cdf

from stochsim.accounting import (
    OFF,
    AdcUse,
    Bill,
    Meter,
    MultiplyAdds,
    add_fixed,
    cycles_by_layer,
)
from stochsim.chip.coarse_adcs import CoarseAdcWatch, adc_rows, adc_uses
from stochsim.chip.feed_forward import FeedForwardRunner
from stochsim.chip.graph_runner import GraphRunner
from stochsim.chip.layer_on_chip import ChipSettings
from stochsim.chip.memory_portions import Result, found_in_portions, portions
from stochsim.chip.neurons import Neurons
from stochsim.chip.product import Product
from stochsim.chip.recurrent import RecurrentRunner
from stochsim.chip.repeated_noise import NoiseWatch
from stochsim.chip.rng_address import Place
from stochsim.chip.runner import Runner
from stochsim.chip.samples import Samples
from stochsim.chip.stream import Stream
from stochsim.energy import Operations
from stochsim.hardware import HARDWARE_RULE, Hardware, setting_rows
from stochsim.program import Graph, Program, Workload
from stochsim.settings import (
    Argument,
    SettingError,
    card,
    card_title,
    check_arguments,
    check_draw,
    check_flag,
    check_sigma_scale,
    check_whole,
    renamed_arguments,
)

RUNNERS: dict[str, type[Runner]] = {
    "feed-forward": FeedForwardRunner,
    "log-sigma": FeedForwardRunner,
    "recurrent": RecurrentRunner,
    "graph": GraphRunner,
}
"""What runs the layers of each kind of wiring."""

_STEPS = "steps_between_reads"
_renamed = renamed_arguments(thin=_STEPS)


class _Asked(NamedTuple):
    """What a call asks for, as Python's numbers."""

    place: Place
    reads: int
    steps_between_reads: int | None


class Chip:
    """One Hardware running one program: one drawn instance of it, chosen by `chip_key`, the same
    for all its reads.

    `sigma_scale` multiplies the sigma that the network was trained to (it has a price); the
    Hardware adds its own noise to every layer, neither chosen by the network nor billed.
    `calibration`: stimuli (stimulus, input) on which the range of an array's ADCs is set, where
    `array.adc.range` is "auto" or "calibrated"; ADCs too coarse for the partial sums are warned of
    (CoarseAdcWarning). Raises SettingError for a negative or non-finite `sigma_scale`, a key that
    is not one, or a program whose bits are not those of the Hardware (output_bits are those of all
    codes that neurons write), and StochsimError for unstable recurrent weights.

    >>> import stochsim as ss
    >>> from stochsim.program import random_program
    >>> program, x = random_program((6, 3), (4, 4, 4), sigma=0.5)
    >>> chip = ss.Chip(program, ss.load_hardware("digital-45nm", bits=4))
    >>> samples = chip.sample(x["layer 1"], reads=5, key=0)
    >>> samples.codes.shape                          # (stimulus, read, neuron)
    (1, 5, 3)
    >>> print(chip)
    chip: digital-45nm, chip key 0
      program  feed-forward, 6 inputs -> 3 neurons
      sigma    as trained × 1
      bits     4 of weights, 4 of inputs, 4 of outputs
      clock    1 GHz
    """

    @renamed_arguments(noise="sigma_scale")
    def __init__(
        self,
        program: Program,
        hardware: Hardware,
        sigma_scale: float = 1.0,
        *,
        chip_key: int = 0,
        calibration: np.ndarray | None = None,
    ) -> None:
        _check_types(program, hardware)
        self.sigma_scale = check_sigma_scale(sigma_scale)
        _check_widths(program, hardware)
        self.chip_key = check_whole("chip_key", chip_key, 0, 2**64)
        self.program, self.hardware = program, hardware
        stimuli = None if calibration is None else self._calibration(calibration)
        if hardware.array is None:
            stimuli = None
        settings = ChipSettings(hardware, self.sigma_scale, self.chip_key)
        self._runner = RUNNERS[program.wiring.kind](program, settings, stimuli)
        self._noise_watch = self._watch()
        self._adc_watch = CoarseAdcWatch(hardware.name)
        self._adc_watch.see(self.adc_use)

    def _watch(self) -> NoiseWatch | None:
        """What warns of repeated noise; None where there is no noise."""
        watch = NoiseWatch(self.program, self.hardware, self.sigma_scale, self.chip_key)
        return None if self._is_certain else watch

    def rewired(self, program: Program, cells: Mapping[str, str]) -> "Chip":
        """This chip, with its layers in another graph: the same memory, cells, ADCs and neurons,
        whatever calls them there, and the same random numbers by name.

        program: a graph of layers with the names and weights of this chip's; cells: for each layer
        that this chip has not, the one on whose cells it is. Raises SettingError for another
        program than a graph, and a layer that is in neither.

        >>> import stochsim as ss
        >>> import torch
        >>> x = torch.linspace(-1, 1, 12).reshape(4, 3)
        >>> small = ss.convert(torch.nn.Linear(3, 2), ss.load_hardware("digital-45nm", bits=4), x)
        >>> chip = small.chip()
        >>> same = chip.rewired(small.program, {})
        >>> first, second = (one.sample(x.numpy(), reads=2, key=0).values for one in (chip, same))
        >>> bool((first == second).all())
        True
        """
        if not isinstance(self._runner, GraphRunner) or not isinstance(program.wiring, Graph):
            raise SettingError.of("program", rule="only graphs of layers can be wired anew")
        for name in program.layers:
            if cells.get(name, name) not in self.program.layers:
                raise SettingError.unknown(name, self.program.layers, section=("cells",))
        made = copy.copy(self)
        made.program = program
        made._runner = self._runner.rewired(program, cells)
        made._noise_watch = made._watch()
        return made

    __repr__ = card_title

    def __str__(self) -> str:
        """A card: the program, and the Hardware's settings."""
        hardware = self.hardware
        rows = [
            ("program", self.program.summary),
            ("sigma", f"as trained × {self.sigma_scale:g}"),
            *([] if hardware.array is None else adc_rows(self.adc_use)),
            *setting_rows(hardware, hardware.precision, hardware.timing),
        ]
        return card(f"chip: {hardware.name}, chip key {self.chip_key}", rows, "more sections")

    @property
    def adc_use(self) -> dict[str, AdcUse]:
        """How the ADCs of each layer on an array stand against its partial sums: those of the data
        that the chip was calibrated on, else of the first stimuli that it met; {} before that, and
        without an array. Where the first stimuli clip and the data did not, of which a chip warns,
        `clipped` is theirs.
        """
        return adc_uses(self._runner.all_layers)

    @property
    def neurons(self) -> Neurons:
        """The neurons whose codes are read."""
        return self._runner.readout.neurons

    @property
    def product(self) -> Product:
        """The product of the layer whose codes are read; in a recurrent circuit that of the
        stimulus.
        """
        return self._runner.readout.product

    def drive(self, x: np.ndarray) -> np.ndarray:
        """Drives (stimulus, neuron) float64 of stimuli x (stimulus, input): of the digital product,
        before noise and errors of a read.

        Raises SettingError where drives differ from read to read: for an array, inputs that are
        rounded stochastically, hidden layers with noise, and a recurrent circuit.
        """
        of_stimulus = Result("drives", (self.program.neurons,), np.float64)
        return self._put_together(x, of_stimulus, lambda part: self._runner.known(part)[0])

    def sigmas(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations before the activation, (stimulus, neuron): of all Gaussian sources
        together, and of the other family.
        """
        neurons = self.program.neurons

        def both(part: np.ndarray) -> np.ndarray:
            sigma, other = self._runner.known_sigmas(part)[1]
            if self.neurons.family == channel.GAUSSIAN:
                sigma, other = np.hypot(sigma, other), np.zeros((1, 1))
            shape = (len(part), neurons)
            return np.stack([np.broadcast_to(one, shape) for one in (sigma, other)], 1)

        found = self._put_together(x, Result("sigmas", (2, neurons), np.float64), both)
        return found[:, 0], found[:, 1]

    def trained_sigma(self, x: np.ndarray) -> np.ndarray | None:
        """The noise level that the network was trained to, as the chip has it before the quantiser,
        (neuron,), or (stimulus, neuron) where it depends on the stimulus; None where that is not
        known in closed form.
        """
        x = self._stimuli(x)
        if self.program.wiring.sigma_is_its_own:
            return self.sigma_scale * self.program.sigma
        try:
            return self.sigmas(x)[0]
        except SettingError:
            return None

    def thresholds(self, x: np.ndarray) -> np.ndarray:
        """round(2^31 P(code < k | drive)) for k above the smallest code: (stimulus, levels - 1,
        neuron) uint32.
        """
        shape = (self.program.output.levels - 1, self.program.neurons)
        return self._put_together(x, Result("thresholds", shape, np.uint32), self._thresholds)

    def _thresholds(self, x: np.ndarray) -> np.ndarray:
        return self.neurons.thresholds(*self._runner.known(x))

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """P(code | drive) as the chip draws it, (stimulus, neuron, level), on a grid of 2^-31;
        raises SettingError as `drive`.
        """

        def of_part(part: np.ndarray) -> np.ndarray:
            below = self._thresholds(part).transpose(0, 2, 1) / normal_cdf.ONE
            return np.diff(below, axis=-1, prepend=0.0, append=1.0)

        shape = (self.program.neurons, self.program.output.levels)
        return self._put_together(x, Result("probabilities", shape, np.float64), of_part)

    @_renamed
    def sample(
        self,
        x: np.ndarray,
        reads: int,
        key: int,
        first_stimulus: int = 0,
        first_read: int = 0,
        *,
        count: bool = True,
        steps_between_reads: int | None = None,
    ) -> Samples:
        """Draw `reads` codes of every neuron for each stimulus of x (stimulus, input).

        Same key, same codes, for any thread count and any split in stimuli or reads (give the
        absolute first_stimulus, first_read). A loop whose stimuli follow from the codes before
        needs new noise at every step, which `stream(key)` gives; RepeatedNoiseWarning says where
        one has none. `count=False` counts no operations; of no stimuli there is no bill.
        steps_between_reads: of a recurrent program, one chain per stimulus in place of one per
        read: the first read after the program's steps, each further one after as many, so reads
        depend on each other and take fewer steps. Raises SettingError for a shape mismatch, NaN or
        Inf in x, reads and indices out of range, more codes than memory holds, and
        `steps_between_reads` of another program or with a first_read, for a chain starts at its
        first.

        >>> import stochsim as ss
        >>> from stochsim.program import random_program
        >>> program, x = random_program((6, 3), (4, 4, 4), sigma=0.5)
        >>> chip = ss.Chip(program, ss.load_hardware("digital-45nm", bits=4))
        >>> first = chip.sample(x["layer 1"], reads=4, key=0)
        >>> rest = chip.sample(x["layer 1"], reads=6, key=0, first_read=4)
        >>> whole = chip.sample(x["layer 1"], reads=10, key=0)
        >>> bool((whole.codes[:, 4:] == rest.codes).all())
        True
        """
        x = self._stimuli(x)
        count = check_flag("count", count)
        place, reads, steps_between_reads = self._checked(
            len(x), reads, key, first_stimulus, first_read, steps_between_reads
        )
        if self._noise_watch is not None:
            self._noise_watch.see(x, place)
        out = self._runner.empty(x, reads)
        workload = self.workload(reads, steps_between_reads, x) if count else None
        meter = OFF if workload is None else self._meter(x, reads, workload)
        for part, some, here in self._portions(x, reads, place, steps_between_reads):
            if steps_between_reads is None:
                self._runner.run(x[part], some.stop - some.start, here, out[part, some], meter)
            else:
                self._circuit.run_chain(x[part], steps_between_reads, here, out[part], meter)
        self._adc_watch.see(self.adc_use)
        samples = replace(
            self._runner.samples(out, meter.total),
            independent=self.reads_are_independent(steps_between_reads),
            period=self.register_period(steps_between_reads),
            stimuli=x.copy() if x.ndim == 2 else None,
        )
        if workload is None or len(x) == 0:
            return samples
        return replace(samples, counted=self._bill(workload, len(x), meter, self.program.rho))

    def stream(self, key: int, position: int = 0) -> Stream[Samples]:
        """Successive samples with new noise at each call, for a loop that puts a chip's output back
        into it (see `Stream`).
        """
        return Stream(self.sample, key, position)

    @property
    def _is_certain(self) -> bool:
        """Whether the key moves nothing: codes have no noise, and no bits of weights flip as they
        are read.
        """
        return self._runner.shares_codes and self.hardware.memory.weight_error_rates[1] == 0

    @_renamed
    def reads_are_independent(self, steps_between_reads: int | None = None) -> bool:
        """Whether reads are independent draws by construction: each a chain of its own, by numbers
        that no shift register gave.

        What all reads share (cells and weights as they were made and read, a drive of the stimulus
        that is kept) is part of the law that they are drawn from.
        """
        return steps_between_reads is None and self.hardware.random.lfsr_bits == 0

    @_renamed
    def register_period(self, steps_between_reads: int | None = None) -> int | None:
        """Reads after which the chip's shift registers give the same integers again; None without
        registers.
        """
        if steps_between_reads is not None:
            steps_between_reads = check_whole(_STEPS, steps_between_reads, 1, 2**31)
        own = self.hardware.random
        if own.lfsr_bits == 0:
            return None
        steps = steps_between_reads or self.program.steps or 1
        period = 2**own.lfsr_bits - 1
        return period // math.gcd(period, own.threshold_bits * steps)

    @_renamed
    def operations(
        self, x: np.ndarray, reads: int, *, steps_between_reads: int | None = None
    ) -> Operations:
        """What `reads` reads of each stimulus take: each multiplies, converts and stores its codes;
        weights are read once per stimulus.

        Where that depends on draws (the currents of an array whose inputs differ from read to read,
        neurons kept at a noise that noisy layers set), these are those of key 0. A recurrent
        circuit with an array runs, as `sample` does.
        """
        x = self._stimuli(x)
        asked = self._checked(len(x), reads, 0, 0, 0, steps_between_reads)
        workload = self.workload(asked.reads, asked.steps_between_reads, x)
        return self._counted(x, asked, workload).total

    @_renamed
    def bill(
        self,
        x: np.ndarray,
        reads: int = 1,
        rho: float | None = None,
        *,
        steps_between_reads: int | None = None,
    ) -> Bill:
        """`operations` by layer, priced, and the cycles of a read; rho: of the price of
        reliability, None for the program's own.

        >>> import stochsim as ss
        >>> from stochsim.program import random_program
        >>> program, x = random_program((6, 3), (4, 4, 4), sigma=0.5)
        >>> chip = ss.Chip(program, ss.load_hardware("digital-45nm", bits=4))
        >>> round(1e12 * chip.bill(x["layer 1"], reads=1).per_read_j, 1)       # pJ
        18.9
        >>> round(1e12 * chip.bill(x["layer 1"], reads=100).per_read_j, 1)     # weights read once
        7.8
        """
        x = self._stimuli(x)
        asked = self._checked(len(x), reads, 0, 0, 0, steps_between_reads)
        workload = self.workload(asked.reads, asked.steps_between_reads, x)
        meter = self._counted(x, asked, workload)
        return self._bill(workload, len(x), meter, self.program.rho if rho is None else rho)

    def _bill(self, workload: Workload, stimuli: int, meter: Meter, rho: float) -> Bill:
        """What a meter counted of a workload for each of `stimuli` stimuli."""
        cycles = cycles_by_layer(workload, self.hardware)
        counts = meter.by_layer(workload.rows)
        unpriced = {name: values / workload.reads for name, values in workload.unpriced.items()}
        priced = (self.hardware, counts, cycles, stimuli, workload.reads, rho, unpriced)
        return Bill(*priced, self.adc_use, MultiplyAdds(*workload.macs))

    @_renamed
    def workload(
        self, reads: int = 1, steps_between_reads: int | None = None, x: np.ndarray | None = None
    ) -> Workload:
        """What `reads` reads of one stimulus ask of the layers, from their shapes alone; x: stimuli
        (stimulus, …), needed of a graph, where positions depend on their size.
        """
        reads = check_whole("reads", reads, 1, 2**31)
        shapes, noise = self.program.shapes, self.hardware.noise
        return self.program.wiring.workload(shapes, noise, reads, steps_between_reads, x)

    def _calibration(self, x: np.ndarray) -> np.ndarray:
        """Stimuli to set ranges on; raises SettingError for none."""
        shape = (len(x),) if isinstance(x, list | tuple) else getattr(x, "shape", None)
        if isinstance(shape, tuple) and shape[:1] == (0,):
            rule = "should have one stimulus at least; valid: stimuli (stimulus, …), or None"
            raise SettingError.of("calibration", x, rule)
        try:
            return self._stimuli(x)
        except SettingError as error:
            raise error.renamed({("stimuli",): ("calibration",)}) from None

    def _stimuli(self, x: np.ndarray) -> np.ndarray:
        return self.program.wiring.stimuli(x, self.program.inputs)

    def _meter(self, x: np.ndarray, reads: int, workload: Workload) -> Meter:
        """A meter with all that does not depend on the stimuli's values."""
        meter = Meter(len(x), reads)
        sigma = {name: self.sigma_scale * one for name, one in self.program.billed_sigma.items()}
        add_fixed(meter, self.hardware, workload, sigma)
        return meter

    def _counted(self, x: np.ndarray, asked: _Asked, workload: Workload) -> Meter:
        place, reads, steps_between_reads = asked
        meter = self._meter(x, reads, workload)
        for part, some, here in self._portions(x, reads, place, steps_between_reads):
            if steps_between_reads is None:
                self._runner.count(x[part], some.stop - some.start, here, meter)
            elif not self._runner.is_digital:
                self._circuit.run_chain(
                    x[part], steps_between_reads, here, self._runner.empty(x[part], reads), meter
                )
        self._adc_watch.see(self.adc_use)
        return meter

    def layer_values(self, layer: str, values: np.ndarray, place: Place) -> np.ndarray:
        """What one layer of a graph gives at one read for values (stimulus, …) that it is given,
        (stimulus, …).
        """
        assert isinstance(self._runner, GraphRunner)
        return self._runner.layers[layer].values(values, True, 1, place)

    def layer_drives(
        self, layer: str, values: np.ndarray, rows: tuple[int, int], reads: int, place: Place
    ) -> tuple[np.ndarray, np.ndarray]:
        """Drives of one layer of a graph; see `WindowedLayer.drives`."""
        assert isinstance(self._runner, GraphRunner)
        return self._runner.layers[layer].drives(values, rows, reads, place)

    @property
    def _circuit(self) -> RecurrentRunner:
        assert isinstance(self._runner, RecurrentRunner)
        return self._runner

    def _checked(
        self,
        stimuli: int,
        reads: int,
        key: int,
        first_stimulus: int,
        first_read: int,
        steps_between_reads: int | None,
    ) -> _Asked:
        draw = check_draw(stimuli, reads, key, first_stimulus, first_read)
        every = None
        if steps_between_reads is not None:
            every = self._checked_chain(draw.reads, draw.first_read, steps_between_reads)
        place = Place(draw.key, draw.first_stimulus, draw.first_read)
        if self._runner.numbers_rows:
            place.check_rows(stimuli, draw.reads if every is None else 1)
        return _Asked(place, draw.reads, every)

    def _checked_chain(self, reads: int, first_read: int, steps_between_reads: int) -> int:
        steps = self.program.steps
        if steps is None:
            rule = "only a recurrent program has steps between reads"
            raise SettingError.of("steps_between_reads", steps_between_reads, rule, [None])
        steps_between_reads = check_whole(_STEPS, steps_between_reads, 1, 2**31)
        if first_read != 0:
            rule = f"a chain (steps_between_reads = {steps_between_reads}) starts at its first read"
            raise SettingError.of(
                "first_read", first_read, rule, [0], also=("steps_between_reads",)
            )
        # every step has two event words, of 32 bits
        most = (2**31 - 1 - steps) // steps_between_reads + 1
        if reads > most:
            rule = (
                f"should be at most {most} with steps_between_reads = {steps_between_reads}: a "
                "chain has fewer than 2^31 steps"
            )
            raise SettingError.of("reads", reads, rule, also=("steps_between_reads",))
        return steps_between_reads

    def _put_together(
        self, x: np.ndarray, result: Result, find: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        x = self._stimuli(x)
        return found_in_portions(x, result, self._runner.values_of_read(x, 1), find)

    def _portions(
        self, x: np.ndarray, reads: int, place: Place, steps_between_reads: int | None
    ) -> Iterator[tuple[slice, slice, Place]]:
        """Stimuli and reads that run together, and the place of the first: as many as the runner
        takes at once; of chains, stimuli alone.
        """
        together = reads if steps_between_reads is None else 1
        values = self._runner.values_of_read(x, together)
        for part, some in portions(len(x), together, values, self._runner.values_at_once):
            first_stimulus = place.first_stimulus + part.start
            first_read = place.first_read + some.start
            here = place._replace(first_stimulus=first_stimulus, first_read=first_read)
            yield part, some, here


def _check_types(program: object, hardware: object) -> None:
    """Raise SettingError for what is no Program, or no Hardware."""
    rule = "should be a Program, as to_program and convert(…).program give one"
    check_arguments(
        "Chip(program, hardware)",
        Argument("program", program, Program, rule),
        Argument("hardware", hardware, Hardware, HARDWARE_RULE),
    )


def _check_widths(program: Program, hardware: Hardware) -> None:
    """One Hardware has one width for weights, one for stimuli and one for the codes that neurons
    write; those of deeper layers too.

    A layer whose weights were given a width of their own has that one, whatever the Hardware's is,
    and what is of a number format has the format's.
    """
    if program.wiring.has_own_widths:
        return
    widths = [("input_bits", program.input.bits)] if program.input.is_even else []
    for layer in program.layers.values():
        own = layer.own_width or layer.weight_book is not None
        widths += [] if own else [("weight_bits", layer.weight_bits)]
        widths += [("output_bits", layer.output.bits)] if layer.output.is_even else []
    for name, value in widths:
        has = getattr(hardware.precision, name)
        if has != value:
            rule = f"should be {value}, which the program was trained for, in {hardware.name}"
            raise SettingError.of(name, has, rule, section=("precision",))
