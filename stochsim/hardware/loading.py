"""Hardware from presets and chip files, by name or path."""

from pathlib import Path

from stochsim.hardware.hardware import Hardware
from stochsim.hardware.inheritance import ChipFiles, preset_path, presets, read_chip_files
from stochsim.hardware.parts import Precision
from stochsim.settings import AnyPath, SettingError, as_path


def chip_files(path: AnyPath) -> ChipFiles:
    """A chip's file and those it inherits from; raises SettingError as `Hardware.read` does."""
    return read_chip_files(as_path("path", path), Hardware)


def preset(name: str) -> Hardware:
    """The hardware of this name; raises SettingError that names the nearest one.

    >>> import stochsim as ss
    >>> ss.preset("digital-45nm").name
    'digital-45nm'
    """
    return Hardware.read(preset_path(name))


def chip_path(source: AnyPath, field: str = "source") -> Path:
    """The file of a preset, or a chip's own: text without a folder and without ".toml" is a
    preset's name. Raises SettingError for an unknown preset, and about `field` for a folder, a
    file that is not there and one that is no TOML file.
    """
    path = as_path(field, source)
    shown = str(source)
    if shown in presets() or not shown:
        return preset_path(shown)
    rule = "should be a preset's name (`stochsim hardware list`) or a chip's TOML file"
    if path.is_dir():
        inside = [str(path / each.name) for each in sorted(path.glob("*.toml"))]
        raise SettingError.of(field, shown, f"is a folder; {rule}", inside[:_MOST_SHOWN])
    if isinstance(source, str) and path.name == source and path.suffix != ".toml":
        return path if path.is_file() else preset_path(source)
    if path.suffix != ".toml" and not path.exists():
        beside = [str(path.parent / each.name) for each in sorted(path.parent.glob("*.toml"))]
        raise SettingError.of(field, shown, f"no such file; {rule}", beside[:_MOST_SHOWN])
    return path


_MOST_SHOWN = 5


def load_hardware(source: AnyPath, *, bits: int | Precision | None = None) -> Hardware:
    """The hardware of a preset ("digital-45nm") or of a chip file ("my_chip.toml", or a path).

    bits: one width, or a Precision, in place of its widths of weights, inputs and outputs; None
    keeps them. Text without a
    folder and without ".toml" is a preset's name. Raises SettingError that names the nearest
    preset, or the file with the line of what is wrong there.

    >>> import stochsim as ss
    >>> ss.load_hardware("digital-45nm", bits=4).precision
    Precision(weight_bits=4, input_bits=4, output_bits=4)
    >>> ss.load_hardware("digital-45mn")
    Traceback (most recent call last):
        ...
    stochsim.settings.errors.SettingError: 'preset' = 'digital-45mn': did you mean 'digital-45nm'?
    """
    hardware = Hardware.read(chip_path(source))
    if bits is None:
        return hardware
    if isinstance(bits, Precision):
        return hardware.replace(precision=bits)
    return hardware.with_precision(bits, bits, bits)
