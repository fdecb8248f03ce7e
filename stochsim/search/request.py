"""A search as asked for: its file and its chip together, the settings there are, and the study and
the chip of each.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stochsim.energy import ADC_MODELS
from stochsim.formats import format_bits
from stochsim.hardware import Hardware
from stochsim.search.search_settings import OptimizeFile
from stochsim.search.space import Setting, Space
from stochsim.settings import SettingError, errors_in, read_toml
from stochsim.studies import (
    AXES,
    BIT_AXES,
    FORMAT_AXES,
    GridSettings,
    NetworkOptions,
    Study,
    check_has_settings,
    check_widths_used,
    search_axes,
    setting_axes,
    with_place,
)

MOST_CHECKED = 4096
"""Chips of a larger space are checked axis by axis."""
_KEYS = ("objective", "keys")
_WIDTHS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("precision", name): ("search", name) for name in BIT_AXES
}


@dataclass(frozen=True)
class Request:
    """A file with its chip: which settings there are, and the study and the chip of each."""

    file: OptimizeFile
    hardware: Hardware

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a file and its chip; raises SettingError that names file, line, field,
        value and rule. Nothing is written.
        """
        table = read_toml(path)
        with errors_in(path):
            file = OptimizeFile.from_table(table)
            request = cls(file, file.hardware.resolve(path.parent))
            request.check()
        return request

    @property
    def space(self) -> Space:
        """The settings to choose from."""
        return Space(self.file.search.axes())

    @property
    def has_adc(self) -> bool:
        """Whether the chip has ADCs whose energy a model can give: a digital chip's cost
        nothing.
        """
        return self.hardware.prices.adc != "adc-none"

    @property
    def models(self) -> tuple[str, ...]:
        """The ADC models that the answer is found under; one, the chip's prices, where
        there are no ADCs.
        """
        return self.file.objective.adc_models if self.has_adc else ("own",)

    def reads(self, setting: Setting) -> int:
        """Reads averaged into one sample."""
        return int(self.space.named(setting)["reads"])

    def study(self, setting: Setting) -> Study:
        """The study of one cell, at all keys."""
        file = self.file
        values = self.space.named(setting)
        widths = {name: (bits,) for name, bits in _widths(values).items()}
        formats = {name: (values[name],) for name in FORMAT_AXES.values() if name in values}
        grid = GridSettings(
            **widths,
            **formats,
            **self._fixed(),
            noise=(float(values["noise"]),),
            keys=file.objective.keys,
        )
        parts = {
            name: getattr(file, name) for name in ("model", "data", "train", "hardware", "measure")
        }
        return Study(version=1, network=self._network(values), grid=grid, **parts)

    def _fixed(self) -> dict[str, Any]:
        """The axes that have one value in the whole search, as a grid takes them."""
        search = self.file.search
        return {
            axis.grid_key: (getattr(search, axis.name),)
            for axis in search_axes()
            if axis.one_in_search
        }

    def _network(self, values: dict[str, Any]) -> NetworkOptions:
        """The file's options, with the widths of layers at this setting."""
        layers = {
            layer: int(value) for name, value in values.items() if (layer := name.partition(".")[2])
        }
        network = self.file.network
        if not layers:
            return network
        return network.model_copy(update={"layer_bits": {**(network.layer_bits or {}), **layers}})

    def chip(self, setting: Setting) -> Hardware:
        """The chip at this setting; raises SettingError for one that cannot be."""
        values = self.space.named(setting)
        settings: dict[str, Any] = {
            f"precision.{name}": bits for name, bits in _widths(values).items()
        }
        settings |= {
            AXES[name].setting: value
            for name, value in values.items()
            if name in AXES and AXES[name].setting
        }
        return self.hardware.with_(settings)

    def check(self) -> None:
        """Rules that tie sections together; raises SettingError."""
        search = self.file.search
        axes = {f"search.{axis.name}": axis for axis in setting_axes(search)}
        check_has_settings(self.hardware, axes, search)
        if self.file.train.decoder == "own":
            rule = "each network would have a posterior to itself"
            raise SettingError.of("train.decoder", "own", rule, ["shared"])
        self._check_layers()
        self._check_chips()
        for setting in self._checked_settings():
            try:
                self.study(setting).check(self.chip(setting))
            except SettingError as error:
                raise error.renamed({("grid", "keys"): _KEYS, ("grid",): ("search",)}) from None

    def _checked_settings(self) -> list[Setting]:
        """The first setting, and those with each of the other names on an axis of names."""
        space = self.space
        names = [name for name in space.free if space.is_of_names(name)]
        others = [
            space.at({name: place}) for name in names for place in range(1, len(space.axes[name]))
        ]
        return [next(iter(space)), *others]

    def _check_layers(self) -> None:
        fixed = self.file.network.layer_bits or {}
        search = self.file.search
        for name, widths in search.layer_bits.items():
            if name in fixed:
                fields = (f"search.layer_bits.{name}", f"network.layer_bits.{name}")
                raise SettingError.of(fields, (list(widths), fixed[name]), "give one of them")
        named = {*fixed, *search.layer_bits}
        swept = search.weight_bits or ()
        check_widths_used("search.weight_bits", swept, search.architecture, named)

    def _check_chips(self) -> None:
        """Every chip of the space, or where that is large every value of each axis beside the
        others' last.
        """
        space = Space(
            {
                name: values
                for name, values in self.space.axes.items()
                if name not in ("noise", "reads")
            }
        )
        for setting in space if space.size <= MOST_CHECKED else _crosses(space):
            values = space.named(setting)
            try:
                self._chip_of(values | {"noise": 1.0, "reads": 1})
            except SettingError as error:
                here = {name: values[name] for name in space.free}
                raise with_place(error, here, "search").renamed(_WIDTHS) from None

    def _chip_of(self, values: dict[str, Any]) -> None:
        chip = self.chip(tuple(values[name] for name in self.space.axes))
        for name in self.models if self.has_adc else ():
            chip.with_price("adc", ADC_MODELS[name])


def _widths(values: dict[str, Any]) -> dict[str, int]:
    """Bits by axis: those of its format, or given, tied ones too."""
    formats = {
        name: format_bits(values[axis]) for name, axis in FORMAT_AXES.items() if axis in values
    }
    given = {name: int(values.get("bits", values.get(name, 0))) for name in BIT_AXES}
    return given | formats


def _crosses(space: Space) -> list[Setting]:
    last = {name: len(values) - 1 for name, values in space.axes.items()}
    return [
        space.at(last | {name: place})
        for name, values in space.axes.items()
        for place in range(len(values))
    ]
