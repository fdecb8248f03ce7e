"""A layer of a program: integer weights, the quantisers of what it reads and gives, and its
neurons' bias and noise, as plain arrays.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from stochsim_kernels.neuron import channel

from stochsim.formats import FP16, SCALE_BITS, CodeBook, are_on_format
from stochsim.program.dynamic_quantizer import BLOCK_SCALES, DynamicQuantizer
from stochsim.program.layer_checks import (
    WEIGHT_BOOK,
    ZERO_POINTS,
    check_books_of_neurons,
    check_dynamic,
    check_products,
    check_weight_book,
    checked_codes,
    checked_zero_points,
    summed,
)
from stochsim.program.layer_shape import (
    BLOCK_SIZE,
    LayerShape,
    Multiplied,
    checked_block_size,
    slices_of_blocks,
)
from stochsim.program.quantizer import Quantizer, product_table
from stochsim.program.shapes import check_shape, floats, levels, scales
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
DYNAMIC_FIELDS = {BLOCK_SIZE: int, BLOCK_SCALES: str}
"""Stored fields of quantisers, and those of dynamic ones alone, with their types."""
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
OPTIONAL_FIELDS = {BLOCK_SIZE: int, WEIGHT_BOOK: dict, BLOCK_SCALES: str}
"""Stored fields that only some layers have, and their types."""


@dataclass(frozen=True)
class Layer:
    """A quantised layer: drive = weight_scale input.scale (W_q - zero_points) x_q + bias, then
    noise, then the output quantiser.

    weight_codes: (neuron, input) int8, -1 and 1 at one bit; weight_scale: of all weights, or
    (neuron,) one for those of each neuron; bias, sigma: (neuron,) float64 in units of the drive.
    block_size: where it is given, scales and zero points are (neuron, block), one for every so many
    inputs of a neuron (the last block may have fewer): sums of a block are multiplied by its scale
    and added by digital arithmetic. own_width: `weight_bits` was chosen for this layer, and need
    not be that of the Hardware. zero_points: (neuron,) int16, the code that stands for a weight of
    0, None where that is code 0; what it takes, the sum of the inputs times it, is digital
    arithmetic behind the product. weight_book: the number format whose codes the weights are, None
    for integers; weight_scale is then the factor of its values. block_scales: the format that a
    memory keeps scales of blocks in, one of `stochsim.formats.SCALE_BITS`. input: of a
    DynamicQuantizer sums are those of its blocks, and each is multiplied by the scale that its
    inputs have; weights have blocks of the same size, or none. Raises SettingError for arrays of
    other shapes or numbers, codes beyond their width, bias or sigma that are not finite, a negative
    sigma, and widths, scales, quantisers and activations that no layer has.

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
    block_size: int | None = None
    weight_book: CodeBook | None = None
    block_scales: str = FP16
    __repr__ = one_line

    def __post_init__(self) -> None:
        for field, value in self._checked_fields().items():
            object.__setattr__(self, field, value)
        codes = checked_codes(self.weight_codes, self.weight_bits, self.weight_book)
        object.__setattr__(self, "weight_codes", codes)
        object.__setattr__(self, BLOCK_SIZE, self._checked_block_size())
        for side, number in (("input", self.inputs), ("output", self.neurons)):
            check_books_of_neurons(side, getattr(self, side), number)
        if self.input.is_per_neuron and self.block_size is not None:
            rule = "should be None where inputs have a book for each neuron"
            raise SettingError.of(BLOCK_SIZE, self.block_size, rule, also=("input",))
        check_dynamic(self.input, self.output, self.block_size)
        axes, shape = self._axes_of_scales
        object.__setattr__(
            self, "weight_scale", scales("weight_scale", self.weight_scale, axes, shape)
        )
        self._check_block_scales()
        for field, checked in (("bias", floats), ("sigma", levels)):
            found = checked(field, getattr(self, field))
            check_shape(field, found, "neuron", (self.neurons,))
            object.__setattr__(self, field, found)
        if self.zero_points is not None:
            points = checked_zero_points(self.zero_points, self.weight_bits, axes, shape)
            object.__setattr__(self, ZERO_POINTS, points)

    def _checked_block_size(self) -> int | None:
        """The block size; raises SettingError for what is none, and one beside a scale that is not
        by block. One that has all inputs is none, and its scales and zero points are of neurons.
        """
        if self.block_size is None:
            return None
        found = checked_block_size(self.block_size, self.inputs)
        for field in ("weight_scale", ZERO_POINTS):
            given = getattr(self, field)
            if given is None:
                continue
            if floats(field, given).ndim != 2:
                rule = "should have shape (neuron, block) beside a 'block_size'"
                raise SettingError.of(field, given, rule, also=(BLOCK_SIZE,))
            if found is None:
                check_shape(field, given, "neuron, block", (self.neurons, 1))
                object.__setattr__(self, field, np.asarray(given)[:, 0])
        if found is None:
            object.__setattr__(self, BLOCK_SCALES, FP16)
        return found

    def _check_block_scales(self) -> None:
        """Raise SettingError for a format of the scales of blocks that these are not of, or where
        there are no blocks.
        """
        if self.block_scales == FP16:
            return
        if self.block_size is None:
            rule = f"should be left out without a '{BLOCK_SIZE}'"
            raise SettingError.of(BLOCK_SCALES, self.block_scales, rule)
        if not are_on_format(np.asarray(self.weight_scale), self.block_scales):
            rule = f"should be scales of the format '{self.block_scales}', as '{BLOCK_SCALES}' says"
            raise SettingError.of("weight_scale", self.weight_scale, rule, also=(BLOCK_SCALES,))

    @property
    def _axes_of_scales(self) -> tuple[str, tuple[int, ...]]:
        """What scales of their own are counted by, and how many there are."""
        if self.block_size is None:
            return "neuron", (self.neurons,)
        return "neuron, block", (self.neurons, len(self.slices))

    def _checked_fields(self) -> dict[str, Any]:
        """Its numbers, as Python's; raises SettingError for numbers, words and quantisers that no
        layer has.
        """
        own: dict[str, Any] = {"weight_bits": check_whole("weight_bits", self.weight_bits, 1, 9)}
        check_choice("activation", self.activation, channel.RESPONSES)
        check_choice(BLOCK_SCALES, self.block_scales, SCALE_BITS)
        for side in ("input", "output"):
            rule = "should be a Quantizer, as Quantizer.of_format(name, scale) gives one"
            check_kind(side, getattr(self, side), Quantizer, rule)
        if self.input.book is not None:
            check_products("input", self.input.book)
        if self.weight_book is not None:
            check_weight_book(self.weight_book, own["weight_bits"], self.zero_points)
        return own | {"own_width": check_flag("own_width", self.own_width)}

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
        """Whether the weights of every neuron have a scale of their own, or several."""
        return isinstance(self.weight_scale, np.ndarray)

    @property
    def slices(self) -> list[slice]:
        """The inputs of each sum: of its blocks, all of them where it has none."""
        return slices_of_blocks(self.inputs, self.summed_size)

    @property
    def summed_size(self) -> int | None:
        """Inputs of a block, of weights or of inputs; None where sums are of all inputs."""
        if self.block_size is None and isinstance(self.input, DynamicQuantizer):
            return self.input.block_size
        return self.block_size

    @property
    def has_blocks(self) -> bool:
        """Whether sums of blocks are multiplied by scales, be it of one block alone."""
        return self.summed_size is not None

    @property
    def numbers(self) -> int:
        """How many numbers it reads: a scale for each block of dynamic inputs beside these."""
        return self.inputs + (len(self.slices) if self.input.is_dynamic else 0)

    def numbers_of_block(
        self, numbers: np.ndarray, number: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """(integers (…, input), scales (…,) or None) of one block of what it reads, (…, input) or
        of dynamic inputs (…, input + block).
        """
        part = self.slices[number]
        if not isinstance(self.input, DynamicQuantizer):
            return np.ascontiguousarray(numbers[..., part]), None
        return self.input.of_products(numbers[..., part]), numbers[..., self.inputs + number]

    def block(self, number: int) -> "Layer":
        """The layer of the inputs of one block alone, without bias and noise, whose scales are of
        neurons; raises SettingError for a number that no block has.
        """
        number = check_whole("number", number, 0, len(self.slices))
        if not self.has_blocks:
            return self
        own, zeros = self.weight_scale, self.zero_points
        if self.block_size is not None:
            assert isinstance(own, np.ndarray)
            own, zeros = own[:, number], None if zeros is None else zeros[:, number]
        nothing = np.zeros(self.neurons)
        return dataclasses.replace(
            self,
            weight_codes=np.ascontiguousarray(self.weight_codes[:, self.slices[number]]),
            weight_scale=own,
            input=self.input.element if isinstance(self.input, DynamicQuantizer) else self.input,
            bias=nothing,
            sigma=nothing,
            zero_points=zeros,
            block_size=None,
            block_scales=FP16,
        )

    @property
    def sum_scale(self) -> float | np.ndarray:
        """What weighted sums of the integers of inputs are in units of, times `input.unit`: the
        unit of weights, of several that of a neuron's coarsest block, (neuron,).
        """
        unit = self._unit_of_weights
        if self.block_size is None or not isinstance(unit, np.ndarray):
            return unit
        return np.asarray(unit.max(1))

    @property
    def _unit_of_weights(self) -> float | np.ndarray:
        """What the integers of weights are in units of, of the shape of `weight_scale`."""
        if self.weight_book is None:
            return self.weight_scale
        return self.weight_scale * product_table(self.weight_book)[0]

    @property
    def weight_step(self) -> float | np.ndarray:
        """What noise of weights in steps is in units of, of the shape of `weight_scale`: it, of a
        book times the mean distance of neighbouring values.
        """
        if self.weight_book is None:
            return self.weight_scale
        return self.weight_scale * self.weight_book.mean_step

    @property
    def weight_integer_bits(self) -> int:
        """Bits of the integers that are multiplied: of a book those that hold its integers."""
        if self.weight_book is None:
            return self.weight_bits
        return self.weight_book.integer_bits

    @property
    def block_factors(self) -> np.ndarray:
        """Scales of the blocks in units of `sum_scale`, (block, neuron), at most 1."""
        if self.block_size is None or not isinstance(self.weight_scale, np.ndarray):
            return np.ones((len(self.slices), self.neurons))
        return np.ascontiguousarray((self.weight_scale / self.weight_scale.max(1, keepdims=True)).T)

    @property
    def shape(self) -> LayerShape:
        """Sizes and widths of this layer."""
        widths = (self.weight_bits, self.input.bits, self.output.bits)
        has_noise = bool(np.any(self.sigma))
        return LayerShape(
            *(self.inputs, self.neurons, *widths, has_noise),
            zero_points=self._different_zero_points,
            block_size=self.block_size,
            multiplied=self._multiplied,
            block_scales=self.block_scales,
            converter_bits=None if self.output.book is None else self.output.converter_bits,
            output_table_bits=self.output.table_bits,
            input_blocks=self._input_blocks,
        )

    @property
    def _input_blocks(self) -> tuple[int, str] | None:
        """Size and format of scales of the blocks of dynamic inputs."""
        own = self.input
        return (own.block_size, own.block_scales) if isinstance(own, DynamicQuantizer) else None

    @property
    def multiplies_codes(self) -> bool:
        """Whether a product multiplies the codes of weights and inputs, which have no books."""
        return self.weight_book is None and self.input.book is None

    @property
    def _multiplied(self) -> Multiplied | None:
        """What a product multiplies, None where it is the codes."""
        if self.multiplies_codes:
            return None
        book = self.weight_book
        of_weights = (self.weight_bits, 0) if book is None else book.factor_bits
        factors, exponents = zip(of_weights, self.input.factor_bits, strict=True)
        integers = self.weight_integer_bits, self.input.integer_bits
        return Multiplied(integers, factors, exponents)

    @property
    def _different_zero_points(self) -> int:
        """How many different ones, none of them 0, the sum of the inputs of each block meets."""
        if self.zero_points is None:
            return 0
        by_block = self.zero_points.reshape(self.neurons, -1).T
        times = len(self.slices) // len(by_block)
        return times * sum(int(np.count_nonzero(np.unique(one))) for one in by_block)

    @property
    def weight_integers(self) -> np.ndarray:
        """Factors of the unit of weights in them, (neuron, input): the codes less the zero points,
        int16 where there are any, of a book the integers of its values.
        """
        if self.zero_points is None:
            return self.multiplied(self.weight_codes)
        return self.weight_codes - self.of_inputs(self.zero_points)

    def multiplied(self, codes: np.ndarray) -> np.ndarray:
        """The integers that a product multiplies for these codes of weights (neuron, input)."""
        if self.weight_book is None:
            return codes
        table: np.ndarray = product_table(self.weight_book)[1]
        return table[codes.astype(np.intp) - self.weight_book.c_min]

    def in_integers(self) -> "Layer":
        """The same layer, its weights and inputs integers of as many bits as hold those that are
        multiplied, as the cells and lines of an array have them. Raises SettingError where these
        need more than 8 bits, and for dynamic inputs.
        """
        if isinstance(self.input, DynamicQuantizer) and self.input.book is not None:
            own = self.input.book
            named = own.name if own.integer_bits <= _MOST_INTEGER_BITS else "fp6-e2m3"
            rule = (
                f"needs a scale for each block of inputs at run time, and a line of an array has "
                f"one that is constant: give inputs a format without blocks, such as '{named}', or "
                f"leave the array out"
            )
            raise SettingError.of("input", self.input.format_name, rule)
        if self._multiplied is None:
            return self
        for field, bits, book in (
            (WEIGHT_BOOK, self.weight_integer_bits, self.weight_book),
            ("input", self.input.integer_bits, self.input.book),
        ):
            if bits > _MOST_INTEGER_BITS:
                assert book is not None
                rule = (
                    f"should have integers of at most {_MOST_INTEGER_BITS} bits on an array, whose "
                    f"cells and lines hold them: they have {bits}"
                )
                raise SettingError.of(field, book.name, rule)
        return dataclasses.replace(
            self,
            weight_codes=self.multiplied(self.weight_codes),
            weight_bits=self.weight_integer_bits,
            weight_scale=self._unit_of_weights,
            input=Quantizer(self.input.integer_bits, self.input.unit, self.input.unsigned),
            weight_book=None,
        )

    def of_inputs(self, values: np.ndarray) -> np.ndarray:
        """Values of neurons, (neuron,), or of their blocks, (neuron, block), as those of their
        weights: (neuron, 1), or (neuron, input).
        """
        if values.ndim == 1:
            return values[:, None]
        return np.repeat(values, self.block_size or 1, axis=1)[:, : self.inputs]

    def exact_sums(self, integers: np.ndarray) -> np.ndarray:
        """Weighted sums (row, neuron) float64 of integers (row, input), of dynamic inputs of what
        these give, (row, input + block), without any error, in units of `sum_scale` `input.unit`.
        """
        weights = self.weight_integers
        if not self.has_blocks:
            return summed(integers, weights)
        sums = np.zeros((len(integers), self.neurons))
        for number, (part, factor) in enumerate(zip(self.slices, self.block_factors, strict=True)):
            own, scales = self.numbers_of_block(integers, number)
            found = summed(own, weights[:, part])
            sums += factor * (found if scales is None else scales[:, None] * found)
        return sums

    def noiseless_codes(self, integers: np.ndarray) -> np.ndarray:
        """Codes (row, neuron) int8 of integers (row, input), see `exact_sums`, without any noise,
        in float64; raises SettingError for other shapes, and numbers that are not finite.
        """
        integers = bounded_array("integers", integers, "row, input", (None, self.numbers))
        drive = self.exact_sums(integers) * (self.sum_scale * self.input.unit) + self.bias
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
        if self.block_size is not None:
            table[BLOCK_SIZE] = self.block_size
        if self.block_scales != FP16:
            table[BLOCK_SCALES] = self.block_scales
        if self.weight_book is not None:
            table[WEIGHT_BOOK] = self.weight_book.to_table()
        return table, arrays


_MOST_INTEGER_BITS = 8


def _quantizer_table(quantizer: Quantizer) -> dict[str, Any]:
    dynamic = DYNAMIC_FIELDS if quantizer.is_dynamic else {}
    table = {field: getattr(quantizer, field) for field in (*QUANTIZER_FIELDS, *dynamic)}
    return table if quantizer.book is None else table | {"book": quantizer.book.to_table()}
