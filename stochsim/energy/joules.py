"""The bill: operations times prices, in joules by part."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from stochsim.energy.operations import KINDS, PARTS, Operation, Operations
from stochsim.energy.pricing import DEFAULT_VOLTAGE_V, Citation, Price
from stochsim.settings import (
    SettingError,
    check_float,
    check_kind,
    check_positive,
    check_whole,
)


@dataclass(frozen=True)
class Energy:
    """Joules by part, with the flags ("… outside the model's range", "unsourced: …") and the
    prices behind them.

    joules: by the names of PARTS; a part that is left out costs 0, so `Energy()` is neutral to `+`.
    Each part is an attribute too: `energy.converter_j`. A part may be infinite; NaN, negative
    joules and unknown parts are a SettingError.
    """

    joules: Mapping[str, float] = field(default_factory=dict, hash=False)
    flags: tuple[str, ...] = ()
    prices: tuple[Citation, ...] = ()

    def __post_init__(self) -> None:
        check_kind("joules", self.joules, Mapping, "should be joules by part, as in a dict")
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
        """Joules of one part: "converter_j"."""
        part = name.removesuffix("_j")
        if part == name or part not in PARTS:
            raise AttributeError(f"Energy has no '{name}'; parts: {', '.join(PARTS)}")
        return self.joules[part]

    @property
    def parts(self) -> dict[str, float]:
        """Joules of each part, keyed by its name, in the order of PARTS."""
        return dict(self.joules)

    @property
    def total_j(self) -> float:
        """Joules of all parts together."""
        return math.fsum(self.parts.values())

    def __add__(self, other: "Energy") -> "Energy":
        if not isinstance(other, Energy):
            return NotImplemented
        joules = {part: value + other.joules[part] for part, value in self.joules.items()}
        return Energy(
            joules,
            flags=_union(self.flags, other.flags),
            prices=_union(self.prices, other.prices),
        )

    def __truediv__(self, number: float) -> "Energy":
        """The energy of one out of `number` equal shares: per read, per stimulus, per effective
        sample.
        """
        divisor = check_float("number", number)
        if not (math.isfinite(divisor) and divisor > 0):
            rule = "energy is divided by a number that is finite and above 0"
            raise SettingError.of("number", number, rule)
        joules = {part: value / divisor for part, value in self.joules.items()}
        return Energy(joules, flags=self.flags, prices=self.prices)

    def __str__(self) -> str:
        parts = ", ".join(
            f"{part} {format_energy(joules)}" for part, joules in self.parts.items() if joules > 0
        )
        return f"{format_energy(self.total_j)} ({parts})" if parts else format_energy(self.total_j)


_Item = TypeVar("_Item")


def _union(first: tuple[_Item, ...], second: tuple[_Item, ...]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys(first + second))


def price_operations(
    operations: Operations, prices: Mapping[str, Price], voltage_v: float = DEFAULT_VOLTAGE_V
) -> Energy:
    """Price each operation by the price of its kind and sum by part.

    `prices` maps kinds of operation ("multiply", …, "reliability") to prices; raises SettingError
    where a counted kind has none.

    >>> from stochsim.energy import Operation, Operations, price, price_operations
    >>> counts = Operations({Operation("add", (16,)): 1000})
    >>> f'{price_operations(counts, {"add": price("add-qkeras-45nm")}).total_j:.3g} J'
    '5e-11 J'
    """
    check_kind("operations", operations, Operations, "should be Operations")
    check_kind("prices", prices, Mapping, "should be prices by kind of operation, as in a dict")
    voltage_v = check_positive("voltage_v", voltage_v)
    joules: dict[str, list[float]] = {part: [] for part in PARTS}
    flags: list[str] = []
    used: list[Citation] = []
    for operation, count in operations.items():
        chosen = _price_of(operation, prices)
        joules[KINDS[operation.kind].part].append(
            count * chosen.energy_j(operation.args, voltage_v)
        )
        flags += chosen.flags(operation.args)
        used.append(chosen.citation(voltage_v))
    # fsum is exact, so the order of counting changes nothing
    sums = {part: math.fsum(values) for part, values in joules.items()}
    return Energy(sums, flags=tuple(sorted(set(flags))), prices=tuple(sorted(set(used))))


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
