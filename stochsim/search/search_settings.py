"""What `stochsim optimize` reads: a study's model, data, training and chip, the axes to search, and
what is wanted of the answer.
"""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import pydantic

from stochsim.data import DataSettings
from stochsim.energy import ADC_MODELS
from stochsim.models import ModelSettings
from stochsim.networks import layers_of
from stochsim.posterior import CLIFF_SURVIVAL
from stochsim.search.space import Value
from stochsim.settings import LARGEST, SettingError, Settings
from stochsim.studies import (
    FORMAT_AXES,
    HardwareSettings,
    Key,
    MeasureSettings,
    NetworkOptions,
    StudyTrainSettings,
    check_bits,
    check_once,
    check_values,
    holds_axes,
    search_axes,
    search_field,
    with_axes,
)

MOST_TRIALS = 100_000
"""Settings that one search measures, at most."""

_RULE = re.compile(r"\s*([A-Za-z_]+)\s*(>=|<=|>|<|==?)\s*([-+0-9.eE]+)\s*")


class Rule(NamedTuple):
    """What a setting must keep: S at least, or D at most, this much, with its whole 95 %
    interval.
    """

    measure: Literal["S", "D"]
    value: float

    def __str__(self) -> str:
        return f"{self.measure} {'≥' if self.measure == 'S' else '≤'} {self.value:g}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The rule of a text such as "S >= 0.9" or "D <= 0.3"; raises SettingError for others."""
        found = _RULE.fullmatch(text)
        rule = 'should be "S >= NUMBER" or "D <= NUMBER"'
        if found is None:
            raise SettingError.of("keep", text, rule)
        measure = found[1].upper()
        sign = found[2]
        if (measure, sign) not in (("S", ">="), ("D", "<=")):
            raise SettingError.of("keep", text, f"{rule}, for more S and less D is better")
        try:
            value = float(found[3])
        except ValueError:
            rule = f"{rule}, and '{found[3]}' is not a number"
            raise SettingError.of("keep", text, rule) from None
        if abs(value) > LARGEST:
            raise SettingError.of("keep", text, f"{rule}, and {value:g} is above {LARGEST:g}")
        return cls("S" if measure == "S" else "D", value)


