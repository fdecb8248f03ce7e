"""Grids of weights, inputs and outputs: the values that codes stand for, by a learned scale, with a
gradient that passes the rounding.
"""

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from stochsim.formats import FP16, SCALE_BITS, CodeBook
from stochsim.networks.quantizers import MOST_BITS, nearest_values, signs
from stochsim.program import Quantizer
from stochsim.settings import StochsimError, counted

_SAME_SHIFT = 1e-6
_SCALES = "format of scales"
LEAST_LEARNED = 2
"""The least width that can be learned: at one bit a grid has two values ±scale, whose step no range
gives."""


class Grid(torch.nn.Module):
    """2^bits values, `scale` apart: a signed grid about 0 (at one bit ±scale), or an unsigned one
    from 0 on, as `Quantizer` has them.

    `narrow` grids are those of weights: -(2^(bits-1) - 1) … 2^(bits-1) - 1; their scale may be one
    of each neuron, (neuron,), for weights (neuron, …), or with a `block_size` one for so many of a
    neuron's weights, (neuron, block). The scale is learned as its binary
    logarithm; at one signed bit it stays as it is, for learned it collapses to 0. Until it is
    learned it is exactly the one given: the power of a logarithm is off in the last place, and a
    value halfway between two codes on another side of its edge. is_given: the grid stands as it is,
    for a module brought it along, or integers count from another zero. zero_points: of an affine
    grid of weights, the code that stands for 0, one or of the scale's shape; its integers are codes
    less that. is_lsq: the scale is learned as LSQ does (Esser et al. 2020): its gradient is times
    1/√(N Q), of N weights with this scale, or N values of a stimulus, and the largest integer Q;
    what lies beyond Q steps is clipped. shift: what inputs are moved by before they meet the grid,
    NaN where that is not known.

    `learn_width` makes the width a parameter `width`, a real number that is rounded where it is
    used, with a gradient that passes the rounding; the range stays, so the step follows the width,
    and `log_scale` remains that of the first one.
    """

    log_scale: torch.Tensor
    given_scale: torch.Tensor
    given_log: torch.Tensor
    width: torch.nn.Parameter | None
    zero_points: torch.Tensor | None
    book: CodeBook | None = None
    block_scales = FP16

    def __init__(
        self,
        bits: int,
        scale: float | np.ndarray,
        unsigned: bool = False,
        narrow: bool = False,
        is_given: bool = False,
        zero_points: int | np.ndarray = 0,
        block_size: int | None = None,
    ) -> None:
        super().__init__()
        self._bits = bits
        self.block_size = block_size
        self.unsigned = unsigned
        self.narrow = narrow
        self.is_given = is_given
        self.is_lsq = False
        self.shift = 0.0
        zeros = None if not np.any(zero_points) else torch.tensor(zero_points, dtype=torch.int16)
        self.register_buffer("zero_points", zeros, persistent=False)
        self.register_parameter("width", None)
        value = torch.tensor(np.log2(scale), dtype=torch.float64)
        self.register_buffer("given_scale", torch.tensor(scale, dtype=torch.float64))
        self.register_buffer("given_log", value.clone())
        if self.is_sign:
            self.register_buffer("log_scale", value)
        else:
            self.log_scale = torch.nn.Parameter(value)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *rest: Any, **more: Any
    ) -> None:
        """A state without the given scale has it as the power of its logarithm. One of another kind
        of grid is an error, for its scale says nothing of this one's values.
        """
        self._take_kind(state_dict, prefix, rest[-1])
        log = state_dict.get(f"{prefix}log_scale")
        if log is not None and f"{prefix}given_log" not in state_dict:
            state_dict[f"{prefix}given_log"] = log.detach().clone()
            state_dict[f"{prefix}given_scale"] = torch.exp2(log.detach())
        super()._load_from_state_dict(state_dict, prefix, *rest, **more)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """With what the scale belongs to, and the zero points."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        kind = [*self._kind.values(), float(self.zero_points is not None)]
        destination[f"{prefix}kind"] = torch.tensor(kind, dtype=torch.float64)
        if self.zero_points is not None:
            destination[f"{prefix}zero_points"] = self.zero_points.detach()

    @property
    def _kind(self) -> dict[str, float]:
        """What a grid has beside its scale and zero points; format: a number that tells number
        formats apart.
        """
        book = 0 if self.book is None else zlib.crc32(repr(self.book.to_table()).encode())
        return {
            "bits": self._bits,
            "unsigned": float(self.unsigned),
            "block size": self.block_size or 0,
            "number format": book,
            _SCALES: list(SCALE_BITS).index(self.block_scales),
            "shift of inputs": self.shift,
        }

    def _take_kind(self, state: dict[str, Any], prefix: str, errors: list[str]) -> None:
        """Take the zero points of a state; note an error for another kind of grid, and for zero
        points that are missing. A state without a kind is of an older version.
        """
        kind, zeros = state.pop(f"{prefix}kind", None), state.pop(f"{prefix}zero_points", None)
        own = list(self._kind.items())
        if kind is None or kind.shape != (len(own) + 1,):
            return
        *others, has_zeros = kind.tolist()
        if has_zeros and zeros is None:
            errors.append(f"{prefix}zero_points is missing from the state")
            return
        differ = [
            name
            for (name, value), other in zip(own, others, strict=True)
            if abs(value - other) > _SAME_SHIFT * abs(value)  # never of NaN: unknown
            and not (name == _SCALES and self.block_scales == FP16)  # which hold those of any
        ]
        if differ:
            errors.append(
                f"{prefix[:-1]} is another grid than that of the state, by its "
                f"{', '.join(differ)}: convert with the same settings and examples, or use "
                f"`program.save`"
            )
        elif zeros is None or self.zero_points is None or zeros.shape != self.zero_points.shape:
            self.zero_points = None if zeros is None else zeros.detach().clone()
        else:
            self.zero_points.copy_(zeros)

    def learned_by_lsq(self) -> "Grid":
        """This grid, its scale learned as LSQ does."""
        self.is_lsq = True
        return self

    def learn_width(self) -> None:
        """Make the width a parameter, from the present one on."""
        self.width = torch.nn.Parameter(self.log_scale.new_tensor(float(self._bits)))

    def fix_width(self) -> None:
        """The width that was learned, as a whole number, for good; the scale is its scale."""
        with torch.no_grad():
            bits, scale, log = self.bits, self.scale(), self.log_of_scale()
            self.given_scale.copy_(scale)
            self.log_scale.copy_(log)
            self.given_log.copy_(log)
        self._bits = bits
        self.width = None

    @property
    def bits(self) -> int:
        """The width; of a learned one the nearest whole number from 2 to 8. Raises StochsimError
        for one that is no number.
        """
        if self.width is None:
            return self._bits
        return round(float(self.real_bits().detach()))

    def real_bits(self) -> torch.Tensor:
        """The width as a real number from 2 to 8 with its gradient, which passes the ends; a
        scalar. Raises StochsimError for one that is no number.
        """
        if self.width is None:
            return self.log_scale.new_tensor(float(self._bits))
        width = self.width.detach()
        if not torch.isfinite(width):
            raise StochsimError(f"a learned width is {float(width)}: training has diverged")
        return width.clamp(LEAST_LEARNED, MOST_BITS) + (self.width - width)

    def _whole_bits(self) -> torch.Tensor:
        """The same, rounded."""
        bits = self.real_bits()
        return bits.detach().round() + (bits - bits.detach())

    def _growth(self) -> torch.Tensor:
        """How much coarser steps are than those of the first width, the range being the same."""
        return self._steps(float(self._bits)) / self._steps(self._whole_bits())

    def _steps(self, bits: Any) -> Any:
        """Steps from 0 to the largest size of a value."""
        return 2.0**bits - 1 if self.unsigned else 2.0 ** (bits - 1) - int(self.narrow)

    @property
    def values_text(self) -> str:
        """Its width, or the name of its number format, as cards show it."""
        return counted(self.bits, "bit", "bits") if self.book is None else self.book.name

    @property
    def log2_levels(self) -> float:
        """The binary logarithm of the number of values: the width."""
        return self.bits

    @property
    def is_dynamic(self) -> bool:
        """Whether scales of blocks follow from values: see `DynamicGrid`."""
        return False

    @property
    def is_sign(self) -> bool:
        """Whether the two values are ±scale."""
        return self.bits == 1 and not self.unsigned

    @property
    def low(self) -> int:
        """The smallest integer (not of ±scale)."""
        return 0 if self.unsigned else self.narrow - 2 ** (self.bits - 1)

    @property
    def high(self) -> int:
        """The largest integer (not of ±scale)."""
        return 2**self.bits - 1 if self.unsigned else 2 ** (self.bits - 1) - 1

    def _ends(self, x: torch.Tensor) -> tuple[Any, Any]:
        """The smallest and the largest integer, numbers or of a shape that broadcasts to x."""
        if self.zero_points is None:
            return self.low, self.high
        zeros = self._of_weights(self.zero_points.to(x.dtype), x)
        return self.low - zeros, self.high - zeros

    @property
    def is_of_neurons(self) -> bool:
        """Whether every neuron has a scale of its own, or several."""
        return self.log_scale.ndim > 0

    def scale(self) -> torch.Tensor:
        """The factor of integers in values, a scalar, (neuron,) or (neuron, block)."""
        scale = self._scale_of_first_width()
        return scale if self.width is None else scale * self._growth()

    def _scale_of_first_width(self) -> torch.Tensor:
        found = torch.exp2(self.log_scale)
        given = torch.where(self.log_scale == self.given_log, self.given_scale, found)
        return found + (given - found).detach()

    def log_of_scale(self) -> torch.Tensor:
        """The binary logarithm of `scale`: `log_scale`, where the width is the first one."""
        return self.log_scale if self.width is None else self.log_scale + self._growth().log2()

    def scale_of(self, x: torch.Tensor) -> torch.Tensor:
        """`scale`, of a shape that broadcasts to x (neuron, …)."""
        return self._of_weights(self.scale(), x)

    def weight_scale(self) -> torch.Tensor:
        """What a `Layer` has for `scale`: it, of a number format the factor of its values."""
        return self.scale()

    def sum_scale(self) -> torch.Tensor:
        """The unit of weighted sums of integers: `scale`, of blocks that of a neuron's coarsest, a
        scalar or (neuron,).
        """
        return self.scale() if self.block_size is None else self.scale().amax(1)

    def _of_weights(self, values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Values for all weights, for those of each neuron or of each of its blocks, of a shape
        that broadcasts to x (neuron, …).
        """
        if values.ndim == 2 and self.block_size is not None:
            weights = x[0].numel()
            values = values.repeat_interleave(self.block_size, 1)[:, :weights]
            return values.reshape(x.shape)
        return values.reshape(-1, *(1,) * (x.ndim - 1)) if values.ndim else values

    def _learned_scale(self, x: torch.Tensor) -> torch.Tensor:
        """`scale_of` x, its gradient that of the rule by which it is learned."""
        scale = self._scale_of_first_width()
        if self.is_lsq:
            whole = x.numel() / (scale.numel() if self.narrow else max(1, len(x)))
            share = 1 / math.sqrt(max(1, whole) * self.high)
            scale = scale.detach() + share * (scale - scale.detach())
        return self._of_weights(scale if self.width is None else scale * self._growth(), x)

    def step(self) -> torch.Tensor:
        """The distance of neighbouring values, of the shape of `scale`."""
        return 2 * self.scale() if self.is_sign else self.scale()

    def step_of(self, x: torch.Tensor) -> torch.Tensor:
        """`step`, of a shape that broadcasts to x (neuron, …)."""
        return self._of_weights(self.step(), x)

    def rounding_variance(self, x: torch.Tensor) -> float:
        """What rounding adds to values like x (any shape) on average, by cells in which they are
        uniform: a twelfth of a squared step.
        """
        return float(self.step().detach().square().mean()) / 12

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The values nearest to x, any shape: halves go to the even integer, at one bit up."""
        if self.is_of_neurons and self.is_sign:
            return signs(x, 1.0) * self.scale_of(x)
        if self.is_sign:
            size = float(self.scale())
            return signs(x, size, math.inf if self.narrow else size)
        scale = self._learned_scale(x)
        if self.bits == 1:
            return _step_values(x, scale)
        if self.width is not None:
            return self._at_learned_width(x, scale)
        if self.is_lsq:
            return _clipped_first(x / scale, self.low, self.high) * scale
        return nearest_values(x, scale, *self._ends(x))

    def _at_learned_width(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """The same values, with a gradient that reaches the width, too: by the step of a range that
        stays, and by the codes at which values are clamped.
        """
        bits = self._whole_bits()
        top = 2.0**bits - 1 if self.unsigned else 2.0 ** (bits - 1) - 1
        low = 0 * top if self.unsigned else int(self.narrow) - 2.0 ** (bits - 1)
        place = x / scale
        code = place + (place.round() - place).detach()
        code = torch.where(code > top, top, code)
        return torch.where(code < low, low, code) * scale

    def integers(self, x: torch.Tensor) -> torch.Tensor:
        """The factors of the scale in the values nearest to x, int16 of the same shape."""
        with torch.no_grad():
            if self.is_sign:
                return torch.where(x >= 0, 1, -1).to(torch.int16)
            if self.bits == 1:
                return (x / self.scale() >= 0.5).to(torch.int16)
            return (x / self.scale_of(x)).round().clamp(*self._ends(x)).to(torch.int16)

    def nearest_of_neurons(
        self, weight: torch.Tensor
    ) -> Callable[[torch.Tensor, int], torch.Tensor]:
        """What gives the values nearest to numbers (neuron,), float64, that stand for the weights
        of one input, by its place among those of a neuron; weight: (neuron, …).
        """
        scale = self.scale_of(weight).detach().double().expand(weight.shape).flatten(1)
        ends = [
            torch.as_tensor(end, dtype=scale.dtype).expand(weight.shape).flatten(1)
            for end in ((-1, 1) if self.is_sign else self._ends(weight))
        ]

        def nearest(numbers: torch.Tensor, place: int) -> torch.Tensor:
            own = scale[:, place]
            low, high = (end[:, place] for end in ends)
            return own * self._nearest_integers(numbers / own, low, high)

        return nearest

    def _nearest_integers(
        self, places: torch.Tensor, low: torch.Tensor, high: torch.Tensor
    ) -> torch.Tensor:
        """The integers nearest to places, in units of the scale, between these ends."""
        if self.is_sign:
            return torch.where(places >= 0, 1.0, -1.0).to(places)
        return places.round().clamp(low, high)

    def codes(self, x: torch.Tensor) -> torch.Tensor:
        """What stands in a memory of weights (neuron, …) for them, int16: the integers, those of an
        affine grid plus its zero points.
        """
        integers = self.integers(x)
        if self.zero_points is None:
            return integers
        return integers + self._of_weights(self.zero_points, x)

    def value_of_zero(self) -> float:
        """The value that 0 becomes: 0, but + scale where there are only ±scale."""
        return float(self.scale()) if self.is_sign else 0.0

    def quantizer(self) -> Quantizer:
        """The same grid as a chip takes it."""
        return Quantizer(self.bits, float(self.scale().detach()), self.unsigned)


def _step_values(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """0 below scale / 2 and scale from there on; the gradient passes between 0 and scale."""
    place = (x / scale).clamp(0, 1)
    return scale * (place + ((x / scale >= 0.5).to(x.dtype) - place).detach())


def _clipped_first(place: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """Integers nearest to places (any shape), with the gradient that LSQ gives them: straight
    through the rounding where the place itself lies between the ends.
    """
    inside = place.clamp(low, high)
    return inside + (inside.round() - inside).detach()
