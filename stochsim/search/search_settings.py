"""What `stochsim optimize` reads: a study's model, data, training and chip, the axes to search, and
what is wanted of the answer.
"""

import re
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

import pydantic

from stochsim.data import DataSettings
from stochsim.energy import CONVERTER_MODELS
from stochsim.models import ModelSettings
from stochsim.networks import LAYERS, Architecture
from stochsim.posterior import CLIFF_SURVIVAL
from stochsim.settings import SettingError, Settings, nearest
from stochsim.studies import (
    HardwareSettings,
    Key,
    MeasureSettings,
    NetworkOptions,
    StudyTrainSettings,
)
from stochsim.training import Method

Bits = Annotated[int, pydantic.Field(ge=1, le=8)]
BitAxis = Annotated[tuple[Bits, ...], pydantic.Field(min_length=1)]
Counts = Annotated[tuple[Annotated[int, pydantic.Field(ge=1)], ...], pydantic.Field(min_length=1)]
Multiples = Annotated[
    tuple[Annotated[float, pydantic.Field(gt=0)], ...], pydantic.Field(min_length=1)
]
BIT_AXES = ("weight_bits", "input_bits", "output_bits")
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
        """Of "S >= 0.9" or "D <= 0.3"; raises SettingError for anything else."""
        found = _RULE.fullmatch(text)
        valid = 'valid: "S >= NUMBER" or "D <= NUMBER"'
        if found is None:
            raise SettingError(f"'keep' = '{text}': {valid}")
        measure, sign = found[1].upper(), found[2]
        if (measure, sign) not in (("S", ">="), ("D", "<=")):
            raise SettingError(f"'keep' = '{text}': {valid}; more S and less D is better")
        try:
            value = float(found[3])
        except ValueError:
            raise SettingError(
                f"'keep' = '{text}': '{found[3]}' is not a number; {valid}"
            ) from None
        return cls("S" if measure == "S" else "D", value)


