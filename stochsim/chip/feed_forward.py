"""Layers one after the other on a chip, and a head that sets the noise of the last."""

import numpy as np

from stochsim.accounting import OFF, Meter, Sharing
from stochsim.chip import memory_portions
from stochsim.chip.inputs import Inputs
from stochsim.chip.layer_on_chip import ChipSettings, LayerOnChip
from stochsim.chip.product import refuse_differing
from stochsim.chip.rng_address import Place
from stochsim.chip.runner import Runner
from stochsim.program import LOG_SIGMA, LogSigmaHead, Program, Quantizer
from stochsim.settings import SettingError


class FeedForwardRunner(Runner):
    """Hidden layers, if any, then the layer whose codes are read, with the sigma that a head gives
    it, or its own.

    Where all reads of a stimulus share the codes of the hidden layers, these are computed once; a
    bill counts them at every read. x_calibration: stimuli (stimulus, input) for calibrated ADCs;
    the later layers are calibrated on the codes of those before.
    """

    def __init__(
        self, program: Program, chip: ChipSettings, x_calibration: np.ndarray | None
    ) -> None:
        self.program, self.chip = program, chip
        self.inputs = Inputs(program.input, chip.hardware)
        _check_rounding(program, self.inputs)
        integers = None if x_calibration is None else self.inputs.nearest(x_calibration)
        head = program.layers.get(LOG_SIGMA)
        names = list(program.layers)
        hidden_names = names[:-1] if head is None else names[:-2]
        self.hidden: list[LayerOnChip] = []
        for number, name in enumerate(hidden_names, 1):
            layer = LayerOnChip(name, program.layers[name], chip, number, integers)
            self.hidden.append(layer)
            integers = None if integers is None else _codes_of_one_read(layer, integers)
        self.head = None
        if head is not None:
            number = len(self.hidden) + 1
            layer = LayerOnChip(LOG_SIGMA, head, chip, number, integers)
            self.head = Head(layer, program, chip)
        self.readout = LayerOnChip(names[-1], program.readout, chip, 0, integers)
        self.before = [*self.hidden, *([self.head.layer] if self.head is not None else [])]
        self.is_digital = all(layer.is_digital for layer in (*self.before, self.readout))
        sizes = [(layer.neurons, layer.inputs) for layer in program.layers.values()]
        self.widest = max(max(pair) for pair in sizes)

    @property
    def all_layers(self) -> list[LayerOnChip]:
        """See `Runner.all_layers`."""
        return [*self.before, self.readout]

    @property
    def sharing(self) -> Sharing:  # type: ignore[override]
        """What drives and sigmas of the readout are the same for."""
        same = self.inputs.are_shared and all(layer.shares_codes for layer in self.before)
        return Sharing.STIMULUS if same and self.readout.shares_drives else Sharing.READ

    @property
    def shares_codes(self) -> bool:
        """See `Runner.shares_codes`; a head's sigma is above 0."""
        certain = self.sharing <= Sharing.STIMULUS and self.readout.shares_codes
        return certain and self.head is None

    @property
    def values_at_once(self) -> int:
        """See `Runner.values_at_once`."""
        return memory_portions.DRIVES_AT_ONCE

    def values_of_read(self, x: np.ndarray, reads: int) -> int:
        """See `Runner.values_of_read`; where all reads share their drives, its part of them."""
        if self.sharing > Sharing.STIMULUS:
            return self.widest
        return memory_portions.values_of_shared(self.widest, self.program.neurons, reads)

    @property
    def numbers_rows(self) -> bool:  # type: ignore[override]
        """Whether some noise takes every read for a row of its own."""
        differ = not self.inputs.are_shared
        for layer in self.hidden:
            if differ and layer.numbers_rows:
                return True
            differ = differ or not layer.shares_codes
        if self.head is not None and (differ or not self.head.layer.shares_codes):
            return True
        return differ and self.readout.numbers_rows

    def run(self, x: np.ndarray, reads: int, place: Place, out: np.ndarray, meter: Meter) -> None:
        """See `Runner.run`."""
        integers, sigma = self._to_readout(x, reads, place, meter)
        self.readout.draw(integers, place, out, sigma)

    def count(self, x: np.ndarray, reads: int, place: Place, meter: Meter) -> None:
        """See `Runner.count`."""
        self._to_readout(x, reads, place, meter)

    def known_sigmas(self, x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """See `Runner.known_sigmas`."""
        name = self.chip.hardware.name
        if not self.inputs.are_shared:
            raise refuse_differing(name, "its inputs")
        if not all(layer.shares_codes and layer.reads_weights_rightly for layer in self.before):
            raise refuse_differing(name, "its hidden layers")
        integers, sigma = self._to_readout(x, 1, Place(0, 0, 0), OFF)
        return integers, self.readout.neurons.sigmas(self.readout.lumped(integers), sigma)

    def _to_readout(
        self, x: np.ndarray, reads: int, place: Place, meter: Meter
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What the readout reads, (stimulus, input) or (stimulus, read, input), and the sigma of
        its neurons where a head sets it.
        """
        integers = self.inputs.integers(x, reads, place)
        given = None
        for layer in self.hidden:
            integers = _read(layer, given, integers)
            layer.report(meter, integers, reads)
            given = layer.layer.output, layer.codes(integers, reads, place)
        sigma = None
        if self.head is not None:
            seen = _read(self.head.layer, given, integers)
            self.head.layer.report(meter, seen, reads)
            codes = self.head.layer.codes(seen, reads, place)
            sigma = self.head.sigma(codes)
            self.head.report_reliability(meter, self.readout.name, codes, reads)
        integers = _read(self.readout, given, integers)
        self.readout.report(meter, integers, reads)
        return integers, sigma


def _read(
    layer: LayerOnChip, given: tuple[Quantizer, np.ndarray] | None, integers: np.ndarray
) -> np.ndarray:
    """What a layer reads of the codes of the layer before: their integers, or their values in
    dynamic blocks. given: that layer's output and codes; None before the first layer, which reads
    `integers`.
    """
    if given is None:
        return integers
    output, codes = given
    if layer.layer.input.is_dynamic:
        return layer.layer.input.numbers(output.exact_values(codes))
    return output.integers(codes)


def _check_rounding(program: Program, inputs: Inputs) -> None:
    """Raise SettingError for stochastic rounding where layers behind the first have dynamic
    blocks.
    """
    later = [name for name, one in program.layers.items() if one.input.is_dynamic]
    later = later[int(program.input.is_dynamic) :]
    if later and not inputs.are_shared:
        rule = (
            f"should be 'none': it rounds the stimuli alone, and '{later[0]}' rounds the values of "
            f"the layer before in blocks, too; in a converted network every layer does so"
        )
        raise SettingError.of("noise.input_dither", "stochastic", rule)


class Head:
    """The layer whose codes set the noise of the readout's neurons."""

    def __init__(self, layer: LayerOnChip, program: Program, chip: ChipSettings) -> None:
        assert isinstance(program.wiring, LogSigmaHead)
        self.layer, self.base, self.chip = layer, program.wiring.base, chip

    def sigma(self, codes: np.ndarray) -> np.ndarray:
        """sigma of the readout's neurons, float64 of the shape of these codes."""
        output = self.layer.layer.output
        return np.asarray(np.exp(self.base + output.exact_values(codes)))

    def report_reliability(self, meter: Meter, readout: str, codes: np.ndarray, reads: int) -> None:
        """Tell the meter the sigma of every neuron: codes (stimulus, neuron) hold for all
        reads, (stimulus, read, neuron) for one each.
        """
        if not meter.is_on:
            return
        output, neurons = self.layer.layer.output, len(self.base)
        levels = codes.reshape(-1, neurons).astype(np.int64) - output.c_min
        cells = (levels * neurons + np.arange(neurons)).ravel()
        found = np.bincount(cells, minlength=output.levels * neurons)
        every = np.arange(output.levels)[:, None] + np.full(neurons, output.c_min)
        occur = found > 0
        sigma = self.chip.sigma_scale * self.sigma(every).ravel()[occur]
        times = found[occur] * (1 if codes.ndim == 3 else reads)
        meter.add_reliability(readout, self.chip.hardware.reliability, sigma, times)


def _codes_of_one_read(layer: LayerOnChip, integers: np.ndarray) -> np.ndarray:
    """Integers that a layer gives on for its own calibration data, (stimulus, neuron)."""
    codes = layer.codes(integers, 1, Place(0, 0, 0))
    return layer.layer.output.integers(codes[:, 0] if codes.ndim == 3 else codes)
