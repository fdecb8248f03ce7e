"""Which prices a chip pays: a name per kind of operation, the parameters of those prices, supply
voltage, node.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, create_model, field_validator, model_validator

from stochsim.energy import (
    ARGUMENTS,
    DEFAULT_VOLTAGE_V,
    KINDS,
    PRICES,
    Entry,
    Price,
    Scaling,
    part_kind,
    scaled,
)
from stochsim.settings import NOT_SHOWN, SettingError, Settings, check_choice

OPERATION_PRICES = tuple(name for name, kind in KINDS.items() if not kind.by_law)
"""The fields of Prices that name a price, one per kind of operation; "reliability" is priced by
Reliability.
"""

_PROBES = (8.0, 1.0, 16.0)  # the argument at which parameters are tried, and own formulas too


_FIELDS: dict[str, Any] = {
    "own": (dict[str, Entry], Field(default_factory=dict)),  # first: the others may name its prices
    **{kind: (str, KINDS[kind].usual or ...) for kind in OPERATION_PRICES},
}
_NamedPrices: Any = create_model("_NamedPrices", __base__=Settings, **_FIELDS)


class Prices(_NamedPrices):
    """The name of the price of each kind of operation (a field for each of KINDS, with its usual
    price, but "reliability"), and the supply voltage that enters the prices whose formula has V.

    `parameters` set those of a kind's price: {adc: {frequency_hz: 1e8}}; without a value the book's
    default holds, and outside its valid range the value at the nearer bound is used and flagged.
    `scaling` takes digital logic and SRAM to another node and voltage. `own` are prices that the
    book does not have, entries as in the book by a name of their own: {"my-adc": Entry(kind="adc",
    …)}. Raises SettingError for an unknown name, kind or parameter, a parameter that has neither
    value nor default, an own price that no kind names or whose name the book has, and figures that
    do not go together with scaled ones.
    """

    voltage_v: Annotated[float, Field(gt=0, le=1000)] = DEFAULT_VOLTAGE_V
    parameters: dict[str, dict[str, float]] = Field(default_factory=dict)
    scaling: Scaling | None = None

    def __hash__(self) -> int:
        return hash(self.model_dump_json())  # a frozen value, though it holds dicts

    @field_validator(*OPERATION_PRICES)
    @classmethod
    def _known_price_of_this_kind(cls, name: str, info: ValidationInfo) -> str:
        kinds = {
            each: entry.kind for each, entry in (*PRICES.items(), *info.data.get("own", {}).items())
        }
        names = [each for each, kind in kinds.items() if kind == part_kind(str(info.field_name))]
        if (
            name not in names and "own" in info.data
        ):  # else an own price is at fault, and may be the one that is named
            rule = f"is a price of '{kinds[name]}'" if name in kinds else ""
            raise SettingError.of("", name, rule, names)
        return name

    @model_validator(mode="after")
    def _every_kind_can_be_priced(self) -> Self:
        for kind in self.parameters:
            if kind not in OPERATION_PRICES:
                raise SettingError.unknown(kind, OPERATION_PRICES, section=("parameters",))
        self._check_own()
        for kind in OPERATION_PRICES:
            self._check_price(kind)
        if self.scaling is not None and all(
            self._named(kind).scaling == "none" for kind in OPERATION_PRICES
        ):
            rule = (
                f"none of these prices is of logic or SRAM that scales to {self.scaling.words}; "
                f"leave it out"
            )
            raise SettingError.of("scaling", rule=rule)
        return self

    def _check_price(self, kind: str) -> None:
        """Raises SettingError at the key to look at where this kind cannot be priced."""
        try:
            chosen = self._named(kind).with_parameters(**self.parameters.get(kind, {}))
            chosen.check_parameters()
        except SettingError as error:
            raise error.inside("parameters", kind) from None
        try:
            chosen = self.of(kind)
        except SettingError as error:
            rule = error.faults[0].rule
            fields = (kind, "scaling")
            raise SettingError.of(fields, (chosen.name, NOT_SHOWN), rule) from None
        try:
            for probe in _PROBES if chosen.name in self.own else _PROBES[:1]:
                chosen.energy_j((probe,) * len(ARGUMENTS[chosen.kind]), self.voltage_v)
        except SettingError as error:
            if chosen.name in self.own and kind not in self.parameters:
                raise error.inside("own", chosen.name) from None
            raise error.inside("parameters", kind) from None

    def of(self, kind: str) -> Price:
        """The price of this kind of operation, with its parameters, at its node."""
        chosen = self._named(kind).with_parameters(**self.parameters.get(kind, {}))
        return chosen if self.scaling is None else scaled(chosen, self.scaling)

    def _check_own(self) -> None:
        for name, entry in self.own.items():
            if name in PRICES:
                rule = "the book has a price of this name; give your own another"
                raise SettingError.of("", rule=rule, section=("own", name))
            kinds = [kind for kind in OPERATION_PRICES if part_kind(kind) == entry.kind]
            if name not in (getattr(self, kind) for kind in kinds):
                valid = " or ".join(f'{kind} = "{name}"' for kind in kinds)
                rule = f"prices nothing, for no kind names it; valid: {valid}"
                raise SettingError.of("", rule=rule, section=("own", name))

    def _named(self, kind: str) -> Price:
        name = getattr(self, kind)
        return self.own[name].price(name, "") if name in self.own else PRICES[name]

    def with_price(self, kind: str, name: str, **parameters: float) -> Self:
        """A copy in which this kind has the price of this name, chosen anew: with these parameters
        and the price's own defaults. `with_` changes one parameter and keeps the others. Raises
        SettingError as the class does.

        An own price that no kind names any more is left out.
        """
        check_choice("kind", kind, OPERATION_PRICES, "no kind of operation that has a price")
        kept = self.kept_fields({kind: name})
        others = {each: values for each, values in kept["parameters"].items() if each != kind}
        chosen = {
            kind: name,
            "parameters": {**others, **({kind: parameters} if parameters else {})},
        }
        return type(self)(**kept | chosen)

    def kept_fields(self, changed: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that an edit starts from: without the parameters of prices that `changed`
        replaces by others, and without own prices that no kind names any more.
        """
        table = super().kept_fields(changed)
        names = {kind: changed.get(kind, table[kind]) for kind in OPERATION_PRICES}
        table["parameters"] = {
            kind: values
            for kind, values in self.parameters.items()
            if names[kind] == getattr(self, kind)
        }
        still = [name for name in names.values() if isinstance(name, str)]
        table["own"] = {name: entry for name, entry in self.own.items() if name in still}
        return table


def over_scaled(chosen: Price, voltage_over_vmin: float) -> Price:
    """A memory's price at a lower voltage: (V/Vmin)² times it, an engineering default that no
    publication gives.
    """
    found = chosen.times(
        voltage_over_vmin**2,
        f"(V/Vmin)², V/Vmin = {voltage_over_vmin:g}",
        tag="engineering default",
    )
    note = "E ~ (V/Vmin)²: engineering default, not published"
    return replace(found, note="; ".join(filter(None, (chosen.note, note))))
