"""A search as asked for: its file and its chip together, the settings there are, and the study and
the chip of each.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stochsim.energy import CONVERTER_MODELS
from stochsim.hardware import Hardware
from stochsim.networks import LAYERS
from stochsim.search.search_settings import BIT_AXES, OptimizeFile
from stochsim.search.space import Setting, Space
from stochsim.settings import SettingError, read_toml
from stochsim.studies import GridSettings, Study

MOST_CHECKED = 4096
"""Chips of a larger space are checked axis by axis."""


@dataclass(frozen=True)
class Request:
    """A file with its chip: which settings there are, and the study and the chip of each."""

    file: OptimizeFile
    hardware: Hardware

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a file and its chip; raises SettingError that names file, field, value and
        rule. Nothing is written.
        """
        file = OptimizeFile.from_table(read_toml(path), str(path))
        try:
            request = cls(file, file.hardware.resolve(path.parent))
            request.check()
        except SettingError as error:
            raise SettingError(
                f"{path}: {error}" if not str(error).startswith(str(path)) else str(error)
            ) from None
        return request

    @property
    def space(self) -> Space:
        """The settings to choose from."""
        return Space(self.file.search.axes())

    @property
    def has_converters(self) -> bool:
        """Whether the chip has converters whose energy a model can give: a digital chip's cost
        nothing.
        """
        return self.hardware.prices.adc != "adc-none"

    @property
    def models(self) -> tuple[str, ...]:
        """The converter models that the answer is found under; one, the chip's own prices, where
        there are no converters.
        """
        return self.file.objective.converters if self.has_converters else ("own",)

    def reads(self, setting: Setting) -> int:
        """Reads averaged into one sample."""
        return int(self.space.named(setting)["reads"])

    def study(self, setting: Setting) -> Study:
        """The study of one cell, at all keys."""
        search, file, values = self.file.search, self.file, self.space.named(setting)
        widths: dict[str, Any] = {
            name: (int(values.get("bits", values.get(name, 0))),) for name in BIT_AXES
        }
        layers = {
            name.removeprefix("layer_bits."): int(value)
            for name, value in values.items()
            if name.startswith("layer_bits.")
        }
        network = (
            file.network.model_copy(
                update={"layer_bits": {**(file.network.layer_bits or {}), **layers}}
            )
            if layers
            else file.network
        )
        place: dict[str, Any] = {
            "architecture": (search.architecture,),
            "method": (search.method,),
            "rho": (float(search.rho),),
        }
        grid = GridSettings(
            **widths, **place, noise=(float(values["noise"]),), keys=file.objective.keys
        )
        parts = {
            name: getattr(file, name) for name in ("model", "data", "train", "hardware", "measure")
        }
        return Study(version=1, network=network, grid=grid, **parts)

    def chip(self, setting: Setting) -> Hardware:
        """The chip at this setting; raises SettingError for one that cannot be."""
        values, chip, changes = self.space.named(setting), self.hardware, {}
        if chip.array is not None:
            changes["array"] = _array(chip, values)
        if "voltage_over_vmin" in values:
            memory = {name: getattr(chip.memory, name) for name in type(chip.memory).model_fields}
            changes["memory"] = type(chip.memory)(
                **memory | {"voltage_over_vmin": float(values["voltage_over_vmin"])}
            )
        widths = {name: int(values.get("bits", values.get(name, 0))) for name in BIT_AXES}
        return chip.replace(**changes, precision=type(chip.precision)(**widths))

    def check(self) -> None:
        """Rules that tie sections together; raises SettingError."""
        for axis in ("converter_bits", "rows"):
            values = getattr(self.file.search, axis)
            if values is not None and self.hardware.array is None:
                rule = (
                    "belongs to an array, which the chip does not have; valid: take the axis "
                    "away, or a chip with [array]"
                )
                raise SettingError(
                    f"'search.{axis}' = {list(values)}: {self.hardware.name}: {rule}"
                )
        if self.file.train.decoder == "own":
            raise SettingError(
                "'train.decoder' = 'own': each network would face a posterior of its own; valid: "
                "'shared'"
            )
        self._check_layers()
        self._check_chips()
        self.study(next(iter(self.space))).check(self.chip(next(iter(self.space))))

    def _check_layers(self) -> None:
        fixed = self.file.network.layer_bits or {}
        for name in self.file.search.layer_bits:
            if name in fixed:
                raise SettingError(
                    f"'search.layer_bits.{name}' beside 'network.layer_bits.{name}' = "
                    f"{fixed[name]}: give one of them"
                )
        owned = {*fixed, *self.file.search.layer_bits}
        layers = LAYERS[self.file.search.architecture]
        swept = self.file.search.weight_bits or ()
        if layers and owned >= set(layers) and len(swept) > 1:
            rule = (
                "no layer has these, since layer_bits names all; valid: one width, or a layer "
                "less there"
            )
            raise SettingError(f"'search.weight_bits' = {list(swept)}: {rule}")

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
                at = ", ".join(f"{name} = {values[name]:g}" for name in space.free)
                raise SettingError(f"{'search: at ' + at + ': ' if at else ''}{error}") from None

    def _chip_of(self, values: dict[str, float]) -> None:
        chip = self.chip(tuple(values[name] for name in self.space.axes))
        for name in self.models if self.has_converters else ():
            chip.with_price("adc", CONVERTER_MODELS[name])


def _array(chip: Hardware, values: dict[str, float]) -> Any:
    """The chip's array with the setting's converters and rows, checked again."""
    array: Any = chip.array
    converter = {
        name: getattr(array.converter, name) for name in type(array.converter).model_fields
    }
    converter |= {"bits": int(values["converter_bits"])} if "converter_bits" in values else {}
    own = {name: getattr(array, name) for name in type(array).model_fields} | {
        "converter": type(array.converter)(**converter)
    }
    return type(array)(**own | ({"rows": int(values["rows"])} if "rows" in values else {}))


def _crosses(space: Space) -> list[Setting]:
    last = {name: len(values) - 1 for name, values in space.axes.items()}
    return [
        space.at(last | {name: place})
        for name, values in space.axes.items()
        for place in range(len(values))
    ]
