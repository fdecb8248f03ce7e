"""A compute-in-memory macro that was built, as formulas over its parameters and the conditions of a
measurement.
"""

import ast
import functools
import hashlib
import itertools
import json
import math
import warnings
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import pydantic

from stochsim.energy import Formula, Scaling, energy_ratio, parse_formula
from stochsim.hardware import Hardware
from stochsim.settings import (
    Positive,
    SettingError,
    Settings,
    check_float,
    check_kind,
    check_not_negative,
    check_positive,
    check_real,
    levels_to_user,
)
from stochsim.silicon.macro_chip import ExtrapolatedWarning, MacroChip
from stochsim.silicon.operating_point import OperatingPoint
from stochsim.silicon.parameter import Parameter, Text

CONDITIONS = {
    "input_bits": "bits of an input",
    "weight_bits": "bits of a weight",
    "output_bits": "bits of a converted output",
    "voltage_v": "supply, V",
    "registers": "registers of a column",
    "phases": "phases of integration and conversion",
    "mean_output": "mean output code",
}
"""What a measurement is made at, by the name that formulas use."""

SUPPLY = "supply_ratio"
"""The name that formulas have for the energy of logic at the supply over that at the nominal one,
by the polynomials of the node (Stillmaker and Baas 2017).
"""

MACRO_RULE = "should be a Macro, as load_macro gives one"
"""What is said where something else is given for a Macro."""

_OWN = ("node_nm", "nominal_v", SUPPLY)
_PLAIN_NUMBERS = (0, 1, 2)


class Condition(Settings):
    """A condition's usual value and the range that was published."""

    default: float
    range: tuple[float, float]

    @pydantic.model_validator(mode="after")
    def _default_in_range(self) -> Self:
        low, high = self.range
        if not low <= self.default <= high:
            rule = f"should be within its range, {low:g} to {high:g}, which ascends"
            raise SettingError.of("default", self.default, rule, also=("range",))
        return self


class Part(Settings):
    """One part of a macro: its joules per operation, or its area in µm², as a formula.

    is_in_efficiency: whether the published efficiency has it. doubt: why the formula may be off.
    """

    formula: Text
    is_in_efficiency: bool = True
    note: str = ""
    doubt: str = ""


Boundary = Literal["in", "out", "unknown"]


