"""The quantiser of inputs in blocks, whose scales follow from the values themselves."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stochsim.formats import (
    DYNAMIC_SCALES,
    E8M0,
    BlockFormat,
    CodeBook,
    block_format,
    blocks_text,
    scales_of_blocks,
)
from stochsim.program.layer_shape import BLOCK_SIZE, slices_of_blocks
from stochsim.program.quantizer import Quantizer, product_table
from stochsim.settings import SettingError, check_choice, check_kind, check_whole, finite_array

BLOCK_SCALES = "block_scales"
"""The field that names the format of the scales of blocks."""


@dataclass(frozen=True, repr=False)
class DynamicQuantizer(Quantizer):
    """Numbers of a format in blocks of `block_size` neighbouring inputs (the last block may have
    fewer), times a scale of the format `block_scales` that every block has of its own values, see
    `stochsim.formats.scales_of_blocks`, times `scale`, one for all: of NVFP4 that of the tensor, 1
    where scales are powers of two.

    It belongs to inputs alone. What a layer reads are `numbers`, not codes: integers and scales.
    Raises SettingError as `Quantizer` does, without a CodeBook of numbers above 0, for what is no
    size and no such format of scales, and another `scale` than 1 beside powers of two.

    >>> import numpy as np
    >>> from stochsim.program import DynamicQuantizer
    >>> grid = DynamicQuantizer.of_block_format("mxfp4")
    >>> grid.rounded(np.array([0.1, 0.3, 40.0]))             # the scale is 8
    array([ 0.,  0., 32.])
    """

    block_size: int = 32
    block_scales: str = E8M0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_kind("book", self.book, CodeBook, "should be a CodeBook")
        assert isinstance(self.book, CodeBook)
        if self.book.values[-1] <= 0:
            rule = "should have numbers above 0, of whose largest scales are found"
            raise SettingError.of("book", self.book.name, rule)
        size = check_whole(BLOCK_SIZE, self.block_size, 1, 2**31)
        object.__setattr__(self, BLOCK_SIZE, size)
        check_choice(BLOCK_SCALES, self.block_scales, DYNAMIC_SCALES)
        if self.block_scales == E8M0 and self.scale != 1:
            rule = "should be 1 beside scales that are powers of two"
            raise SettingError.of("scale", self.scale, rule, also=(BLOCK_SCALES,))

    def __repr__(self) -> str:
        tensor = "" if self.block_scales == E8M0 else f", scale={self.scale}"
        return f"DynamicQuantizer({self.format_name}{tensor})"

    @classmethod
    def of_block_format(cls, given: BlockFormat | str, scale: float = 1.0) -> "DynamicQuantizer":
        """The quantiser of a block format, or of its name; scale: of the tensor."""
        found = block_format(given) if isinstance(given, str) else given
        check_kind("format", found, BlockFormat, "should be a BlockFormat, or the name of one")
        return cls(
            found.element.bits,
            scale,
            book=found.element,
            block_size=found.block_size,
            block_scales=found.scale,
        )

    @property
    def format_name(self) -> str:
        """That of its block format, or its parts where it has none."""
        assert isinstance(self.book, CodeBook)
        return blocks_text(self.book, self.block_size, self.block_scales)

    @property
    def is_dynamic(self) -> bool:
        """Always."""
        return True

    @property
    def element(self) -> Quantizer:
        """That of the numbers of a block whose scale is 1."""
        return Quantizer(self.bits, self.scale, book=self.book)

    def block_scales_of(self, values: np.ndarray) -> np.ndarray:
        """Scales (…, block) of the blocks of values (…, input), without `scale`."""
        assert isinstance(self.book, CodeBook)
        firsts = [part.start for part in slices_of_blocks(values.shape[-1], self.block_size)]
        largest = np.maximum.reduceat(np.abs(values), firsts, axis=-1)
        return scales_of_blocks(largest, self.book, self.block_scales, self.scale)

    def of_inputs(self, scales: np.ndarray, inputs: int) -> np.ndarray:
        """Scales (…, block) as those of inputs (…, input)."""
        return np.repeat(scales, self.block_size, axis=-1)[..., :inputs]

    def numbers(self, values: Any) -> np.ndarray:
        """What a layer reads of values (…, input), float64 (…, input + block): integers in units of
        `unit`, then the scales of their blocks. Raises SettingError for NaN and infinities.
        """
        values = finite_array("values", values, "…, input", (None,)).astype(np.float64)
        assert isinstance(self.book, CodeBook)
        scales = self.block_scales_of(values)
        own = self.scale * self.of_inputs(scales, values.shape[-1])
        with np.errstate(over="ignore"):  # beyond the ends, which they take
            codes = self.book.encode(values / own)
        return self.joined(codes, scales)

    def joined(self, codes: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """What a layer reads of codes (…, input) and scales (…, block) of blocks."""
        assert isinstance(self.book, CodeBook)
        integers = self.book.look_up(product_table(self.book)[1], codes)
        return np.concatenate([integers, scales], axis=-1, dtype=np.float64)

    def of_products(self, integers: np.ndarray) -> np.ndarray:
        """Integers (…, input) in the type that products take."""
        assert isinstance(self.book, CodeBook)
        return integers.astype(product_table(self.book)[1].dtype)

    def rounded(self, values: Any) -> np.ndarray:
        """The values that stand for these, float64 (…, input); raises SettingError as `numbers`."""
        numbers, inputs = self.numbers(values), np.shape(values)[-1]
        scales = self.of_inputs(numbers[..., inputs:], inputs)
        return np.asarray(numbers[..., :inputs] * (self.unit * scales))

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Refused: a number has a code only together with the scale of its block."""
        raise self._no_codes()

    def exact_values(self, codes: np.ndarray) -> np.ndarray:
        """Refused, as `codes`."""
        raise self._no_codes()

    def values(self, codes: np.ndarray) -> np.ndarray:
        """Refused, as `codes`."""
        raise self._no_codes()

    def integers(self, codes: np.ndarray) -> np.ndarray:
        """Refused, as `codes`."""
        raise self._no_codes()

    def _no_codes(self) -> SettingError:
        rule = "has codes only together with scales of blocks: see `numbers` and `rounded`"
        return SettingError.of("quantizer", self.format_name, rule)
