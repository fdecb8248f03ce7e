"""How far joules may be off: a range for every price, from chips that were measured and from the
spread of models, and what follows for sums and for comparisons.
"""

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from stochsim.energy import KINDS, Operation, Operations, Price
from stochsim.hardware import Hardware
from stochsim.settings import SettingError
from stochsim.silicon import MACHINE, confronted_prices, recorded_spread

COMPARABLE = (
    ("adc-zigzag-28nm", "adc-accelergy", "adc-isaac-32nm"),
    ("multiply-qkeras-45nm", "multiply-horowitz-45nm"),
    ("add-qkeras-45nm", "add-horowitz-45nm"),
    ("memory-sram-45nm", "memory-sram-horowitz-45nm"),
)
"""Prices that model the same thing at about the same node."""


class PriceRange(NamedTuple):
    """One price and the joules that it makes: `joules` as priced, `low` to `high` as far as they
    may be off; basis: from what.
    """

    price: str
    joules: float
    low: float
    high: float
    basis: str

    @property
    def swing(self) -> float:
        """The larger of the distances to the two ends; 0 of what is infinite."""
        if math.isinf(self.joules):
            return 0.0
        return max(self.joules - self.low, self.high - self.joules)


@dataclass(frozen=True)
class JoulesInterval:
    """Joules with their ends, 95 % where ranges of prices are: the prices' distances to their ends,
    as independent of each other, are added in squares.
    """

    joules: float
    ranges: tuple[PriceRange, ...]

    @property
    def low(self) -> float:
        """The lower end."""
        return self.joules - math.hypot(*(one.joules - one.low for one in self._moving))

    @property
    def high(self) -> float:
        """The upper end."""
        return self.joules + math.hypot(*(one.high - one.joules for one in self._moving))

    @property
    def deciding(self) -> PriceRange | None:
        """The price whose range adds most to the interval; None where no range moves the joules,
        as where these are infinite.
        """
        if math.isinf(self.joules):
            return None
        return max(self._moving, key=lambda one: one.swing, default=None)

    @property
    def _moving(self) -> list[PriceRange]:
        return [one for one in self.ranges if one.swing > 0]


def joules_interval(
    hardware: Hardware, operations: Operations, rho: float | None = None, count: float = 1
) -> JoulesInterval:
    """The joules of operations over `count`, with the ranges of their prices, the widest first.

    The range of a price holds its own joules, those of the other models of COMPARABLE at the same
    operation, and what measured chips took where the price was held against them. A price without
    either has the spread of whole machines (see `stochsim.silicon.recorded_spread`).

    >>> import stochsim as ss
    >>> from stochsim.accounting import joules_interval
    >>> from stochsim.energy import Operation, Operations
    >>> chip = ss.load_hardware("in-memory-28nm", bits=4)
    >>> found = joules_interval(chip, Operations({Operation("adc", (8,)): 10}))
    >>> f"{found.joules:.3g} J, {found.low:.2g} to {found.high:.2g}; {found.deciding.price}"
    '7.01e-12 J, 7e-12 to 2.2e-11; adc-zigzag-28nm'
    """
    rows = [
        (one, amount / count, _factors(hardware, rho, one)) for one, amount in operations.items()
    ]
    return _interval(hardware, rho, rows)


class Factors(NamedTuple):
    """The ends of a price's range over its own joules, and what they are from."""

    low: float
    high: float
    basis: str


def _interval(
    hardware: Hardware,
    rho: float | None,
    rows: Iterable[tuple[Operation, float, Factors]],
) -> JoulesInterval:
    prices = hardware.price_table(rho)
    voltage_v = hardware.prices.voltage_v
    found: dict[str, list[PriceRange]] = {}
    for one, amount, factors in rows:
        price = prices[one.kind]
        joules = amount * price.energy_j(one.args, voltage_v)
        found.setdefault(price.name, []).append(
            PriceRange(
                price.name, joules, joules * factors.low, joules * factors.high, factors.basis
            )
        )
    ranges = [_together(each) for each in found.values()]
    ranges.sort(key=lambda one: (-one.swing, one.price))
    return JoulesInterval(math.fsum(one.joules for one in ranges), tuple(ranges))


