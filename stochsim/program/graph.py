"""The wiring of a converted network: layers, and parts that are not on the chip, in any order."""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from stochsim.hardware import Noise
from stochsim.program.graph_nodes import (
    Call,
    Draw,
    FloatCall,
    LayerCall,
    called,
    check_codes_taken,
    check_layer_of,
    check_node,
    check_read,
    check_result,
    checked_node,
    middle,
)
from stochsim.program.layer import Layer
from stochsim.program.layer_shape import LayerShape
from stochsim.program.shapes import numbers
from stochsim.program.wiring import Wiring
from stochsim.program.workload import (
    FLOAT_BITS,
    PESSIMISTIC_MACS,
    FloatWork,
    LayerUse,
    Workload,
)
from stochsim.settings import (
    Arrays,
    SettingError,
    StochsimError,
    check_choice,
    check_whole,
    counted,
    one_line,
)

_DTYPES = ("float32", "float64")
Step = Callable[[LayerCall, Any], Any]


@dataclass(frozen=True, eq=False)
class Graph(Wiring):
    """Nodes in the order in which they run; what `result` gives, (stimulus, …), is read.

    stimulus: the name by which nodes read the stimuli; shape: of one of them; dtype: the numbers in
    which values between layers are, "float32" or "float64". stored: the table and arrays that a
    file of it holds, None for a graph that cannot be saved. Its layers have widths of their own,
    whatever those of the Hardware are. Raises SettingError for what is no node, no size of a
    stimulus and no such numbers.
    """

    nodes: tuple[Call, ...]
    stimulus: str
    result: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    stored: tuple[dict[str, Any], Arrays] | None = None

    __repr__ = one_line
    kind = "graph"
    sigma_is_its_own = False
    has_own_widths = True

    def __post_init__(self) -> None:
        for field in ("nodes", "shape"):
            if not isinstance(getattr(self, field), tuple | list):
                raise SettingError.of(field, getattr(self, field), "should be a tuple")
        nodes = tuple(map(checked_node, self.nodes))
        if not isinstance(self.stimulus, str):
            raise SettingError.of("stimulus", self.stimulus, "should be a name")
        check_choice("dtype", self.dtype, _DTYPES)
        shape = tuple(check_whole("shape", size, 1, 2**31) for size in self.shape)
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "shape", shape)

    @property
    def not_saved(self) -> tuple[str, ...]:
        """Parts in float that a file of it leaves out, each with the reason."""
        return tuple(self.to_table()[0]["not_saved"])

    @property
    def random_parts(self) -> tuple[str, ...]:
        """Names of the parts in float that draw random numbers, in the order in which they run."""
        floats = (node for node in self.nodes if isinstance(node, FloatCall))
        return tuple(node.name for node in floats if node.draws is not None)

    @property
    def calls(self) -> tuple[LayerCall, ...]:
        """The nodes that are layers of the chip."""
        return tuple(node for node in self.nodes if isinstance(node, LayerCall))

    def check(self, layers: Mapping[str, Layer]) -> None:
        """Raise SettingError unless every layer is called once, nodes have names of their own and
        read earlier ones, and layers are such as a graph can run and bill.
        """
        if [call.layer for call in self.calls] != list(layers) or not layers:
            raise SettingError.of(
                "layers", list(layers), f"should be those that the graph calls, {self.calls}"
            )
        before = {self.stimulus}
        for node in self.nodes:
            check_node(node, before)
            before.add(node.name)
        if not isinstance(self.result, str) or self.result not in before:
            raise SettingError.of("result", self.result, "should be a node", sorted(before))
        by_name = {node.name: node for node in self.nodes}
        tables = {call.layer for call in self.calls if call.geometry.lookup}
        for call in self.calls:
            check_layer_of(call, layers, tables)
            check_codes_taken(call, by_name, layers)

    def summary(self, layers: Mapping[str, Layer]) -> str:
        """Sizes of a stimulus, and how many layers and other parts there are."""
        sizes = " × ".join(map(str, self.shape))
        layers_text = counted(len(self.calls), "layer", "layers")
        others = counted(len(self.nodes) - len(self.calls), "part", "parts")
        return f"{self.kind}, stimuli of {sizes}, {layers_text}, {others} in float"

    def stimuli(self, x: Any, inputs: int) -> np.ndarray:
        """A copy of x (stimulus, …) in the numbers of the graph; raises SettingError for other
        axes, no stimuli, and values that are no real numbers or not finite.
        """
        with np.errstate(over="ignore"):
            found = np.array(numbers("x", x, self.dtype), self.dtype)
        if found.ndim != 1 + len(self.shape) or len(found) == 0:
            shape = ", ".join(["stimulus", *map(str, self.shape)])
            raise SettingError.of("x", found, f"should have the axes of stimuli ({shape})")
        if not np.isfinite(found).all():
            raise SettingError.of("x", rule="has values that are not finite")
        return found

    def read_layer(self, layers: Mapping[str, Any]) -> str:
        """The last layer; parts that are not on the chip may follow it."""
        return list(layers)[-1]

    def billed_sigma(self, layers: Mapping[str, Layer]) -> dict[str, np.ndarray]:
        """Those of the layers whose neurons keep a noise level of their own."""
        return {name: layer.sigma for name, layer in layers.items() if np.any(layer.sigma)}

    def to_table(self) -> tuple[dict[str, Any], Arrays]:
        """What files hold; raises StochsimError for a graph that cannot be saved."""
        if self.stored is None:
            raise StochsimError(
                "a graph put together by hand cannot be saved: its parts are functions; save what "
                "`convert` made"
            )
        return self.stored

    def walk(
        self,
        x: np.ndarray,
        step: Step,
        argument: Callable[[Call, str, Any], Any] = lambda node, name, value: value,
        draw: Draw = middle,
        seen: Callable[[str, Any], None] = lambda name, value: None,
    ) -> Any:
        """What `result` gives for stimuli x (stimulus, …).

        step: gives the values of a layer. argument: what a node takes for the value of an earlier
        one. draw: gives random integers for parts that draw. seen: is told every node's name and
        value. Values are dropped when no node needs them. Raises StochsimError that names a part
        which gives a layer no floats, or no result.
        """
        # a copy: a part in float may write into what it reads
        values: dict[str, Any] = {self.stimulus: x.copy()}
        for node, done in self._with_last_uses:
            if isinstance(node, LayerCall):
                check_read(node, values[node.reads])
            given = [argument(node, name, values[name]) for name in node.inputs]
            if isinstance(node, LayerCall):
                values[node.name] = step(node, *given)
            else:
                values[node.name] = called(node, given, draw)
            seen(node.name, values[node.name])
            for name in done:
                del values[name]
        check_result(self.result, values[self.result])
        return values[self.result]

    @cached_property
    def _with_last_uses(self) -> list[tuple[Call, list[str]]]:
        """Nodes, and the values that no later node needs."""
        needed = {self.result}
        found: list[tuple[Call, list[str]]] = []
        for node in reversed(self.nodes):
            last = {node.name, *node.inputs} - needed
            needed |= last
            found.append((node, sorted(last)))
        return found[::-1]

    @cached_property
    def of_stimuli(self) -> frozenset[str]:
        """Nodes whose values depend on the stimuli; those of others are the same for all."""
        found = {self.stimulus}
        for node in self.nodes:
            if not found.isdisjoint(node.inputs):
                found.add(node.name)
        return frozenset(found)

    @cached_property
    def _of_codes(self) -> frozenset[str]:
        """Nodes whose values may differ from read to read: of layers and random numbers."""
        found = set[str]()
        for node in self.nodes:
            is_own = isinstance(node, LayerCall) or node.draws is not None
            if is_own or not found.isdisjoint(node.inputs):
                found.add(node.name)
        return frozenset(found)

    def value_shapes(
        self, layers: Mapping[str, LayerShape], x: np.ndarray
    ) -> dict[str, tuple[int, ...]]:
        """Shapes (stimulus, …) of what nodes give for x, of those that give arrays.

        Raises StochsimError where values do not fit a layer, or the result has not the stimuli on
        its first axis.
        """
        shapes = {self.stimulus: x.shape}

        def seen(name: str, value: Any) -> None:
            if isinstance(value, np.ndarray):
                shapes[name] = value.shape

        self._walk_shapes(layers, x, seen)
        of_result = shapes[self.result]
        if of_result[:1] != x.shape[:1]:
            raise StochsimError(
                f"the part '{self.result}' gives an array of shape {of_result} of {len(x)} "
                f"stimuli: should have the stimuli on its first axis, for it is the graph's result"
            )
        return shapes

    def row_counts(self, layers: Mapping[str, LayerShape], x: np.ndarray) -> set[int]:
        """Sizes of the first axes of all arrays that nodes give for x and that depend on it; 0 for
        an array without axes.
        """
        found = set[int]()

        def seen(name: str, value: Any) -> None:
            if name in self.of_stimuli:
                found.update(_row_counts(value))

        self._walk_shapes(layers, x, seen)
        return found

    def _walk_shapes(
        self, layers: Mapping[str, LayerShape], x: np.ndarray, seen: Callable[[str, Any], None]
    ) -> None:
        """Walk with layers that give zeros; `seen` is told every node's name and value."""

        def step(call: LayerCall, values: np.ndarray) -> np.ndarray:
            shape, own = values.shape[1:], layers[call.layer]
            misfit = call.geometry.misfit(shape, own.inputs)
            if misfit:
                raise StochsimError(
                    f"the part '{call.name}' cannot run: the layer '{call.layer}' reads values "
                    f"{shape} of a stimulus, which {misfit}"
                )
            after = call.geometry.response_shape(shape, own.neurons)
            return np.zeros((len(values), *after), values.dtype)

        self.walk(x, step, seen=seen)

    def workload(
        self,
        shapes: Mapping[str, LayerShape],
        noise: Noise,
        reads: int = 1,
        steps_between_reads: int | None = None,
        x: np.ndarray | None = None,
    ) -> Workload:
        """What `reads` reads of one of the stimuli x (stimulus, …) ask of the layers.

        Products and conversions are counted at every position; weights are read once per stimulus
        (or read: `memory.weights_read`), never per position, but of a table the row of every id,
        at every read where a layer or random numbers are before it; a feature map passes the code
        memory once when it is written and once when it is read, for a line buffer holds the
        windows. Parts in float are billed for their operations in float32, and for every value
        that they give, written and read once as 32 bits. Raises SettingError without x: positions
        depend on the size of a stimulus.
        """
        if x is None:
            raise SettingError.missing("x", "what a graph computes depends on its stimuli's size")
        reads = check_whole("reads", reads, 1, 2**31)
        found = self.value_shapes(shapes, self.stimuli(x, 0)[:2])
        return self.workload_of_values(found, shapes, noise, reads)

    def workload_of_values(
        self,
        found: Mapping[str, tuple[int, ...]],
        shapes: Mapping[str, LayerShape],
        noise: Noise,
        reads: int,
    ) -> Workload:
        """`workload`, where the shapes of all values are known (`value_shapes`): these do not
        depend on the widths of layers.
        """
        stimuli = found[self.stimulus][0]
        uses: list[LayerUse] = []
        rounded: dict[str, int] = {}
        floats: dict[str, FloatWork] = {}
        unpriced: dict[str, float] = {}
        code_memory = 0
        for node in self.nodes:
            if isinstance(node, LayerCall):
                values = _Values(found[node.reads][1:], found[node.name][1:])
                shape = shapes[node.layer]
                code_memory += values.written * shape.output_bits
                if not node.takes_codes:
                    code_memory += values.read * _bits_read(node, shape)
                    if noise.input_dither != "none" and not node.geometry.lookup:
                        rounded[node.layer] = _rounded(node, shape, values) * reads
                is_drawn = node.reads in self._of_codes
                uses += _uses(node, shape, values, noise, reads, is_drawn)
            elif node.name in self.of_stimuli and not node.is_free and not node.measures:
                row = node.row or node.name
                read = [math.prod(found[name]) / stimuli for name in node.inputs if name in found]
                given = math.prod(found.get(node.name, (0,))) / stimuli
                if node.is_unpriced:
                    unpriced[row] = unpriced.get(row, 0) + _at_most(read, given) * reads
                    continue
                code_memory += math.ceil(given) * FLOAT_BITS
                floats[row] = floats.get(row, FloatWork()).plus(_float_work(node, given * reads))
        rows = tuple(dict.fromkeys(self._rows(floats)))
        of_layers = (tuple(uses), reads, code_memory, rounded)
        return Workload(*of_layers, floats, rows, unpriced)

    def _rows(self, billed: Collection[str]) -> Iterator[str]:
        for node in self.nodes:
            name = node.layer if isinstance(node, LayerCall) else node.row or node.name
            if isinstance(node, LayerCall) or name in billed:
                yield name


