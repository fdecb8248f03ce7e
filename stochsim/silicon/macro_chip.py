"""The chip that computes what a macro computes: a preset, and settings of it that the macro's
parameters and conditions give.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import pydantic

from stochsim.energy import parse_formula
from stochsim.hardware import Hardware, load_hardware, presets
from stochsim.settings import SettingError, Settings
from stochsim.silicon.parameter import Tag, Text


class ExtrapolatedWarning(UserWarning):
    """A macro's chip at conditions outside of what was published."""


class ChipSetting(Settings):
    """One setting of a chip: its `value`, or a `formula` over the macro's conditions and
    parameters; how it is known, as of a Parameter. Raises SettingError unless one of both is given.

    >>> from stochsim.silicon import ChipSetting
    >>> ChipSetting(value="full", tag="derived", source="all values largest give code 15").value
    'full'
    """

    value: str | float | bool | None = None
    formula: str = ""
    tag: Tag
    source: Text

    @pydantic.model_validator(mode="after")
    def _value_or_formula(self) -> Self:
        if (self.value is None) == (not self.formula.strip()):
            rule = "give one of both: a value, or a formula that gives it"
            raise SettingError.of(("value", "formula"), (self.value, self.formula), rule)
        if self.tag == "fitted":
            rule = "no output was fitted; valid: published, derived"
            raise SettingError.of("tag", self.tag, rule)
        return self

    def at(self, known: Mapping[str, float]) -> str | float | bool:
        """The setting where names of formulas have these values."""
        if self.value is not None:
            return _whole(self.value)
        return _whole(parse_formula(self.formula, tuple(known))(known))


class MacroChip(Settings):
    """How a macro's array is told as a Hardware.

    `preset`: what the chip is without `settings`, {dotted address: setting}, and whose prices it
    has; `departures`: what the macro does otherwise than the chip. `none`: why there is no chip.
    Raises SettingError unless there is a preset or a reason, and for settings of no chip.
    """

    preset: str = ""
    settings: dict[str, ChipSetting] = pydantic.Field(default_factory=dict)
    departures: tuple[Text, ...] = ()
    none: str = ""

    @pydantic.model_validator(mode="after")
    def _chip_or_reason(self) -> Self:
        if bool(self.preset.strip()) == bool(self.none.strip()):
            rule = "give one of both: the preset that the chip starts from, or why there is no chip"
            raise SettingError.of(("preset", "none"), (self.preset, self.none), rule)
        if self.preset:
            try:
                load_hardware(self.preset)
            except SettingError:
                rule = "is no preset of a chip"
                raise SettingError.of("preset", self.preset, rule, presets()) from None
        if self.none and (self.settings or self.departures):
            rule = "without a chip there is nothing that settings or departures could be about"
            raise SettingError.of("none", self.none, rule, also=("settings", "departures"))
        return self

    @property
    def formulas(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """(address, text) of every formula."""
        for name, one in self.settings.items():
            if one.formula:
                yield ("chip", "settings", name, "formula"), one.formula

    def values(self, known: Mapping[str, float]) -> dict[str, Any]:
        """Every setting by its address, where names of formulas have these values."""
        found = {}
        for address, one in self.settings.items():
            try:
                found[address] = one.at(known)
            except (ValueError, ArithmeticError) as error:
                section = ("chip", "settings", address)
                raise SettingError.of("formula", one.formula, str(error), section=section) from None
        return found

    def hardware(self, macro: str, known: Mapping[str, float], flags: Iterable[str]) -> Hardware:
        """The chip of this macro; raises SettingError for an unknown preset or setting, with the
        nearest name, and for values that no chip has.
        """
        found = load_hardware(self.preset).with_(self.values(known))
        own = (f"{name}: {one.source} [{one.tag}]" for name, one in self.settings.items())
        about = (
            f"Outputs of {macro}. Joules are those of {self.preset}, not of the macro: "
            "stochsim.accounting.bill_on_macro has these.",
            *(f"Extrapolated: {flag}." for flag in flags),
            *(f"Not modelled: {one}." for one in self.departures),
        )
        return found.with_(
            {
                "name": f"{macro} (outputs; priced as {self.preset})",
                "description": " ".join(about),
                "sources": (*found.sources, *own),
            }
        )


def _whole(value: str | float | bool) -> str | float | bool:
    """Whole numbers as integers, which counts of bits and rows are."""
    if isinstance(value, float) and value == int(value):
        return int(value)
    return value
