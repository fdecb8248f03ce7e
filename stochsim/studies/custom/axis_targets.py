"""What the axes of a study of one's own may name, and what a value on one does."""

import contextlib
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, get_args

from stochsim.formats import format_bits
from stochsim.hardware import Hardware, load_hardware
from stochsim.settings import SettingError, section_of

WIDTHS = ("weight_bits", "input_bits", "output_bits")
CONVERSION = (
    "weight_format",
    "input_format",
    "output_format",
    "weight_scales",
    "weight_rounding",
    "ranges",
    "input_grids",
    "weight_grids",
)
"""Axes that name how a torch module is converted: see `convert`."""
TRAINED = CONVERSION[:5]
"""Those that a network of `train` is quantised by: see `TrainedNetwork.quantise`."""
_FORMATS = {"weight_format": "weights", "input_format": "inputs", "output_format": "outputs"}
READING = ("reads", "key", "chip_key", "noise")
"""Axes of how a chip is made and read; noise: `sigma_scale` of a network that has a sigma."""
GIVEN = ("stimuli", "reads", "key", "hardware")
"""What a network or sampler that is a function may ask for by its parameters' names."""


class Parameters(NamedTuple):
    """What a function can be called with: its parameters' names, and whether it takes any."""

    names: tuple[str, ...]
    takes_any: bool
    needed: tuple[str, ...]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Parameters":
        """Those of a function; none of one that does not say."""
        try:
            found = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return cls((), True, ())
        named = [one for one in found if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        return cls(
            tuple(one.name for one in named),
            any(one.kind is one.VAR_KEYWORD for one in found),
            tuple(one.name for one in named if one.default is one.empty),
        )


def check_axes(
    names: Collection[str],
    parameters: Parameters | None,
    *,
    conversion: tuple[str, ...],
    on_chip: bool,
    has_hardware: bool,
) -> None:
    """Raise SettingError for an axis that names nothing.

    parameters: of the network or sampler, where it is a function. conversion: the options that a
    network is quantised by; on_chip: whether a network runs on a chip; has_hardware: whether there
    is a chip at all, whose settings a sampler may ask for.
    """
    own = () if parameters is None else parameters.names
    has_hardware = has_hardware or "hardware" in names
    known = [*own, "key", "reads", "hardware", *(("bits", *WIDTHS) if has_hardware else ())]
    known += ["chip_key", "noise"] if on_chip else []
    known += conversion
    for name in names:
        is_setting = name.startswith("hardware.") and has_hardware
        is_taken = parameters is not None and parameters.takes_any
        if name not in known and not is_setting and not is_taken:
            choices = [one for one in known if one != "stimuli"]
            rule = "is no setting of the chip (hardware.…), of the conversion or of reads"
            if not has_hardware:
                rule = "is no parameter of the function, and the study has no hardware"
            raise SettingError.unknown(name, choices, rule, section=("axes",))


def hardware_at(base: Hardware | None, point: Mapping[str, Any]) -> Hardware | None:
    """The chip at a point; raises SettingError for settings that it cannot have.

    >>> import stochsim as ss
    >>> from stochsim.studies import hardware_at
    >>> chip = hardware_at(ss.load_hardware("rram-array", bits=4), {"hardware.array.adc.bits": 6})
    >>> chip.array.adc.bits
    6
    """
    if "hardware" in point:
        base = load_hardware(point["hardware"])
    settings = {
        name.removeprefix("hardware."): value
        for name, value in point.items()
        if name.startswith("hardware.")
    }
    widths = dict.fromkeys(WIDTHS, point["bits"]) if "bits" in point else _of_formats(point)
    widths |= {name: point[name] for name in WIDTHS if name in point}
    if base is None:
        return None
    found = base.with_precision(**widths) if widths else base
    try:
        return found.with_(settings) if settings else found
    except SettingError as error:
        raise error.inside("hardware") from None


def may_be_none(axis: str) -> bool:
    """Whether None is a value of an axis: of a setting that a chip can be without, and of formats.

    >>> from stochsim.studies.custom.axis_targets import may_be_none
    >>> may_be_none("hardware.accumulator_format"), may_be_none("hardware.noise.dither")
    (True, False)
    """
    if not axis.startswith("hardware."):
        return axis == "format" or axis in _FORMATS
    section: Any = Hardware
    *sections, last = axis.split(".")[1:]
    for name in sections:
        field = section.model_fields.get(name)
        section = None if field is None else section_of(field.annotation)
        if section is None:
            return False
    field = section.model_fields.get(last)
    return field is not None and type(None) in get_args(field.annotation)


def _of_formats(point: Mapping[str, Any]) -> dict[str, int]:
    """The widths of the number formats at a point; a name of none has no width."""
    both = dict.fromkeys(_FORMATS, point.get("format")) | {"output_format": None}
    named = both | {axis: point[axis] for axis in _FORMATS if axis in point}
    found = {}
    for axis, width in zip(_FORMATS, WIDTHS, strict=True):
        name = named[axis]
        if isinstance(name, str):
            with contextlib.suppress(SettingError):
                found[width] = format_bits(name)
    return found


def conversion_at(point: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of `convert` at a point."""
    options = {name: point[name] for name in CONVERSION if name in point and name not in _FORMATS}
    formats = {side: point[name] for name, side in _FORMATS.items() if point.get(name) is not None}
    if point.get("format") is not None:
        formats = {"weights": point["format"], "inputs": point["format"]} | formats
    return options | ({"formats": formats} if formats else {})
