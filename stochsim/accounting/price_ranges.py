"""How far joules may be off: a range for every price, from chips that were measured and from the
spread of models, and what follows for sums and for comparisons.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from stochsim.energy import KINDS, Operation, Operations, Price
from stochsim.hardware import Hardware
from stochsim.settings import SettingError, check_float, check_kind
from stochsim.silicon import MACHINE, confronted_prices, recorded_spread

COMPARABLE = (("adc-zigzag-28nm", "adc-accelergy", "adc-isaac-32nm"),)
"""Prices of different sources that model the same thing at about the same node."""

MACHINES = "spread of measured machines"
GIVEN = "as given"


class PriceRange(NamedTuple):
    """The joules of one operation, or of all of one price: `joules` as priced, `low` to `high` as
    far as they may be off; basis: from what.
    """

    price: str
    joules: float
    low: float
    high: float
    basis: str
    operation: str = ""

    @property
    def swing(self) -> float:
        """The larger of the distances to the two ends; 0 of what is infinite."""
        if math.isinf(self.joules):
            return 0.0
        return max(self.joules - self.low, self.high - self.joules)

    @property
    def together(self) -> str:
        """What is off together with it: a name that all ranges of a price share, and all that are
        the spread of machines.
        """
        return self.basis if self.basis == MACHINES else self.price


@dataclass(frozen=True)
class JoulesInterval:
    """Joules with the ends that the ranges of their operations give.

    Ends are outer ones of what is known, no quantiles: extremes of models and measurements, or the
    95 % interval of a machine that was not measured. Distances to them are added within a price,
    and over all prices that have the spread of machines, for these are off together; over others
    they are added in squares, as independent.
    """

    joules: float
    ranges: tuple[PriceRange, ...]

    def __post_init__(self) -> None:
        for one in self.ranges:
            check_kind("ranges", one, PriceRange, "should be PriceRanges")
            check_kind("ranges", one.price, str, "should have the name of a price")
            ends = (one.low, one.joules, one.high)
            low, joules, high = (check_float("ranges", end) for end in ends)
            if not low <= joules <= high:
                raise SettingError.of("ranges", ends, "should ascend: low, joules, high")

    @property
    def low(self) -> float:
        """The lower end."""
        return self.joules - math.hypot(*(one.joules - one.low for one in self._apart))

    @property
    def high(self) -> float:
        """The upper end."""
        return self.joules + math.hypot(*(one.high - one.joules for one in self._apart))

    @property
    def by_price(self) -> tuple[PriceRange, ...]:
        """All operations of a price together, the price that moves the joules most first."""
        found = [_together(one.price, each) for one, each in self._groups(lambda one: one.price)]
        return tuple(sorted(found, key=lambda one: (-one.swing, one.price)))

    @property
    def deciding(self) -> PriceRange | None:
        """The price whose range adds most to the interval; None where no range moves the joules,
        as where these are infinite.
        """
        if math.isinf(self.joules):
            return None
        return next((one for one in self.by_price if one.swing > 0), None)

    @property
    def _apart(self) -> list[PriceRange]:
        """What is off independently of each other."""
        groups = self._groups(lambda one: one.together)
        found = [_together(one.price, each) for one, each in groups]
        return [one for one in found if one.swing > 0]

    def _groups(
        self, key: Callable[[PriceRange], str]
    ) -> list[tuple[PriceRange, list[PriceRange]]]:
        found: dict[str, list[PriceRange]] = {}
        for one in self.ranges:
            found.setdefault(key(one), []).append(one)
        return [(each[0], each) for each in found.values()]


def joules_interval(
    hardware: Hardware, operations: Operations, rho: float | None = None, count: float = 1
) -> JoulesInterval:
    """The joules of operations over `count`, with the range of each.

    The range of a price holds its own joules, those of the other models of COMPARABLE at the same
    operation, and what measured chips took where the price was held against them. A price without
    either has the spread of whole machines (see `stochsim.silicon.recorded_spread`), a thermal
    floor that upwards alone; what a user gives, and the price of reliability, have none.

    >>> import stochsim as ss
    >>> from stochsim.accounting import joules_interval
    >>> from stochsim.energy import Operation, Operations
    >>> chip = ss.load_hardware("in-memory-28nm", bits=4)
    >>> found = joules_interval(chip, Operations({Operation("adc", (8,)): 10}))
    >>> f"{found.joules:.3g} J, {found.low:.2g} to {found.high:.2g}; {found.deciding.price}"
    '7.01e-12 J, 7e-12 to 2.2e-11; adc-zigzag-28nm'
    """
    prices = hardware.price_table(rho)
    voltage_v = hardware.prices.voltage_v
    ranges = []
    for one, amount in operations.items():
        price = prices[one.kind]
        each_j = price.energy_j(one.args, voltage_v)
        joules = amount / count * each_j
        factors = _factors(hardware, rho, one, price, each_j)
        ends = (joules * factors.low, joules * factors.high)
        operation = f"{one.kind} {one.args}"
        ranges.append(PriceRange(price.name, joules, *ends, factors.basis, operation))
    return JoulesInterval(math.fsum(one.joules for one in ranges), tuple(ranges))


class _Factors(NamedTuple):
    """The ends of a price's range over its own joules, and what they are from."""

    low: float
    high: float
    basis: str


