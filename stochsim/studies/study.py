"""A study: everything a sweep does, read from one TOML file and validated before anything runs."""

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import pydantic

from stochsim.controls import CONTROLS, check_control
from stochsim.data import DataSettings, load_dataset
from stochsim.hardware import (
    Array,
    Hardware,
    Memory,
    Noise,
    Prices,
    RandomSource,
    Reliability,
    Timing,
    preset,
)
from stochsim.models import ModelSettings
from stochsim.networks import LAYERS, Architecture, ArchitectureSettings
from stochsim.settings import SettingError, Settings, nearest, read_toml
from stochsim.training import Method, TrainSettings

Bits = Annotated[int, pydantic.Field(ge=1, le=8)]
NonNegative = Annotated[float, pydantic.Field(ge=0)]
Key = Annotated[int, pydantic.Field(ge=0, lt=2**63)]  # TOML integers are signed
Axis = Annotated[tuple[Bits, ...], pydantic.Field(min_length=1)]
Names = Annotated[tuple[str, ...], pydantic.Field(min_length=1)]
CIRCUIT_CONTROL = "langevin"
"""The control that is a recurrent circuit of its own, with time step and steps of the recurrent
architecture.
"""


class StudyTrainSettings(TrainSettings):
    """Training of every network; `decoder`: one decoder learned in float and frozen ("shared"), or
    each network its own.
    """

    decoder: Literal["shared", "own"] = "shared"


class HardwareSettings(Settings):
    """The chip: a preset by name or a TOML file (relative to the study), and, if wanted, parts in
    place of its own.
    """

    preset: str | None = None
    file: str | None = None
    noise: Noise | None = None
    array: Array | None = None
    memory: Memory | None = None
    timing: Timing | None = None
    prices: Prices | None = None
    random: RandomSource | None = None
    reliability: Reliability | None = None

    @pydantic.model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.preset is None) == (self.file is None):
            raise ValueError('give either preset = "NAME" or file = "chip.toml"')
        return self

    def resolve(self, folder: Path) -> Hardware:
        """The Hardware itself; raises SettingError for an unknown preset or a bad file."""
        hardware = (
            preset(self.preset)
            if self.preset is not None
            else Hardware.read(folder / str(self.file))
        )
        return hardware.replace(**{name: getattr(self, name) for name in self.own_parts})

    @property
    def own_parts(self) -> tuple[str, ...]:
        """Names of the parts that stand in place of the chip's."""
        parts = ("noise", "array", "memory", "timing", "prices", "random", "reliability")
        return tuple(name for name in parts if getattr(self, name) is not None)


class NetworkOptions(Settings):
    """Options of the architectures, each used by the kinds that have use for it; what is not given
    is as in ArchitectureSettings.

    `layer_bits`: weight bits of single layers of the quantised networks, in place of the grid's.
    """

    hidden_per_neuron: int | None = None
    time_step: float | None = None
    steps: int | None = None
    layer_bits: Annotated[dict[str, Bits], pydantic.Field(min_length=1)] | None = None

    @pydantic.model_validator(mode="after")
    def _valid_for_its_kind(self) -> Self:
        for kind in _OPTIONS:
            self.architecture(kind)
        every = [name for names in LAYERS.values() for name in names]
        for name, bits in (self.layer_bits or {}).items():
            if name not in every:
                raise ValueError(f"'layer_bits.{name}' = {bits}: no layer; {nearest(name, every)}")
        return self

    def architecture(self, kind: str) -> ArchitectureSettings:
        """The settings of this kind of network."""
        own: dict[str, Any] = {
            name: value for name in _OPTIONS[kind] if (value := getattr(self, name)) is not None
        }
        return ArchitectureSettings(**{"kind": kind, **own})

    def layer_bits_of(self, kind: str) -> dict[str, int]:
        """Weight bits of the layers of this kind of network that have their own."""
        given = self.layer_bits or {}
        return {name: given[name] for name in LAYERS[kind] if name in given}


