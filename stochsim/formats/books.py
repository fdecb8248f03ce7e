"""A code book: the values that codes stand for, the edges between them, and the stored bits."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochsim.settings import (
    SettingError,
    check_kind,
    check_positive,
    finite_array,
    one_line,
    real_array,
)

MOST_BITS = 8
MOST_LEVELS = 2**MOST_BITS
_MOST_INTEGER = 2**32
_FIXED_POINT = 2**20
_FIXED_ERROR = 1e-3
_ROUNDING = 1e-12
_LISTS = ("values", "edges", "ties", "bit_patterns")
_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True)
class CodeBook:
    """The values of a number format, as a quantiser and a memory need them.

    values: 2 to 256 distinct finite numbers, ascending. edges: between neighbours, so one fewer; by
    default halfway. ties: for each edge, whether a number on it takes the value above; by default
    the one with the even code. bit_patterns: the number that each stored pattern of bits stands
    for, 2^bits of them, ±0, NaN and infinities too; by default the values in order, and NaN for
    patterns that are left over. Numbers beyond the ends take the value at the end.

    Codes are int8, from `c_min` on in the order of the values. Raises SettingError for values that
    are not ascending, not finite, fewer than 2 or more than 256, edges that do not lie between
    their neighbours, ties that are no truth values, and patterns that have not every value.

    >>> from stochsim.formats import CodeBook
    >>> book = CodeBook((-4.0, -1.0, 0.0, 1.0, 4.0), name="five values")
    >>> book.decode(book.encode([-9.0, -0.4, 0.6, 2.4, 2.6]))
    array([-4.,  0.,  1.,  1.,  4.])
    >>> book.bits
    3
    """

    values: tuple[float, ...]
    edges: tuple[float, ...] = ()
    ties: tuple[bool, ...] = ()
    bit_patterns: tuple[float, ...] = ()
    name: str = "table"
    __repr__ = one_line

    def __post_init__(self) -> None:
        values = _checked_values(self.values)
        edges = _checked_edges(self.edges, values)
        ties = _checked_ties(self.ties, len(edges), self._lowest(len(values)))
        patterns = _checked_patterns(self.bit_patterns, values)
        check_kind("name", self.name, str, "should be a word")
        found = {"values": values, "edges": edges, "ties": ties, "bit_patterns": patterns}
        for field, value in found.items():
            object.__setattr__(self, field, value)

    @staticmethod
    def _lowest(levels: int) -> int:
        return 0 if levels == 2 else -(levels // 2)

    @property
    def levels(self) -> int:
        """Number of values."""
        return len(self.values)

    @property
    def bits(self) -> int:
        """Bits of a stored code."""
        return len(self.bit_patterns).bit_length() - 1

    @property
    def c_min(self) -> int:
        """The smallest code: 0 of two values, otherwise minus half their number."""
        return self._lowest(self.levels)

    @property
    def smallest_step(self) -> float:
        """The smallest distance of neighbouring values."""
        return float(np.diff(self.values).min())

    @property
    def mean_step(self) -> float:
        """The mean distance of neighbouring values."""
        return (self.values[-1] - self.values[0]) / (self.levels - 1)

    @property
    def has_codes_in_order(self) -> bool:
        """Whether stored patterns of bits stand for the values in their order."""
        return self.values == self.bit_patterns

    @property
    def is_uniform(self) -> bool:
        """Whether all distances are equal, and edges halfway."""
        steps = np.diff(self.values)
        middles = tuple(_middles(self.values))
        return bool(np.ptp(steps) <= 1e-12 * steps.max()) and self.edges == middles

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        return np.array(self.values), np.array(self.edges), np.array(self.ties)

    def encode(self, numbers: Any) -> NDArray[np.int8]:
        """Codes of real numbers, of any shape; ±infinity takes the value at the end. Raises
        SettingError for NaN.

        >>> from stochsim.formats import code_book
        >>> code_book("fp4-e2m1").encode([0.25, 0.75, 100.0])       # halves go to the even mantissa
        array([0, 2, 7], dtype=int8)
        """
        numbers = real_array("numbers", numbers, "should be real numbers, of any shape")
        if numbers.dtype.kind == "f" and np.isnan(numbers).any():
            raise SettingError.of("numbers", rule="holds NaN, which has no code")
        _, edges, ties = self._arrays
        numbers = numbers.astype(np.float64)
        place = np.searchsorted(edges, numbers)
        at = np.minimum(place, edges.size - 1)
        place += (edges[at] == numbers) & ties[at]
        return (place + self.c_min).astype(np.int8)

    def decode(self, codes: Any) -> NDArray[np.float64]:
        """The values of codes, of any shape; raises SettingError for what are no codes."""
        return self.look_up(self._arrays[0], codes)

    def look_up(self, table: NDArray[Any], codes: Any) -> NDArray[Any]:
        """Entries of a table (level,) for codes, of any shape."""
        found: NDArray[Any] = table[self._places(codes)]
        return found

    def patterns(self, codes: Any) -> NDArray[np.uint8]:
        """The stored bits of codes, of any shape: of two patterns of a value the smaller one.

        >>> from stochsim.formats import code_book
        >>> book = code_book("fp4-e2m1")
        >>> [f"{one:04b}" for one in book.patterns(book.encode([-6.0, 0.0, 0.5]))]
        ['1111', '0000', '0001']
        """
        first = {value: i for i, value in reversed(list(enumerate(self.bit_patterns)))}
        return np.array([first[value] for value in self.values], np.uint8)[self._places(codes)]

    def numbers(self, patterns: Any) -> NDArray[np.float64]:
        """The numbers that stored bits stand for, of any shape, ±0, NaN and infinities too; raises
        SettingError for what is no pattern.
        """
        return np.array(self.bit_patterns)[whole_numbers("patterns", patterns, 0, 2**self.bits)]

    def scaled(self, scale: float) -> "CodeBook":
        """The same format with all values and edges times `scale`, above 0."""
        by = check_positive("scale", scale)
        parts = (self.values, self.edges, self.bit_patterns)
        values, edges, patterns = (tuple(by * one for one in part) for part in parts)
        return CodeBook(values, edges, self.ties, patterns, self.name)

    def as_integers(self) -> tuple[float, NDArray[np.int64]] | None:
        """(unit, integers): every value as an integer times the largest unit that all share; None
        where those integers need more than 63 bits.

        >>> from stochsim.formats import code_book
        >>> unit, integers = code_book("fp4-e2m1").as_integers()
        >>> unit, integers.max()
        (0.5, np.int64(12))
        """
        exact = [Fraction(value) for value in self.values]
        unit = reduce(_common_unit, (abs(one) for one in exact if one))
        integers = [int(one / unit) for one in exact]
        if max(map(abs, integers)) >= 2**63:
            return None
        return float(unit), np.array(integers, np.int64)

    @cached_property
    def fixed_point(self) -> tuple[float, NDArray[np.int64]] | None:
        """(unit, integers) of the values as products have them: as `as_integers`, where these have
        no more than 32 bits; else in fixed point, 2^20 units to the largest value, where that moves
        no value by more than a thousandth of itself, or of the way to the next one; None for
        others.

        >>> from stochsim.formats import code_book
        >>> unit, integers = code_book("nf4").fixed_point
        >>> unit * 2**20, integers[-3:]
        (1.0, array([ 589920,  758086, 1048576]))
        """
        exact = self.as_integers()
        if exact is not None and np.abs(exact[1]).max() < _MOST_INTEGER:
            return exact
        return fixed_point_of(np.array(self.values))

    @property
    def product_integers(self) -> tuple[float, NDArray[np.int64]]:
        """`fixed_point`; raises SettingError for a book whose values have no unit in common."""
        if self.fixed_point is None:
            rule = (
                "should be of a format whose values are integers of one unit, 32 bits at most, for "
                "products: its values lie too far apart"
            )
            raise SettingError.of("book", self.name, rule)
        return self.fixed_point

    @property
    def integer_bits(self) -> int:
        """Bits that hold the integers of products with their sign; raises SettingError as
        `product_integers` does.
        """
        integers = self.product_integers[1]
        return max(int(integers.max()), -int(integers.min()) - 1).bit_length() + 1

    @cached_property
    def factor_bits(self) -> tuple[int, int]:
        """(factor, exponent): widths of what a multiplier gets of each value: the integers of
        products with their sign and 0, or, where these have more than 8 bits and it is shorter, the
        size of a significand and the exponent by which its product is shifted. Raises SettingError
        as `product_integers` does.

        >>> from stochsim.formats import code_book
        >>> [code_book(name).factor_bits for name in ("fp4-e2m1", "fp8-e4m3", "nf4")]
        [(5, 0), (4, 4), (22, 0)]
        """
        return factor_bits_of(self.product_integers[1], self.integer_bits)

    @property
    def converter_bits(self) -> float:
        """Resolution of a converter with its edges: of evenly spaced values as close as its closest
        ones, over the same range.

        >>> from stochsim.formats import code_book
        >>> [round(code_book(name).converter_bits, 2) for name in ("int4", "fp4-e2m1", "nf4")]
        [4.0, 4.64, 4.71]
        """
        return math.log2(1 + (self.values[-1] - self.values[0]) / self.smallest_step)

    def to_table(self) -> dict[str, Any]:
        """What files store of it: numbers, truth values and words, NaN and infinities as words."""
        stored = [one if math.isfinite(one) else str(one) for one in self.bit_patterns]
        own = {"values": self.values, "edges": self.edges, "ties": self.ties}
        lists = {field: list(value) for field, value in own.items()}
        return {"name": self.name, **lists, "bit_patterns": stored}

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> "CodeBook":
        """What `to_table` gives again; raises SettingError for fields that are missing or unknown,
        and values as the class does.
        """
        for field in sorted({"name", *_LISTS} ^ table.keys()):
            if field in table:
                raise SettingError.of(field, rule="is no field of a code book")
            raise SettingError.missing(field)
        for field in _LISTS:
            check_kind(field, table[field], list, "should be a list")
        patterns = [_WORDS.get(str(one), one) for one in table["bit_patterns"]]
        return cls(**(table | {"bit_patterns": patterns}))

    def _places(self, codes: Any) -> NDArray[np.intp]:
        return whole_numbers("codes", codes, self.c_min, self.c_min + self.levels) - self.c_min


def factor_bits_of(integers: NDArray[np.int64], bits: int) -> tuple[int, int]:
    """See `CodeBook.factor_bits`, of integers (any shape) that need so many bits."""
    sizes = [abs(int(one)) for one in np.unique(integers) if one]
    significand = max((one // (one & -one)).bit_length() for one in sizes)
    exponent = (max(sizes).bit_length() - significand).bit_length()
    if bits > MOST_BITS and significand + exponent < bits - 1:
        return significand, exponent
    return bits, 0


def multiples_of_smallest(
    values: NDArray[np.float64],
) -> tuple[float, NDArray[np.int64]] | None:
    """(unit, integers) of values (any shape) that are multiples of the smallest but 0, up to the
    rounding of float64, below 2^20 of it; None for others.
    """
    unit = float(np.abs(values[values != 0]).min())
    if float(np.abs(values).max()) >= unit * _FIXED_POINT:
        return None
    integers = np.rint(values / unit)
    are_near = np.abs(values - unit * integers) <= _ROUNDING * np.abs(values)
    return (unit, integers.astype(np.int64)) if are_near.all() else None


def fixed_point_of(values: NDArray[np.float64]) -> tuple[float, NDArray[np.int64]] | None:
    """(unit, integers) of values (level, …), ascending, in fixed point, see
    `CodeBook.fixed_point`.
    """
    unit = float(np.abs(values).max()) / _FIXED_POINT
    integers = np.rint(values / unit)
    ends = np.full((1, *values.shape[1:]), np.inf)
    steps = np.concatenate([ends, np.diff(values, axis=0), ends])
    allowed = _FIXED_ERROR * np.maximum(np.abs(values), np.minimum(steps[:-1], steps[1:]))
    if np.any(np.abs(integers * unit - values) > allowed):
        return None
    return unit, integers.astype(np.int64)


def _common_unit(one: Fraction, other: Fraction) -> Fraction:
    top = math.gcd(one.numerator * other.denominator, other.numerator * one.denominator)
    return Fraction(top, one.denominator * other.denominator)


def whole_numbers(name: str, given: Any, first: int, end: int) -> NDArray[np.intp]:
    """Integers of any shape, from `first` to end - 1; raises SettingError for others."""
    rule = f"should be integers from {first} to {end - 1}"
    found = real_array(name, given, rule)
    if found.dtype.kind not in "iu":
        raise SettingError.of(name, found, rule)
    if found.size and not first <= found.min() <= found.max() < end:
        raise SettingError.of(name, found, rule)
    return found.astype(np.intp)


def _middles(values: Sequence[float]) -> list[float]:
    """Halfway between neighbours, without overflow."""
    return [0.5 * low + 0.5 * high for low, high in itertools.pairwise(values)]


def _checked_values(given: Any) -> tuple[float, ...]:
    values = finite_array("values", given, "value")
    if not 2 <= values.size <= MOST_LEVELS:
        raise SettingError.of("values", values, f"should be 2 to {MOST_LEVELS} numbers in a row")
    values = values.astype(np.float64)
    least, most = float(values.min()), float(values.max())
    if most - least == math.inf:
        rule = f"should span a finite range: {least:g} to {most:g} is none in float64"
        raise SettingError.of("values", rule=rule)
    wrong = np.flatnonzero(np.diff(values) <= 0)
    if wrong.size:
        low, high = values[wrong[0] : wrong[0] + 2].tolist()
        rule = f"should ascend, without repeats: {high:g} stands behind {low:g}"
        raise SettingError.of("values", rule=rule)
    return tuple((values + 0.0).tolist())  # -0 is 0


def _is_left_out(given: Any) -> bool:
    return given is None or (isinstance(given, tuple | list) and not given)


def _checked_edges(given: Any, values: tuple[float, ...]) -> tuple[float, ...]:
    if _is_left_out(given):
        middles = _middles(values)
        for below, middle, above in zip(values, middles, values[1:], strict=False):
            if not below < middle < above:
                rule = f"should have a number of float64 between {below!r} and {above!r}"
                raise SettingError.of("values", rule=rule)
        return tuple(middles)
    edges = finite_array("edges", given, "edge", (len(values) - 1,)).astype(np.float64)
    low, high = np.array(values[:-1]), np.array(values[1:])
    wrong = np.flatnonzero((edges < low) | (edges > high) | (np.diff(edges, prepend=-np.inf) <= 0))
    if wrong.size:
        k = int(wrong[0])
        rule = f"should ascend, and lie between its values {values[k]:g} and {values[k + 1]:g}"
        raise SettingError.of(f"edges[{k}]", float(edges[k]), rule)
    return tuple(edges.tolist())


def _checked_ties(given: Any, edges: int, c_min: int) -> tuple[bool, ...]:
    if _is_left_out(given):
        if edges == 1:
            return (True,)
        return tuple((c_min + k + 1) % 2 == 0 for k in range(edges))
    try:
        ties = np.asarray(given)
    except ValueError:  # rows of different lengths
        ties = np.zeros(0)
    if ties.dtype != np.bool_ or ties.shape != (edges,):
        raise SettingError.of("ties", given, f"should be {edges} truth values, one for each edge")
    return tuple(ties.tolist())


def _checked_patterns(given: Any, values: tuple[float, ...]) -> tuple[float, ...]:
    if _is_left_out(given):
        stored = 1 << max(1, (len(values) - 1).bit_length())
        return values + (math.nan,) * (stored - len(values))
    found = real_array("bit_patterns", given, "should be numbers").astype(np.float64)
    if found.ndim != 1 or found.size not in (2**bits for bits in range(1, MOST_BITS + 1)):
        rule = f"should be 2, 4, 8 … or {MOST_LEVELS} numbers, one for each pattern of bits"
        raise SettingError.of("bit_patterns", found, rule)
    stored_values = set(found[np.isfinite(found)].tolist())
    if stored_values != set(values):
        odd = min(stored_values ^ set(values))
        what = "is no value" if odd in stored_values else "has no pattern"
        rule = f"should have every value and no other finite number: {odd:g} {what}"
        raise SettingError.of("bit_patterns", rule=rule)
    return tuple(math.nan if math.isnan(one) else one for one in found.tolist())
