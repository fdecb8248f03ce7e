"""A study: everything a sweep does, read from one TOML file and validated before anything runs."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic

from stochsim.controls import check_control
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
    parts_differ,
    preset,
)
from stochsim.models import ModelSettings
from stochsim.networks import (
    ARCHITECTURES,
    CIRCUIT,
    LAYER_NAMES,
    ArchitectureSettings,
    layers_of,
    owners_of_layer,
    trained_format_bits,
)
from stochsim.settings import (
    AnyPath,
    Bits,
    KeyPath,
    SettingError,
    Settings,
    card,
    counted,
    errors_in,
    read_toml,
)
from stochsim.studies.axes import BIT_AXES, grid_axes
from stochsim.studies.axis import value_text
from stochsim.studies.axis_fields import check_widths_used, holds_axes
from stochsim.studies.chip_sections import with_sections
from stochsim.studies.chips import check_has_settings, chip_at, with_place
from stochsim.studies.custom.custom_study import CustomStudy
from stochsim.studies.format_checks import check_formats
from stochsim.studies.grid import GridSettings
from stochsim.studies.unused_settings import unused
from stochsim.training import TrainSettings

Key = Annotated[int, pydantic.Field(ge=0, lt=2**63)]  # TOML integers are signed
CIRCUIT_CONTROL = "langevin"
"""The control that is a recurrent circuit of its own, with time step and steps of the recurrent
architecture.
"""


class StudyTrainSettings(TrainSettings):
    """Training of every network; `decoder`: one decoder learned in float and frozen ("shared"), or
    one for each network.
    """

    decoder: Literal["shared", "own"] = "shared"


class HardwareSettings(Settings):
    """The chip: a preset by name or a TOML file (relative to the study), and, if wanted, settings
    in place of the chip's: those of its accumulators, and, by section, others; what a section does
    not name stays as the chip has it.
    """

    preset: str | None = None
    file: str | None = None
    accumulator_bits: Annotated[int, pydantic.Field(ge=2, le=64)] | None = None
    accumulator_overflow: Literal["saturate", "wrap"] | None = None
    accumulator_format: str | None = None
    accumulator_rounding: str | None = None
    accumulator_group: Annotated[int, pydantic.Field(ge=1, le=2**20)] | None = None
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
            rule = 'give either preset = "NAME" or file = "chip.toml"'
            if self.preset is None:
                raise SettingError.missing(("preset", "file"), rule)
            raise SettingError.of(("preset", "file"), (self.preset, self.file), rule)
        return self

    def resolve(self, folder: Path) -> Hardware:
        """The Hardware itself; raises SettingError for an unknown preset, a bad file, and settings
        that the chip refuses.
        """
        if self.preset is None:
            hardware = Hardware.read(folder / str(self.file))
        sections = {name: getattr(self, name) for name in self.own_parts}
        try:
            if self.preset is not None:
                hardware = preset(self.preset)
            return with_sections(hardware, sections)
        except SettingError as error:
            raise error.inside("hardware") from None

    @pydantic.model_serializer(mode="wrap")
    def _as_given(self, dump: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A section as it was given: its defaults are not the chip's."""
        table: dict[str, Any] = dump(self)
        for name in self.own_parts:
            section = getattr(self, name)
            if isinstance(section, Settings):
                table[name] = section.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        return table

    @property
    def own_parts(self) -> tuple[str, ...]:
        """Names of the settings, and sections with settings, in place of the chip's."""
        parts = (name for name in type(self).model_fields if name not in ("preset", "file"))
        return tuple(name for name in parts if getattr(self, name) is not None)


_OPTIONS: dict[str, Any] = {
    name: (field.annotation | None, None)  # type: ignore[operator]
    for name, field in ArchitectureSettings.model_fields.items()
    if name != "kind"
}
_Options: Any = pydantic.create_model("_Options", __base__=Settings, **_OPTIONS)