@with_axes(search_field)
class SearchSettings(Settings):
    """The axes, each a list of values to choose from, one field for each of `stochsim.studies`'s
    axes that a search may have; and what is the same for all settings: architecture, rho, method.

    `bits` ties weights, input and output, or each of the three has an axis, of widths or of number
    formats, whose width it then has. `noise`: multiples
    of the trained σ of each network. `reads`: reads that are averaged into one sample; joules are
    those of all of them. `layer_bits.NAME`: weight bits of one layer. Axes that are settings of the
    chip, such as `rows`, take the place of the chip's.
    """

    if TYPE_CHECKING:  # a field for each axis

        def __init__(self, /, **table: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    else:

        def __init__(self, /, **table: Any) -> None:
            layers = {axis.name for axis in search_axes() if axis.by_layer}
            tables = {name: table[name] for name in layers if isinstance(table.get(name), dict)}
            for name, by_layer in tables.items():
                table[name] = {
                    layer: tuple(values) if isinstance(values, list) else values
                    for layer, values in by_layer.items()
                }
            super().__init__(**table)

    @pydantic.model_validator(mode="after")
    def _one_form_of_bits(self) -> Self:
        check_bits(self, are_needed=True, formats=FORMAT_AXES)
        return self

    @pydantic.model_validator(mode="after")
    def _known_and_once(self) -> Self:
        check_values(self, {axis.name: axis for axis in search_axes() if not axis.by_layer})
        for layer, values in self.layer_bits.items():
            check_once(layer, values, ("layer_bits",))
            self._check_layer(layer)
        return self

    def _check_layer(self, layer: str) -> None:
        known = layers_of(self.architecture)
        if layer in known:
            return
        rule = f"no layer of a '{self.architecture}' network"
        if not known:
            rule += ", which has one layer, whose width is weight_bits"
        raise SettingError.unknown(layer, known, rule, section=("layer_bits",))

    def axes(self) -> dict[str, tuple[Value, ...]]:
        """The axes that are given, numbers in ascending order: {"weight_bits": (2, 4),
        "layer_bits.hidden": (3, 4), …}.
        """
        found: dict[str, tuple[Value, ...]] = {}
        for axis in search_axes():
            values = getattr(self, axis.name, None)
            if axis.by_layer:
                layers = {f"{axis.name}.{layer}": each for layer, each in (values or {}).items()}
                found |= {name: tuple(sorted(each)) for name, each in layers.items()}
            elif values is not None and not axis.one_in_search:
                found[axis.name] = axis.given(self)
        return found


class ObjectiveSettings(Settings):
    """What is wanted: the cheapest setting that keeps a rule (`keep`), or the whole `front` of
    joules `against` distance or survival.

    Joules are per read (of `reads` reads where these are averaged) or per effective sample.
    `trials`: settings to measure in all; `batch`: how many are proposed at once. `adc_models`: the
    models of ADC energy that the answer is found under.
    """

    minimise: Literal["joules_per_read", "joules_per_effective_sample"] = "joules_per_read"
    keep: str | None = None
    front: bool = False
    against: Literal["d", "survival"] = "d"
    keys: Annotated[tuple[Key, ...], pydantic.Field(min_length=1)] = (0,)
    trials: Annotated[int, pydantic.Field(ge=1, le=MOST_TRIALS)] = 60
    batch: Annotated[int, pydantic.Field(ge=1, le=64)] = 2
    adc_models: Annotated[tuple[str, ...], pydantic.Field(min_length=1)] = tuple(ADC_MODELS)

    @pydantic.model_validator(mode="after")
    def _parts_agree(self) -> Self:
        self._check_wish()
        self._check_size()
        least = Rule("S", CLIFF_SURVIVAL)  # a rule on D comes before it, too
        if self.minimise == "joules_per_effective_sample" and (
            self.rule is None or self.rule < least
        ):
            rule = (
                f"ranked only where the posterior survives; beside it, valid: 'keep' = \"S >= "
                f'{CLIFF_SURVIVAL:g}", or more'
            )
            raise SettingError.of("minimise", self.minimise, rule, also=("keep",))
        for name in ("keys", "adc_models"):
            check_once(name, getattr(self, name))
        for name in self.adc_models:
            if name not in ADC_MODELS:
                rule = "no model of an ADC"
                raise SettingError.of("adc_models", name, rule, ADC_MODELS)
        return self

    def _check_size(self) -> None:
        """Raise SettingError for more measurements than a run takes: trials times keys."""
        if self.trials * len(self.keys) > MOST_TRIALS:
            rule = f"times {len(self.keys)} 'keys' should be at most {MOST_TRIALS:,}"
            raise SettingError.of("trials", self.trials, rule, also=("keys",))

    def _check_wish(self) -> None:
        """Raise SettingError unless either a rule to keep or the front is asked for."""
        rule = (
            "give either 'keep' = \"S >= 0.9\" (the cheapest setting that keeps it) or 'front' = "
            "true (the whole front)"
        )
        if self.keep is None:
            if not self.front:
                raise SettingError.missing(("keep", "front"), rule)
            return
        if self.front:
            raise SettingError.of(("keep", "front"), (self.keep, True), rule)
        if self.against != "d":
            rule = "belongs to 'front' = true; with 'keep' the front is that of its measure"
            raise SettingError.of("against", self.against, rule, also=("keep",))
        Rule.parse(self.keep)

    @property
    def rule(self) -> Rule | None:
        """The rule to keep, None where the front is wanted."""
        return None if self.keep is None else Rule.parse(self.keep)

    @property
    def against_survival(self) -> bool:
        """Whether the front is drawn against S, else D."""
        return self.rule.measure == "S" if self.rule is not None else self.against == "survival"


@holds_axes
class OptimizeFile(Settings):
    """A search as written in a TOML file, format version 1.

    All sections but `search` and `objective` are those of a study.
    """

    version: Literal[1]
    model: ModelSettings
    data: DataSettings
    network: NetworkOptions = NetworkOptions()
    train: StudyTrainSettings = StudyTrainSettings()
    hardware: HardwareSettings
    measure: MeasureSettings = MeasureSettings()
    search: SearchSettings
    objective: ObjectiveSettings
    storage: str | None = None
