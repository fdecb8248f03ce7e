"""The recurrent program on a chip, a step at a time for many chains together: every read of a chain
of its own, or all reads of one.
"""

import numpy as np
from stochsim_kernels.circuit import integer_circuit
from stochsim_kernels.product import matmul
from stochsim_kernels.random.integers import draw_integers

from stochsim.accounting import counts as tally
from stochsim.chip.digital_product import DigitalProduct
from stochsim.chip.inputs import Inputs
from stochsim.chip.layer import Layer
from stochsim.chip.rng_address import DIGITAL, HELD, INPUTS, Place, normals
from stochsim.energy import Operation
from stochsim.hardware import Hardware
from stochsim.program import RecurrentProgram
from stochsim.settings import check_stable


class Recurrent:
    """The products `forward` (of the stimulus) and `lateral` (of the codes), and the neurons that
    hold the codes.

    forward's sum is made once per read and held, with its noise; where inputs are rounded
    stochastically, at every step. x_calibration: stimuli (stimulus, input) for calibrated
    converters; those of `lateral` are calibrated on the codes that the chip would have without an
    array. Raises StochsimError for unstable weights.
    """

    shares_drives = False

    def __init__(
        self,
        program: RecurrentProgram,
        hardware: Hardware,
        noise: float,
        chip_key: int,
        x_calibration: np.ndarray | None,
    ) -> None:
        check_stable(program.radius)
        self.program, self.hardware, self.noise = program, hardware, noise
        self.inputs = Inputs(program.input, hardware)
        integers = codes = None
        if x_calibration is not None:
            integers, codes = (
                self.inputs.nearest(x_calibration),
                np.empty((len(x_calibration), 1, program.neurons), np.int8),
            )
            digital = Recurrent(program, hardware.replace(array=None), noise, chip_key, None)
            digital.run(x_calibration, 1, Place(0, 0, 0), codes, None)
            codes = program.output.integers(codes[:, 0])
        self.forward = Layer(program.forward, hardware, noise, chip_key, 0, integers)
        self.lateral = Layer(program.lateral, hardware, noise, chip_key, 1, codes)

    @property
    def has_rows(self) -> bool:
        """Whether some noise takes every read for a row of its own."""
        return self.lateral.has_rows or (not self.inputs.steady and self.forward.has_rows)

    @property
    def is_digital(self) -> bool:
        """Whether both products are, so that what they take does not depend on what they
        multiply.
        """
        return self.forward.is_digital and self.lateral.is_digital

    @property
    def is_certain(self) -> bool:
        """Whether all reads of a stimulus end at the same codes."""
        return self.inputs.steady and self.forward.is_certain and not self.lateral.has_rows

    def run(
        self,
        x: np.ndarray,
        reads: int,
        place: Place,
        out: np.ndarray | None,
        counts: tally.Counts | None,
    ) -> None:
        """Write codes of x (stimulus, input) to out (stimulus, read, neuron), and add what they
        take to counts, where these are given.

        That of digital products is in `standing`.
        """
        if not self.is_digital:
            self._run(x, reads, place, out, counts)
        elif out is not None and self.is_certain:
            one = np.empty((len(x), 1, self.program.neurons), np.int8)
            self._run(x, 1, place, one, None)
            out[...] = one
        elif out is not None:
            self._run(x, reads, place, out, None)

    def run_chain(
        self,
        x: np.ndarray,
        reads: int,
        thin: int,
        place: Place,
        out: np.ndarray | None,
        counts: tally.Counts | None,
    ) -> None:
        """As `run`, but of one chain per stimulus: the first read after the program's steps, then
        one every `thin` steps.

        Steps are numbered on, so each has random numbers of its own. The stimulus's sum is made
        once and held, with its noise, for the whole chain; where inputs are rounded stochastically,
        at every step.
        """
        if out is None and self.is_digital:
            return
        counted = None if self.is_digital else counts
        state = np.empty((len(x), 1, self.program.neurons), np.int8)
        state[...] = self.program.output.codes(np.zeros(1))
        held = self._held(x, 1, place, counted) if self.inputs.steady else None
        done = 0
        for read in range(reads):
            until = self.chain_steps(read + 1, thin)
            self._run_by_steps(x, held, place, state, counted, range(done, until))
            done = until
            if out is not None:
                out[:, read] = state[:, 0]

    def chain_steps(self, reads: int, thin: int) -> int:
        """Steps of one chain up to its last read."""
        return self.program.steps + (reads - 1) * thin

    def _run(
        self,
        x: np.ndarray,
        reads: int,
        place: Place,
        out: np.ndarray | None,
        counts: tally.Counts | None,
    ) -> None:
        state = np.empty((len(x), reads, self.program.neurons), np.int8) if out is None else out
        state[...] = self.program.output.codes(np.zeros(1))
        held = self._held(x, reads, place, counts) if self.inputs.steady else None
        weights = self._weights_of_kernel
        if weights is not None:
            self._run_in_cache(
                weights, self._rounded(x) if held is None else held[:, 0], place, state
            )
        else:
            self._run_by_steps(x, held, place, state, counts, range(self.program.steps))

    @property
    def _weights_of_kernel(self) -> matmul.PackedWeights | None:
        """Lateral weights where one kernel makes all steps: exact sums, noise that is drawn
        directly and is the same at every read.
        """
        weights, neurons = _plain_weights(self.lateral), self.forward.neurons
        if (
            weights is None
            or self.forward.has_rows
            or self.lateral.has_rows
            or not neurons.draws_directly
        ):
            return None
        if self.inputs.steady:
            return weights if integer_circuit.pays(self.program.neurons) else None
        pays = integer_circuit.pays(max(self.program.neurons, self.program.inputs))
        return weights if pays and _plain_weights(self.forward) is not None else None

    def _rounded(self, x: np.ndarray) -> integer_circuit.Rounded:
        """Inputs that are rounded stochastically, for the kernel of all steps."""
        weights, forward = _plain_weights(self.forward), self.forward.program
        assert weights is not None
        return integer_circuit.Rounded(
            weights,
            forward.weight_scale * forward.input.scale,
            forward.bias,
            *self.inputs.two_integers(x),
            INPUTS,
        )

    def _run_in_cache(
        self,
        weights: matmul.PackedWeights,
        held: np.ndarray | integer_circuit.Rounded,
        place: Place,
        state: np.ndarray,
    ) -> None:
        """Move state by all steps; held: drives (stimulus, neuron) of the stimulus, or what makes
        them at every step.
        """
        program, lateral, neurons = self.program, self.lateral.program, self.forward.neurons
        scale = lateral.weight_scale * lateral.input.scale
        sigmas = neurons.sigmas(np.zeros(1))
        circuit = integer_circuit.Circuit(
            weights, scale, lateral.bias, program.own, *sigmas, neurons.law
        )
        steps = integer_circuit.Steps(program.steps, place.at(1).draws)
        address = place.at(0).address(neurons.word)
        integer_circuit.run_chains(circuit, held, address, steps, state)

    def _run_by_steps(
        self,
        x: np.ndarray,
        held: np.ndarray | None,
        place: Place,
        state: np.ndarray,
        counts: tally.Counts | None,
        steps: range,
    ) -> None:
        """Move state by these steps; held: drives of the stimulus, (stimulus, 1 or read, neuron),
        where they are made once.
        """
        program, output, reads = self.program, self.program.output, state.shape[1]
        own = _Table(program.own, output.c_min)
        registers = self._registers(place, state.shape, steps)
        for step in steps:
            here, integers = place.at(step), output.integers(state)
            drive, lumped = self.lateral.drive(integers, reads, here), self.lateral.lumped(integers)
            if counts is not None:
                tally.add(counts, "lateral", self.lateral.operations(integers, reads))
            if held is None:
                more, noise = self._afresh(x, reads, here, counts)
                lumped = np.hypot(lumped, noise)
            else:
                more = held
            drive += more
            own.add(state, drive)
            self.forward.neurons.draw(
                drive,
                lumped,
                here,
                state,
                u=None if registers is None else registers[:, :, step - steps.start],
            )

    def _afresh(
        self, x: np.ndarray, reads: int, place: Place, counts: tally.Counts | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Drives of the stimulus at this step (stimulus, read, neuron), and the lumped noise of its
        weights.
        """
        integers = self.inputs.integers(x, reads, place)
        self._count_forward(integers, reads, counts)
        return self.forward.drive(integers, reads, place), self.forward.lumped(integers)

    def _held(
        self, x: np.ndarray, reads: int, place: Place, counts: tally.Counts | None
    ) -> np.ndarray:
        """Drives of the stimulus for all steps, (stimulus, 1 or read, neuron), with the noise of
        one read where they have any.
        """
        integers = self.inputs.integers(x, reads, place)
        self._count_forward(integers, reads, counts)
        drive = self.forward.drive(integers, reads, place)
        drive = drive if drive.ndim == 3 else drive[:, None]
        lumped = self.forward.lumped(integers)
        if not lumped.any():
            return drive
        u = np.empty((len(x), reads, self.program.neurons), np.uint32)
        draw_integers(place.address(DIGITAL, HELD), u)
        return drive + lumped[:, None, None] * normals(u)

    def _registers(self, place: Place, shape: tuple[int, ...], steps: range) -> np.ndarray | None:
        """The integers of shift registers, (stimulus, read, step, neuron), which run on from step
        to step and from read to read.

        steps: all of the program's, or, of the one chain of each stimulus, any.
        """
        if self.hardware.random.lfsr_bits == 0:
            return None
        stimuli, reads, neurons = shape
        here = place._replace(first_read=place.first_read * self.program.steps + steps.start)
        return self.forward.neurons.source(here, (stimuli, reads * len(steps), neurons)).reshape(
            stimuli, reads, len(steps), neurons
        )

    def _count_forward(self, integers: np.ndarray, reads: int, counts: tally.Counts | None) -> None:
        if counts is not None:  # a digital sum is converted together with that of `lateral`
            self._add_forward(self.forward.operations(integers, reads), counts)

    def _add_forward(self, found: dict[Operation, float], counts: tally.Counts) -> None:
        tally.add(
            counts,
            "forward",
            {
                one: n
                for one, n in found.items()
                if not (one.kind == "adc" and self.forward.is_digital)
            },
        )

    def standing(self, stimuli: int, reads: int, thin: int | None = None) -> tally.Counts:
        """What so many reads of each stimulus take whatever the stimuli are: digital products, and
        all that is beside products.

        At every step codes are read and written, and what the stimulus and a neuron's own code give
        is added to the sum, all of which belongs to `lateral`, as the neurons do; inputs are read
        once per chain, or at every step where they are rounded anew. Every read is a chain of the
        program's steps, or, with `thin`, all reads are of one.
        """
        chains, length = (
            (reads, self.program.steps) if thin is None else (1, self.chain_steps(reads, thin))
        )
        program, hardware, steps = self.program, self.hardware, stimuli * chains * length
        inputs, codes = tally.input_bits(program.forward), tally.output_bits(program.forward)
        afresh = stimuli * chains if self.inputs.steady else steps
        counts = tally.weight_memory(
            hardware, {"forward": program.forward, "lateral": program.lateral}, stimuli, reads
        )
        if self.is_digital:
            self._add_forward(self.forward.operations_of_digital(afresh), counts)
            tally.add(counts, "lateral", self.lateral.operations_of_digital(steps))
        memory, width = (
            Operation("code_memory", (inputs + codes,)),
            self.lateral.neurons.hardware.accumulator_width(program.neurons),
        )
        tally.add(counts, "forward", {memory: afresh * inputs})
        tally.add(
            counts,
            "lateral",
            {memory: steps * 2 * codes, Operation("add", (width,)): 2 * steps * program.neurons},
        )
        tally.add(
            counts,
            "lateral",
            {Operation("random"): tally.random_bits(hardware, program.forward, steps)},
        )
        tally.add(
            counts, "lateral", tally.hold(hardware, self.noise * program.sigma, np.array(steps))
        )
        tally.add(
            counts,
            tally.INPUT,
            {Operation("random"): self.inputs.random_bits(afresh * program.inputs)},
        )
        return counts


def _plain_weights(layer: Layer) -> matmul.PackedWeights | None:
    """The weights of a layer whose sums are nothing but their products."""
    return layer.product.plain_weights if isinstance(layer.product, DigitalProduct) else None


class _Table:
    """What neurons add to their drive by their own code: values (level, neuron)."""

    def __init__(self, values: np.ndarray, c_min: int) -> None:
        self._flat, neurons = np.ascontiguousarray(values, np.float64).ravel(), values.shape[1]
        self._neurons, self._place = neurons, np.arange(neurons, dtype=np.intp) - c_min * neurons

    def add(self, codes: np.ndarray, drive: np.ndarray) -> None:
        """Add to drive (stimulus, read, neuron), in place, what codes of that shape call for."""
        at = codes.astype(np.intp)
        at *= self._neurons
        at += self._place
        drive += np.take(self._flat, at)
