"""What a price is: joules per operation as a named formula, with its unit, its source and how far that source was verified."""

from collections.abc import Callable
from dataclasses import dataclass

from stochsim.settings import SettingError, nearest

DEFAULT_VOLTAGE_V = 0.9

TAGS = {
    "src": "read in the source or in its published code",
    "2nd": "read only in another work that quotes the source",
    "calc": "arithmetic on sourced figures",
    "unv": "unverified, never a default",
    "floor": "a physical lower bound, not a prediction",
    "engineering default": "a choice of this project, not a published figure",
    "user": "set by the user",
}
"""How a price was verified."""


@dataclass(frozen=True, order=True)
class Citation:
    """What a bill prints about a price: plain text, no formula to call."""

    kind: str
    name: str
    formula: str
    unit: str
    source: str
    tag: str
    note: str = ""


@dataclass(frozen=True)
class Price:
    """Joules of one operation of `kind`.

    `joules(*args)` takes the operation's arguments; where `has_voltage`, the supply voltage in volts follows them. `valid` bounds the first
    argument: outside, the value at the nearer bound is held, and `flag` says so.
    """

    name: str
    kind: str
    formula: str
    unit: str
    source: str
    tag: str
    joules: Callable[..., float]
    note: str = ""
    has_voltage: bool = False
    valid: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.tag not in TAGS:
            raise SettingError(f"price '{self.name}': tag '{self.tag}' is unknown: {nearest(self.tag, TAGS)}")

    def energy_j(self, args: tuple[float, ...], voltage_v: float = DEFAULT_VOLTAGE_V) -> float:
        """Joules of one operation with these arguments; held at the nearer bound outside the valid range."""
        if self.valid is not None:
            args = (min(max(args[0], self.valid[0]), self.valid[1]), *args[1:])
        return self.joules(*args, voltage_v) if self.has_voltage else self.joules(*args)

    def flag(self, args: tuple[float, ...]) -> str:
        """Note "held: …" where the arguments lie outside the valid range, else an empty string."""
        if self.valid is None or self.valid[0] <= args[0] <= self.valid[1]:
            return ""
        side, bound = ("below", self.valid[0]) if args[0] < self.valid[0] else ("above", self.valid[1])
        return f"held: {self.name} at {args[0]:g} is {side} its valid range, priced as at {bound:g}"

    def citation(self, voltage_v: float = DEFAULT_VOLTAGE_V) -> Citation:
        """The price as plain text, with the voltage where the formula has one."""
        formula = f"{self.formula}, V = {voltage_v:g}" if self.has_voltage else self.formula
        return Citation(self.kind, self.name, formula, self.unit, self.source, self.tag, self.note)
