"""Sizes and widths of a layer, as counting needs them, and how blocks of inputs divide it."""

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

from stochsim.formats import DYNAMIC_SCALES, FP16, SCALE_BITS
from stochsim.settings import (
    SettingError,
    check_choice,
    check_flag,
    check_kind,
    check_positive,
    check_whole,
)

BLOCK_SIZE = "block_size"
"""The field of a layer whose weights have scales by block; there where it has them."""


def checked_block_size(given: Any, inputs: int) -> int | None:
    """A block size as an integer, None where one block has all inputs; raises SettingError for what
    is no size.
    """
    if given is None:
        return None
    found = check_whole(BLOCK_SIZE, given, 1, 2**31)
    return found if found < inputs else None


def slices_of_blocks(inputs: int, block_size: int | None) -> list[slice]:
    """The inputs of each block; those of the last may be fewer."""
    size = block_size or inputs
    return [slice(first, min(first + size, inputs)) for first in range(0, inputs, size)]


class Multiplied(NamedTuple):
    """Widths of what products of number formats multiply, each of weights and inputs: the integers;
    what a digital multiplier gets; and the exponents by which a product is then shifted, 0 of what
    has none.
    """

    integers: tuple[int, int]
    factors: tuple[int, int]
    exponents: tuple[int, int]


@dataclass(frozen=True)
class LayerShape:
    """Sizes and widths of a layer, as counting needs them; `has_noise`: its neurons keep a noise
    level of their own; `zero_points`: by how many different ones, none of them 0, the sum of its
    inputs is multiplied, or by how many the sums of its blocks; `block_size`: inputs whose weights
    share a scale, None for all of them; `multiplied`: widths of what is multiplied, None for the
    codes; `block_scales`: the format of the scales of blocks; `converter_bits`: the resolution of
    the converter of an output, None for `output_bits`; `output_table_bits`: of the edges, or
    scales, of neurons in a memory, and how many of them the codes of one product read;
    `input_blocks`: size and format of scales of the blocks of inputs whose scales follow from their
    values. Raises SettingError for what is no size and no width, and for blocks of weights and
    inputs of different sizes.
    """

    inputs: int
    neurons: int
    weight_bits: int
    input_bits: int
    output_bits: int
    has_noise: bool = False
    zero_points: int = 0
    block_size: int | None = None
    multiplied: Multiplied | None = None
    block_scales: str = FP16
    converter_bits: float | None = None
    output_table_bits: tuple[int, int] = (0, 0)
    input_blocks: tuple[int, str] | None = None

    def __post_init__(self) -> None:
        for name in ("inputs", "neurons"):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), 1, 2**31))
        for name in ("weight_bits", "input_bits", "output_bits"):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), 1, 65))
        object.__setattr__(self, "has_noise", check_flag("has_noise", self.has_noise))
        object.__setattr__(self, BLOCK_SIZE, checked_block_size(self.block_size, self.inputs))
        self._check_input_blocks()
        most = self.neurons * self.blocks
        points = check_whole("zero_points", self.zero_points, 0, most + 1)
        object.__setattr__(self, "zero_points", points)
        check_choice("block_scales", self.block_scales, SCALE_BITS)
        check_kind("multiplied", self.multiplied, (Multiplied, type(None)), "should be Multiplied")
        if self.converter_bits is not None:
            bits = check_positive("converter_bits", self.converter_bits)
            object.__setattr__(self, "converter_bits", bits)

    def _check_input_blocks(self) -> None:
        """Raise SettingError for blocks of inputs that are none, or unlike those of weights."""
        if self.input_blocks is None:
            return
        size, scale = self.input_blocks
        size = check_whole("input_blocks", size, 1, 2**31)
        check_choice("input_blocks", scale, DYNAMIC_SCALES)
        if self.block_size not in (None, size):
            rule = f"should be of {self.block_size} inputs, as those of weights are"
            raise SettingError.of("input_blocks", size, rule, also=(BLOCK_SIZE,))

    @property
    def summed_size(self) -> int:
        """Inputs of a sum: of a block of weights or inputs, or all."""
        own = None if self.input_blocks is None else self.input_blocks[0]
        return min(self.inputs, self.block_size or own or self.inputs)

    @property
    def product_bits(self) -> tuple[int, int]:
        """Widths of the integers of weights and inputs, as cells and input lines have them."""
        codes = (self.weight_bits, self.input_bits)
        return codes if self.multiplied is None else self.multiplied.integers

    @property
    def factor_bits(self) -> tuple[int, int]:
        """Widths of weights and inputs as digital multipliers have them."""
        return self.product_bits if self.multiplied is None else self.multiplied.factors

    def of_group(self, groups: int) -> "LayerShape":
        """That of one of `groups` equal groups of its neurons."""
        neurons = self.neurons // groups
        points = min(self.zero_points, neurons * self.blocks)
        return dataclasses.replace(self, neurons=neurons, zero_points=points)

    @property
    def blocks(self) -> int:
        """Number of sums of a neuron that are multiplied by scales of their own, one after another;
        1 where all inputs share theirs.
        """
        return -(-self.inputs // self.summed_size)

    def of_blocks(self) -> list["LayerShape"]:
        """Those of its blocks, each of its own inputs."""
        parts = slices_of_blocks(self.inputs, self.summed_size)
        alone: dict[str, Any] = {"zero_points": 0, "block_size": None, "input_blocks": None}
        return [dataclasses.replace(self, inputs=p.stop - p.start, **alone) for p in parts]

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.inputs * self.neurons

    @property
    def stored_weight_bits(self) -> int:
        """Bits that hold the weights, and the scales and zero points of their blocks."""
        bits = self.weight_bits * self.weights
        if self.block_size is None:
            return bits
        of_block = SCALE_BITS[self.block_scales] + (self.weight_bits if self.zero_points else 0)
        return bits + self.neurons * self.blocks * of_block

    @property
    def read_bits(self) -> int:
        """Bits of the input codes of one product."""
        return self.input_bits * self.inputs

    @property
    def written_bits(self) -> int:
        """Bits of the output codes of one product."""
        return self.output_bits * self.neurons
