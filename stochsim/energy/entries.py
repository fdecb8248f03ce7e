"""What an entry of the price book may say: settings that check themselves, and become a price or a
fact.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from stochsim.energy.formula import Formula, parse_formula
from stochsim.energy.operations import KINDS
from stochsim.energy.pricing import ARGUMENTS, TAGS, Price
from stochsim.settings import NotNegative, Positive, SettingError, Settings

THERMAL_J = 4.142e-21
"""kT at 300 K, in joules."""

_PREFIXES = {"": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}
_UNIT = re.compile(r"([mµnpfa]?)J per \S.*")
_MICRO = re.compile("^[u\u03bc](?=J)")
"""The other two signs for micro: a plain u and the Greek letter."""

_KINDS = tuple(kind for kind in ARGUMENTS if not (kind in KINDS and KINDS[kind].by_law))

Text = Annotated[str, Field(min_length=1)]
Bound = Annotated[float, Field(allow_inf_nan=True)]


class Sourced(Settings):
    """What every entry says: where it is from and how that was verified."""

    source: Text
    tag: str
    note: str = ""

    @field_validator("tag")
    @classmethod
    def _known_tag(cls, tag: str) -> str:
        if tag not in TAGS:
            raise SettingError.of("", tag, choices=TAGS)
        return tag


class Fact(Sourced):
    """A figure that prices nothing: what it is a figure of, and one value or the ends of a range,
    in `unit`.
    """

    name: Text
    what: Text
    value: float | None = None
    range: tuple[float, float] | None = None
    unit: Text

    @model_validator(mode="after")
    def _value_or_range(self) -> Self:
        if (self.value is None) == (self.range is None):
            values = (self.value, self.range)
            raise SettingError.of(("value", "range"), values, "a fact has either of the two")
        return self

    @property
    def figure(self) -> str:
        """The figure with its unit: "3.3 ×", "21 to 37 %"."""
        values = (self.value,) if self.range is None else self.range
        return f"{' to '.join(f'{value:g}' for value in values)} {self.unit}"


FIGURE = ("kind", "formula", "define", "table", "unit")
"""Fields of an entry that are the figure itself: what its source is the source of."""


class Entry(Sourced):
    """One price.

    `formula` is over the arguments of its kind (ARGUMENTS), its parameters, V (supply voltage in
    volts), kT (joules), the names of `define` and, where there is a `table` by width, `table`: the
    value at the narrowest listed width that fits the widest argument. The prefix of `unit` is the
    formula's scale. `valid` bounds arguments and parameters; `required` are parameters without a
    default. `scaling` says whether the figure goes to other nodes: by "polynomials"; not, by its
    nature ("none"); or not together with figures that do ("refused").
    """

    kind: str
    formula: Text = "table"
    define: dict[str, str] = Field(default_factory=dict)
    table: dict[str, NotNegative] = Field(default_factory=dict)
    unit: str
    node_nm: Positive | None = None
    voltage_v: Positive | None = None
    valid: dict[str, tuple[Bound, Bound]] = Field(default_factory=dict)
    parameters: dict[str, NotNegative] = Field(default_factory=dict)
    required: tuple[str, ...] = ()
    scaling: Literal["polynomials", "none", "refused"] = "none"

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in _KINDS:
            raise SettingError.of("", kind, choices=_KINDS)
        return kind

    @field_validator("unit")
    @classmethod
    def _joules_per_something(cls, unit: str) -> str:
        unit = _MICRO.sub("µ", unit)
        if not _UNIT.fullmatch(unit):
            prefixes = ", ".join(filter(None, _PREFIXES))
            rule = f"should be like 'fJ per conversion'; prefixes: {prefixes} or none"
            raise SettingError.of("", unit, rule)
        return unit

    @field_validator("valid", mode="before")
    @classmethod
    def _lists_are_pairs(cls, valid: Any) -> Any:
        if not isinstance(valid, dict):
            return valid
        return {
            name: tuple(pair) if isinstance(pair, list) else pair for name, pair in valid.items()
        }

    @field_validator("table")
    @classmethod
    def _widths_are_whole(cls, table: dict[str, float]) -> dict[str, float]:
        for width in table:
            if not (width.isascii() and width.isdigit() and int(width) > 0):
                raise SettingError.of("", width, "should be a whole number of at least 1")
        return dict(sorted(table.items(), key=lambda pair: int(pair[0])))

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        formulas = (*self._definitions().values(), self._formula())
        used = frozenset[str]().union(*(formula.names for formula in formulas))
        for field, names in self._named.items():
            for name in names:
                if name not in used:
                    rule = f"'{name}' is in no formula: it would change nothing"
                    raise SettingError.of(field, rule=rule)
        self._check_bounds()
        if self.scaling == "polynomials" and (
            "V" in used or self.node_nm is None or self.voltage_v is None
        ):
            rule = "needs 'node_nm' and 'voltage_v', and a formula without V"
            raise SettingError.of("scaling", self.scaling, rule, also=("node_nm", "voltage_v"))
        return self

    def kept_fields(self, changed: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that an edit starts from: without the source where the figure is another, so
        that a new one has to be given.
        """
        table = super().kept_fields(changed)
        if "source" not in changed and any(name in changed for name in FIGURE):
            del table["source"]
        return table

    @property
    def _named(self) -> dict[str, Collection[str]]:
        """The names that are there to stand in a formula, by the field that gives them."""
        return {
            "parameters": self.parameters,
            "required": self.required,
            "define": self.define,
            "table": self._table_name,
        }

    def _check_bounds(self) -> None:
        for name, bounds in self.valid.items():
            if name not in self._variables:
                rule = "" if self._variables else "nothing varies here"
                raise SettingError.unknown(name, self._variables, rule, section=("valid",))
            if not bounds[0] <= bounds[1]:
                rule = "should be a lower and an upper bound"
                raise SettingError.of("", list(bounds), rule, section=("valid", name))

    @property
    def _variables(self) -> tuple[str, ...]:
        return (*ARGUMENTS[self.kind], *self.parameters, *self.required)

    @property
    def _table_name(self) -> tuple[str, ...]:
        return ("table",) if self.table else ()

    def _definitions(self) -> dict[str, Formula]:
        found: dict[str, Formula] = {}
        for name, text in self.define.items():  # each may use those before it
            names = (*self._variables, *self._table_name, "V", "kT", *found)
            try:
                found[name] = parse_formula(text, names)
            except SettingError as error:
                raise error.inside("define", name) from None
        return found

    def _formula(self) -> Formula:
        names = (*self._variables, *self._table_name, "V", "kT", *self.define)
        try:
            return parse_formula(self.formula, names)
        except SettingError as error:
            raise error.inside("formula") from None

    def price(self, name: str, file: str) -> Price:
        """The entry as the price of this name in this book."""
        formula = self._formula()
        definitions = self._definitions()
        unit = _UNIT.fullmatch(self.unit)
        assert unit is not None
        widths = {int(width): value for width, value in self.table.items()}
        arguments = ARGUMENTS[self.kind]
        scale = _PREFIXES[unit[1]]

        def joules(**values: float) -> float:
            known = {"kT": THERMAL_J, **values}
            if widths:
                known["table"] = _narrowest_that_fits(
                    widths, max((values[each] for each in arguments), default=1)
                )
            for each, definition in definitions.items():
                known[each] = definition(known)
            value = formula(known) * scale
            if not math.isfinite(value):
                raise OverflowError("should be a finite number")
            return value

        same = (
            "kind",
            "formula",
            "unit",
            "source",
            "tag",
            "note",
            "parameters",
            "required",
            "node_nm",
            "voltage_v",
            "scaling",
        )
        return Price(
            **{field: getattr(self, field) for field in same},
            name=name,
            joules=joules,
            has_voltage=any("V" in each.names for each in (formula, *definitions.values())),
            definitions=self._definition_text,
            valid=self._bounds,
            file=file,
        )

    @property
    def _definition_text(self) -> str:
        texts = [f"{name} = {text}" for name, text in self.define.items()]
        if self.table:
            values = ", ".join(f"{width}: {value:g}" for width, value in self.table.items())
            texts.append(f"table by {' and '.join(ARGUMENTS[self.kind])} = {{{values}}}")
        return ", ".join(texts)

    @property
    def _bounds(self) -> dict[str, tuple[float, float]]:
        """The valid ranges; what is above the widest entry of a table is outside too."""
        if not self.table:
            return self.valid
        widest = float(max(map(int, self.table)))
        ranges = {
            name: self.valid.get(name, (-math.inf, math.inf)) for name in ARGUMENTS[self.kind]
        }
        return {
            **self.valid,
            **{name: (low, min(high, widest)) for name, (low, high) in ranges.items()},
        }


def _narrowest_that_fits(widths: dict[int, float], widest: float) -> float:
    return next(value for width, value in widths.items() if width >= widest)
