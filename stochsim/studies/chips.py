"""The chip of a cell: the study's, with the values of the axes that are settings of the chip."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stochsim.hardware import Hardware
from stochsim.settings import SettingError, has_section
from stochsim.studies.axes import AXES
from stochsim.studies.axis import Axis, value_text


def chip_at(hardware: Hardware, values: Mapping[str, Any]) -> Hardware:
    """The chip at these values of axes, {axis: value}; other axes and None change nothing.

    Raises SettingError for a chip that cannot be.
    """
    settings = {
        AXES[name].setting: value
        for name, value in values.items()
        if AXES[name].setting and value is not None
    }
    return hardware.with_(settings) if settings else hardware


def check_has_settings(hardware: Hardware, axes: Mapping[str, Axis], settings: Any) -> None:
    """Raises SettingError for an axis whose section the chip does not have; axes: by the full name
    of the field that gives its values.
    """
    for name, axis in axes.items():
        if not has_section(hardware, axis.setting):
            part = axis.setting.split(".")[0]
            rule = (
                f"belongs to '{part}', which {hardware.name} does not have; valid: take the axis "
                f"away, or a chip with [{part}]"
            )
            raise SettingError.of(name, list(axis.given(settings)), rule)


def with_place(error: SettingError, values: Mapping[str, Any], section: str) -> SettingError:
    """The error of a chip at these values of axes, {axis: value}, which it names at its end; a
    setting that an axis takes the place of bears the name of that axis's list in `section`.
    """
    lists = {
        tuple(AXES[name].setting.split(".")): (section, _key_in(section, AXES[name]))
        for name in values
        if name in AXES and AXES[name].setting
    }
    note = f"at {place_words(values)}" if values else ""
    return SettingError(
        faults=[
            replace(
                fault,
                note="; ".join(filter(None, (fault.note, note))),
                section=fault.section or ("hardware",),
            )
            for fault in error.renamed(lists).faults
        ]
    )


def _key_in(section: str, axis: Axis) -> str:
    return axis.grid_key if section == "grid" else axis.name


def place_words(values: Mapping[str, Any]) -> str:
    """Where a chip stands on its axes: "rows = 8, adc_bits = 3"."""
    return ", ".join(f"{name} = {value_text(value)}" for name, value in values.items())
