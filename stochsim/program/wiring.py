"""How the layers of a program are put together: one after another, with a head for log sigma, or as
a recurrent circuit. Each wiring checks that layers fit, and says what reads ask of them.
"""

import abc
import dataclasses
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np

from stochsim.data import check_stimuli
from stochsim.hardware import Noise
from stochsim.program.layer import LATERAL, LOG_SIGMA, READOUT, Layer
from stochsim.program.layer_shape import LayerShape
from stochsim.program.quantizer import Quantizer
from stochsim.program.shapes import check_shape, floats
from stochsim.program.workload import (
    NOISE_RULE,
    LayerUse,
    Workload,
    check_shapes,
    feed_forward_workload,
    log_sigma_workload,
    recurrent_workload,
)
from stochsim.settings import (
    SettingError,
    check_float,
    check_kind,
    check_stable,
    check_whole,
    counted,
    one_line,
    range_text,
)

_MOST_STEPS = 1_000_000


class Wiring(abc.ABC):
    """What a program needs of its wiring.

    kind: as files name it. sigma_is_its_own: whether the noise before a quantiser is the sigma of
    the layer that is read. has_own_widths: whether layers have bits of their own, whatever those of
    the Hardware are.
    """

    kind: ClassVar[str]
    sigma_is_its_own: ClassVar[bool] = False
    has_own_widths: ClassVar[bool] = False

    @property
    def steps_of_read(self) -> int | None:
        """Steps from rest to a read; None where a read takes none."""
        return None

    @property
    def not_saved(self) -> tuple[str, ...]:
        """Parts that a file leaves out, each with the reason."""
        return ()

    @abc.abstractmethod
    def check(self, layers: Mapping[str, Layer]) -> None:
        """Raise SettingError for layers that do not fit."""

    def summary(self, layers: Mapping[str, Layer]) -> str:
        """What layers wired so are, in a few words: "recurrent, 64 inputs -> 64 neurons"."""
        inputs = next(iter(layers.values())).inputs
        neurons = layers[self.read_layer(layers)].neurons
        return f"{self.kind}, {counted(inputs, 'input', 'inputs')} -> {_neurons(neurons)}"

    def sigma_text(self, name: str, layer: Layer) -> str:
        """The noise level of a layer's neurons in words, in units of the drive."""
        return range_text(layer.sigma) if layer.sigma.any() else "none"

    def stimuli(self, x: Any, inputs: int) -> np.ndarray:
        """x as an array (stimulus, input) of floats; raises SettingError for another shape or type,
        NaN and infinity.
        """
        return check_stimuli(x, inputs)

    @abc.abstractmethod
    def read_layer(self, layers: Mapping[str, Any]) -> str:
        """Name of the layer whose neurons' codes are read."""

    def with_output(
        self, layers: Mapping[str, Layer], output: Quantizer
    ) -> tuple[dict[str, Layer], "Wiring"]:
        """Layers and wiring with other outputs of the layer that is read."""
        name = self.read_layer(layers)
        return {**layers, name: dataclasses.replace(layers[name], output=output)}, self

    @abc.abstractmethod
    def billed_sigma(self, layers: Mapping[str, Layer]) -> dict[str, np.ndarray]:
        """Noise levels (neuron,) that neurons are billed for, by layer."""

    @abc.abstractmethod
    def workload(
        self,
        shapes: Mapping[str, LayerShape],
        noise: Noise,
        reads: int = 1,
        steps_between_reads: int | None = None,
        x: np.ndarray | None = None,
    ) -> Workload:
        """What `reads` reads of one stimulus ask of layers of these shapes on a chip of this noise.

        steps_between_reads: of one chain, None where every read is a chain of its own. x: stimuli
        (stimulus, …), of a graph, where positions depend on their size.
        """

    @classmethod
    def stored_arrays(cls) -> tuple[str, ...]:
        """The fields that files store as arrays."""
        return tuple(one.name for one in _fields(cls) if one.type is np.ndarray)

    @classmethod
    def stored_numbers(cls) -> dict[str, type]:
        """The fields that files store as numbers, with their types."""
        return {one.name: one.type for one in _fields(cls) if one.type in (int, float)}

    def to_table(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What files store: numbers by field, and arrays by the name that they have there."""
        table = {name: getattr(self, name) for name in self.stored_numbers()}
        arrays = {
            f"wiring.{name}": np.asarray(getattr(self, name), np.float64)
            for name in self.stored_arrays()
        }
        return table, arrays


def _fields(wiring: type[Wiring]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(wiring)  # type: ignore[arg-type]


@dataclass(frozen=True)
class FeedForward(Wiring):
    """Layers one after another; the codes of the last are read."""

    kind = "feed-forward"
    sigma_is_its_own = True

    def check(self, layers: Mapping[str, Layer]) -> None:
        """Raise SettingError for no layers, and a layer that does not read the one before."""
        if not layers:
            raise SettingError.of("layers", [], "should have at least one layer")
        for before, after in itertools.pairwise(layers):
            check_follows(layers, before, after)

    def read_layer(self, layers: Mapping[str, Any]) -> str:
        """The last."""
        return list(layers)[-1]

    def billed_sigma(self, layers: Mapping[str, Layer]) -> dict[str, np.ndarray]:
        """Each layer's own."""
        return {name: layer.sigma for name, layer in layers.items()}

    def workload(
        self,
        shapes: Mapping[str, LayerShape],
        noise: Noise,
        reads: int = 1,
        steps_between_reads: int | None = None,
        x: np.ndarray | None = None,
    ) -> Workload:
        """Every read makes every product, reads its inputs and writes its codes; neurons with a
        noise level of their own, and those that are read, draw random bits and are held.
        """
        check_shapes(shapes)
        check_kind("noise", noise, Noise, NOISE_RULE)
        reads = check_whole("reads", reads, 1, 2**31)
        last = self.read_layer(shapes)
        uses = []
        for name, shape in shapes.items():
            holds = reads if name == last or shape.has_noise else 0
            draws = reads if holds or noise.dither != "none" else 0
            moved = reads * (shape.read_bits + shape.written_bits)
            uses.append(LayerUse(name, shape, reads, moved, draws, holds))
        return feed_forward_workload(uses, noise, reads)


@dataclass(frozen=True)
class LogSigmaHead(Wiring):
    """Hidden layers one after another, then two layers that read the codes of the last of them:
    `log_sigma` gives the noise of the neurons of `readout` for each stimulus,

        sigma_i = exp(base_i + value of log_sigma's code), in units of readout's drive.

    base: (neuron,), kept in float64; raises SettingError for what holds no finite numbers. sigma of
    hidden layers and of `log_sigma` is 0 (they buy no noise), that of `readout` is not used.
    """

    base: np.ndarray
    kind = "log-sigma"
    __repr__ = one_line

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", floats("base", self.base))

    def check(self, layers: Mapping[str, Layer]) -> None:
        """Raise SettingError for layers or a base whose shapes or quantisers do not fit."""
        names = list(layers)
        if names[-2:] != [LOG_SIGMA, READOUT]:
            self._refuse(names)
        hidden = names[:-2]
        if not hidden:
            rule = f"should have at least one layer before '{LOG_SIGMA}'"
            raise SettingError.of("layers", names, rule)
        for before, after in itertools.pairwise(hidden):
            check_follows(layers, before, after)
        for name in (LOG_SIGMA, READOUT):
            check_follows(layers, hidden[-1], name)
        neurons = layers[READOUT].neurons
        given = layers[LOG_SIGMA].neurons
        if given != neurons:
            rule = f"should be {neurons}, a value for each neuron of '{READOUT}'"
            raise SettingError.of(f"{LOG_SIGMA}.neurons", given, rule)
        check_shape("base", self.base, "neuron", (neurons,))

    def _refuse(self, names: list[str]) -> NoReturn:
        rule = f"should end with '{LOG_SIGMA}' and '{READOUT}', which read the layer before them"
        raise SettingError.of("layers", names, rule)

    def read_layer(self, layers: Mapping[str, Any]) -> str:
        """The last."""
        return READOUT

    def sigma_text(self, name: str, layer: Layer) -> str:
        """That of the readout depends on the stimulus."""
        return f"by {LOG_SIGMA}" if name == READOUT else super().sigma_text(name, layer)

    def billed_sigma(self, layers: Mapping[str, Layer]) -> dict[str, np.ndarray]:
        """None that is known before the codes of `log_sigma` are."""
        return {}

    def workload(
        self,
        shapes: Mapping[str, LayerShape],
        noise: Noise,
        reads: int = 1,
        steps_between_reads: int | None = None,
        x: np.ndarray | None = None,
    ) -> Workload:
        """As `log_sigma_workload`."""
        return log_sigma_workload(shapes, noise, reads)


@dataclass(frozen=True)
class Recurrent(Wiring):
    """A circuit. Its neurons hold codes c of readout's output; at each of `steps` steps, from the
    code of value 0 on,

        drive = readout(x) + lateral(c) + table[c - c_min],    c = code of drive + sigma xi

    and the code after the last step is read; every read is a chain of its own. `readout`: weights
    (neuron, input) on the stimulus, with bias, sigma (injected at every step) and output of the
    neurons; `lateral`: weights (neuron, neuron) on the codes, so its input is the quantiser of the
    state; its bias is added, its sigma is not used. table: (level, neuron), kept in float64, what a
    neuron adds to its drive by its own present code. radius: the spectral radius of the linear part
    of the network's step, which a chip needs below 1; it is the network's own figure, for the table
    does not say which part of it is linear.

    Raises SettingError for a table that holds no finite numbers, steps outside 1 to 1,000,000, and
    a radius that is no number or negative; one that is not finite is refused by the chip.
    """

    table: np.ndarray
    steps: int
    radius: float
    kind = "recurrent"
    __repr__ = one_line

    def __post_init__(self) -> None:
        steps = check_whole("steps", self.steps, 1, _MOST_STEPS + 1)
        radius = check_float("radius", self.radius)
        if radius < 0:
            raise SettingError.of("radius", self.radius, "should be at least 0")
        own = {"table": floats("table", self.table), "steps": steps, "radius": radius}
        for field, value in own.items():
            object.__setattr__(self, field, value)

    @property
    def steps_of_read(self) -> int | None:
        """Steps of every read's chain."""
        return self.steps

    def check(self, layers: Mapping[str, Layer]) -> None:
        """Raise SettingError for layers or a table that do not fit."""
        if list(layers) != [READOUT, LATERAL]:
            rule = f"should be '{READOUT}' and '{LATERAL}'"
            raise SettingError.of("layers", list(layers), rule)
        readout, lateral = layers[READOUT], layers[LATERAL]
        neurons, state = readout.neurons, readout.output
        weights = (neurons, neurons)
        for name, layer in layers.items():
            if layer.zero_points is not None:
                rule = "the weights of a recurrent program count from 0"
                raise SettingError.of(f"{name}.zero_points", layer.zero_points, rule)
        check_shape(f"{LATERAL}.weight_codes", lateral.weight_codes, "neuron, neuron", weights)
        for side, codes in (("input", readout.input), ("output", state)):
            if codes.is_dynamic:
                rule = (
                    "should have a constant scale: a recurrent program keeps the drive of its "
                    "stimulus as one integer sum for all steps; see Quantizer.of_format"
                )
                raise SettingError.of(f"{READOUT}.{side}", codes.format_name, rule)
            if codes.unsigned:
                rule = "a recurrent program reads and gives signed codes"
                raise SettingError.of(f"{READOUT}.{side}.unsigned", True, rule, [False])
        for side, codes in (("input", lateral.input), ("output", lateral.output)):
            if codes != state:
                rule = f"should be that of the state, {state}"
                raise SettingError.of(f"{LATERAL}.{side}", codes, rule)
        check_shape("table", self.table, "level, neuron", (state.levels, neurons))

    def with_output(
        self, layers: Mapping[str, Layer], output: Quantizer
    ) -> tuple[dict[str, Layer], Wiring]:
        """See `Wiring.with_output`; the state is of that quantiser, so the lateral product reads
        its values, and what neurons add by their own code lies on straight lines through what they
        added at the values before.
        """
        state = layers[READOUT].output
        changed = {
            READOUT: dataclasses.replace(layers[READOUT], output=output),
            LATERAL: dataclasses.replace(layers[LATERAL], input=output, output=output),
        }
        return changed, dataclasses.replace(
            self, table=_on_lines(output.value_table, state.value_table, self.table)
        )

    def to_table(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """See `Wiring.to_table`; raises StochsimError for a radius that is not finite."""
        if not math.isfinite(self.radius):
            check_stable(self.radius)
        return super().to_table()

    def summary(self, layers: Mapping[str, Layer]) -> str:
        """With the steps of a read."""
        return f"{super().summary(layers)}, {counted(self.steps, 'step', 'steps')}"

    def read_layer(self, layers: Mapping[str, Any]) -> str:
        """The one on the stimulus, whose neurons hold the state."""
        return READOUT

    def billed_sigma(self, layers: Mapping[str, Layer]) -> dict[str, np.ndarray]:
        """That of the state, at every step: billed with the lateral product."""
        return {LATERAL: layers[READOUT].sigma}

    def workload(
        self,
        shapes: Mapping[str, LayerShape],
        noise: Noise,
        reads: int = 1,
        steps_between_reads: int | None = None,
        x: np.ndarray | None = None,
    ) -> Workload:
        """As `recurrent_workload`, of this circuit's steps."""
        return recurrent_workload(self.steps, shapes, noise, reads, steps_between_reads)


WIRINGS: dict[str, type[Wiring]] = {one.kind: one for one in (FeedForward, LogSigmaHead, Recurrent)}
"""The wirings that files of programs can name; a converted network's graph is read by lowering."""


def _on_lines(values: np.ndarray, before: np.ndarray, table: np.ndarray) -> np.ndarray:
    """What straight lines through `table` (level, neuron) at the values `before`, ascending, have
    at these values, and the outermost lines beyond: values (level, 1 or neuron) each.
    """
    neurons = np.arange(table.shape[1])
    values, before = (np.broadcast_to(one, (len(one), len(neurons))) for one in (values, before))
    passed = [np.searchsorted(*one) for one in zip(before.T, values.T, strict=True)]
    k = np.clip(np.stack(passed, axis=1) - 1, 0, len(before) - 2)
    start, end = before[k, neurons], before[k + 1, neurons]
    low, high = table[k, neurons], table[k + 1, neurons]
    return np.asarray(low + (values - start) / (end - start) * (high - low))


def _neurons(neurons: int) -> str:
    return counted(neurons, "neuron", "neurons")


def check_follows(layers: Mapping[str, Layer], before: str, after: str) -> None:
    """Raise SettingError unless one layer reads what another gives: its codes, or in dynamic blocks
    its values.
    """
    first, second = layers[before], layers[after]
    if second.inputs != first.neurons:
        rule = f"should be {first.neurons}, the neurons of '{before}'"
        raise SettingError.of("inputs", second.inputs, rule, section=(after,))
    if second.input != first.output and not second.input.is_dynamic:
        rule = f"should be the output of '{before}', {first.output}"
        raise SettingError.of("input", second.input, rule, section=(after,))
