"""Layers one after the other on a chip: the single-layer and the multi-layer program."""

import numpy as np

from stochsim.accounting import counts as tally
from stochsim.chip.inputs import Inputs
from stochsim.chip.layer import Layer
from stochsim.chip.rng_address import Place
from stochsim.energy import Operation
from stochsim.hardware import Hardware
from stochsim.program import DeepProgram, Program
from stochsim.settings import SettingError


class FeedForward:
    """Hidden layers, if any, then the layer whose codes are read, with the sigma that `spread`
    gives it, or its own.

    Where all reads of a stimulus share the codes of the hidden layers, these are computed once; a
    bill counts them at every read. x_calibration: stimuli (stimulus, input) for calibrated
    converters; the later layers are calibrated on the codes of those before.
    """

    def __init__(
        self,
        program: Program | DeepProgram,
        hardware: Hardware,
        noise: float,
        chip_key: int,
        x_calibration: np.ndarray | None,
    ) -> None:
        self.program, self.hardware, self.noise = program, hardware, noise
        self.names = tally.layer_names(program)
        self.inputs = Inputs(program.input, hardware)
        programs = program.hidden if isinstance(program, DeepProgram) else ()
        self.hidden: list[Layer] = []
        integers = None if x_calibration is None else self.inputs.nearest(x_calibration)
        for number, one in enumerate(programs, 1):
            self.hidden.append(layer := Layer(one, hardware, noise, chip_key, number, integers))
            integers = None if integers is None else _codes_of_one_read(layer, integers)
        rest = (hardware, noise, chip_key)
        self.spread = (
            Layer(program.spread, *rest, len(programs) + 1, integers)
            if isinstance(program, DeepProgram)
            else None
        )
        self.last = Layer(
            program.last if isinstance(program, DeepProgram) else program, *rest, 0, integers
        )

    @property
    def shares_hidden_codes(self) -> bool:
        """Whether all reads of a stimulus share what the last layer reads."""
        return self.inputs.steady and all(layer.is_certain for layer in self.hidden)

    @property
    def shares_drives(self) -> bool:
        """Whether all reads of a stimulus share drives and sigmas of the last layer, so that none
        are held read by read.
        """
        spread_is_certain = self.spread is None or self.spread.is_certain
        return self.shares_hidden_codes and spread_is_certain and self.last.is_steady

    @property
    def is_digital(self) -> bool:
        """Whether all products are."""
        return all(
            layer.is_digital
            for layer in [*self.hidden, self.last, *([] if self.spread is None else [self.spread])]
        )

    @property
    def has_rows(self) -> bool:
        """Whether some noise takes every read for a row of its own."""
        differ = not self.inputs.steady
        for layer in self.hidden:
            if differ and layer.has_rows:
                return True
            differ = differ or not layer.is_certain
        ends = [self.last] if self.spread is None else [self.spread, self.last]
        noisy_spread = self.spread is not None and (differ or not self.spread.is_certain)
        return noisy_spread or (differ and any(layer.has_rows for layer in ends))

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
        """
        integers, seen = self._through_hidden(x, reads, place)
        sigma = None
        if self.spread is not None:
            codes = self.spread.codes(integers, reads, place)
            sigma = self._sigma(codes)
            seen.append((self.spread, integers))
            if counts is not None:
                tally.add(
                    counts, self.names[-1], self._hold(codes, 1 if codes.ndim == 3 else reads)
                )
        if counts is not None:
            for name, (layer, read) in zip(self.names, [*seen, (self.last, integers)], strict=True):
                tally.add(counts, name, layer.operations(read, reads))
        if out is not None:
            self.last.draw(integers, place, out, sigma)

    def standing(self, stimuli: int, reads: int) -> tally.Counts:
        """What so many reads of each stimulus take whatever the stimuli are, beside the
        products.
        """
        program, hardware, draws, last = (
            self.program,
            self.hardware,
            stimuli * reads,
            self.names[-1],
        )
        layers = dict(zip(self.names, program.layers, strict=True))
        counts = tally.weight_memory(hardware, layers, stimuli, reads) | tally.code_memory(
            layers, draws
        )
        if isinstance(program, DeepProgram):  # spread's codes are read where sigma is set
            tally.add(
                counts,
                last,
                {tally.code_operation(layers): draws * tally.output_bits(program.spread)},
            )
        for name in self.names if hardware.noise.dither != "none" else (last,):
            tally.add(
                counts,
                name,
                {Operation("random"): tally.random_bits(hardware, layers[name], draws)},
            )
        tally.add(
            counts,
            tally.INPUT,
            {Operation("random"): self.inputs.random_bits(draws * program.inputs)},
        )
        if isinstance(program, Program):
            tally.add(
                counts, last, tally.hold(hardware, self.noise * program.sigma, np.array(draws))
            )
        return counts

    def known(self, x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Drives of the last layer before the errors of a read, (stimulus, neuron), and its sigmas
        (see `Neurons.sigmas`).

        Raises SettingError where they differ from read to read.
        """
        integers, sigmas = self.known_sigmas(x)
        if not self.last.is_digital:
            raise SettingError(
                f"{self.hardware.name} has an array: its drives differ from read to read, so only "
                f"samples can be had"
            )
        return self.last.exact_drive(integers), sigmas

    def known_sigmas(self, x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """What the last layer reads, (stimulus, input), and its sigmas; raises SettingError where
        they differ from read to read.
        """
        certain = self.hidden if self.spread is None else [*self.hidden, self.spread]
        if not self.inputs.steady or not all(
            layer.is_certain and layer.reads_weights_rightly for layer in certain
        ):
            where = "its inputs" if not self.inputs.steady else "its hidden layers"
            raise SettingError(
                f"{self.hardware.name}: {where} differ from read to read, so only samples can be "
                f"had"
            )
        integers, _ = self._through_hidden(x, 1, Place(0, 0, 0))
        sigma = (
            None
            if self.spread is None
            else self._sigma(self.spread.codes(integers, 1, Place(0, 0, 0)))
        )
        return integers, self.last.neurons.sigmas(self.last.lumped(integers), sigma)

    def _through_hidden(
        self, x: np.ndarray, reads: int, place: Place
    ) -> tuple[np.ndarray, list[tuple[Layer, np.ndarray]]]:
        """What the layers behind the hidden ones read; and each hidden layer with what it read."""
        integers, seen = self.inputs.integers(x, reads, place), []
        for layer in self.hidden:
            seen.append((layer, integers))
            integers = layer.program.output.integers(layer.codes(integers, reads, place))
        return integers, seen

    def _sigma(self, codes: np.ndarray) -> np.ndarray:
        """sigma of the last layer's neurons, float64 of the shape of spread's codes."""
        assert isinstance(self.program, DeepProgram)
        output = self.program.spread.output
        return np.asarray(
            np.exp(self.program.base + (output.z + output.step * codes.astype(np.float64)))
        )

    def _hold(self, codes: np.ndarray, times: int) -> dict[Operation, float]:
        """Neurons held at the sigmas of spread's codes, each code so many times."""
        assert isinstance(self.program, DeepProgram)
        output, neurons = self.program.spread.output, self.program.neurons
        levels = codes.reshape(-1, neurons).astype(np.int64) - output.c_min
        found = np.bincount(
            (levels * neurons + np.arange(neurons)).ravel(), minlength=output.levels * neurons
        )
        every = np.arange(output.levels)[:, None] + np.full(neurons, output.c_min)
        occur = found > 0
        return tally.hold(
            self.hardware, self.noise * self._sigma(every).ravel()[occur], times * found[occur]
        )


def _codes_of_one_read(layer: Layer, integers: np.ndarray) -> np.ndarray:
    """Integers that a layer gives on for its own calibration data, (stimulus, neuron)."""
    codes = layer.codes(integers, 1, Place(0, 0, 0))
    return layer.program.output.integers(codes[:, 0] if codes.ndim == 3 else codes)
