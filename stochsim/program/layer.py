"""A layer of a program: integer weights, the quantisers of what it reads and gives, and its
neurons' bias and noise, as plain arrays.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from stochsim_kernels.neuron import channel

from stochsim.program.quantizer import Quantizer
from stochsim.program.shapes import check_shape, check_values, floats, kept, levels, numbers, scales
from stochsim.settings import (
    SettingError,
    bounded_array,
    check_choice,
    check_flag,
    check_kind,
    check_whole,
    one_line,
)

HIDDEN = "hidden"
READOUT = "readout"
LOG_SIGMA = "log_sigma"
LATERAL = "lateral"
"""Names of the layers of our own networks."""

QUANTIZER_FIELDS = {"bits": int, "scale": float, "unsigned": bool}
FIELDS_OF_LAYER = {
    "weight_bits": int,
    "weight_scale": float,
    "input": dict,
    "output": dict,
    "activation": str,
    "own_width": bool,
}
ARRAYS_OF_LAYER = {"weight_codes": np.int8, "bias": np.float64, "sigma": np.float64}
"""Stored fields of a layer and their types."""
WEIGHT_SCALES = "weight_scales"
"""The array of a layer whose neurons have scales of their own; its field `weight_scale` is then
None.
"""
ZERO_POINTS = "zero_points"
"""The array of a layer whose weights count from another integer than 0; there where it has one."""


@dataclass(frozen=True)
class LayerShape:
    """Sizes and widths of a layer, as counting needs them; `has_noise`: its neurons keep a noise
    level of their own; `zero_points`: by how many different ones, none of them 0, the sum of its
    inputs is multiplied. Raises SettingError for what is no size and no width.
    """

    inputs: int
    neurons: int
    weight_bits: int
    input_bits: int
    output_bits: int
    has_noise: bool = False
    zero_points: int = 0

    def __post_init__(self) -> None:
        for name in ("inputs", "neurons"):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), 1, 2**31))
        for name in ("weight_bits", "input_bits", "output_bits"):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), 1, 65))
        object.__setattr__(self, "has_noise", check_flag("has_noise", self.has_noise))
        points = check_whole("zero_points", self.zero_points, 0, self.neurons + 1)
        object.__setattr__(self, "zero_points", points)

    def of_group(self, groups: int) -> "LayerShape":
        """That of one of `groups` equal groups of its neurons."""
        neurons = self.neurons // groups
        points = min(self.zero_points, neurons)
        return dataclasses.replace(self, neurons=neurons, zero_points=points)

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.inputs * self.neurons

    @property
    def stored_weight_bits(self) -> int:
        """Bits that hold the weights."""
        return self.weight_bits * self.weights

    @property
    def read_bits(self) -> int:
        """Bits of the input codes of one product."""
        return self.input_bits * self.inputs

    @property
    def written_bits(self) -> int:
        """Bits of the output codes of one product."""
        return self.output_bits * self.neurons


@dataclass(frozen=True)
class Layer:
    """A quantised layer: drive = weight_scale input.scale (W_q - zero_points) x_q + bias, then
    noise, then the output quantiser.

    weight_codes: (neuron, input) int8, -1 and 1 at one bit; weight_scale: of all weights, or
    (neuron,) one for those of each neuron; bias, sigma: (neuron,) float64 in units
    of the drive. own_width: `weight_bits` was chosen for this layer, and need not be that of the
    Hardware. zero_points: (neuron,) int16, the code that stands for a weight of 0, None where that
    is code 0; what it takes, the sum of the inputs times it, is digital arithmetic behind the
    product. Raises SettingError for arrays of other shapes or numbers, codes beyond their width,
    bias or sigma that are not finite, a negative sigma, and widths, scales, quantisers and
    activations that no layer has.

    >>> import numpy as np
    >>> from stochsim.program import Layer, Quantizer, single_layer
    >>> codes = np.array([[1, -2, 3], [0, 4, -1]], np.int8)          # (neuron, input)
    >>> layer = Layer(
    ...     weight_codes=codes,
    ...     weight_bits=4,
    ...     weight_scale=0.1,
    ...     input=Quantizer(4, 0.25),
    ...     output=Quantizer(4, 0.25),
    ...     bias=np.zeros(2),
    ...     sigma=np.full(2, 0.3),                                  # in units of the drive
    ... )
    >>> print(single_layer(layer))
    program: feed-forward, 3 inputs -> 2 neurons
      layer    shape   weights  inputs  outputs  sigma
      readout  3 -> 2  4 bits   4 bits  4 bits   0.3
    """

    weight_codes: np.ndarray
    weight_bits: int
    weight_scale: float | np.ndarray
    input: Quantizer
    output: Quantizer
    bias: np.ndarray
    sigma: np.ndarray
    activation: str = "identity"
    own_width: bool = False
    zero_points: np.ndarray | None = None
    __repr__ = one_line

    def __post_init__(self) -> None:
        for field, value in self._checked_fields().items():
            object.__setattr__(self, field, value)
        object.__setattr__(self, "weight_codes", self._checked_codes())
        scale = scales("weight_scale", self.weight_scale, self.neurons)
        object.__setattr__(self, "weight_scale", scale)
        for field, checked in (("bias", floats), ("sigma", levels)):
            found = checked(field, getattr(self, field))
            check_shape(field, found, "neuron", (self.neurons,))
            object.__setattr__(self, field, found)
        object.__setattr__(self, "zero_points", self._checked_zero_points())

    def _checked_zero_points(self) -> np.ndarray | None:
        """The zero points, (neuron,) int16; None of 0 alone."""
        if self.zero_points is None:
            return None
        found = numbers("zero_points", self.zero_points, np.int16)
        check_shape("zero_points", found, "neuron", (self.neurons,))
        half = 2 ** (self.weight_bits - 1)
        if self.weight_bits == 1:
            rule = "there are none at one bit, whose weights are ±scale"
            raise SettingError.of("zero_points", found, rule)
        are_right = (found >= -half) & (found < half)
        check_values("zero_points", found, are_right, f"should be from {-half} to {half - 1}")
        return kept(found.astype(np.int16)) if found.any() else None

    def _checked_fields(self) -> dict[str, Any]:
        """Its numbers, as Python's; raises SettingError for numbers, words and quantisers that no
        layer has.
        """
        own: dict[str, Any] = {"weight_bits": check_whole("weight_bits", self.weight_bits, 1, 9)}
        check_choice("activation", self.activation, channel.RESPONSES)
        for side in ("input", "output"):
            check_kind(side, getattr(self, side), Quantizer, "should be a Quantizer")
        if self.input.book is not None:
            rule = "should have evenly spaced values: products are of integers"
            raise SettingError.of("input", self.input.format_name, rule)
        return own | {"own_width": check_flag("own_width", self.own_width)}

    def _checked_codes(self) -> np.ndarray:
        """The weights' codes, (neuron, input) int8."""
        codes = numbers("weight_codes", self.weight_codes, np.int8)
        self._check_codes(codes)
        return kept(codes.astype(np.int8))

    def _check_codes(self, codes: np.ndarray) -> None:
        if codes.ndim != 2 or codes.size == 0:
            rule = "should have shape (neuron, input), at least one of each"
            raise SettingError.of("weight_codes", codes, rule)
        half = 2 ** (self.weight_bits - 1)
        if self.weight_bits == 1:
            check_values("weight_codes", codes, abs(codes) == 1, "should be -1 or 1 at one bit")
        are_right = (codes >= -half) & (codes <= max(half - 1, 1))
        check_values("weight_codes", codes, are_right, f"should be from {-half} to {half - 1}")

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.weight_codes.shape[1])

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(self.weight_codes.shape[0])

    @property
    def has_scales_of_neurons(self) -> bool:
        """Whether the weights of every neuron have a scale of their own."""
        return isinstance(self.weight_scale, np.ndarray)

    @property
    def shape(self) -> LayerShape:
        """Sizes and widths of this layer."""
        widths = (self.weight_bits, self.input.bits, self.output.bits)
        has_noise = bool(np.any(self.sigma))
        points = 0
        if self.zero_points is not None:
            points = int(np.count_nonzero(np.unique(self.zero_points)))
        return LayerShape(self.inputs, self.neurons, *widths, has_noise, points)

    @property
    def weight_integers(self) -> np.ndarray:
        """Factors of the scale in the weights, (neuron, input): the codes less the zero points,
        int16 where there are any.
        """
        if self.zero_points is None:
            return self.weight_codes
        return self.weight_codes - self.zero_points[:, None]

    def noiseless_codes(self, integers: np.ndarray) -> np.ndarray:
        """Codes (row, neuron) int8 of integers (row, input) without any noise, in float64; raises
        SettingError for other shapes, and numbers that are not finite.
        """
        integers = bounded_array("integers", integers, "row, input", (None, self.inputs))
        drive = integers.astype(np.float64) @ self.weight_integers.T.astype(np.float64)
        drive = drive * (self.weight_scale * self.input.scale) + self.bias
        return self.output.codes(channel.RESPONSES[self.activation](drive))

    def group(self, number: int, groups: int) -> "Layer":
        """The layer of one of `groups` equal groups of neurons, each with weights of its own;
        raises SettingError for groups that the neurons do not make, and a number that is none.
        """
        groups = check_whole("groups", groups, 1, self.neurons + 1)
        number = check_whole("number", number, 0, groups)
        if self.neurons % groups:
            rule = f"should divide the {self.neurons} neurons"
            raise SettingError.of("groups", groups, rule)
        own = self.neurons // groups
        part = slice(number * own, (number + 1) * own)
        arrays = {field: getattr(self, field)[part] for field in ARRAYS_OF_LAYER}
        if isinstance(self.weight_scale, np.ndarray):
            arrays["weight_scale"] = self.weight_scale[part]
        if self.zero_points is not None:
            arrays[ZERO_POINTS] = self.zero_points[part]
        return dataclasses.replace(self, **arrays)

    def to_table(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What files store of a layer: numbers and words by field, and arrays by field."""
        table = {field: getattr(self, field) for field in FIELDS_OF_LAYER}
        for side in ("input", "output"):
            table[side] = _quantizer_table(table[side])
        arrays = {
            field: np.asarray(getattr(self, field), dtype)
            for field, dtype in ARRAYS_OF_LAYER.items()
        }
        if isinstance(self.weight_scale, np.ndarray):
            table["weight_scale"] = None
            arrays[WEIGHT_SCALES] = self.weight_scale
        if self.zero_points is not None:
            arrays[ZERO_POINTS] = self.zero_points
        return table, arrays


def _quantizer_table(quantizer: Quantizer) -> dict[str, Any]:
    table = {field: getattr(quantizer, field) for field in QUANTIZER_FIELDS}
    return table if quantizer.book is None else table | {"book": quantizer.book.to_table()}
