"""Code books of the neurons of a layer: one for each, of as many values."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochsim.formats.books import (
    CodeBook,
    factor_bits_of,
    fixed_point_of,
    multiples_of_smallest,
    whole_numbers,
)
from stochsim.settings import SettingError, check_kind, check_whole, one_line, real_array

PER_NEURON = "-per-neuron"
"""What the name of such books has behind that of the format."""
_SCALE_BITS = 8


@dataclass(frozen=True)
class NeuronBooks:
    """A CodeBook for each neuron, in place of one for all; numbers and codes are (…, neuron).

    books: (neuron,), of as many values and stored bits each. block_size: where books are one format
    times a scale that so many neighbouring neurons share, stored in 8 bits, as those of block
    formats; None where they differ in anything. name: of all of them. Raises SettingError for no
    books, books that differ in values and bits, and what is no size.

    >>> import numpy as np
    >>> from stochsim.formats import NeuronBooks, code_book
    >>> int2 = code_book("int2")
    >>> books = NeuronBooks((int2, int2.scaled(10.0)))
    >>> books.decode(books.encode(np.array([[-1.2, -12.0], [0.8, 8.0]])))
    array([[ -1., -10.],
           [  1.,  10.]])
    """

    books: tuple[CodeBook, ...]
    block_size: int | None = None
    name: str = ""
    __repr__ = one_line

    def __post_init__(self) -> None:
        check_kind("books", self.books, (tuple, list), "should be a tuple of CodeBooks")
        if not self.books:
            raise SettingError.of("books", self.books, "should be one at least")
        for book in self.books:
            check_kind("books", book, CodeBook, "should be CodeBooks")
        object.__setattr__(self, "books", tuple(self.books))
        for name in ("levels", "bits"):
            found = {getattr(book, name) for book in self.books}
            if len(found) > 1:
                rule = f"should be of as many {'values' if name == 'levels' else 'bits'} each"
                raise SettingError.of("books", sorted(found), rule)
        if self.block_size is not None:
            size = check_whole("block_size", self.block_size, 1, 2**31)
            object.__setattr__(self, "block_size", size)
        check_kind("name", self.name, str, "should be a word")
        object.__setattr__(self, "name", self.name or self._first.name + PER_NEURON)

    @property
    def _first(self) -> CodeBook:
        return self.books[0]

    @property
    def neurons(self) -> int:
        """Number of books."""
        return len(self.books)

    @property
    def levels(self) -> int:
        """Number of values of each."""
        return self._first.levels

    @property
    def bits(self) -> int:
        """Bits of a stored code."""
        return self._first.bits

    @property
    def c_min(self) -> int:
        """The smallest code."""
        return self._first.c_min

    @property
    def mean_step(self) -> float:
        """The mean distance of neighbouring values, over all neurons."""
        return float(np.mean([book.mean_step for book in self.books]))

    @property
    def converter_bits(self) -> float:
        """Resolution of a converter for all neurons, whose gains are in the scales of weights: the
        largest of the books.
        """
        if self.block_size is not None:
            return self._first.converter_bits
        return max(book.converter_bits for book in self.books)

    @property
    def table_bits(self) -> tuple[int, int]:
        """(stored, read for the codes of all neurons): bits of the edges that codes are compared
        with by bisection, or of the scales of blocks.
        """
        if self.block_size is not None:
            bits = _SCALE_BITS * -(-self.neurons // self.block_size)
            return bits, bits
        of_edge = math.ceil(self.converter_bits)
        edges, compared = 2**self.bits - 1, self.bits
        return self.neurons * edges * of_edge, self.neurons * compared * of_edge

    @property
    def has_codes_in_order(self) -> bool:
        """See `CodeBook`."""
        return all(book.has_codes_in_order for book in self.books)

    @cached_property
    def value_table(self) -> NDArray[np.float64]:
        """Values (level, neuron)."""
        return np.array([book.values for book in self.books]).T

    def encode(self, numbers: Any) -> NDArray[np.int8]:
        """Codes (…, neuron) of real numbers that broadcast to that shape; raises SettingError for
        NaN.
        """
        numbers = real_array("numbers", numbers, "should be real numbers, of any shape")
        numbers = self._of_neurons("numbers", numbers)
        out = np.empty(numbers.shape, np.int8)
        for n, book in enumerate(self.books):
            out[..., n] = book.encode(numbers[..., n])
        return out

    def decode(self, codes: Any) -> NDArray[np.float64]:
        """The values of codes that broadcast to (…, neuron); raises SettingError for what are no
        codes.
        """
        return self.look_up(self.value_table, codes)

    def look_up(self, table: NDArray[Any], codes: Any) -> NDArray[Any]:
        """Entries of a table (level, neuron) for codes that broadcast to (…, neuron)."""
        codes = whole_numbers("codes", codes, self.c_min, self.c_min + self.levels)
        places = self._of_neurons("codes", codes) - self.c_min
        found: NDArray[Any] = table[places, np.arange(self.neurons)]
        return found

    def _of_neurons(self, name: str, given: NDArray[Any]) -> NDArray[Any]:
        """An array broadcast to (…, neuron); raises SettingError for other shapes."""
        last = given.shape[-1] if given.ndim else 1
        if last not in (1, self.neurons):
            rule = f"should have shape (…, {self.neurons}), a column for each neuron"
            raise SettingError.of(name, given, rule)
        return np.broadcast_to(given, (*given.shape[:-1], self.neurons))

    @cached_property
    def product_integers(self) -> tuple[float, NDArray[np.int64]]:
        """(unit, integers (level, neuron)) of the values as products have them: multiples of the
        smallest, where all values are, as where scales are equal or powers of two; else in fixed
        point, see `CodeBook.fixed_point`. Raises SettingError for values that lie too far apart.
        """
        found = multiples_of_smallest(self.value_table) or fixed_point_of(self.value_table)
        if found is None:
            rule = "should be of values for which products have integers: they lie too far apart"
            raise SettingError.of("book", self.name, rule)
        return found

    @property
    def integer_bits(self) -> int:
        """Bits that hold the integers of products with their sign."""
        integers = self.product_integers[1]
        return max(int(integers.max()), -int(integers.min()) - 1).bit_length() + 1

    @property
    def factor_bits(self) -> tuple[int, int]:
        """As of a CodeBook."""
        return factor_bits_of(self.product_integers[1], self.integer_bits)

    def to_table(self) -> dict[str, Any]:
        """What files store of them."""
        more = {} if self.block_size is None else {"block_size": self.block_size}
        return {"name": self.name, "books": [book.to_table() for book in self.books], **more}

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> "NeuronBooks":
        """What `to_table` gives again; raises SettingError as `CodeBook.from_table` does."""
        for field in table:
            if field not in ("books", "block_size", "name"):
                raise SettingError.of(field, rule="is no field of books of neurons")
        check_kind("books", table["books"], list, "should be a list")
        for one in table["books"]:
            check_kind("books", one, dict, "should be tables of code books")
        books = tuple(CodeBook.from_table(one) for one in table["books"])
        return cls(books, table.get("block_size"), table.get("name", ""))
