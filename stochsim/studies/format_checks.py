"""Whether the networks and chips of a study can have the number formats that its grid names."""

import itertools
from typing import Any

from stochsim.formats import BLOCK_FORMATS, element_and_blocks, format_bits
from stochsim.hardware import Hardware
from stochsim.settings import SettingError
from stochsim.studies.axes import FORMAT_AXES, NETWORK_FORMATS
from stochsim.studies.grid import GridSettings
from stochsim.studies.unused_settings import unused

MOST_CELL_BITS = 8
"""Bits of integers that cells and lines of an array hold."""


def check_formats(study: Any, chips: list[Hardware]) -> None:
    """Raise SettingError for formats of widths that the grid does not have, widths without a
    format, and formats that networks or chips of the grid cannot have.
    """
    for place, axis in enumerate(FORMAT_AXES.values()):
        if getattr(study.grid, axis) is not None:
            _check_format_widths(study.grid, axis, {each[place] for each in study.grid.widths()})
    _check_formats_of_networks(study, chips)
    given = study.grid.output_format
    for chip in chips if given is not None else ():
        if chip.noise.dither != "none" or chip.noise.measured_csv:
            field = "dither" if chip.noise.dither != "none" else "measured_csv"
            rule = f"should be left out with 'hardware.noise.{field}'"
            raise SettingError.of("grid.output_format", list(given), rule)


def _check_format_widths(grid: GridSettings, axis: str, widths: set[int]) -> None:
    given, side = getattr(grid, axis), axis.removesuffix("_format")
    if not widths:
        raise unused(f"grid.{axis}", "quantised networks on the chip", list(given))
    for name in given:
        if format_bits(name) not in widths:
            rule = f"has {format_bits(name)} bits, and no {side}s of the grid do"
            raise SettingError.of(f"grid.{axis}", name, rule)
    for bits in sorted(widths - {format_bits(name) for name in given}):
        rule = f"should name a format of {bits} bits too, as {side}s of the grid have"
        raise SettingError.of(f"grid.{axis}", list(given), rule)


def _check_formats_of_networks(study: Any, chips: list[Hardware]) -> None:
    """Raise SettingError for formats beside settings that they have no use for, and on chips
    that cannot hold them.
    """
    if study.grid.weight_format is not None and study.network.layer_bits is not None:
        given, layers = list(study.grid.weight_format), study.network.layer_bits
        rule = "a format has one width, that of all layers: leave one of the two out"
        raise SettingError.of(("grid.weight_format", "network.layer_bits"), (given, layers), rule)
    blocks = [name for name in study.grid.weight_format or () if name in BLOCK_FORMATS]
    if blocks and study.train.weight_scales == "per-channel":
        fields = ("grid.weight_format", "train.weight_scales")
        rule = "the format has scales of its own, of blocks"
        raise SettingError.of(fields, (blocks[0], "per-channel"), rule)
    for axis, chip in itertools.product(NETWORK_FORMATS, chips):
        for name in getattr(study.grid, axis) or ():
            if not name.startswith("int"):
                _check_holds(axis, name, chip)
                if "noise-aware" in study.grid.method:
                    _check_modelled(axis, name, chip)


def _check_holds(axis: str, name: str, chip: Hardware) -> None:
    """SettingError for a format of a network that has no place for stimuli, or none on a chip."""
    book = element_and_blocks(name)[0]
    bits = book.integer_bits
    if book.values[0] >= 0:
        rule = "should have values of both signs, as stimuli have"
        raise SettingError.of(f"grid.{axis}", name, rule)
    if chip.array is not None and bits > MOST_CELL_BITS:
        rule = (
            f"its values are integers of {bits} bits, and the array of {chip.name} holds "
            f"{MOST_CELL_BITS} at most"
        )
        raise SettingError.of(f"grid.{axis}", name, rule)
    if axis == "weight_format" and any(chip.memory.weight_error_rates):
        rule = f"should be integers on {chip.name}, whose memory makes errors of weights"
        raise SettingError.of(f"grid.{axis}", name, rule)


def _check_modelled(axis: str, name: str, chip: Hardware) -> None:
    """SettingError for a format of which noise-aware training has no model (this loads torch)."""
    from stochsim.networks import HardwareNoise

    formats = {**dict.fromkeys(NETWORK_FORMATS), axis: name}
    try:
        HardwareNoise.of(chip).check_formats(**formats)
    except SettingError as error:
        raise error.inside("grid") from None