class SearchSettings(Settings):
    """The axes, each a list of values to choose from; and what is the same for all settings:
    architecture, rho, method.

    `bits` ties weights, input and output, or the three have axes of their own. `noise`: multiples
    of the σ that each network buys. `reads`: reads that are averaged into one sample; joules are
    those of all of them. `converter_bits` and `rows`: of the chip's array. `voltage_over_vmin`: of
    the memory that holds the weights. `layer_bits.NAME`: weight bits of one layer.
    """

    bits: BitAxis | None = None
    weight_bits: BitAxis | None = None
    input_bits: BitAxis | None = None
    output_bits: BitAxis | None = None
    layer_bits: dict[str, BitAxis] = pydantic.Field(default_factory=dict)
    noise: Multiples = (1.0,)
    reads: Counts = (1,)
    converter_bits: (
        Annotated[
            tuple[Annotated[int, pydantic.Field(ge=1, le=12)], ...], pydantic.Field(min_length=1)
        ]
        | None
    ) = None
    rows: Counts | None = None
    voltage_over_vmin: Multiples | None = None
    architecture: str = "single"
    rho: Annotated[float, pydantic.Field(ge=0)] = 0.0
    method: str = "quantisation-aware"

    def __init__(self, /, **table: Any) -> None:
        layers = table.get("layer_bits")
        if isinstance(layers, dict):
            table["layer_bits"] = {
                name: tuple(bits) if isinstance(bits, list) else bits
                for name, bits in layers.items()
            }
        super().__init__(**table)

    @pydantic.model_validator(mode="after")
    def _one_form_of_bits(self) -> Self:
        given = [name for name in BIT_AXES if getattr(self, name) is not None]
        if self.bits is not None and given:
            raise ValueError(
                f"'bits' ties {', '.join(BIT_AXES)}: give it alone, or the three without it; "
                f"beside it: {', '.join(given)}"
            )
        if self.bits is None and len(given) < len(BIT_AXES):
            absent = ", ".join(name for name in BIT_AXES if name not in given)
            raise ValueError(
                f"give 'bits', or all three of {', '.join(BIT_AXES)}; missing: {absent}"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _known_and_once(self) -> Self:
        for name, values in self.axes().items():
            if len(set(values)) < len(values):
                raise ValueError(f"'{name}' = {list(values)}: names a value twice")
        for name, choices in (
            ("architecture", get_args(Architecture)),
            ("method", get_args(Method)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"'{name}' = '{getattr(self, name)}': {nearest(getattr(self, name), choices)}"
                )
        for layer in self.layer_bits:
            if layer not in LAYERS[self.architecture]:
                known = LAYERS[self.architecture]
                rule = (
                    nearest(layer, known)
                    if known
                    else f"a '{self.architecture}' network has one layer, whose width is "
                    f"weight_bits"
                )
                raise ValueError(
                    f"'layer_bits.{layer}': no layer of a '{self.architecture}' network; {rule}"
                )
        return self

    def axes(self) -> dict[str, tuple[float, ...]]:
        """The axes that are given, each in ascending order: {"weight_bits": (2, 4),
        "layer_bits.hidden": (3, 4), …}.
        """
        names = ("bits", *BIT_AXES, "noise", "reads", "converter_bits", "rows", "voltage_over_vmin")
        found = {
            name: tuple(sorted(values))
            for name in names
            if (values := getattr(self, name)) is not None
        }
        layers = {
            f"layer_bits.{name}": tuple(sorted(values)) for name, values in self.layer_bits.items()
        }
        return found | layers


class ObjectiveSettings(Settings):
    """What is wanted: the cheapest setting that keeps a rule (`keep`), or the whole `front` of
    joules `against` distance or survival.

    Joules are per read (of `reads` reads where these are averaged) or per effective sample.
    `trials`: settings to measure in all; `batch`: how many are proposed at once. `converters`: the
    models of converter energy that the answer is found under.
    """

    minimise: Literal["joules_per_read", "joules_per_effective_sample"] = "joules_per_read"
    keep: str | None = None
    front: bool = False
    against: Literal["d", "survival"] = "d"
    keys: Annotated[tuple[Key, ...], pydantic.Field(min_length=1)] = (0,)
    trials: Annotated[int, pydantic.Field(ge=1)] = 60
    batch: Annotated[int, pydantic.Field(ge=1, le=64)] = 2
    converters: Annotated[tuple[str, ...], pydantic.Field(min_length=1)] = tuple(CONVERTER_MODELS)

    @pydantic.model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if (self.keep is None) != self.front:
            raise ValueError(
                "give either 'keep' = \"S >= 0.9\" (the cheapest setting that keeps it) or 'front' "
                "= true (the whole front)"
            )
        if self.keep is not None:
            if self.against != "d":
                raise ValueError(
                    f"'against' = '{self.against}': belongs to 'front' = true; with 'keep' the "
                    f"front is that of its measure"
                )
            Rule.parse(self.keep)
        least = Rule("S", CLIFF_SURVIVAL)  # a rule on D comes before it, too
        if self.minimise == "joules_per_effective_sample" and (
            self.rule is None or self.rule < least
        ):
            rule = (
                f"ranked only where the posterior survives; beside it, valid: 'keep' = \"S >= "
                f'{CLIFF_SURVIVAL:g}", or more'
            )
            raise ValueError(f"'minimise' = '{self.minimise}': {rule}")
        for name in ("keys", "converters"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"'{name}' = {list(getattr(self, name))}: names a value twice")
        for name in self.converters:
            if name not in CONVERTER_MODELS:
                raise ValueError(
                    f"'converters': '{name}' is no model of a converter: "
                    f"{nearest(name, CONVERTER_MODELS)}"
                )
        return self

    @property
    def rule(self) -> Rule | None:
        """The rule to keep, None where the front is wanted."""
        return None if self.keep is None else Rule.parse(self.keep)

    @property
    def against_survival(self) -> bool:
        """Whether the front is drawn against S, else D."""
        return self.rule.measure == "S" if self.rule is not None else self.against == "survival"


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