class NetworkOptions(_Options):
    """Options of the architectures, each used by the kinds that have use for it; what is not given
    is as in ArchitectureSettings.

    `layer_bits`: weight bits of single layers of the quantised networks, in place of the grid's.
    """

    layer_bits: Annotated[dict[str, Bits], pydantic.Field(min_length=1)] | None = None

    @pydantic.model_validator(mode="after")
    def _valid_for_its_kind(self) -> Self:
        for kind in ARCHITECTURES:
            self.architecture(kind)
        for name in self.layer_bits or {}:
            if name not in LAYER_NAMES:
                rule = "no layer of any network"
                raise SettingError.unknown(name, LAYER_NAMES, rule, section=("layer_bits",))
        return self

    def architecture(self, kind: str) -> ArchitectureSettings:
        """The settings of this kind of network."""
        given: dict[str, Any] = {
            name: value
            for name in ARCHITECTURES[kind].options
            if (value := getattr(self, name)) is not None
        }
        return ArchitectureSettings(**{"kind": kind, **given})

    def layer_bits_of(self, kind: str) -> dict[str, int]:
        """Weight bits of those layers of this kind of network that are named in `layer_bits`."""
        given = self.layer_bits or {}
        return {name: given[name] for name in layers_of(kind) if name in given}


class MeasureSettings(Settings):
    """How posteriors are compared: stimuli held out, reads of each (the n of every distance),
    random directions.

    steps_between_reads: recurrent networks on the chip are read from one chain per stimulus, first
    after their steps, then after as many each; None: every read is a chain of its own.
    """

    stimuli: int = pydantic.Field(default=64, ge=8, le=2**20)
    reads: int = pydantic.Field(default=1000, ge=100, le=5000, multiple_of=4)
    directions: int = pydantic.Field(default=256, ge=1, le=2**20)
    steps_between_reads: int | None = pydantic.Field(default=None, ge=1, le=10_000)