_OPTIONS: dict[str, tuple[str, ...]] = {
    "single": (),
    "deep": ("hidden_per_neuron",),
    "recurrent": ("time_step", "steps"),
}


class GridSettings(Settings):
    """The axes.

    `bits` ties weights, input and output; or weight_bits, input_bits, output_bits sweep apart (all
    combinations).

    `float` adds the networks without quantisers, at every noise level; `control` the controls of
    stochsim.controls. With either, bits may be left out. `method` is how quantised networks
    are trained.
    """

    bits: Axis | None = None
    weight_bits: Axis | None = None
    input_bits: Axis | None = None
    output_bits: Axis | None = None
    noise: Annotated[tuple[NonNegative, ...], pydantic.Field(min_length=1)] = (1.0,)
    rho: Annotated[tuple[NonNegative, ...], pydantic.Field(min_length=1)] = (0.0,)
    keys: Annotated[tuple[Key, ...], pydantic.Field(min_length=1)] = (0,)
    architecture: Names = ("single",)
    method: Names = ("quantisation-aware",)
    control: tuple[str, ...] = ()
    float: bool = False

    @pydantic.model_validator(mode="after")
    def _one_form_of_bits(self) -> Self:
        apart = (self.weight_bits, self.input_bits, self.output_bits)
        if self.bits is not None and any(axis is not None for axis in apart):
            raise ValueError(
                "'bits' ties weight_bits, input_bits and output_bits: give it alone, or the three "
                "without it"
            )
        absent = [
            name
            for name in ("weight_bits", "input_bits", "output_bits")
            if getattr(self, name) is None
        ]
        without = len(absent) == len(apart) and (self.float or bool(self.control))
        if self.bits is None and absent and not without:
            raise ValueError(
                f"give 'bits', or all three of weight_bits, input_bits and output_bits; missing: "
                f"{', '.join(absent)}"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _known_and_once(self) -> Self:
        for name in type(self).model_fields:
            axis = getattr(self, name)
            if isinstance(axis, tuple) and len(set(axis)) < len(axis):
                raise ValueError(f"'{name}' = {list(axis)}: names a value twice")
        for name, choices in (
            ("architecture", get_args(Architecture)),
            ("method", get_args(Method)),
            ("control", tuple(CONTROLS)),
        ):
            for value in getattr(self, name):
                if value not in choices:
                    raise ValueError(f"'{name}' = '{value}': {nearest(value, choices)}")
        return self

    def widths(self) -> list[tuple[int, int, int]]:
        """(weight, input, output) bits of every quantised network in the grid, sorted."""
        if self.bits is not None:
            return [(b, b, b) for b in sorted(self.bits)]
        return sorted(
            itertools.product(self.weight_bits or (), self.input_bits or (), self.output_bits or ())
        )


class MeasureSettings(Settings):
    """How posteriors are compared: stimuli held out, reads of each (the n of every distance),
    random directions.

    thin: recurrent networks on the chip are read from one chain per stimulus, after their steps and
    then every `thin` steps; None: every read is a chain of its own.
    """

    stimuli: int = pydantic.Field(default=64, ge=8)
    reads: int = pydantic.Field(default=1000, ge=100, le=5000, multiple_of=4)
    directions: int = pydantic.Field(default=256, ge=1)
    thin: int | None = pydantic.Field(default=None, ge=1, le=10_000)


class Study(Settings):
    """A sweep as written in a TOML file, format version 1."""

    version: Literal[1]
    model: ModelSettings
    data: DataSettings
    network: NetworkOptions = NetworkOptions()
    train: StudyTrainSettings = StudyTrainSettings()
    hardware: HardwareSettings
    grid: GridSettings
    measure: MeasureSettings = MeasureSettings()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate a study, its chip file too; raises SettingError that names file, field,
        value and rule.
        """
        return cls.from_table(read_toml(path), str(path))

    def check(self, hardware: Hardware) -> None:
        """Rules that tie sections together, checked before anything is written; raises SettingError
        or StochsimError.
        """
        if self.grid.widths():
            for rho in self.grid.rho:
                hardware.reliability_law(rho)
        for rho in self.grid.rho:
            self.train.price(rho, hardware)
        for weight_bits, input_bits, output_bits in self.grid.widths():
            hardware.with_precision(weight_bits, input_bits, output_bits)
        self._check_options()
        self._check_parts()
        self._check_layer_bits(hardware)
        for name in self.grid.control:
            check_control(name, self.model)
        if "noise-aware" in self.grid.method and self.grid.widths():
            _check_noise_aware(hardware)
        dataset = load_dataset(
            self.data.kind, self.data.size, self.data.components, min(self.grid.keys)
        )
        if self.measure.stimuli > len(dataset.held_out):
            most = len(dataset.held_out)
            raise SettingError(
                f"'measure.stimuli' = {self.measure.stimuli}: should be at most {most}, all that "
                f"{self.data.kind} hold out"
            )

    def _check_options(self) -> None:
        """An option that no network of the grid has use for would silently do nothing."""
        used = {name for kind in self.grid.architecture for name in _OPTIONS[kind]}
        used |= set(_OPTIONS["recurrent"]) if CIRCUIT_CONTROL in self.grid.control else set()
        for kind, names in _OPTIONS.items():
            for name in names:
                value = getattr(self.network, name)
                if value is not None and name not in used:
                    raise SettingError(
                        f"'network.{name}' = {value}: belongs to architecture '{kind}', which the "
                        f"grid does not name"
                    )
        if self.measure.thin is not None and not (
            "recurrent" in self.grid.architecture and self.grid.widths()
        ):
            raise SettingError(
                f"'measure.thin' = {self.measure.thin}: belongs to recurrent networks on the chip, "
                f"of which the grid has none"
            )

    def _check_parts(self) -> None:
        """Likewise a part of the chip where no network runs on one; an exchange rate prices the
        noise of float networks by it, too.
        """
        busy = ("prices", "reliability") if self.train.exchange is not None else ()
        for name in self.hardware.own_parts:
            if not self.grid.widths() and name not in busy:
                raise SettingError(
                    f"'hardware.{name}': belongs to quantised networks on the chip, of which the "
                    f"grid has none"
                )

    def _check_layer_bits(self, hardware: Hardware) -> None:
        """Likewise a width of a layer that no network of the grid has, and an axis in whose place
        every layer has a width of its own.
        """
        kinds = self.grid.architecture
        for name, bits in (self.network.layer_bits or {}).items():
            owner = next(kind for kind, names in LAYERS.items() if name in names)
            if owner not in kinds:
                raise SettingError(
                    f"'network.layer_bits.{name}' = {bits}: belongs to architecture '{owner}', "
                    f"which the grid does not name"
                )
            if not self.grid.widths():
                raise SettingError(
                    f"'network.layer_bits.{name}' = {bits}: belongs to quantised networks, of "
                    f"which the grid has none"
                )
            for _, input_bits, output_bits in self.grid.widths():
                hardware.with_precision(bits, input_bits, output_bits)
        swept = self.grid.weight_bits or ()
        for kind in kinds:
            if (
                len(swept) > 1
                and LAYERS[kind]
                and len(self.network.layer_bits_of(kind)) == len(LAYERS[kind])
            ):
                rule = (
                    f"no layer of '{kind}' has these, since network.layer_bits names all; "
                    f"valid: one width, or a layer less there"
                )
                raise SettingError(f"'grid.weight_bits' = {list(swept)}: {rule}")


def _check_noise_aware(hardware: Hardware) -> None:
    """SettingError for a chip whose noise training has no model of (this loads torch)."""
    from stochsim.networks import HardwareNoise

    HardwareNoise.of(hardware)
