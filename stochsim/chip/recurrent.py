"""A recurrent program on a chip, a step at a time for many chains together: every read of a chain
of its own, or all reads of one.
"""

import numpy as np
from stochsim_kernels.circuit import integer_circuit
from stochsim_kernels.neuron import drawing
from stochsim_kernels.product import matmul
from stochsim_kernels.random.integers import draw_integers

from stochsim.accounting import OFF, Meter, Sharing
from stochsim.chip import memory_portions
from stochsim.chip.float_adder import OWN, STIMULUS
from stochsim.chip.inputs import Inputs
from stochsim.chip.layer_on_chip import ChipSettings, LayerOnChip
from stochsim.chip.product import refuse_differing
from stochsim.chip.rng_address import DIGITAL, INPUTS, STIMULUS_DRIVE, Place, normals
from stochsim.chip.runner import Runner
from stochsim.program import LATERAL, READOUT, Program, Recurrent
from stochsim.settings import check_stable

_CALLS_OF_STEP = 4
"""Times what a call of a kernel takes, for a step of all chains of a portion: for enough chains."""

_STEPS_AT_ONCE = 64
"""Of one chain, whose registers' integers are made together."""


class RecurrentRunner(Runner):
    """The products `readout` (of the stimulus) and `lateral` (of the codes), and the neurons whose
    codes are the state.

    The readout's sum is made once per read and kept, with its noise; where inputs are rounded
    stochastically, at every step. x_calibration: stimuli (stimulus, input) for calibrated ADCs;
    those of `lateral` are calibrated on the codes that the chip would have without an array. Raises
    StochsimError for unstable weights.
    """

    sharing = Sharing.READ

    def __init__(
        self, program: Program, chip: ChipSettings, x_calibration: np.ndarray | None
    ) -> None:
        wiring = program.wiring
        assert isinstance(wiring, Recurrent)
        check_stable(wiring.radius)
        self.program = program
        self.wiring = wiring
        self.chip = chip
        self.neurons = program.neurons
        self.inputs = Inputs(program.input, chip.hardware)
        integers = codes = None
        if x_calibration is not None:
            integers = self.inputs.nearest(x_calibration)
            codes = self._codes_without_array(program, x_calibration)
        readout = program.layers[READOUT]
        lateral = program.layers[LATERAL]
        self.readout = LayerOnChip(READOUT, readout, chip, 0, integers)
        self.lateral = LayerOnChip(LATERAL, lateral, chip, 1, codes)
        self.state = program.output
        self.is_digital = self.readout.is_digital and self.lateral.is_digital
        self.numbers_rows = self.lateral.numbers_rows or (
            not self.inputs.are_shared and self.readout.numbers_rows
        )
        self.widest = max(program.neurons, program.inputs)

    def _codes_without_array(self, program: Program, x: np.ndarray) -> np.ndarray:
        """Integers (stimulus, neuron) of the codes that a chip of exact products ends at."""
        digital = self.chip._replace(has_exact_products=True)
        codes = np.empty((len(x), 1, program.neurons), np.int8)
        RecurrentRunner(program, digital, None).run(x, 1, Place(0, 0, 0), codes, OFF)
        return program.output.integers(codes[:, 0])

    @property
    def all_layers(self) -> list[LayerOnChip]:
        """See `Runner.all_layers`."""
        return [self.readout, self.lateral]

    @property
    def shares_codes(self) -> bool:
        """Whether all reads of a stimulus end at the same codes."""
        certain = self.inputs.are_shared and self.readout.shares_codes
        noisy = self.lateral.neurons.has_weight_noise or not self.lateral.shares_drives
        return certain and not noisy

    @property
    def values_at_once(self) -> int:
        """See `Runner.values_at_once`: states that stay in the cache from step to step, fewer of
        circuits with many steps, and where a step takes long.
        """
        by_steps = memory_portions.STEPS_OF_STATES_AT_ONCE // self.wiring.steps
        by_law = _CALLS_OF_STEP * drawing.codes_at_once(self.readout.neurons.law)
        return max(1, min(memory_portions.STATES_AT_ONCE, by_steps, by_law))

    def known_sigmas(self, x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Refused: a circuit's drives differ from read to read."""
        name = self.chip.hardware.name
        raise refuse_differing(f"{name} runs a recurrent program", "its drives")

    def run(self, x: np.ndarray, reads: int, place: Place, out: np.ndarray, meter: Meter) -> None:
        """See `Runner.run`; every read is a chain of its own."""
        if self.is_digital and self.shares_codes:
            one = np.empty((len(x), 1, self.neurons), np.int8)
            self._run(x, 1, place, one, OFF)
            out[...] = one
        else:
            self._run(x, reads, place, out, meter)

    def count(self, x: np.ndarray, reads: int, place: Place, meter: Meter) -> None:
        """See `Runner.count`; what digital products take is fixed."""
        if not self.is_digital:
            self._run(x, reads, place, np.empty((len(x), reads, self.neurons), np.int8), meter)

    def run_chain(
        self, x: np.ndarray, steps_between_reads: int, place: Place, out: np.ndarray, meter: Meter
    ) -> None:
        """Run one chain per stimulus, in place of one per read: the first read after the program's
        steps, then one every `steps_between_reads` steps.

        Steps are numbered on, so each has random numbers of its own. The stimulus's sum is made
        once and kept, with its noise, for the whole chain; where inputs are rounded stochastically,
        at every step.
        """
        state = self._at_rest(len(x), 1)
        drive = self._stimulus_drive(x, 1, place, meter) if self.inputs.are_shared else None
        done = 0
        for read in range(out.shape[1]):
            until = self.wiring.steps + read * steps_between_reads
            for first in range(done, until, _STEPS_AT_ONCE):
                steps = range(first, min(first + _STEPS_AT_ONCE, until))
                self._run_by_steps(x, drive, place, state, meter, steps)
            done = until
            out[:, read] = state[:, 0]

    def _at_rest(self, stimuli: int, reads: int) -> np.ndarray:
        """States (stimulus, read, neuron) int8 from which chains start: the code of value 0."""
        state = np.empty((stimuli, reads, self.neurons), np.int8)
        state[...] = self.state.codes(np.zeros(1))
        return state

    def _run(self, x: np.ndarray, reads: int, place: Place, out: np.ndarray, meter: Meter) -> None:
        out[...] = self.state.codes(np.zeros(1))
        shared = self.inputs.are_shared
        drive = self._stimulus_drive(x, reads, place, meter) if shared else None
        weights = self._weights_of_kernel
        if weights is not None:
            given = self._rounded(x) if drive is None else drive[:, 0]
            self._run_in_cache(weights, given, place, out)
        else:
            self._run_by_steps(x, drive, place, out, meter, range(self.wiring.steps))

    @property
    def _weights_of_kernel(self) -> matmul.PackedWeights | None:
        """Lateral weights where one kernel makes all steps: exact sums, noise that is drawn
        directly and is the same at every read; codes are integers, of one scale.
        """
        layers = (self.readout.layer, self.lateral.layer)
        if not all(layer.multiplies_codes and not layer.has_scales_of_neurons for layer in layers):
            return None
        weights = self.lateral.product.plain_weights
        neurons = self.readout.neurons
        if (
            weights is None
            or self.readout.numbers_rows
            or self.lateral.numbers_rows
            or not neurons.draws_directly
        ):
            return None
        if self.inputs.are_shared:
            return weights if integer_circuit.fused_is_faster(self.neurons) else None
        is_faster = integer_circuit.fused_is_faster(max(self.neurons, self.readout.layer.inputs))
        return weights if is_faster and self.readout.product.plain_weights is not None else None

    def _rounded(self, x: np.ndarray) -> integer_circuit.Rounded:
        """Inputs that are rounded stochastically, for the kernel of all steps."""
        weights = self.readout.product.plain_weights
        readout = self.readout.layer
        assert weights is not None
        return integer_circuit.Rounded(
            weights,
            float(readout.weight_scale) * readout.input.scale,
            readout.bias,
            *self.inputs.two_integers(x),
            INPUTS,
        )

    def _run_in_cache(
        self,
        weights: matmul.PackedWeights,
        given: np.ndarray | integer_circuit.Rounded,
        place: Place,
        state: np.ndarray,
    ) -> None:
        """Move state by all steps; given: drives (stimulus, neuron) of the stimulus, or what makes
        them at every step.
        """
        lateral = self.lateral.layer
        neurons = self.readout.neurons
        scale = float(lateral.weight_scale) * lateral.input.scale
        sigmas = neurons.sigmas(np.zeros((1, 1)))
        circuit = integer_circuit.Circuit(
            weights, scale, lateral.bias, self.wiring.table, *sigmas, neurons.law
        )
        steps = integer_circuit.Steps(self.wiring.steps, place.at(1).draws)
        address = place.at(0).address(neurons.word)
        integer_circuit.run_chains(circuit, given, address, steps, state)

    def _run_by_steps(
        self,
        x: np.ndarray,
        given: np.ndarray | None,
        place: Place,
        state: np.ndarray,
        meter: Meter,
        steps: range,
    ) -> None:
        """Move state by these steps; given: drives of the stimulus, (stimulus, 1 or read, neuron),
        where they are made once.
        """
        reads = state.shape[1]
        table = _Table(self.wiring.table, self.state.c_min)
        registers = self._registers(place, state.shape, steps)
        for step in steps:
            here = place.at(step)
            integers = self.state.integers(state)
            drive = self.lateral.drive(integers, reads, here)
            lumped = self.lateral.lumped(integers)
            self.lateral.report(meter, integers, reads)
            if given is None:
                more, noise = self._drive_of_step(x, reads, here, meter)
                self.lateral.add(drive, more, here, STIMULUS)
                lumped = np.hypot(lumped, noise)
            else:
                self.lateral.add(drive, given, here, STIMULUS)
            self.lateral.add(drive, table.of(state), here, OWN)
            u = None if registers is None else registers[:, :, step - steps.start]
            self.readout.neurons.draw(drive, lumped, here, state, u=u)

    def _drive_of_step(
        self, x: np.ndarray, reads: int, place: Place, meter: Meter
    ) -> tuple[np.ndarray, np.ndarray]:
        """Drives of the stimulus at this step (stimulus, read, neuron), and the lumped noise of its
        weights.
        """
        integers = self.inputs.integers(x, reads, place)
        self.readout.report(meter, integers, reads)
        return self.readout.drive(integers, reads, place), self.readout.lumped(integers)

    def _stimulus_drive(self, x: np.ndarray, reads: int, place: Place, meter: Meter) -> np.ndarray:
        """Drives of the stimulus for all steps, (stimulus, 1 or read, neuron), with the noise of
        one read where they have any.
        """
        integers = self.inputs.integers(x, reads, place)
        self.readout.report(meter, integers, reads)
        drive = self.readout.drive(integers, reads, place)
        drive = drive if drive.ndim == 3 else drive[:, None]
        lumped = self.readout.lumped(integers)
        if not lumped.any():
            return drive
        u = np.empty((len(x), reads, self.neurons), np.uint32)
        draw_integers(place.address(DIGITAL, STIMULUS_DRIVE), u)
        return drive + lumped[:, None] * normals(u)

    def _registers(self, place: Place, shape: tuple[int, ...], steps: range) -> np.ndarray | None:
        """The integers of shift registers, (stimulus, read, step, neuron), which run on from step
        to step and from read to read.

        steps: all of the program's, or, of the one chain of each stimulus, any.
        """
        if self.chip.hardware.random.lfsr_bits == 0:
            return None
        stimuli, reads, neurons = shape
        here = place._replace(first_read=place.first_read * self.wiring.steps + steps.start)
        u = self.readout.neurons.source(here, (stimuli, reads * len(steps), neurons))
        return u.reshape(stimuli, reads, len(steps), neurons)


class _Table:
    """What neurons add to their drive by their present code: values (level, neuron)."""

    def __init__(self, values: np.ndarray, c_min: int) -> None:
        self._flat = np.ascontiguousarray(values, np.float64).ravel()
        neurons = values.shape[1]
        self._neurons = neurons
        self._place = np.arange(neurons, dtype=np.intp) - c_min * neurons

    def of(self, codes: np.ndarray) -> np.ndarray:
        """What codes (stimulus, read, neuron) call for, of their shape."""
        at = codes.astype(np.intp)
        at *= self._neurons
        at += self._place
        return np.take(self._flat, at)
