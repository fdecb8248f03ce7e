"""Operations: what a chip did, as counts. They add; prices turn them into joules."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from stochsim.settings import (
    SettingError,
    card,
    check_choice,
    check_float,
    check_kind,
    check_real,
    counted,
    number_text,
)


class Kind(NamedTuple):
    """A kind of operation: the part of the bill that it belongs to, its arguments, and how it is
    priced.

    usual: name of the price of a chip that names none; "" where every chip names one. priced_as:
    the kind of price where several kinds share one; "" where it has the operation's own name.
    by_law: whether its price is no entry of the book but the law of reliability.
    """

    part: str
    arguments: tuple[str, ...] = ()
    usual: str = ""
    priced_as: str = ""
    by_law: bool = False


_STORED = Kind("memory", ("total_memory_bits",), priced_as="memory")

KINDS: dict[str, Kind] = {
    "multiply": Kind("multiply", ("weight_bits", "input_bits")),
    "add": Kind("add", ("accumulator_bits",)),
    "adc": Kind("converter", ("bits",)),
    "dac": Kind("converter", ("bits",)),
    "cell": Kind("array", usual="cell-none"),
    "line": Kind("array", usual="line-none"),
    "weight_memory": _STORED,
    "code_memory": _STORED,
    "random": Kind("random"),
    "reliability": Kind("reliability", ("sigma_over_s",), by_law=True),
    "leakage": Kind("leakage", usual="leakage-none"),
    "program": Kind("programming", usual="program-none"),
    "float_multiply": Kind("float", ("bits",), usual="float-multiply-horowitz-45nm"),
    "float_add": Kind("float", ("bits",), usual="float-add-horowitz-45nm"),
}
"""The kinds of operation, each with its part of the bill, its arguments and its usual price.

`weight_memory`, `code_memory` and `random` are counted in bits, `leakage` in seconds, the others in
events. `cell` is one cell at full conductance read by the largest input digit (smaller currents
count as their share, that of level 0 as g_min/g_max), `line` one cell's length of input line whose
level changes (a line runs through all columns of a tile, used or not). `total_memory_bits` is the
size of the memory that holds the bits; it sets the price of each. `reliability` is one neuron kept
at noise σ (in units of s) for one read, which is paid by its law and no price of the book.
`program` is one cell programmed; `float_multiply` and `float_add` are floating-point operations of
`bits` bits, of layers that are left unquantised, and additions to floating-point accumulators.
"""

PARTS = tuple(dict.fromkeys(kind.part for kind in KINDS.values()))
"""The parts of a bill, in the order in which bills show them."""


@dataclass(frozen=True, order=True)
class Operation:
    """One kind of operation with its arguments (see KINDS); raises SettingError for an unknown kind
    or arguments that break its rule.

    >>> from stochsim.energy import Operation
    >>> Operation("multiply", (4, 4))                # bits of weights and inputs
    Operation(kind='multiply', args=(4, 4))
    """

    kind: str
    args: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        if not isinstance(self.args, tuple | list):
            raise SettingError.of("args", self.args, "should be a tuple of numbers")
        given = tuple(self.args)
        names = KINDS[self.kind].arguments
        if len(given) != len(names):
            rule = f"operation '{self.kind}' takes ({', '.join(names)})"
            raise SettingError.of("args", given, rule)
        args = tuple(map(self._checked, names, given))
        object.__setattr__(self, "args", args)

    def _checked(self, name: str, given: float) -> float:
        """An argument as Python's number."""
        value = check_real(name, given)
        check_float(name, value)
        if not (math.isfinite(value) and value >= 0):
            rule = f"should be finite and not negative in operation '{self.kind}'"
            raise SettingError.of(name, value, rule)
        if name != "sigma_over_s" and value < 1:  # widths and memory sizes start at one bit
            raise SettingError.of(name, value, f"should be at least 1 in operation '{self.kind}'")
        return value


def _in_order(item: tuple[Operation, float]) -> tuple[int, Operation]:
    """Kinds of operation in the order of KINDS, as bills show them."""
    return list(KINDS).index(item[0].kind), item[0]


class Operations(Mapping[Operation, float]):
    """How often each Operation happened: a frozen mapping that adds (`+`) and scales (`*`).

    Counts of zero are dropped, so `Operations()` is the neutral element and equality means "the
    same bill". Missing operations count 0 in `count`, but are a KeyError by index, as in any
    mapping. Raises SettingError for negative or non-finite counts.

    >>> from stochsim.energy import Operation, Operations
    >>> add = Operation("add", (14,))
    >>> (Operations({add: 3}) + 2 * Operations({add: 1})).count("add")
    5
    """

    __slots__ = ("_counts",)
    _counts: dict[Operation, float]
    __array_ufunc__ = None  # a NumPy number times operations is theirs, no array

    def __init__(self, counts: Mapping[Operation, float] | None = None) -> None:
        own: dict[Operation, float] = {}
        given_counts = {} if counts is None else counts
        check_kind("counts", given_counts, Mapping, "should be numbers by Operation, as in a dict")
        for operation, given in given_counts.items():
            if not isinstance(operation, Operation):
                raise SettingError.of("counts", operation, "the keys should be Operations")
            count = check_real("count", given)
            check_float("count", count)
            if not (math.isfinite(count) and count >= 0):
                rule = f"should be finite and not negative, of {operation}"
                raise SettingError.of("count", count, rule)
            if count != 0:
                own[operation] = count
        object.__setattr__(self, "_counts", own)

    @classmethod
    def of(cls, counts: Mapping[Operation, float]) -> Self:
        """Build from a mapping of Operation to count."""
        return cls(counts)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Operations are frozen: '{name}' cannot be set")

    def __reduce__(self) -> tuple[type[Self], tuple[dict[Operation, float]]]:
        return type(self), (
            self._counts,
        )  # lets a worker hand them to its parent, past the frozen __setattr__

    def __str__(self) -> str:
        """A card with a line for each operation and its arguments."""
        kinds = counted(len(self._counts), "kind of operation", "kinds of operation")
        return card(f"operations: {kinds}", [("operation", "count"), *self._texts()])

    def _texts(self) -> list[tuple[str, str]]:
        """Operations with their arguments, and counts, as text."""
        found = []
        for one, count in sorted(self._counts.items(), key=_in_order):
            arguments = ", ".join(map(number_text, one.args))
            name = f"{one.kind} ({arguments})" if arguments else one.kind
            found.append((name, number_text(count)))
        return found

    def __getitem__(self, operation: Operation) -> float:
        return self._counts[operation]

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __hash__(self) -> int:
        return hash(frozenset(self._counts.items()))

    def __repr__(self) -> str:
        return f"Operations({self._counts!r})"

    def __add__(self, other: "Operations") -> "Operations":
        if not isinstance(other, Operations):
            return NotImplemented
        return Operations(
            {
                o: self.get(o, 0) + other.get(o, 0)
                for o in (*self, *(o for o in other if o not in self._counts))
            }
        )

    def __mul__(self, number: float) -> "Operations":
        factor = check_real("number", number)
        check_float("number", factor)
        if not (math.isfinite(factor) and factor >= 0):
            rule = "operations are multiplied by a number that is finite and not negative"
            raise SettingError.of("number", number, rule)
        return Operations({operation: count * factor for operation, count in self.items()})

    __rmul__ = __mul__

    def count(self, kind: str) -> float:
        """Total count of one kind, whatever its arguments; raises SettingError for an unknown
        kind.
        """
        check_choice("kind", kind, KINDS)
        return sum(count for operation, count in self.items() if operation.kind == kind)
