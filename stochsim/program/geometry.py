"""How the outputs of a layer see its inputs: at one position (linear), or through the windows of a
convolution.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from stochsim.settings import SettingError, check_whole

_NUMPY_PAD = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
PADDING_MODES = tuple(_NUMPY_PAD)


@dataclass(frozen=True)
class Geometry:
    """A linear layer where `kernel` is empty: it takes the last axis, and every other axis but the
    first is positions.

    Else windows of this shape over the last axes, as torch's convolutions have them; padding:
    (before, after) of each axis. groups: of channels, each with weights of its own. Raises
    SettingError for an unknown `padding_mode`, and numbers that no window has.
    """

    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    padding_mode: str = "zeros"

    def __post_init__(self) -> None:
        if self.padding_mode not in PADDING_MODES:
            raise SettingError.of("padding_mode", self.padding_mode, choices=PADDING_MODES)
        check_whole("groups", self.groups, 1, 2**31)
        pads = tuple(itertools.chain(*self.padding))
        for field, sizes, least in (
            ("kernel", self.kernel, 1),
            ("stride", self.stride, 1),
            ("dilation", self.dilation, 1),
            ("padding", pads, 0),
        ):
            for size in sizes:
                check_whole(field, size, least, 2**31)
        for field, own in (
            ("stride", self.stride),
            ("dilation", self.dilation),
            ("padding", self.padding),
        ):
            if len(own) != len(self.kernel):
                rule = f"should have one entry for each of the {len(self.kernel)} axes of 'kernel'"
                raise SettingError.of(field, own, rule)

    @property
    def is_padded(self) -> bool:
        """Whether values are put around the input."""
        return any(itertools.chain(*self.padding))

    def fits(self, shape: tuple[int, ...], inputs: int) -> bool:
        """Whether values of this shape (without stimuli) have `inputs` for every output."""
        if not self.kernel:
            return len(shape) > 0 and shape[-1] == inputs
        if len(shape) != 1 + len(self.kernel):
            return False
        seen = shape[0] // self.groups * math.prod(self.kernel)
        return shape[0] % self.groups == 0 and seen == inputs and min(self.outputs(shape)) > 0

    def outputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of positions for inputs of this shape (without stimuli): (channel, …), or (…,
        input) of a linear layer.
        """
        if not self.kernel:
            return shape[:-1]
        axes = zip(shape[1:], self.padding, self.kernel, self.dilation, self.stride, strict=True)
        return tuple((size + sum(pad) - d * (k - 1) - 1) // s + 1 for size, pad, k, d, s in axes)

    def positions(self, shape: tuple[int, ...]) -> int:
        """Number of positions for inputs of this shape (without stimuli)."""
        return math.prod(self.outputs(shape))

    def response_shape(self, shape: tuple[int, ...], neurons: int) -> tuple[int, ...]:
        """The shape of a layer's outputs for inputs of this shape, both without stimuli."""
        places = self.outputs(shape)
        return (neurons, *places) if self.kernel else (*places, neurons)

    def rows(self, integers: np.ndarray, zero: int) -> list[np.ndarray]:
        """What each position sees, (row, position, input) for each group; integers: (row, channel,
        …), `zero`: that of the padding.

        Inputs are in the order of a weight's axes: channel, then the window's.
        """
        if not self.kernel:
            return [integers.reshape(len(integers), -1, integers.shape[-1])]
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
