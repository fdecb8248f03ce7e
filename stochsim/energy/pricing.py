"""What a price is: joules per operation as a named formula, with its unit, its source and how far
that source was verified.
"""

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from stochsim.energy.operations import KINDS
from stochsim.settings import (
    SettingError,
    check_choice,
    check_float,
    check_kind,
    check_not_negative,
    check_positive,
    line_of,
    plain,
    read_text,
)

DEFAULT_VOLTAGE_V = 0.9

TAGS = {
    "src": "read in the source or in its published code",
    "2nd": "read only in another work that quotes the source",
    "calc": "arithmetic on sourced figures",
    "unv": "unsourced: not checked against a source, never a default",
    "floor": "a physical lower bound, not a prediction",
    "engineering default": "a choice of this project, not a published figure",
    "user": "set by the user",
}
"""How a price was verified."""


def part_kind(operation_kind: str) -> str:
    """The kind of price that an operation kind needs, as KINDS says; another name stays as
    it is.
    """
    check_kind("operation_kind", operation_kind, str, "should be text")
    known = KINDS.get(operation_kind)
    return known.priced_as if known is not None and known.priced_as else operation_kind


ARGUMENTS: dict[str, tuple[str, ...]] = {
    part_kind(name): kind.arguments for name, kind in KINDS.items()
}
"""The arguments of each kind of price."""


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

    `joules` takes the arguments of ARGUMENTS[kind] by name, the parameters and, where
    `has_voltage`, the supply voltage V in volts. `valid` bounds arguments and parameters: outside,
    the value at the nearer bound is used, and `flags` say so. `required` names the parameters that
    still need a value. `unit` is the formula's ("fJ per conversion"); `joules` are joules. `file`
    is the book it stands in; `doubts` are flags that hold at any arguments.
    """

    name: str
    kind: str
    formula: str
    unit: str
    source: str
    tag: str
    joules: Callable[..., float] = field(repr=False)
    note: str = ""
    has_voltage: bool = False
    definitions: str = ""
    valid: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    required: tuple[str, ...] = ()
    node_nm: float | None = None
    voltage_v: float | None = None
    scaling: str = "none"
    file: str = ""
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("tag", self.tag, TAGS)

    def energy_j(self, args: tuple[float, ...], voltage_v: float = DEFAULT_VOLTAGE_V) -> float:
        """Joules of one operation with these arguments; outside the valid range the value at the
        nearer bound.

        Raises SettingError, with file and line, where a parameter has no value and where the
        formula gives no number or a negative one.
        """
        self.check_parameters()
        values = {name: self._clamped(name, value) for name, value in self._values(args).items()}
        values |= {"V": check_positive("voltage_v", voltage_v)} if self.has_voltage else {}
        try:
            joules = self.joules(**values)
            why = "should be a number and not negative"
        except (ArithmeticError, ValueError) as error:
            joules = math.nan
            why = str(error)
        if not joules >= 0:
            arguments = ", ".join(f"{name} = {value:g}" for name, value in values.items())
            at = f" at {arguments}" if arguments else ""
            rule = f"'{self.formula}' gives {joules:g} J{at}: {why}"
            raise SettingError.of("", rule=f"{self.place}: {rule}")
        return joules

    def check_parameters(self) -> None:
        """Raises SettingError, with file and line, for a parameter that has no value."""
        if self.required:
            rule = f"{self.place} has no default: give it one"
            raise SettingError.missing(self.required[0], rule)

    def flags(self, args: tuple[float, ...]) -> tuple[str, ...]:
        """Notes: what is doubtful at any arguments (an interpolated node), "… is outside the
        model's range" for each such argument or parameter, "unsourced: …" where the figure was not
        checked against a source.
        """
        values = self._values(args)
        found = [
            *self.doubts,
            *(
                self._range_flag(name, value)
                for name, value in values.items()
                if self._clamped(name, value) != value
            ),
        ]
        return (
            (*found, f"unsourced: {self.name} was not checked against a source")
            if self.tag == "unv"
            else tuple(found)
        )

    def with_parameters(self, **values: float) -> Self:
        """A copy with these parameters, whose note says which are not the source's; raises
        SettingError for an unknown one and for a value that is negative or not finite.
        """
        own = {name: self._checked_parameter(name, value) for name, value in values.items()}
        moved = [
            f"{name} = {value:g}, not {self.parameters[name]:g} as in the source"
            for name, value in own.items()
            if name in self.parameters and value != self.parameters[name]
        ]
        note = "; ".join(filter(None, (self.note, *moved)))
        still = tuple(name for name in self.required if name not in own)
        return replace(self, parameters={**self.parameters, **own}, required=still, note=note)

    def _checked_parameter(self, name: str, given: object) -> float:
        """A parameter's value as Python's number."""
        known = (*self.parameters, *self.required)
        if name not in known:
            rule = f"price '{self.name}' has {'others' if known else 'no parameters'}"
            raise SettingError.unknown(name, known, rule)
        value = plain(given)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= sys.float_info.max:
            rule = f"should be finite and not negative, as a parameter of price '{self.name}'"
            raise SettingError.of("", given, rule, section=(name,))
        return value

    def times(self, factor: float, words: str, tag: str = "") -> Self:
        """A copy with `factor` times the joules, which its formula then says in `words`; an
        unsourced price stays one.
        """
        whole = f"({self.formula}) × {words}"
        inner = self.joules
        factor = check_not_negative("factor", factor)
        return replace(
            self,
            formula=whole if self.formula != "0" else "0",
            joules=lambda **values: factor * inner(**values),
            tag=self.tag if self.tag == "unv" or not tag else tag,
        )

    def citation(self, voltage_v: float = DEFAULT_VOLTAGE_V) -> Citation:
        """The price as plain text: the formula with its definitions, parameters and, where it has
        one, the voltage.
        """
        values = [f"{name} = {value:g}" for name, value in self.parameters.items()]
        values += [f"V = {voltage_v:g}"] if self.has_voltage else []
        formula = ", ".join(text for text in (self.formula, self.definitions, *values) if text)
        return Citation(self.kind, self.name, formula, self.unit, self.source, self.tag, self.note)

    @property
    def technology_nm(self) -> float | None:
        """The technology node of the figure: that of its source or scaling, or of its parameter
        `node_nm`; None where it has none.
        """
        return self.parameters.get("node_nm", self.node_nm)

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing, whatever the operation's arguments are."""
        return self.formula == "0"

    @property
    def place(self) -> str:
        """How an error names the price: with the file and the line of its entry where it stands in
        a book.
        """
        if not self.file:
            return f"price '{self.name}'"
        line = line_of(read_text(Path(self.file)), ("prices", self.name))
        return f"{self.file}:{line}: price '{self.name}'"

    def _values(self, args: tuple[float, ...]) -> dict[str, float]:
        names = ARGUMENTS[self.kind]
        if not isinstance(args, tuple | list) or len(args) != len(names):
            rule = f"price '{self.name}' takes ({', '.join(names)})"
            raise SettingError.of("args", args, rule)
        given = dict(zip(names, args, strict=True))
        for name, value in given.items():
            check_float(name, value)  # joules are computed in float64
        return {name: plain(value) for name, value in given.items()} | dict(self.parameters)

    def _clamped(self, name: str, value: float) -> float:
        low, high = self.valid.get(name, (-math.inf, math.inf))
        return min(max(value, low), high)

    def _range_flag(self, name: str, value: float) -> str:
        clamped = self._clamped(name, value)
        end = "from" if value < clamped else "up to"
        return (
            f"{self.name}: {name} at {value:g} is outside the model's range ({end} {clamped:g}), "
            f"using the value at {clamped:g}"
        )