class Macro(Settings):
    """A macro that was built and measured.

    An operation is one product of all `inputs` and `outputs` that the array takes at once, of whole
    inputs: their product is its multiply-accumulates, in `seconds`, in `passes` of the array,
    `latency_s` from its first input to its last output; `copies` arrays work beside each other.
    Formulas are over CONDITIONS, the parameters, `node_nm`, `nominal_v`, SUPPLY and `define` (each
    over those before it); `limits` are what is true where the model holds, by their words. Numbers
    in formulas other than 0, 1 and 2 are parameters, which have a source. Raises SettingError for
    formulas that do not read, unknown names, names of two things, numbers without a source, and
    parameters that nothing uses.
    """

    name: Text
    description: Text
    source: Text
    node_nm: Positive
    nominal_v: Positive
    ops_per_mac: Annotated[int, pydantic.Field(ge=1)] = 2
    conditions: dict[str, Condition]
    parameters: dict[str, Parameter]
    define: dict[str, str] = pydantic.Field(default_factory=dict)
    inputs: Text
    outputs: Text
    passes: Text = "1"
    seconds: Text
    latency_s: str = ""
    copies: Text = "1"
    energy: dict[str, Part]
    area: dict[str, Part] = pydantic.Field(default_factory=dict)
    limits: dict[str, str] = pydantic.Field(default_factory=dict)
    system: dict[str, Boundary] = pydantic.Field(default_factory=dict)
    contradictions: tuple[str, ...] = ()
    chip: MacroChip | None = None

    @pydantic.model_validator(mode="after")
    def _formulas_agree(self) -> Self:
        for name, one in self.conditions.items():
            if name not in CONDITIONS:
                raise SettingError.unknown(name, CONDITIONS, section=("conditions",))
            for value in (one.default, *one.range):
                try:
                    _checked(name, value)
                except SettingError as error:
                    raise error.inside("conditions") from None
        self._check_names()
        used = set[str]()
        for where, text, names in self._all_formulas():
            try:
                used |= parse_formula(text, names).names
            except SettingError as error:
                raise error.inside(*where) from None
            _check_numbers(text, where)
        if SUPPLY in used:
            used.add("voltage_v")
        for name in (*self.parameters, *self.define, *self.conditions):
            if name not in used:
                raise SettingError.of(name, rule="is in no formula: it would change nothing")
        self._check_chip()
        return self

    def _check_chip(self) -> None:
        """Raise SettingError for a formula of the chip that does not read, or uses other names."""
        names = (*self.conditions, *self.parameters, *_OWN, *self.define)
        for where, text in () if self.chip is None else self.chip.formulas:
            try:
                parse_formula(text, names)
            except SettingError as error:
                raise error.inside(*where) from None
            _check_numbers(text, where)

    def _check_names(self) -> None:
        """Raise SettingError for a name that stands for two things."""
        sections = (("parameters", tuple(self.parameters)), ("define", tuple(self.define)))
        taken = {*CONDITIONS, *_OWN}
        for section, names in sections:
            for name in names:
                if name in taken:
                    rule = "stands for something else already: give it a name of its own"
                    raise SettingError.of(name, rule=rule, section=(section,))
                taken.add(name)

    def _all_formulas(self) -> list[tuple[tuple[str, ...], str, tuple[str, ...]]]:
        """(address, text, the names that it may use) of every formula."""
        known: list[str] = [*self.conditions, *self.parameters, *_OWN]
        found: list[tuple[tuple[str, ...], str, tuple[str, ...]]] = []
        for name, text in self.define.items():
            found.append((("define", name), text, tuple(known)))
            known.append(name)
        for name in ("inputs", "outputs", "passes", "seconds", "latency_s", "copies"):
            if getattr(self, name):
                found.append(((name,), getattr(self, name), tuple(known)))
        for section in ("energy", "area"):
            for name, part in getattr(self, section).items():
                found.append(((section, name, "formula"), part.formula, tuple(known)))
        for name, text in self.limits.items():
            found.append((("limits", name), text, tuple(known)))
        return found

    @property
    def fitted(self) -> dict[str, Parameter]:
        """The parameters that were fitted."""
        return {name: one for name, one in self.parameters.items() if one.tag == "fitted"}

    @property
    def digest(self) -> str:
        """SHA-256 over all that predicted joules, times and areas follow from: the same digest, the
        same predictions.
        """
        table = self.to_table()
        table.pop("chip", None)
        return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()

    def with_values(self, values: Mapping[str, float]) -> "Macro":
        """The macro with these parameters at other values, without checks of their ranges; raises
        SettingError for names of none.
        """
        check_kind("values", values, Mapping, "should be numbers by parameter")
        for name, value in values.items():
            check_kind("values", name, str, "should be numbers by parameter")
            if name not in self.parameters:
                raise SettingError.unknown(name, self.parameters, section=("parameters",))
            check_real(f"parameters.{name}", value)
        changed = {
            name: one.model_copy() if name not in values else _valued(one, values[name])
            for name, one in self.parameters.items()
        }
        return self.replace(parameters=changed)

    def without_fits(self) -> "Macro":
        """The macro with fitted parameters at their prior."""
        priors = {name: one.prior for name, one in self.fitted.items() if one.prior is not None}
        return self.with_values(priors)

    def corners(self) -> list["Macro"]:
        """The macro at every combination of the ends of its plausible ranges; itself without."""
        free = {
            name: one.range
            for name, one in self.parameters.items()
            if one.range is not None and one.tag != "fitted"
        }
        ends = itertools.product(*free.values())
        return [self.with_values(dict(zip(free, each, strict=True))) for each in ends]

    def at(self, **conditions: float) -> OperatingPoint:
        """What the macro takes at these conditions; others are at their usual value.

        Flags name conditions outside the published range: there the model is extrapolated. Raises
        SettingError for a condition that the macro does not have, and one at which a formula has no
        value.

        >>> from stochsim.silicon import load_macro
        >>> point = load_macro("wang").at(voltage_v=0.9)
        >>> f"{point.per_mac_fj:.3g} fJ per MAC, {point.tops_per_w:.3g} TOPS/W"
        '87.1 fJ per MAC, 23 TOPS/W'
        """
        values = {name: one.default for name, one in self.conditions.items()}
        flags = []
        for name, given in conditions.items():
            if name not in self.conditions:
                rule = f"no condition of {self.name}"
                raise SettingError.unknown(name, self.conditions, rule)
            values[name] = _checked(name, given)
            low, high = self.conditions[name].range
            if not low <= values[name] <= high:
                flags.append(
                    f"{self.name}: {name} = {given:g} is outside the published range, {low:g} to "
                    f"{high:g}: extrapolated"
                )
        return self._evaluated(values, flags)

    def hardware(self, **conditions: float) -> Hardware:
        """The chip that computes what the macro computes at these conditions: its array, converters
        and widths. Its description says what the macro does otherwise, and that its joules are the
        preset's: `accounting.bill_on_macro` has the macro's.

        Warns (ExtrapolatedWarning) of conditions outside of what was published. Raises SettingError
        for a macro without a chip, for conditions as `at` does, and for widths that no chip has.

        >>> from stochsim.silicon import load_macro
        >>> chip = load_macro("neurram").hardware(input_bits=4, output_bits=6)
        >>> chip.array.rows, chip.array.adc.bits, chip.array.cells.device
        (256, 6, 'rram-wan')
        """
        point = self.at(**conditions)
        if self.chip is None or self.chip.none:
            why = "the file has no [chip]" if self.chip is None else self.chip.none
            raise SettingError.of("chip", rule=f"{self.name} has no chip: {why}")
        try:
            found = self.chip.hardware(self.name, self.known(dict(point.conditions)), point.flags)
        except SettingError as error:
            raise error.inside("chip") from None
        for flag in point.flags:
            warnings.warn(flag, ExtrapolatedWarning, stacklevel=levels_to_user())
        return found

    def known(self, conditions: Mapping[str, float]) -> dict[str, float]:
        """What names of formulas stand for, at all conditions."""
        known = dict(conditions) | {name: one.value for name, one in self.parameters.items()}
        supply = self._supply(conditions.get("voltage_v", self.nominal_v))
        known |= zip(_OWN, (self.node_nm, self.nominal_v, supply), strict=True)
        for name, text in self.define.items():
            known[name] = parse_formula(text, tuple(known))(known)
        return known

    def _evaluated(self, conditions: dict[str, float], flags: list[str]) -> OperatingPoint:
        known = conditions | {name: one.value for name, one in self.parameters.items()}
        voltage_v = conditions.get("voltage_v", self.nominal_v)
        own = (self.node_nm, self.nominal_v, self._supply(voltage_v))
        known |= zip(_OWN, own, strict=True)
        found: dict[tuple[str, ...], float] = {}
        for where, text, names in self._all_formulas():
            try:
                value = _formula(text, names)(known)
                fault = _fault(where, value)
            except (ValueError, ArithmeticError) as error:
                fault = str(error)
            if fault:
                raise self._no_value(where, conditions, fault)
            if where[0] == "limits" and not value:
                flags.append(f"{self.name}: outside of what is published: {where[1]}: extrapolated")
            found[where] = value
            if where[0] == "define":
                known[where[1]] = value
        point = OperatingPoint(
            macro=self.name,
            conditions=conditions,
            flags=tuple(flags),
            inputs=found["inputs",],
            outputs=found["outputs",],
            passes=found["passes",],
            seconds=found["seconds",],
            latency_s=found.get(("latency_s",), found["seconds",]),
            copies=found["copies",],
            energy_j={name: found["energy", name, "formula"] for name in self.energy},
            in_efficiency=tuple(
                name for name, part in self.energy.items() if part.is_in_efficiency
            ),
            area_um2={name: found["area", name, "formula"] for name in self.area},
            ops_per_mac=self.ops_per_mac,
        )
        for name in ("per_mac_fj", "tops_per_w", "tops", "tops_per_mm2"):
            if getattr(point, name) in (0.0, math.inf):
                raise self._no_value((name,), conditions, f"{getattr(point, name):g}")
        return point

    def _no_value(
        self, where: tuple[str, ...], conditions: Mapping[str, float], why: str
    ) -> SettingError:
        """The error of conditions at which a formula has no value: it names the one that is
        farthest outside of what was published, or else the formula.
        """
        what = ".".join(where)
        outside = {
            name: value
            for name, value in conditions.items()
            if not self.conditions[name].range[0] <= value <= self.conditions[name].range[1]
        }
        if not outside:
            rule = f"has no value at {_named(conditions)}: {why}"
            return SettingError.of(where[-1], rule=rule, section=where[:-1])
        name, value = max(outside.items(), key=lambda item: abs(math.log(item[1] or math.inf)))
        low, high = self.conditions[name].range
        rule = f"{what} has no value there ({why}); published are {low:g} to {high:g}"
        return SettingError.of(name, value, rule)

    def _supply(self, voltage_v: float) -> float:
        """The ratio SUPPLY; not a number where no formula uses it, for the polynomials of a node
        end at a least supply.
        """
        if not any(
            SUPPLY in _formula(text, names).names for _, text, names in self._all_formulas()
        ):
            return math.nan
        target = Scaling(node_nm=self.node_nm, voltage_v=voltage_v)
        return energy_ratio(target, self.node_nm, self.nominal_v)


