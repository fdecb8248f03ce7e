"""The quantiser of inputs and outputs: codes, the values that they stand for, and the integers that
are multiplied.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from stochsim_kernels.neuron.channel import NeuronLaw, neuron_law, uneven_law
from stochsim_kernels.neuron.nearest_codes import fill_nearest_codes

from stochsim.formats import BlockFormat, CodeBook, NeuronBooks
from stochsim.formats import code_book as named_book
from stochsim.program.shapes import kept, scale
from stochsim.settings import SettingError, check_flag, check_kind, check_whole, real_array

_BITS_OF_INT8 = 8


def _kernel_type(dtype: np.dtype[Any]) -> type[np.floating]:
    """One of the two types that the kernel is compiled for."""
    return np.float32 if dtype in (np.float32, np.float16) else np.float64


@dataclass(frozen=True)
class Quantizer:
    """A b-bit quantiser with the conventions of Brevitas.

    Two bits and more: codes c in -2^(b-1) … 2^(b-1) - 1 and value scale * c. One bit: c in {0, 1}
    and values -scale and +scale. Unsigned: the same codes, with value scale * (c - c_min), so from
    0 on in steps of scale, at one bit too.

    book: values of a number format instead, times scale, of as many bits; `of_format` makes those.
    Of NeuronBooks values (…, neuron) and codes have the neurons as their last axis.

    Raises SettingError for bits outside 1 to 8 or unlike those of the book, a scale that is not
    finite and above 0, an `unsigned` that is neither True nor False, or True beside a book.

    >>> import numpy as np
    >>> from stochsim.program import Quantizer
    >>> grid = Quantizer(bits=2, scale=0.5)
    >>> grid.values(np.array([-2, -1, 0, 1]))
    array([-1. , -0.5,  0. ,  0.5], dtype=float32)
    """

    bits: int
    scale: float
    unsigned: bool = False
    book: CodeBook | NeuronBooks | None = None

    def __repr__(self) -> str:
        book = "" if self.book is None else f", book={self.book!r}"
        return f"Quantizer(bits={self.bits}, scale={self.scale}, unsigned={self.unsigned}{book})"

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", check_whole("bits", self.bits, 1, 9))
        object.__setattr__(self, "scale", scale("scale", self.scale))
        object.__setattr__(self, "unsigned", check_flag("unsigned", self.unsigned))
        if isinstance(self.book, str):
            rule = "should be a CodeBook; of a name: Quantizer.of_format(name, scale)"
            raise SettingError.of("book", self.book, rule)
        check_kind("book", self.book, (*_BOOKS, type(None)), "should be a CodeBook")
        if self.book is not None and self.book.bits != self.bits:
            rule = f"should be {self.book.bits}, as the book '{self.book.name}' has"
            raise SettingError.of("bits", self.bits, rule)
        if self.book is not None and self.unsigned:
            raise SettingError.of("unsigned", True, "is for quantisers without a book")

    @classmethod
    def of_format(cls, book: CodeBook | NeuronBooks | str, scale: float) -> "Quantizer":
        """The quantiser of a number format, or of its name, or of a book for each neuron, whose
        values are times `scale`.

        >>> from stochsim.program import Quantizer
        >>> Quantizer.of_format("fp4-e2m1", 0.1).values(np.array([-7, 0, 1, 7]))
        array([-0.6 ,  0.  ,  0.05,  0.6 ], dtype=float32)
        """
        found = named_book(book) if isinstance(book, str) else book
        rule = "should be a CodeBook, or the name of a format"
        if isinstance(found, BlockFormat):
            rule = f"{rule}; of blocks of inputs: DynamicQuantizer.of_block_format"
        check_kind("book", found, _BOOKS, rule)
        return cls(found.bits, scale, book=found)

    @property
    def format_name(self) -> str:
        """That of its book, or int<b> and uint<b>."""
        return self.book.name if self.book else f"{'u' * self.unsigned}int{self.bits}"

    @property
    def is_even(self) -> bool:
        """Whether it has no book: values are evenly spaced integers times scale."""
        return self.book is None

    @property
    def is_dynamic(self) -> bool:
        """Whether scales of blocks follow from values: see `DynamicQuantizer`."""
        return False

    @property
    def levels(self) -> int:
        """Number of codes: 2^b, or the values of its book."""
        return int(2**self.bits) if self.book is None else self.book.levels

    @property
    def c_min(self) -> int:
        """The smallest code."""
        if self.book is not None:
            return self.book.c_min
        return 0 if self.bits == 1 else -(self.levels // 2)

    @property
    def z(self) -> float:
        """The value of code 0; of NeuronBooks, which have several, SettingError."""
        if self.is_per_neuron:
            rule = "has a value of code 0 for each neuron: see `value_table`"
            raise SettingError.of("book", self.format_name, rule)
        if self.book is not None:
            return float(self.exact_values(np.array(0)))
        if self.unsigned:
            return -self.c_min * self.scale
        return -self.scale if self.bits == 1 else 0.0

    @property
    def step(self) -> float:
        """The distance of neighbouring values, Delta; of a book their mean distance."""
        if self.book is not None:
            return self.scale * self.book.mean_step
        return 2 * self.scale if self.bits == 1 and not self.unsigned else self.scale

    @property
    def largest_integer(self) -> int:
        """The largest size of an integer; raises SettingError as `integers` does."""
        if self.book is not None:
            return int(np.abs(product_table(self.book)[1]).max())
        return self.levels - 1 if self.unsigned else -self.c_min or 1

    @property
    def unit(self) -> float:
        """What the integers are in units of: `scale`, of a book times the unit of its values;
        raises SettingError as `integers` does.
        """
        return self.scale if self.book is None else self.scale * product_table(self.book)[0]

    @property
    def integer_bits(self) -> int:
        """Bits of the integers: as many as those of codes, of a book those that hold its integers;
        raises SettingError as `integers` does.
        """
        return self.bits if self.book is None else self.book.integer_bits

    @property
    def factor_bits(self) -> tuple[int, int]:
        """As of a book, see `CodeBook`; of others the bits of their integers, and 0."""
        return (self.bits, 0) if self.book is None else self.book.factor_bits

    @property
    def converter_bits(self) -> float:
        """Resolution of a converter that gives these codes: `bits`, more where values of a book lie
        closer together than on average.
        """
        return self.bits if self.book is None else self.book.converter_bits

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Codes of values, int8 of any shape, computed in float64 as Brevitas does there; halves go
        to the even code, 0 to the upper one at one bit. Raises SettingError for what are no real
        numbers, and NaN.
        """
        values = real_array("values", values, "should be real numbers, of any shape")
        if values.dtype.kind == "f" and values.size and np.isnan(values.min()):
            raise SettingError.of("values", rule="holds NaN, which has no code")
        if self.book is not None:
            return self.book.encode(np.divide(values, self.scale, dtype=np.float64))
        if self.bits == 1:
            return (
                np.divide(values, self.scale, dtype=np.float64) >= 0.5
                if self.unsigned
                else values >= 0
            ).astype(np.int8)
        out = np.empty(values.shape, np.int8)
        flat = np.require(values.reshape(-1), _kernel_type(values.dtype), ("C", "W"))
        ends = (float(self.c_min), float(self.c_min + self.levels - 1))
        shift = ends[0] if self.unsigned else 0.0
        fill_nearest_codes(flat, self.scale, ends[0], shift, ends[1], out.reshape(-1))
        return out

    def values(self, codes: np.ndarray) -> np.ndarray:
        """The values of codes, float32 of any shape; raises SettingError for what are no
        integers.
        """
        codes = self._checked(codes)
        if self.book is not None:
            return self.exact_values(codes).astype(np.float32)
        if self.unsigned:
            return np.float32(self.scale) * self.integers(codes).astype(np.float32)
        return (np.float32(self.z) + np.float32(self.step) * codes).astype(np.float32)

    def exact_values(self, codes: np.ndarray) -> np.ndarray:
        """As `values`, in float64."""
        if self.book is not None:
            return np.asarray(self.scale * self.book.decode(codes))
        return np.asarray(self.z + self.step * self._checked(codes).astype(np.float64))

    def law(self, family: int, activation: int, neuron: int = 0) -> NeuronLaw:
        """The channel of a neuron with these outputs; family, activation: numbers of
        `stochsim_kernels.neuron.channel`; neuron: whose of NeuronBooks.
        """
        if self.book is None:
            return neuron_law(family, activation, self.z, self.step, self.c_min, self.levels)
        book = self.book.books[neuron] if isinstance(self.book, NeuronBooks) else self.book
        edges = self.scale * np.array(book.edges)
        return uneven_law(family, activation, edges, np.array(book.ties), self.c_min)

    @property
    def is_per_neuron(self) -> bool:
        """Whether every neuron has values of its own."""
        return isinstance(self.book, NeuronBooks)

    @property
    def table_bits(self) -> tuple[int, int]:
        """As of NeuronBooks: bits of edges or scales in a memory, and those read for all codes; 0
        of others.
        """
        return self.book.table_bits if isinstance(self.book, NeuronBooks) else (0, 0)

    @property
    def value_table(self) -> np.ndarray:
        """Values float64 of all codes, ascending: (level, 1), or (level, neuron) of NeuronBooks."""
        return self.exact_values((self.c_min + np.arange(self.levels))[:, None])

    def integers(self, codes: np.ndarray) -> np.ndarray:
        """The factor of `unit` in each code's value, int8 of any shape, as Brevitas has it: -1 and
        1 at one bit, the code itself above. Unsigned: 0 … 2^b - 1, uint8. Of a book: its
        `fixed_point`, in the smallest type of integers that has all. Raises SettingError for what
        are no integers, and for a book whose values are no integers of one unit.
        """
        codes = self._checked(codes)
        if self.book is not None:
            return self.book.look_up(product_table(self.book)[1], codes)
        if self.unsigned:
            return (codes.astype(np.int16) - self.c_min).astype(np.uint8)
        return 2 * codes - 1 if self.bits == 1 else codes

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """What a layer reads of values (…, input): their `integers`; raises SettingError as `codes`
        does.
        """
        return self.integers(self.codes(values))

    def _checked(self, codes: np.ndarray) -> np.ndarray:
        """Codes as integers; those that no b bits have are refused."""
        rule = f"should be integers from {self.c_min} to {self.c_min + self.levels - 1}"
        found = real_array("codes", codes, rule)
        if found.dtype == np.int8 and self.bits == _BITS_OF_INT8:
            return found
        if found.dtype.kind not in "iu":
            raise SettingError.of("codes", found, rule)
        if found.size and not self.c_min <= found.min() <= found.max() < self.c_min + self.levels:
            raise SettingError.of("codes", found, rule)
        return found


_BOOKS = (CodeBook, NeuronBooks)


@functools.lru_cache(maxsize=256)
def product_table(book: CodeBook | NeuronBooks) -> tuple[float, np.ndarray]:
    """Unit and integers (level,), of NeuronBooks (level, neuron), of a book's values, in the
    smallest type that has all; raises SettingError for a book whose values are no integers of one
    unit.
    """
    unit, integers = book.product_integers
    largest = int(np.abs(integers).max())
    dtype = next(
        one for one in (np.int8, np.int16, np.int32, np.int64) if largest <= np.iinfo(one).max
    )
    return unit, kept(integers.astype(dtype))