@holds_axes
class Study(Settings):
    """A sweep as written in a TOML file, format version 1; with `axes`, a study of parts of the
    user's own, see `custom.CustomStudy`.

    >>> import stochsim as ss
    >>> study = ss.Study(
    ...     version=1,
    ...     model={"kind": "linear_gaussian", "neurons": 8, "noise_sd": 0.5},
    ...     data={"kind": "digits", "size": 8, "components": 16},
    ...     hardware={"preset": "digital-45nm"},
    ...     grid={"bits": [2, 4], "noise": [1.0]},
    ... )
    >>> study.grid.bits
    (2, 4)
    >>> print(study)
    study: linear gaussian on digits, chip digital-45nm
      model    linear gaussian, 8 neurons
      data     digits, 8 × 8 pixels, 16 components
      grid     architecture single; method quantisation-aware; bits 2, 4; rho 0; noise 1; keys 0
      train    1,500 steps of 256 stimuli
      measure  64 stimuli × 1,000 reads
    """

    version: Literal[1]
    model: ModelSettings
    data: DataSettings
    network: NetworkOptions = NetworkOptions()
    train: StudyTrainSettings = StudyTrainSettings()
    hardware: HardwareSettings
    grid: GridSettings
    measure: MeasureSettings = MeasureSettings()

    def __new__(cls, *unnamed: Any, **parts: Any) -> Any:
        """A CustomStudy of what has axes, of a network, data and measures of the user's own."""
        if "axes" in parts:
            return CustomStudy(*unnamed, **parts)
        return super().__new__(cls)

    def __str__(self) -> str:
        """A card: model, data and chip, the grid's axes, training, what is measured."""
        kind = self.model.kind.replace("_", " ")
        train, measure = self.train, self.measure
        given = [(axis.grid_key, axis.given(self.grid)) for axis in grid_axes()]
        axes = [f"{key} {', '.join(map(value_text, values))}" for key, values in given if values]
        data = f"{self.data.size} × {self.data.size} pixels, {self.data.components} components"
        rows = [
            ("model", f"{kind}, {counted(self.model.neurons, 'neuron', 'neurons')}"),
            ("data", f"{self.data.kind}, {data}"),
            ("grid", "; ".join(axes)),
            ("train", f"{train.steps:,} steps of {counted(train.batch, 'stimulus', 'stimuli')}"),
            ("measure", f"{measure.stimuli:,} stimuli × {measure.reads:,} reads"),
        ]
        chip = self.hardware.preset or self.hardware.file
        return card(f"study: {kind} on {self.data.kind}, chip {chip}", rows)

    @classmethod
    def read(cls, path: AnyPath) -> Self:
        """Read and validate a study; raises SettingError that names file, line, field, value and
        rule. `read_study` checks it with its chip, too.
        """
        table = read_toml(path)
        with errors_in(path):
            return cls.from_table(table)

    def check(self, hardware: Hardware) -> None:
        """Rules that tie sections together, checked before anything is written; raises SettingError
        or StochsimError.
        """
        try:
            self._check(hardware)
        except SettingError as error:
            raise error.renamed(self._names_in_grid()) from None

    def _check_device(self) -> None:
        """The device of trainings, asked for now: torch is loaded where it is not the processor."""
        if self.train.device == "cpu":
            return
        from stochsim.training import checked_device

        try:
            checked_device(self.train.device)
        except SettingError as error:
            raise error.inside("train") from None

    def _check(self, hardware: Hardware) -> None:
        self._check_device()
        chips = self._chips(hardware)
        for chip in chips:
            self._check_chip(chip)
        self._check_chip_keys(chips)
        check_formats(self, chips)
        self._check_scales()
        self._check_trained_format(chips)
        self._check_options()
        self._check_parts()
        self._check_layers()
        for name in self.grid.control:
            check_control(name, self.model)
        dataset = load_dataset(
            self.data.kind, self.data.size, self.data.components, min(self.grid.keys)
        )
        if self.measure.stimuli > len(dataset.held_out):
            most = len(dataset.held_out)
            rule = f"should be at most {most}, all that {self.data.kind} hold out"
            raise SettingError.of("measure.stimuli", self.measure.stimuli, rule)

    def _chips(self, hardware: Hardware) -> list[Hardware]:
        """The chip at every value of the axes that are its settings."""
        axes = {f"grid.{axis.grid_key}": axis for axis in self.grid.setting_axes()}
        check_has_settings(hardware, axes, self.grid)
        chips = []
        for values in self.grid.chips():
            try:
                chips.append(chip_at(hardware, values))
            except SettingError as error:
                raise with_place(error, values, "grid") from None
        return chips

    def _check_chip(self, hardware: Hardware) -> None:
        """Raise SettingError for a rho without a price, and for widths and methods that the chip
        refuses.
        """
        self._check_prices(hardware)
        self._check_widths(hardware)
        if self.grid.widths() and "noise-aware" in self.grid.method:
            _check_noise_aware(hardware)

    def _check_prices(self, hardware: Hardware) -> None:
        for rho in self.grid.rho:
            if self.grid.widths():
                hardware.reliability_law(rho)
            self.train.price(rho, hardware)

    def _check_widths(self, hardware: Hardware) -> None:
        layers = (self.network.layer_bits or {}).values()
        for weight_bits, input_bits, output_bits in self.grid.widths():
            for bits in (weight_bits, *layers):
                hardware.with_precision(bits, input_bits, output_bits)

    def _names_in_grid(self) -> dict[KeyPath, KeyPath]:
        """Names of rho, λ, controls and widths in a study, by those that their checks use."""
        names = {name: name if self.grid.bits is None else "bits" for name in BIT_AXES}
        widths = {("precision", name): ("grid", key) for name, key in names.items()}
        others: dict[KeyPath, KeyPath] = {
            ("rho",): ("grid", "rho"),
            ("control",): ("grid", "control"),
            ("nats_per_joule",): ("train", "nats_per_joule"),
        }
        return others | widths

    def _check_options(self) -> None:
        """Raise SettingError for an option without effect, which no network of the grid has use
        for.
        """
        kinds = {*self.grid.architecture}
        if CIRCUIT_CONTROL in self.grid.control:
            kinds.add(CIRCUIT)
        used = {name for kind in kinds for name in ARCHITECTURES[kind].options}
        for kind, facts in ARCHITECTURES.items():
            for name in facts.options:
                value = getattr(self.network, name)
                if value is not None and name not in used:
                    raise unused(f"network.{name}", f"architecture '{kind}'", value)
        chains = any(ARCHITECTURES[kind].has_chain for kind in self.grid.architecture)
        if self.measure.steps_between_reads is not None and not (chains and self.grid.widths()):
            owner = "recurrent networks on the chip"
            raise unused("measure.steps_between_reads", owner, self.measure.steps_between_reads)

    def _check_parts(self) -> None:
        """Raise SettingError for a part of the chip where no network runs on one; with
        `nats_per_joule` a chip prices the noise of float networks, too.
        """
        if self.grid.widths():
            return
        busy = ("prices", "reliability") if self.train.nats_per_joule is not None else ()
        parts = {f"hardware.{name}": name for name in self.hardware.own_parts}
        axes = self.grid.setting_axes()
        parts |= {f"grid.{axis.grid_key}": axis.setting.split(".")[0] for axis in axes}
        for field, part in parts.items():
            if part not in busy:
                raise unused(field, "quantised networks on the chip")

    def _check_chip_keys(self, chips: list[Hardware]) -> None:
        """Raise SettingError for keys of parts where no network runs on one, or where all parts of
        every chip are alike.
        """
        keys = self.grid.chip_keys
        if keys is None:
            return
        if not self.grid.widths():
            raise unused("grid.chip_keys", "quantised networks on the chip", list(keys))
        if not any(map(parts_differ, chips)):
            rule = (
                f"all parts of {chips[0].name} are alike: nothing is drawn once per chip "
                "(programming errors, stuck cells, offsets and gains of ADCs, persistent errors of "
                "weights); valid: leave 'chip_keys' out"
            )
            raise SettingError.of("grid.chip_keys", list(keys), rule)

    def _check_scales(self) -> None:
        """Raise SettingError for scales of neurons, damping and rounding that no weights have."""
        layers = (self.network.layer_bits or {}).values()
        widths = {weights for weights, *_ in self.grid.widths()} | set(layers)
        has_none = not self.grid.widths() or max(widths) == 1
        for name in ("weight_scales", "weight_damping"):
            given = getattr(self.train, name)
            if given not in (None, "per-tensor") and has_none:
                raise unused(f"train.{name}", "quantised weights of two bits and more", given)
        rounding = self.train.weight_rounding
        if rounding in ("compensated", "stochastic") and not self.grid.widths():
            raise unused("train.weight_rounding", "quantised weights", rounding)
        if self.train.weight_damping and set(self.grid.method) == {"post-training"}:
            given = self.train.weight_damping
            raise unused("train.weight_damping", "networks trained with few bits", given)

    def _check_trained_format(self, chips: list[Hardware]) -> None:
        """Raise SettingError for a format of outputs in training that some network of the grid
        cannot have, or some chip.
        """
        given = self.train.output_format
        if given is None:
            return
        field, bits = "train.output_format", trained_format_bits(given)
        if not self.grid.widths():
            raise unused(field, "networks with few bits", given)
        if CIRCUIT in self.grid.architecture:
            rule = "outputs of recurrent networks are their state: see grid.output_format"
            raise SettingError.of(field, given, rule, also=("grid.architecture",))
        widths = sorted({one[2] for one in self.grid.widths()})
        if "single" in self.grid.architecture and widths != [bits]:
            rule = f"has {bits} bits, and outputs of the grid have {', '.join(map(str, widths))}"
            raise SettingError.of(field, given, rule, also=("grid.output_bits",))
        if self.grid.output_format is not None:
            rule = "formats after training take the place of the one in training: leave one out"
            values = (given, list(self.grid.output_format))
            raise SettingError.of((field, "grid.output_format"), values, rule)
        for chip in chips:
            if chip.noise.dither != "none" or chip.noise.measured_csv:
                which = "dither" if chip.noise.dither != "none" else "measured_csv"
                rule = f"should be left out with 'hardware.noise.{which}'"
                raise SettingError.of(field, given, rule)

    def _check_layers(self) -> None:
        """Raise SettingError for a width of a layer that no network of the grid has, and for an
        axis in whose place every layer has a width of its own.
        """
        kinds = self.grid.architecture
        for name, bits in (self.network.layer_bits or {}).items():
            owners = owners_of_layer(name)
            if not set(owners) & set(kinds):
                named = " or ".join(f"'{owner}'" for owner in owners)
                raise unused(f"network.layer_bits.{name}", f"architecture {named}", bits)
            if not self.grid.widths():
                raise unused(f"network.layer_bits.{name}", "quantised networks", bits)
        for kind in kinds:
            swept = self.grid.weight_bits or ()
            check_widths_used("grid.weight_bits", swept, kind, self.network.layer_bits_of(kind))


def _check_noise_aware(hardware: Hardware) -> None:
    """SettingError for a chip whose noise training has no model of (this loads torch)."""
    from stochsim.networks import HardwareNoise

    HardwareNoise.of(hardware)
