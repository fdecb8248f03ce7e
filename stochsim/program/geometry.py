"""How the outputs of a layer see its inputs: at one position (linear), through the windows of a
convolution, or as a row of a table (an embedding).
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from stochsim.settings import SettingError, check_choice, check_whole

_NUMPY_PAD = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
PADDING_MODES = tuple(_NUMPY_PAD)

_LEFT_BY_PADDING = {"reflect": 1, "circular": 0}
"""How many values of an axis its padding cannot repeat, by modes that repeat each once at most, as
torch does."""


@dataclass(frozen=True)
class Geometry:
    """A linear layer where `kernel` is empty: it takes the last axis, and every other axis but the
    first is positions.

    Else windows of this shape over the last axes, as torch's convolutions have them; padding:
    (before, after) of each axis. groups: of channels, each with weights of its own; 1 of a linear
    layer. Sizes are kept as integers in tuples.

    input_dilation: the distance at which windows see neighbouring inputs of each axis, with zeros
    between them that cost nothing: a transposed convolution of this stride; () or ones for none.

    lookup: rows of the table that an embedding reads, 0 for other layers. Its inputs, of any shape,
    are ids, whole numbers from 0 on: each stands for a vector of `lookup` zeros and a 1 in that
    place, so that the product is one row of the table. padding_row: the row that training leaves as
    it is, None where it learns all. Raises SettingError for an unknown `padding_mode`, and numbers
    that no window and no table has.
    """

    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    padding_mode: str = "zeros"
    input_dilation: tuple[int, ...] = ()
    lookup: int = 0
    padding_row: int | None = None

    def __post_init__(self) -> None:
        check_choice("padding_mode", self.padding_mode, PADDING_MODES)
        groups = check_whole("groups", self.groups, 1, 2**31)
        own: dict[str, Any] = {
            field: _sizes(field, getattr(self, field), 1)
            for field in ("kernel", "stride", "dilation")
        }
        own["padding"] = tuple(map(_pair, _entries("padding", self.padding)))
        axes = len(own["kernel"])
        for field in ("stride", "dilation", "padding"):
            if len(own[field]) != axes:
                rule = f"should have one entry for each of the {axes} axes of 'kernel'"
                raise SettingError.of(field, own[field], rule)
        own["input_dilation"] = self._dilated(axes)
        if axes == 0 and groups > 1:
            rule = "should be 1 without a 'kernel': a linear layer has no groups"
            raise SettingError.of("groups", self.groups, rule, also=("kernel",))
        for field, value in {**own, "groups": groups, **self._table()}.items():
            object.__setattr__(self, field, value)

    def _dilated(self, axes: int) -> tuple[int, ...]:
        """`input_dilation` as integers, () where it is all ones; raises SettingError for what no
        window has, and paddings other than zeros beside it.
        """
        found = _sizes("input_dilation", self.input_dilation, 1)
        if set(found) <= {1}:
            return ()
        if len(found) != axes:
            rule = f"should have one entry for each of the {axes} axes of 'kernel'"
            raise SettingError.of("input_dilation", found, rule)
        if self.padding_mode != "zeros":
            rule = "should be () with another 'padding_mode' than 'zeros'"
            raise SettingError.of("input_dilation", found, rule, also=("padding_mode",))
        return found

    def _table(self) -> dict[str, int | None]:
        """`lookup` and `padding_row` as integers; raises SettingError for what no table has."""
        rows = check_whole("lookup", self.lookup, 0, 2**31)
        if rows and self.kernel:
            rule = "should be 0 with a 'kernel': windows read no table"
            raise SettingError.of("lookup", self.lookup, rule, also=("kernel",))
        row = self.padding_row
        if row is not None and not rows:
            rule = "should be None without a 'lookup'"
            raise SettingError.of("padding_row", row, rule, also=("lookup",))
        checked = None if row is None else check_whole("padding_row", row, 0, rows)
        return {"lookup": rows, "padding_row": checked}

    @property
    def is_padded(self) -> bool:
        """Whether values are put around the input."""
        return any(itertools.chain(*self.padding))

    def fits(self, shape: tuple[int, ...], inputs: int) -> bool:
        """Whether values of this shape (without stimuli) have `inputs` for every output, and enough
        for their padding.
        """
        return not self.misfit(shape, inputs)

    def misfit(self, shape: tuple[int, ...], inputs: int) -> str:
        """Why values of this shape (without stimuli) cannot be read, as the end of a sentence on
        them; "" where they can.
        """
        if not self._has_inputs(shape, inputs):
            return f"do not fit its {inputs} inputs"
        left = _LEFT_BY_PADDING.get(self.padding_mode)
        if left is None or not self.kernel:
            return ""
        if all(max(pad) <= size - left for size, pad in zip(shape[1:], self.padding, strict=True)):
            return ""
        return f"are too few for its {self.padding_mode} padding {self.padding}"

    def _has_inputs(self, shape: tuple[int, ...], inputs: int) -> bool:
        if self.lookup:
            return inputs == self.lookup
        if not self.kernel:
            return len(shape) > 0 and shape[-1] == inputs
        if len(shape) != 1 + len(self.kernel):
            return False
        seen = shape[0] // self.groups * math.prod(self.kernel)
        return shape[0] % self.groups == 0 and seen == inputs and min(self.outputs(shape)) > 0

    def outputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of positions for inputs of this shape (without stimuli): (channel, …), (…,
        input) of a linear layer, or that of the ids of a table.
        """
        if not self.kernel:
            return shape if self.lookup else shape[:-1]
        sizes = self.dilated(shape[1:])
        axes = zip(sizes, self.padding, self.kernel, self.dilation, self.stride, strict=True)
        return tuple((size + sum(pad) - d * (k - 1) - 1) // s + 1 for size, pad, k, d, s in axes)

    def dilated(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Sizes of the axes of windows with the zeros between their values."""
        if not self.input_dilation:
            return sizes
        pairs = zip(sizes, self.input_dilation, strict=True)
        return tuple((size - 1) * apart + 1 for size, apart in pairs)

    def positions(self, shape: tuple[int, ...]) -> int:
        """Number of positions for inputs of this shape (without stimuli)."""
        return math.prod(self.outputs(shape))

    def multiply_adds(self, shape: tuple[int, ...], inputs: int) -> int:
        """Multiply-adds of a neuron that sees `inputs` values at each position, for inputs of this
        shape (without stimuli): none where a row of a table is read, and those with inputs alone
        where zeros stand between these.
        """
        if self.lookup:
            return 0
        if not self.input_dilation:
            return self.positions(shape) * inputs
        met = [self._met(axis, size) for axis, size in enumerate(shape[1:])]
        return shape[0] // self.groups * math.prod(met)

    def _met(self, axis: int, size: int) -> int:
        """How often windows meet one of `size` inputs of an axis, at all positions together."""
        apart, (before, _) = self.input_dilation[axis], self.padding[axis]
        positions = self.outputs((1, *[size] * len(self.kernel)))[axis]
        firsts = np.arange(positions)[:, None] * self.stride[axis] - before
        seen = firsts + np.arange(self.kernel[axis]) * self.dilation[axis]
        is_input = (seen % apart == 0) & (seen >= 0) & (seen < size * apart)
        return int(np.count_nonzero(is_input))

    def response_shape(self, shape: tuple[int, ...], neurons: int) -> tuple[int, ...]:
        """The shape of a layer's outputs for inputs of this shape, both without stimuli."""
        places = self.outputs(shape)
        return (neurons, *places) if self.kernel else (*places, neurons)

    def rows(self, integers: np.ndarray, zero: int) -> list[np.ndarray]:
        """What each position sees, (row, position, input) for each group; integers: (row, channel,
        …), `zero`: that of the padding.

        Inputs are in the order of a weight's axes: channel, then the window's; of a table, a 1 in
        the place of each id.
        """
        if self.lookup:
            ids = integers.reshape(len(integers), -1, 1)
            found = np.zeros((*ids.shape[:2], self.lookup), np.int8)
            np.put_along_axis(found, ids.astype(np.int64), 1, 2)
            return [found]
        if not self.kernel:
            return [integers.reshape(len(integers), -1, integers.shape[-1])]
        if self.input_dilation:
            integers = self._apart(integers)
        if self.is_padded:
            integers = self._padded(integers, zero)
        axes = tuple(range(2, integers.ndim))
        reach = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        windows = np.lib.stride_tricks.sliding_window_view(integers, reach, axes)
        steps = tuple(slice(None, None, n) for n in (*self.stride, *self.dilation))
        windows = windows[(slice(None), slice(None), *steps)]
        windows = np.moveaxis(windows, 1, 1 + len(axes))  # (row, position …, channel, window …)
        rows, channels = len(integers), integers.shape[1] // self.groups
        positions = math.prod(windows.shape[1 : 1 + len(axes)])
        parts = np.split(windows, self.groups, axis=1 + len(axes))
        return [part.reshape(rows, positions, channels * math.prod(self.kernel)) for part in parts]

    def _apart(self, integers: np.ndarray) -> np.ndarray:
        """Integers (row, channel, …) with zeros between them."""
        sizes = self.dilated(integers.shape[2:])
        found = np.zeros((*integers.shape[:2], *sizes), integers.dtype)
        places: Any = (..., *(slice(None, None, apart) for apart in self.input_dilation))
        found[places] = integers
        return found

    def _padded(self, integers: np.ndarray, zero: int) -> np.ndarray:
        more: Any = {"constant_values": zero} if self.padding_mode == "zeros" else {}
        mode: Any = _NUMPY_PAD[self.padding_mode]
        return np.pad(integers, ((0, 0), (0, 0), *self.padding), mode, **more)

    def shaped(self, outputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Outputs (row, position, neuron) as torch has them, for inputs of this shape."""
        places = self.outputs(shape)
        if not self.kernel:
            return outputs.reshape(len(outputs), *places, outputs.shape[2])
        return np.moveaxis(outputs, 2, 1).reshape(len(outputs), outputs.shape[2], *places)


def _entries(field: str, given: Any) -> tuple[Any, ...]:
    """The entries of a tuple or list; raises SettingError for anything else."""
    if not isinstance(given, tuple | list):
        raise SettingError.of(field, given, "should be a tuple, with one entry for each axis")
    return tuple(given)


def _sizes(field: str, given: Any, least: int) -> tuple[int, ...]:
    """Sizes from `least` on as integers; raises SettingError for what is none."""
    return tuple(check_whole(field, size, least, 2**31) for size in _entries(field, given))


def _pair(given: Any) -> tuple[int, int]:
    """The padding of one axis; raises SettingError for what is none."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise SettingError.of("padding", given, "should be (before, after) for each axis")
    before, after = _sizes("padding", given, 0)
    return before, after
