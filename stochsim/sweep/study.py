"""A study: everything a sweep does, read from one TOML file and validated before anything runs."""

import itertools
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic

from stochsim.data import DataSettings, load_dataset
from stochsim.hardware import Array, Hardware, Memory, Noise, RandomSource, Reliability, preset
from stochsim.models import ModelSettings
from stochsim.settings import SettingError, Settings, read_toml
from stochsim.training import TrainSettings

Bits = Annotated[int, pydantic.Field(ge=1, le=8)]
NonNegative = Annotated[float, pydantic.Field(ge=0)]
Key = Annotated[int, pydantic.Field(ge=0, lt=2**63)]  # TOML integers are signed
Axis = Annotated[tuple[Bits, ...], pydantic.Field(min_length=1)]


class StudyTrainSettings(TrainSettings):
    """Training of every network; `decoder`: one decoder learned in float and frozen ("shared"), or each network its own."""

    decoder: Literal["shared", "own"] = "shared"


class HardwareSettings(Settings):
    """The chip: a preset by name or a TOML file (relative to the study), and, if wanted, parts in place of its own."""

    preset: str | None = None
    file: str | None = None
    noise: Noise | None = None
    array: Array | None = None
    memory: Memory | None = None
    random: RandomSource | None = None
    reliability: Reliability | None = None

    @pydantic.model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.preset is None) == (self.file is None):
            raise ValueError('give either preset = "NAME" or file = "chip.toml"')
        return self

    def resolve(self, folder: Path) -> Hardware:
        """The Hardware itself; raises SettingError for an unknown preset or a bad file."""
        hardware = preset(self.preset) if self.preset is not None else Hardware.read(folder / str(self.file))
        own = {name: getattr(self, name) for name in ("noise", "array", "memory", "random", "reliability")}
        return hardware.replace(**{name: value for name, value in own.items() if value is not None})


class GridSettings(Settings):
    """The axes. `bits` ties weights, input and output; or weight_bits, input_bits, output_bits sweep apart (all combinations)."""

    bits: Axis | None = None
    weight_bits: Axis | None = None
    input_bits: Axis | None = None
    output_bits: Axis | None = None
    noise: Annotated[tuple[NonNegative, ...], pydantic.Field(min_length=1)] = (1.0,)
    rho: Annotated[tuple[NonNegative, ...], pydantic.Field(min_length=1)] = (0.0,)
    keys: Annotated[tuple[Key, ...], pydantic.Field(min_length=1)] = (0,)

    @pydantic.model_validator(mode="after")
    def _one_form_of_bits(self) -> Self:
        apart = (self.weight_bits, self.input_bits, self.output_bits)
        if self.bits is not None and any(axis is not None for axis in apart):
            raise ValueError("'bits' ties weight_bits, input_bits and output_bits: give it alone, or the three without it")
        absent = [name for name in ("weight_bits", "input_bits", "output_bits") if getattr(self, name) is None]
        if self.bits is None and absent:
            raise ValueError(f"give 'bits', or all three of weight_bits, input_bits and output_bits; missing: {', '.join(absent)}")
        for name in type(self).model_fields:
            axis = getattr(self, name)
            if axis is not None and len(set(axis)) < len(axis):
                raise ValueError(f"'{name}' = {list(axis)}: names a value twice")
        return self

    def widths(self) -> list[tuple[int, int, int]]:
        """(weight, input, output) bits of every network in the grid, sorted."""
        if self.bits is not None:
            return [(b, b, b) for b in sorted(self.bits)]
        return sorted(itertools.product(self.weight_bits or (), self.input_bits or (), self.output_bits or ()))


class MeasureSettings(Settings):
    """How posteriors are compared: stimuli held out, reads of each (the n of every distance), random directions."""

    stimuli: int = pydantic.Field(default=64, ge=8)
    reads: int = pydantic.Field(default=1000, ge=100, le=5000, multiple_of=4)
    directions: int = pydantic.Field(default=256, ge=1)


class Study(Settings):
    """A sweep as written in a TOML file, format version 1."""

    version: Literal[1]
    model: ModelSettings
    data: DataSettings
    train: StudyTrainSettings = StudyTrainSettings()
    hardware: HardwareSettings
    grid: GridSettings
    measure: MeasureSettings = MeasureSettings()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate a study, its chip file too; raises SettingError that names file, field, value and rule."""
        return cls.from_table(read_toml(path), str(path))

    def check(self, hardware: Hardware) -> None:
        """Rules that tie sections together, checked before anything is written; raises SettingError or StochsimError."""
        for rho in self.grid.rho:
            hardware.reliability_law(rho)
        for weight_bits, input_bits, output_bits in self.grid.widths():
            hardware.with_precision(weight_bits, input_bits, output_bits)
        dataset = load_dataset(self.data.kind, self.data.size, self.data.components, min(self.grid.keys))
        if self.measure.stimuli > len(dataset.held_out):
            most = len(dataset.held_out)
            raise SettingError(f"'measure.stimuli' = {self.measure.stimuli}: should be at most {most}, all that {self.data.kind} hold out")
