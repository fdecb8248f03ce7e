"""A graph on a chip: layers by the chip's kernels, other parts in float, as they are."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from stochsim_kernels.random.integers import draw_integers

from stochsim.accounting import Meter, Sharing
from stochsim.chip.layer_on_chip import ChipSettings, LayerOnChip
from stochsim.chip.product import refuse_differing
from stochsim.chip.rng_address import PARTS, Place
from stochsim.chip.runner import Runner
from stochsim.chip.samples import Samples
from stochsim.chip.windowed_layer import (
    WindowedLayer,
    integers_of,
    noiseless_values,
    numbers_of_layers,
    rows_of,
)
from stochsim.energy import Operations
from stochsim.program import Draw, FloatCall, Graph, LayerCall, Program
from stochsim.settings import StochsimError, check_memory

_VALUES_AT_ONCE = 4_000_000
"""Of positions of one layer: 16 MB of integers, and 32 MB of drives."""

_CALIBRATION_ROWS = 4096


class GraphRunner(Runner):
    """Layers and parts in float, in the order of the graph.

    Stimuli stand on the first axis of every value; from the first layer on whose codes differ from
    read to read it holds (stimulus, read). What comes before is computed once for all reads, unless
    a part asks for a size. x_calibration: stimuli (stimulus, …) for calibrated ADCs; layers are
    calibrated on what they see of them without noise.
    """

    sharing = Sharing.READ
    numbers_rows = False

    def __init__(
        self, program: Program, chip: ChipSettings, x_calibration: np.ndarray | None
    ) -> None:
        assert isinstance(program.wiring, Graph)
        self.program, self.graph, self.chip = program, program.wiring, chip
        calls = self.graph.calls
        seen = {} if x_calibration is None else self._seen_without_noise(x_calibration)
        firsts = numbers_of_layers([call.geometry.groups for call in calls])
        cells = _cells_of(calls, firsts)
        self.layers = {
            call.layer: WindowedLayer(
                *(call, program.layers[call.layer], chip),
                numbers=(first, order),
                x_calibration=seen.get(call.layer),
                cells=cells[call.layer],
            )
            for order, (call, first) in enumerate(zip(calls, firsts, strict=True))
        }
        self._look_at_graph()

    def _look_at_graph(self) -> None:
        """What follows from the graph and the layers in it."""
        self.is_digital = all(one.is_digital for one in self.layers.values())
        self._shares = not any(
            isinstance(node, FloatCall) and node.measures for node in self.graph.nodes
        )
        self._differing = self._nodes_that_differ()
        self._reads_alone = any(map(self._needs_reads_alone, self.graph.nodes))
        self._sizes: dict[tuple[int, ...], _Sizes] = {}

    def rewired(self, program: Program, cells: Mapping[str, str]) -> Self:
        """The layers of this chip in another graph; see `Chip.rewired`."""
        assert isinstance(program.wiring, Graph)
        made = copy.copy(self)
        made.program, made.graph = program, program.wiring
        taken = sum(call.geometry.groups for call in self.graph.calls)
        order = len(self.layers)
        made.layers = {}
        for call in made.graph.calls:
            if call.layer in self.layers:
                made.layers[call.layer] = self.layers[call.layer].called(call)
                continue
            numbers = (taken, order)
            made.layers[call.layer] = self.layers[cells[call.layer]].called(call, numbers)
            taken, order = taken + call.geometry.groups, order + 1
        made._look_at_graph()
        return made

    @property
    def all_layers(self) -> list[LayerOnChip]:
        """See `Runner.all_layers`; every group of a layer's channels is one."""
        return [group for layer in self.layers.values() for group in layer.layers]

    @property
    def readout(self) -> LayerOnChip:  # type: ignore[override]
        """The last layer, or the first group of its channels."""
        return list(self.layers.values())[-1].layers[0]

    @property
    def values_at_once(self) -> int:
        """Of positions, so that memory holds them."""
        return _VALUES_AT_ONCE

    @property
    def shares_codes(self) -> bool:
        """See `Runner.shares_codes`."""
        is_certain = all(layer.shares_codes for layer in self.layers.values())
        return is_certain and not self.graph.random_parts

    def values_of_read(self, x: np.ndarray, reads: int) -> int:
        """See `Runner.values_of_read`: what the positions of a layer see, or what it gives."""
        return self._sizes_of(x).largest

    def empty(self, x: np.ndarray, reads: int) -> np.ndarray:
        """Where values (stimulus, read, …) go."""
        shape = (len(x), reads, *self._sizes_of(x).output)
        check_memory("samples", shape, x.dtype.type, beside=self.working_bytes(x, reads))
        return np.empty(shape, x.dtype)

    def samples(self, out: np.ndarray, operations: Operations) -> Samples:
        """See `Runner.samples`: what a graph gives need not be codes."""
        return Samples(None, operations, None, out)

    def run(self, x: np.ndarray, reads: int, place: Place, out: np.ndarray, meter: Meter) -> None:
        """Write values to out (stimulus, read, …); see `Runner.run`."""
        out[...] = self._walk(x, reads, place, meter)

    def count(self, x: np.ndarray, reads: int, place: Place, meter: Meter) -> None:
        """See `Runner.count`; what digital products take is fixed."""
        if not self.is_digital:
            self._walk(x, reads, place, meter)

    def known_sigmas(self, x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Refused: a graph's layers have drives at many positions."""
        raise refuse_differing(f"{self.chip.hardware.name} runs a graph", "its values")

    def _walk(self, x: np.ndarray, reads: int, place: Place, meter: Meter) -> np.ndarray:
        """Values (stimulus, read, …)."""
        apart = self._reads_alone or not self._sizes_of(x).rows_are_stimuli
        if reads > 1 and apart:
            each = (self._walk(x, 1, place.read(one), meter) for one in range(reads))
            return np.concatenate(list(each), axis=1)

        def step(call: LayerCall, values: np.ndarray) -> np.ndarray:
            _check_finite(call, values)
            layer, differs = self.layers[call.layer], call.reads in self._differing
            if meter.is_on:
                seen, apart = layer.seen(values, differs, reads, place)
                layer.report(meter, seen, 1 if apart else reads)
            return layer.values(values, differs, reads, place)

        def argument(node: LayerCall | FloatCall, name: str, value: Any) -> Any:
            """What all reads share is repeated where it meets what they do not."""
            is_shared = name in self.graph.of_stimuli and name not in self._differing
            meets = isinstance(node, FloatCall) and node.name in self._differing
            return _repeated(value, reads) if meets and is_shared else value

        first = x if self._shares else _repeated(x, reads)
        draw = self._draw(len(x), reads, place)
        out = self.graph.walk(first, step, argument, draw)
        if self.graph.result not in self._differing:
            out = _repeated(out, reads)
        shape = (len(x), reads, *self._sizes_of(x).output)
        if np.shape(out) != (len(x) * reads, *shape[2:]):
            raise StochsimError(
                f"the network gives values of shape {np.shape(out)} for {len(x) * reads} stimuli: "
                f"should be (stimulus, …), the same axes for any number of stimuli"
            )
        return np.asarray(out).reshape(shape)

    def _nodes_that_differ(self) -> frozenset[str]:
        """Nodes whose values differ from read to read."""
        found = set[str]() if self._shares else {self.graph.stimulus}
        for node in self.graph.nodes:
            if isinstance(node, LayerCall):
                is_noisy = not self.layers[node.layer].shares_codes
            else:
                is_noisy = node.draws is not None
            if is_noisy or not found.isdisjoint(node.inputs):
                found.add(node.name)
        return frozenset(found)

    def _needs_reads_alone(self, node: LayerCall | FloatCall) -> bool:
        """Whether a part that differs from read to read computes with all stimuli of a read, or
        writes into a value that all reads share: it would write into a copy, which nodes that read
        the value later do not see.
        """
        if not isinstance(node, FloatCall) or node.name not in self._differing:
            return False
        shared = self.graph.of_stimuli - self._differing
        return node.mixes or (node.writes and not shared.isdisjoint(node.inputs))

    def _draw(self, stimuli: int, reads: int, place: Place) -> Draw:
        """What gives the random integers of parts in float, (stimulus read, …)."""
        numbers = {name: number for number, name in enumerate(self.graph.random_parts)}

        def draw(node: FloatCall, shape: tuple[int, ...]) -> np.ndarray:
            if shape[:1] != (stimuli * reads,):
                raise StochsimError(
                    f"the part '{node.name}' draws numbers of shape {shape} for {stimuli} stimuli: "
                    f"should be (stimulus, …), for they are drawn by the key of each"
                )
            u = np.empty((stimuli, reads, int(np.prod(shape[1:]))), np.uint32)
            draw_integers(place.address(PARTS + numbers[node.name]), u)
            return u.reshape(shape)

        return draw

    def _sizes_of(self, x: np.ndarray) -> "_Sizes":
        """Of stimuli like x; found once for each shape."""
        if x.shape[1:] not in self._sizes:
            shapes = self.graph.value_shapes(self.program.shapes, x[:2])
            self._sizes[x.shape[1:]] = self._found_sizes(x, shapes)
        return self._sizes[x.shape[1:]]

    def _rows_are_stimuli(self, x: np.ndarray) -> bool:
        """Whether every value that depends on stimuli like x has them on its first axis, so that
        reads may stand beside stimuli there.
        """
        rows = {}
        for stimuli in (2, 3):
            some = np.resize(x, (stimuli, *x.shape[1:]))
            rows[stimuli] = self.graph.row_counts(self.program.shapes, some)
        return all(counts <= {stimuli} for stimuli, counts in rows.items())

    def _found_sizes(self, x: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> "_Sizes":
        sizes = [int(np.prod(x.shape[1:]))]
        for call in self.graph.calls:
            seen = self.program.layers[call.layer].inputs * call.geometry.groups
            sizes.append(call.geometry.positions(shapes[call.reads][1:]) * seen)
            sizes.append(int(np.prod(shapes[call.name][1:])))
        return _Sizes(max(sizes), shapes[self.graph.result][1:], self._rows_are_stimuli(x))

    def _seen_without_noise(self, x: np.ndarray) -> dict[str, list[np.ndarray]]:
        """What positions of each layer see of x, (row, input) for each group of its channels."""
        self.graph.value_shapes(self.program.shapes, x[:2])  # names a layer that x does not fit
        found: dict[str, list[np.ndarray]] = {}

        def step(call: LayerCall, values: np.ndarray) -> np.ndarray:
            _check_finite(call, values)
            layer = self.program.layers[call.layer]
            rows = rows_of(call, layer.input, integers_of(call, layer.input, values))
            flat = [one.reshape(-1, one.shape[2]) for one in rows]
            found[call.layer] = [one[:: -(-len(one) // _CALIBRATION_ROWS)] for one in flat]
            return noiseless_values(call, layer, rows, values)

        self.graph.walk(x, step, draw=self._draw(len(x), 1, Place(0, 0, 0)))
        return found


def _cells_of(calls: Sequence[LayerCall], firsts: Sequence[int]) -> dict[str, int]:
    """The number of the layer on whose cells each layer is: those with the weights of an earlier
    one, rows for rows, are on its cells. firsts: the number of each one's first group.
    """
    by_name = {call.layer: call for call in calls}
    found: dict[str, int] = {}
    for call, first in zip(calls, firsts, strict=True):
        other = by_name.get(call.weights_of or "")
        is_like = other is not None and (
            (bool(other.geometry.lookup), other.geometry.groups)
            == (bool(call.geometry.lookup), call.geometry.groups)
        )
        found[call.layer] = found[other.layer] if other is not None and is_like else first
    return found


class _Sizes(NamedTuple):
    """largest: values of one read at most; output: the shape of what a read of a stimulus gives;
    rows_are_stimuli: whether all values have the stimuli on their first axis.
    """

    largest: int
    output: tuple[int, ...]
    rows_are_stimuli: bool


def _check_finite(call: LayerCall, values: np.ndarray) -> None:
    """Raise StochsimError for values that have no code."""
    if not np.isfinite(values).all():
        raise StochsimError(
            f"the part '{call.reads}' gives values that are not finite (NaN or infinity), which "
            f"the layer '{call.layer}' cannot read"
        )


def _repeated(values: Any, reads: int) -> Any:
    """Values (stimulus, …) for each read: (stimulus read, …)."""
    if isinstance(values, tuple | list):
        return type(values)(_repeated(one, reads) for one in values)
    if reads == 1 or not isinstance(values, np.ndarray) or values.ndim == 0:
        return values
    return np.repeat(values, reads, 0)
