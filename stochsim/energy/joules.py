"""The bill: operations times prices, in joules by part."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from stochsim.energy.operations import KINDS, PARTS, Operation, Operations
from stochsim.energy.pricing import DEFAULT_VOLTAGE_V, Citation, Price
from stochsim.settings import (
    SettingError,
    check_choice,
    check_float,
    check_kind,
    check_positive,
    check_whole,
)

PER = ("", "read", "sample")
"""What joules are of: "" all operations that were priced, or one read, or one sample."""

_MIXED = "mixed technology nodes: "


@dataclass(frozen=True)
class Energy:
    """Joules by part, with the flags ("… outside the model's range", "unsourced: …", "mixed
    technology nodes: …") and the prices behind them.

    joules: by the names of PARTS; a part that is left out costs 0, so `Energy()` is neutral to `+`.
    Each part is an attribute too: `energy.converter_j`. A part may be infinite; NaN, negative
    joules and unknown parts are a SettingError. per: what they are joules of, one of PER, and the
    name of their total: `all_operations_j` of "", which all operations together take;
    `per_read_j` of "read"; `per_sample_j` of "sample". Each has one of them and no other.
    nodes: (technology node in nm, kind of operation) of the prices that cost anything.

    >>> from stochsim.energy import Energy
    >>> energy = Energy({"add": 6e-12})
    >>> energy.all_operations_j, energy.divided(3, "read").per_read_j
    (6e-12, 2e-12)
    >>> energy.per_read_j
    Traceback (most recent call last):
        ...
    AttributeError: these are joules of all operations: 'all_operations_j', not 'per_read_j'
    """

    joules: Mapping[str, float] = field(default_factory=dict, hash=False)
    flags: tuple[str, ...] = ()
    prices: tuple[Citation, ...] = ()
    per: str = ""
    nodes: tuple[tuple[float, str], ...] = ()

    def __post_init__(self) -> None:
        check_kind("joules", self.joules, Mapping, "should be joules by part, as in a dict")
        check_choice("per", self.per, PER)
        for part, given in self.joules.items():
            if not isinstance(part, str) or part not in PARTS:
                raise SettingError.unknown(str(part), PARTS, section=("joules",))
            joules = check_float(f"{part}_j", given)
            if not joules >= 0:
                rule = "should be a number and not negative"
                raise SettingError.of(f"{part}_j", joules, rule)
        complete = {part: float(self.joules.get(part, 0.0)) for part in PARTS}
        object.__setattr__(self, "joules", complete)

    def __getattr__(self, name: str) -> float:
        """Joules of one part, "converter_j", or of all parts, by the name that says of what."""
        part = name.removesuffix("_j")
        if part != name and part in PARTS:
            return self.joules[part]
        if name in _TOTALS.values() or name == "total_j":
            return self._total(name)
        raise AttributeError(f"Energy has no '{name}'; parts: {', '.join(PARTS)}")

    def _total(self, name: str) -> float:
        """Joules of all parts together; raises AttributeError for the name of another total."""
        own = _TOTALS[self.per]
        if name != own:
            of = f"of one {self.per}" if self.per else "of all operations"
            raise AttributeError(f"these are joules {of}: '{own}', not '{name}'")
        return math.fsum(self.parts.values())

    @property
    def parts(self) -> dict[str, float]:
        """Joules of each part, keyed by its name, in the order of PARTS."""
        return dict(self.joules)

    def __add__(self, other: "Energy") -> "Energy":
        if not isinstance(other, Energy):
            return NotImplemented
        if self.per != other.per:
            names = (_TOTALS[self.per], _TOTALS[other.per])
            raise SettingError.of("per", other.per, f"'{names[0]}' and '{names[1]}' do not add up")
        joules = {part: value + other.joules[part] for part, value in self.joules.items()}
        nodes = tuple(sorted({*self.nodes, *other.nodes}))
        flags = [each for each in _union(self.flags, other.flags) if not each.startswith(_MIXED)]
        return Energy(
            joules,
            flags=(*flags, *mixed_nodes(nodes)),
            prices=_union(self.prices, other.prices),
            per=self.per,
            nodes=nodes,
        )

    def __truediv__(self, number: float) -> "Energy":
        """The energy per read of `number` reads: `divided(number, "read")`."""
        return self.divided(number, "read")

    def divided(self, number: float, per: str) -> "Energy":
        """The energy of one out of `number` reads or samples, as `per` says; raises SettingError
        for energy that is of one already.
        """
        if self.per:
            rule = f"these are joules of one {self.per} already"
            raise SettingError.of("per", per, rule)
        divisor = check_float("number", number)
        if not (math.isfinite(divisor) and divisor > 0):
            rule = "energy is divided by a number that is finite and above 0"
            raise SettingError.of("number", number, rule)
        joules = {part: value / divisor for part, value in self.joules.items()}
        return Energy(joules, self.flags, self.prices, per, self.nodes)

    def __str__(self) -> str:
        parts = ", ".join(
            f"{part} {format_energy(joules)}" for part, joules in self.parts.items() if joules > 0
        )
        total = format_energy(math.fsum(self.parts.values()))
        total = f"{total} per {self.per}" if self.per else total
        return f"{total} ({parts})" if parts else total


_TOTALS = {per: f"per_{per}_j" if per else "all_operations_j" for per in PER}
"""What the total of joules is called, by what they are joules of."""


def nodes_text(nodes: Iterable[tuple[float, str]]) -> dict[str, tuple[str, ...]]:
    """Kinds of operation by the technology node of their price, smallest first:
    {"28 nm": ("line",), "45 nm": ("add", "code_memory")}.
    """
    found: dict[str, tuple[str, ...]] = {}
    for node, kind in sorted(nodes):
        found[f"{node:g} nm"] = (*found.get(f"{node:g} nm", ()), kind)
    return found


def mixed_nodes(nodes: Iterable[tuple[float, str]]) -> tuple[str, ...]:
    """The flag of prices of more than one technology node; () where there is one or none."""
    found = nodes_text(nodes)
    if len(found) < 2:
        return ()
    return (_MIXED + ", ".join(f"{node} ({', '.join(kinds)})" for node, kinds in found.items()),)


_Item = TypeVar("_Item")


def _union(first: tuple[_Item, ...], second: tuple[_Item, ...]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys(first + second))


def price_operations(
    operations: Operations, prices: Mapping[str, Price], voltage_v: float = DEFAULT_VOLTAGE_V
) -> Energy:
    """Price each operation by the price of its kind and sum by part.

    `prices` maps kinds of operation ("multiply", …, "reliability") to prices; raises SettingError
    where a counted kind has none. Prices of more than one technology node are flagged.

    >>> from stochsim.energy import Operation, Operations, price, price_operations
    >>> counts = Operations({Operation("add", (16,)): 1000})
    >>> f'{price_operations(counts, {"add": price("add-qkeras-45nm")}).all_operations_j:.3g} J'
    '5e-11 J'
    """
    check_kind("operations", operations, Operations, "should be Operations")
    check_kind("prices", prices, Mapping, "should be prices by kind of operation, as in a dict")
    voltage_v = check_positive("voltage_v", voltage_v)
    joules: dict[str, list[float]] = {part: [] for part in PARTS}
    flags: list[str] = []
    used: list[Citation] = []
    nodes: set[tuple[float, str]] = set()
    for operation, count in operations.items():
        chosen = _price_of(operation, prices)
        together_j = count * chosen.energy_j(operation.args, voltage_v)
        joules[KINDS[operation.kind].part].append(together_j)
        if together_j > 0 and chosen.technology_nm is not None:
            nodes.add((chosen.technology_nm, operation.kind))
        flags += chosen.flags(operation.args)
        used.append(chosen.citation(voltage_v))
    # fsum is exact, so the order of counting changes nothing
    sums = {part: math.fsum(values) for part, values in joules.items()}
    return Energy(
        sums,
        flags=(*sorted(set(flags)), *mixed_nodes(nodes)),
        prices=tuple(sorted(set(used))),
        nodes=tuple(sorted(nodes)),
    )


def _price_of(operation: Operation, prices: Mapping[str, Price]) -> Price:
    if operation.kind not in prices:
        rule = "has no price"
        raise SettingError.of("operation", operation.kind, rule, map(str, prices))
    found = prices[operation.kind]
    check_kind(operation.kind, found, Price, "should be a Price, as price(…) gives one")
    return found


_PREFIXES = (
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
    (1e-12, "p"),
    (1e-15, "f"),
    (1e-18, "a"),
)


def format_energy(joules: float, digits: int = 3) -> str:
    """Joules for display: "324 fJ", "14.6 pJ", "∞"; prefixes from atto to none, `digits`
    significant digits.

    >>> from stochsim.energy import format_energy
    >>> format_energy(3.74e-10)
    '374 pJ'
    """
    joules = check_float("joules", joules)
    digits = check_whole("digits", digits, 1, 18)
    if math.isnan(joules) or joules < 0:
        raise SettingError.of("joules", joules, "should be a number and not negative")
    if math.isinf(joules):
        return "∞"
    if joules == 0:
        return "0 J"
    rounded = float(
        f"{joules:.{digits - 1}e}"
    )  # first round, then choose the prefix: 999.96 fJ is 1 pJ
    scale, prefix = next((pair for pair in _PREFIXES if rounded >= pair[0]), _PREFIXES[-1])
    return f"{_significant(rounded / scale, digits)} {prefix}J"


def _significant(value: float, digits: int) -> str:
    places = max(0, digits - 1 - math.floor(math.log10(value) + 1e-9))
    return f"{value:.{places}f}" if value < 10**6 else f"{value:.{digits - 1}e}"
