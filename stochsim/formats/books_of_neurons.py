"""Code books of the neurons of a layer: one for each, of as many values."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochsim.formats.books import CodeBook, fixed_point_of, whole_numbers
from stochsim.settings import SettingError, check_kind, one_line, real_array

PER_NEURON = "-per-neuron"
"""What the name of such books has behind that of the format."""


@dataclass(frozen=True)
class NeuronBooks:
    """A CodeBook for each neuron, in place of one for all; numbers and codes are (…, neuron).

    books: (neuron,), of as many values and stored bits each. Raises SettingError for no books, and
    books that differ in these.

    >>> import numpy as np
    >>> from stochsim.formats import NeuronBooks, code_book
    >>> int2 = code_book("int2")
    >>> books = NeuronBooks((int2, int2.scaled(10.0)))
    >>> books.decode(books.encode(np.array([[-1.2, -12.0], [0.8, 8.0]])))
    array([[ -1., -10.],
           [  1.,  10.]])
    """

    books: tuple[CodeBook, ...]
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

    @property
    def _first(self) -> CodeBook:
        return self.books[0]

    @property
    def neurons(self) -> int:
        """Number of books."""
        return len(self.books)

    @property
    def name(self) -> str:
        """That of the first one's format, and that every neuron has its own."""
        return self._first.name + PER_NEURON

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
        """Resolution of a converter that has the edges of all neurons: of the largest range, in the
        smallest step.
        """
        widest = max(book.values[-1] - book.values[0] for book in self.books)
        return float(np.log2(1 + widest / min(book.smallest_step for book in self.books)))

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
        """(unit, integers (level, neuron)) of the values as products have them: in fixed point, see
        `CodeBook.fixed_point`. Raises SettingError for values that lie too far apart.
        """
        found = fixed_point_of(self.value_table)
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
        """As of a CodeBook: `integer_bits`, and no exponent."""
        return self.integer_bits, 0

    def to_table(self) -> dict[str, Any]:
        """What files store of them."""
        return {"books": [book.to_table() for book in self.books]}

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> "NeuronBooks":
        """What `to_table` gives again; raises SettingError as `CodeBook.from_table` does."""
        for field in table:
            if field != "books":
                raise SettingError.of(field, rule="is no field of books of neurons")
        check_kind("books", table["books"], list, "should be a list")
        for one in table["books"]:
            check_kind("books", one, dict, "should be tables of code books")
        return cls(tuple(CodeBook.from_table(one) for one in table["books"]))
