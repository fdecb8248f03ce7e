"""How the outputs of a layer see its inputs: at one position (linear), or through windows
(convolutions), in NumPy and in torch.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from stochsim.settings import SettingError

_NUMPY_PAD = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
_TORCH_PAD = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


@dataclass(frozen=True)
class Geometry:
    """A linear layer where `kernel` is empty: it takes the last axis, and every other axis but the
    first is positions.

    Else windows of this shape over the last axes, as torch's convolutions have them; padding:
    (before, after) of each axis.
    """

    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    padding_mode: str = "zeros"

    def __post_init__(self) -> None:
        if self.padding_mode not in _NUMPY_PAD:
            raise SettingError(
                f"'padding_mode' = {self.padding_mode!r}: valid: {', '.join(_NUMPY_PAD)}"
            )

    @classmethod
    def of(cls, module: Any) -> "Geometry":
        """That of a Linear, Conv1d or Conv2d."""
        if isinstance(module, torch.nn.Linear):
            return cls()
        reach = [d * (k - 1) for k, d in zip(module.kernel_size, module.dilation, strict=True)]
        if module.padding == "same":
            padding = tuple((r // 2, r - r // 2) for r in reach)
        else:
            padding = tuple(
                (p, p) for p in ((0,) * len(reach) if module.padding == "valid" else module.padding)
            )
        rest = (tuple(module.dilation), module.groups, module.padding_mode)
        return cls(tuple(module.kernel_size), tuple(module.stride), padding, *rest)

    @property
    def is_padded(self) -> bool:
        """Whether values are put around the input."""
        return any(itertools.chain(*self.padding))

    def outputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of positions for inputs of this shape (without stimuli): (channel, …), or (…,
        input) of a linear layer.
        """
        if not self.kernel:
            return shape[:-1]
        axes = zip(shape[1:], self.padding, self.kernel, self.dilation, self.stride, strict=True)
        return tuple((size + sum(pad) - d * (k - 1) - 1) // s + 1 for size, pad, k, d, s in axes)

    def positions(self, shape: tuple[int, ...]) -> int:
        """How many there are."""
        return math.prod(self.outputs(shape))

    def rows(self, integers: np.ndarray, zero: int) -> list[np.ndarray]:
        """What each position sees, (row, position, input) for each group; integers: (row, channel,
        …), `zero`: that of the padding.

        Inputs are in the order of a weight's axes: channel, then the window's.
        """
        if not self.kernel:
            return [integers.reshape(len(integers), -1, integers.shape[-1])]
        if self.is_padded:
            more: Any = {"constant_values": zero} if self.padding_mode == "zeros" else {}
            mode: Any = _NUMPY_PAD[self.padding_mode]
            integers = np.pad(integers, ((0, 0), (0, 0), *self.padding), mode, **more)
        axes = tuple(range(2, integers.ndim))
        reach = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        windows = np.lib.stride_tricks.sliding_window_view(integers, reach, axes)
        windows = windows[
            (
                slice(None),
                slice(None),
                *(slice(None, None, n) for n in (*self.stride, *self.dilation)),
            )
        ]
        windows = np.moveaxis(windows, 1, 1 + len(axes))  # (row, position …, channel, window …)
        rows, channels = len(integers), integers.shape[1] // self.groups
        positions = math.prod(windows.shape[1 : 1 + len(axes)])
        parts = np.split(windows, self.groups, axis=1 + len(axes))
        return [part.reshape(rows, positions, channels * math.prod(self.kernel)) for part in parts]

    def shaped(self, outputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Outputs (row, position, neuron) as torch has them, for inputs of this shape."""
        places = self.outputs(shape)
        if not self.kernel:
            return outputs.reshape(len(outputs), *places, outputs.shape[2])
        return np.moveaxis(outputs, 2, 1).reshape(len(outputs), outputs.shape[2], *places)

    def drive(
        self, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, zero: float
    ) -> torch.Tensor:
        """Products of values (stimulus, …) with a weight, and the bias; zero: the value of the
        padding.
        """
        if not self.kernel:
            return functional.linear(values, weight, bias)
        convolve = functional.conv1d if len(self.kernel) == 1 else functional.conv2d
        padded = self._padded(values, zero)
        return convolve(padded, weight, bias, self.stride, 0, self.dilation, self.groups)

    def squares(self, values: torch.Tensor, zero: float) -> torch.Tensor:
        """Sum of squares of what each output sees, of a shape that broadcasts against the drive."""
        if not self.kernel:
            return values.square().sum(-1, keepdim=True)
        one = values.new_ones(self.groups, values.shape[1] // self.groups, *self.kernel)
        return self.drive(values.square(), one, None, zero**2)

    def _padded(self, values: torch.Tensor, zero: float) -> torch.Tensor:
        if not self.is_padded:
            return values
        sizes = [size for pair in reversed(self.padding) for size in pair]
        more: Any = {"value": zero} if self.padding_mode == "zeros" else {}
        return functional.pad(values, sizes, _TORCH_PAD[self.padding_mode], **more)