def _together(price: str, ranges: list[PriceRange]) -> PriceRange:
    """What is off together, as one."""
    joules, low, high = (
        math.fsum(values) for values in zip(*(one[1:4] for one in ranges), strict=True)
    )
    bases = dict.fromkeys(one.basis for one in ranges if one.joules > 0)
    return PriceRange(price, joules, low, high, "; ".join(bases))


def _factors(
    hardware: Hardware, rho: float | None, one: Operation, own: Price, each_j: float
) -> _Factors:
    """The range of an operation's price over its own joules."""
    is_given = KINDS[one.kind].by_law or own.tag == "user"
    if is_given or not 0 < each_j < math.inf:
        return _Factors(1.0, 1.0, GIVEN)
    measured = confronted_prices().get(own.name, {})
    models = {
        other.name: other.energy_j(one.args, hardware.prices.voltage_v) / each_j
        for other in _comparable(hardware, rho, one.kind)
    }
    ratios = [1.0, *measured.values(), *models.values()]
    if len(ratios) == 1:
        spread = recorded_spread(MACHINE)
        low = 1.0 if own.tag == "floor" else spread.low
        return _Factors(low, spread.high, MACHINES)
    words = ["measured: " * bool(measured) + ", ".join(measured), ", ".join(models)]
    return _Factors(min(ratios), max(ratios), " and ".join(filter(None, words)))


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
    """Two choices under errors of their prices that both share.

    An operation that both have, of one price and the same widths, is off by one factor in both, so
    what it adds to the doubt is its relative range times the difference of its joules, towards the
    end that narrows the difference. Other widths are off by themselves: how a price grows with bits
    is as much in doubt as its size. Doubts are added in squares.

    >>> from stochsim.accounting import JoulesInterval, PriceRange, compared
    >>> def choice(joules):
    ...     return JoulesInterval(joules, (PriceRange("adc", joules, joules / 2, 3 * joules, ""),))
    >>> compared(choice(1.0), choice(1.1)).is_certain
    True
    """
    for name, one in (("cheaper", cheaper), ("other", other)):
        check_kind(name, one, JoulesInterval, "should be a JoulesInterval, as bill.interval is one")
    here, there = (_by_operation(one.ranges) for one in (cheaper, other))
    parts: dict[str, float] = {}
    for key in dict.fromkeys((*here, *there)):
        gains = [_end(there.get(key), end) - _end(here.get(key), end) for end in ("low", "high")]
        parts[key[0]] = math.hypot(parts.get(key[0], 0.0), max(0.0, -min(gains)))
    deciding = max(parts, key=lambda name: parts[name], default="")
    difference = other.joules - cheaper.joules
    return Identified(difference, math.hypot(*parts.values()), deciding)


def _by_operation(ranges: Iterable[PriceRange]) -> Mapping[tuple[str, str], PriceRange]:
    return {(one.price, one.operation): one for one in ranges}


def _end(one: PriceRange | None, end: str) -> float:
    """What a choice's joules move by when an operation stands at this end of its range."""
    return getattr(one, end) - one.joules if one is not None else 0.0
