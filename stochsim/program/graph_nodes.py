"""Nodes of a converted network's graph: layers of the chip, and parts that are not on it."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from stochsim.program.geometry import Geometry
from stochsim.program.layer import Layer
from stochsim.settings import (
    SettingError,
    StochsimError,
    bounded,
    check_flag,
    check_not_negative,
    shown,
)


class LayerCall(NamedTuple):
    """A layer of the chip on the values of an earlier node, at every position of its geometry.

    takes_codes: whether it reads the codes of another layer, which are not rounded again.
    weights_of: the layer whose weights it shares, which the memory holds once, rows for columns
    where one of the two is a table; None for weights of its own.
    """

    name: str
    reads: str
    layer: str
    geometry: Geometry
    takes_codes: bool = False
    weights_of: str | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The node that it reads."""
        return (self.reads,)


class FloatCall(NamedTuple):
    """A part that is not on the chip: a function of the values of earlier nodes, in float.

    function: takes and gives NumPy arrays (stimulus, …) and whatever else nodes give. row: its name
    in bills. macs: multiply-adds for each value that it gives, 0 where it is not priced. measures:
    whether it asks for a size, so that stimuli and reads may not be told apart before it. writes:
    whether it may write into what it reads. is_free: whether it moves, compares or drops values
    alone, which costs nothing. mixes: whether what it gives for a stimulus depends on the others,
    so that each read is computed alone. draws: where it draws random numbers, the shape (stimulus,
    …) of those that it takes for given values; the function then takes them first, integers of 31
    bits in uint32, drawn by the chip's key for every stimulus and read. work: multiplications and
    additions in float32 beside `macs`, for each value that it gives; None where they are not known.
    """

    name: str
    inputs: tuple[str, ...]
    function: Callable[..., Any]
    row: str = ""
    macs: float = 0
    measures: bool = False
    writes: bool = False
    is_free: bool = False
    draws: Callable[..., tuple[int, ...]] | None = None
    mixes: bool = False
    work: tuple[float, float] | None = None

    @property
    def is_unpriced(self) -> bool:
        """Whether it computes something that no price stands for."""
        is_known = self.macs or self.is_free or self.measures or self.draws is not None
        return not is_known and self.work is None


Call = LayerCall | FloatCall


def check_codes_taken(
    call: LayerCall, before: Mapping[str, Call], layers: Mapping[str, Layer]
) -> None:
    """Raise SettingError for a layer that is said to take codes where it reads the stimulus, values
    in dynamic blocks, or a layer whose codes stand for other values.

    before: earlier nodes by name. Of values that passed a part in float it cannot be told.
    """
    if not call.takes_codes:
        return
    field = f"{call.name}.takes_codes"
    if layers[call.layer].input.is_dynamic:
        rule = f"should be False: '{call.layer}' finds the scales of blocks from values"
        raise SettingError.of(field, True, rule)
    source = before.get(call.reads)
    if source is None:
        rule = f"should be False: '{call.reads}' is the stimulus, which has no codes"
        raise SettingError.of(field, True, rule)
    if not isinstance(source, LayerCall):
        return
    given = layers[source.layer].output
    own = layers[call.layer].input
    if given != own:
        rule = (
            f"should be False: '{source.layer}' gives the codes of {given}, and '{call.layer}' "
            f"reads those of {own}"
        )
        raise SettingError.of(field, True, rule)


def check_layer_of(
    call: LayerCall, layers: Mapping[str, Layer], tables: Collection[str] = ()
) -> None:
    """Raise SettingError for a layer that a graph cannot run or bill as it is called; tables: the
    layers whose inputs are ids.
    """
    layer = layers[call.layer]
    if call.geometry.lookup:
        _check_table(call, layer)
    if call.geometry.input_dilation and layer.input.bits == 1 and not layer.input.unsigned:
        rule = "should have two bits at least: ±scale has no 0 to stand between inputs"
        raise SettingError.of(f"{call.layer}.input", layer.input, rule)
    groups = call.geometry.groups
    if layer.neurons % groups:
        rule = f"should be a multiple of the layer's {groups} groups of channels"
        raise SettingError.of(f"{call.layer}.neurons", layer.neurons, rule)
    if call.weights_of is None:
        return
    names = list(layers)
    earlier = names[: names.index(call.layer)]
    if call.weights_of not in earlier:
        rule = "should be an earlier layer"
        raise SettingError.of(f"{call.name}.weights_of", call.weights_of, rule, earlier)
    other = layers[call.weights_of].weight_codes
    if (call.layer in tables) != (call.weights_of in tables):
        other = other.T
    if not np.array_equal(layer.weight_codes, other):
        rule = f"should be a layer with the weights of '{call.layer}'"
        raise SettingError.of(f"{call.name}.weights_of", call.weights_of, rule)