def _valued(parameter: Parameter, value: float) -> Parameter:
    """The parameter at another value, of no range where it would lie outside."""
    return Parameter.model_construct(**(dict(parameter) | {"value": value}))


@functools.lru_cache(maxsize=4096)
def _formula(text: str, names: tuple[str, ...]) -> Formula:
    return parse_formula(text, names)


def _checked(name: str, given: float) -> float:
    """A condition's value; raises SettingError for one that no measurement is made at."""
    value = check_float(name, given)
    if name == "voltage_v":
        return check_positive(name, value)
    if name == "mean_output":
        return check_not_negative(name, value)
    if not math.isfinite(value) or value < 1 or value != int(value):
        raise SettingError.of(name, value, "should be a whole number of at least 1")
    return value


def _fault(where: tuple[str, ...], value: float) -> str:
    """What is wrong with a formula's value, "" where nothing is: times, counts and areas are above
    0, joules not negative, all finite.
    """
    if where[0] in ("define", "limits"):
        return ""
    is_there = value >= 0 if where[0] == "energy" else value > 0
    if is_there and math.isfinite(value):
        return ""
    return f"gives {value:g}: should be finite and above 0"


def _check_numbers(text: str, where: tuple[str, ...]) -> None:
    """Raise SettingError for a number in a formula that should be a parameter, with a source."""
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if isinstance(node, ast.Constant) and node.value not in _PLAIN_NUMBERS:
            rule = "a number other than 0, 1 and 2 should be a parameter, which names its source"
            raise SettingError.of(where[-1], node.value, rule, section=where[:-1])


def _named(conditions: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in conditions.items())