def _together(ranges: list[PriceRange]) -> PriceRange:
    """The operations of one price: they are off together."""
    joules, low, high = (
        math.fsum(values) for values in zip(*(one[1:4] for one in ranges), strict=True)
    )
    bases = dict.fromkeys(one.basis for one in ranges if one.joules > 0)
    return PriceRange(ranges[0].price, joules, low, high, "; ".join(bases))


def _factors(hardware: Hardware, rho: float | None, one: Operation) -> Factors:
    """The range of an operation's price over its own joules."""
    own = hardware.price_table(rho)[one.kind]
    voltage_v = hardware.prices.voltage_v
    joules = own.energy_j(one.args, voltage_v)
    is_given = KINDS[one.kind].by_law or own.tag == "user"
    if is_given or not 0 < joules < math.inf:
        return Factors(1.0, 1.0, "as given")
    measured = confronted_prices().get(own.name, {})
    models = {
        other.name: other.energy_j(one.args, voltage_v) / joules
        for other in _comparable(hardware, rho, one.kind)
        if _is_listed(other, one)
    }
    ratios = [1.0, *measured.values(), *models.values()]
    if len(ratios) == 1:
        spread = recorded_spread(MACHINE)
        return Factors(spread.low, spread.high, "spread of measured machines")
    words = ["measured: " * bool(measured) + ", ".join(measured), ", ".join(models)]
    return Factors(min(ratios), max(ratios), " and ".join(filter(None, words)))


@functools.lru_cache(maxsize=256)
def _comparable(hardware: Hardware, rho: float | None, kind: str) -> tuple[Price, ...]:
    """The other models of what an operation's price models, scaled as the chip scales its own."""
    own = hardware.price_table(rho)[kind].name
    names = next((group for group in COMPARABLE if own in group), ())
    found = []
    for name in names:
        if name != own:
            try:
                found.append(hardware.with_price(kind, name).price_table(rho)[kind])
            except SettingError:  # of a price that does not go together with the chip's others
                continue
    return tuple(found)


def _is_listed(price: Price, one: Operation) -> bool:
    """Whether a table of widths, if the price is one, begins at or below those of an operation; a
    memory is at least as large as the smallest that is listed.
    """
    is_table = bool(price.widths) and price.kind != "memory"
    return not is_table or min(one.args, default=0.0) >= price.widths[0]


class Identified(NamedTuple):
    """Whether one choice takes fewer joules than another whatever the prices within their ranges:
    `difference` of the priced joules, `doubt` how far it may be off, and the price that decides.
    """

    difference: float
    doubt: float
    deciding: str

    @property
    def is_certain(self) -> bool:
        """Whether the difference is larger than its doubt."""
        return abs(self.difference) > self.doubt


def compared(cheaper: JoulesInterval, other: JoulesInterval) -> Identified:
    """Two choices under common errors of their prices: what a price of both moves alike cancels.

    A price that both have is off by one factor in both, so what it adds to the doubt is its
    relative range times the difference of its joules, towards the end that narrows the difference.

    >>> from stochsim.accounting import JoulesInterval, PriceRange, compared
    >>> def choice(joules):
    ...     return JoulesInterval(joules, (PriceRange("adc", joules, joules / 2, 3 * joules, ""),))
    >>> compared(choice(1.0), choice(1.1)).is_certain
    True
    """
    here = {one.price: one for one in cheaper.ranges}
    there = {one.price: one for one in other.ranges}
    parts = {}
    for name in dict.fromkeys((*here, *there)):
        gains = [_gain(name, here, there, end) for end in ("low", "high")]
        parts[name] = max(0.0, -min(gains))
    deciding = max(parts, key=lambda name: parts[name], default="")
    difference = other.joules - cheaper.joules
    return Identified(difference, math.hypot(*parts.values()), deciding)


def _gain(
    name: str, here: Mapping[str, PriceRange], there: Mapping[str, PriceRange], end: str
) -> float:
    """What the other choice has more than the first when a price stands at one end."""
    moves = [
        getattr(one, end) - one.joules if (one := found.get(name)) is not None else 0.0
        for found in (there, here)
    ]
    return moves[0] - moves[1]