def _at_most(read: list[float], given: float) -> float:
    """Multiply-adds of an operation that is not known: PESSIMISTIC_MACS of every value that it
    reads and gives, and those of a product of two arrays, √(n₁ n₂ n) for n₁ and n₂ values read and
    n given.
    """
    product = math.sqrt(math.prod(sorted(read)[-2:]) * given) if len(read) > 1 else 0.0
    return PESSIMISTIC_MACS * (given + sum(read)) + product


def _float_work(node: FloatCall, values: float) -> FloatWork:
    """What a part in float takes for the values that it gives; of random numbers as many, though
    fewer are drawn where channels are dropped as a whole.
    """
    multiplies, adds = node.work or (0.0, 0.0)
    drawn = 0.0 if node.draws is None else values
    return FloatWork(node.macs * values, multiplies * values, adds * values, values, drawn)


def _row_counts(value: Any) -> Iterator[int]:
    """The size of an array's first axis, of all arrays where a node gives several."""
    if isinstance(value, np.ndarray):
        yield len(value) if value.ndim else 0
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _row_counts(one)


class _Values(NamedTuple):
    """Shapes of what a layer reads and gives of one stimulus."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def read(self) -> int:
        return math.prod(self.before)

    @property
    def written(self) -> int:
        return math.prod(self.after)


def _uses(
    call: LayerCall,
    shape: LayerShape,
    values: _Values,
    noise: Noise,
    reads: int,
    is_drawn: bool,
) -> list[LayerUse]:
    """A layer's uses, one for each group of its channels; the codes pass with the first, with which
    all neurons are held at their noise. is_drawn: whether what it reads may differ between reads.
    """
    products = reads * call.geometry.positions(values.before)
    held = products if shape.has_noise else 0
    draws = products if held or noise.dither != "none" else 0
    moved = reads * (values.read * _bits_read(call, shape) + values.written * shape.output_bits)
    own = shape.of_group(call.geometry.groups)
    first = LayerUse(
        call.layer,
        own,
        products,
        moved,
        draws,
        held,
        is_stored=call.weights_of is None,
        macs=reads * call.geometry.multiply_adds(values.before, shape.inputs) * own.neurons,
    )
    if call.geometry.lookup:
        # of a row alone a zero point is a constant of the neuron, as its bias
        row = dataclasses.replace(own, zero_points=0)
        read = values.read * own.neurons
        first = first._replace(shape=row, weights_read=read, rereads=is_drawn)
    return [first, *[first._replace(code_bits=0, reliability=0)] * (call.geometry.groups - 1)]


def _rounded(call: LayerCall, shape: LayerShape, values: _Values) -> int:
    """Inputs that a layer rounds: those of every window where blocks are of windows."""
    if shape.input_blocks is None:
        return values.read
    return call.geometry.positions(values.before) * call.geometry.groups * shape.inputs


def _bits_read(call: LayerCall, shape: LayerShape) -> int:
    """Bits of each value that a layer reads: of an id as many as number the rows of its table."""
    rows = call.geometry.lookup
    return max(1, (rows - 1).bit_length()) if rows else shape.input_bits