def _check_table(call: LayerCall, layer: Layer) -> None:
    """Raise SettingError for a layer that is no product with zeros and a 1."""
    own = layer.input
    if (own.bits, own.scale, own.unsigned) != (1, 1.0, True):
        rule = "should be Quantizer(1, 1.0, True): 0 and 1, for its inputs are ids"
        raise SettingError.of(f"{call.layer}.input", own, rule)
    if layer.inputs != call.geometry.lookup:
        rule = f"should be the layer's {layer.inputs} inputs"
        raise SettingError.of(f"{call.name}.geometry.lookup", call.geometry.lookup, rule)


def no_row(name: str, rows: int, value: float) -> StochsimError:
    """The error of an id that a layer's table of `rows` rows has not; names the nearest that it
    has.
    """
    near = round(min(max(value, 0.0), rows - 1.0))
    return StochsimError(
        f"the layer '{name}' is given the id {value:g}: should be a whole number from 0 to "
        f"{rows - 1}, a row of its table; the nearest is {near}"
    )


Draw = Callable[[FloatCall, tuple[int, ...]], np.ndarray]
"""Gives the random integers that a part takes, uint32 of a shape."""


def middle(node: FloatCall, shape: tuple[int, ...]) -> np.ndarray:
    """The integers in the middle of their range, where no key is given: for shapes alone."""
    return np.full(shape, 1 << 30, np.uint32)


def called(node: FloatCall, given: list[Any], draw: Draw) -> Any:
    """What a part in float gives; raises StochsimError that names a part which cannot run."""
    try:
        if node.draws is not None:
            return node.function(draw(node, node.draws(*given)), *given)
        return node.function(*given)
    except (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        if isinstance(error, StochsimError):
            raise
        line = bounded((str(error).splitlines() or [""])[0], 500)
        raise StochsimError(f"the part '{node.name}' cannot run: {line}") from error


def check_read(call: LayerCall, value: Any) -> None:
    """Raise StochsimError where what a layer is to read is no array of floats: what it gives is in
    the numbers of what it reads, and its scale is no integer.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        raise StochsimError(
            f"the part '{call.reads}' gives {shown(value)}: should be an array of floats "
            f"(stimulus, …), which the layer '{call.layer}' reads"
        )


def check_result(name: str, value: Any) -> None:
    """Raise StochsimError where what a graph gives is no array of real numbers."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        raise StochsimError(
            f"the part '{name}' gives {shown(value)}: should be an array of numbers (stimulus, …), "
            f"for it is the graph's result"
        )


def checked_node(node: Any) -> Call:
    """A node, its numbers as Python's; raises SettingError for what is no node, and fields that are
    not of their types.
    """
    if not isinstance(node, LayerCall | FloatCall):
        raise SettingError.of("nodes", node, "should be LayerCalls and FloatCalls")
    if not isinstance(node.name, str):
        raise SettingError.of("nodes", node.name, "the name of a node should be text")
    if isinstance(node, LayerCall):
        if not isinstance(node.geometry, Geometry):
            raise SettingError.of(f"{node.name}.geometry", node.geometry, "should be a Geometry")
        takes_codes = check_flag(f"{node.name}.takes_codes", node.takes_codes)
        return node._replace(takes_codes=takes_codes)
    if not isinstance(node.inputs, tuple | list):
        raise SettingError.of(f"{node.name}.inputs", node.inputs, "should be a tuple of names")
    if not callable(node.function):
        raise SettingError.of(f"{node.name}.function", node.function, "should be a function")
    if node.draws is not None and not callable(node.draws):
        raise SettingError.of(f"{node.name}.draws", node.draws, "should be a function or None")
    if not isinstance(node.row, str):
        raise SettingError.of(f"{node.name}.row", node.row, "should be text")
    measures = check_flag(f"{node.name}.measures", node.measures)
    mixes = check_flag(f"{node.name}.mixes", node.mixes)
    macs = check_not_negative(f"{node.name}.macs", node.macs)
    if node.work is not None:
        places = tuple(node.work) if isinstance(node.work, tuple | list) else ()
        if len(places) != 2:
            rule = "should be multiplications and additions of each value, or None"
            raise SettingError.of(f"{node.name}.work", node.work, rule)
        for one in places:
            check_not_negative(f"{node.name}.work", one)
    return node._replace(measures=measures, mixes=mixes, macs=macs)


def check_node(node: Call, before: Collection[str]) -> None:
    """Raise SettingError for a name that is taken, and a reading of what is no earlier node."""
    if node.name in before:
        rule = "the stimulus or an earlier node has this name"
        raise SettingError.of("nodes", node.name, rule)
    for name in node.inputs:
        if not isinstance(name, str) or name not in before:
            rule = "should be an earlier node"
            raise SettingError.of(f"{node.name}.reads", name, rule, sorted(before))
