"""Number formats that outputs may have in training, by name (no torch here, so that a study can be
checked at once).
"""

import re

from stochsim.formats import FITTED, FORMATS, format_bits
from stochsim.settings import SettingError, check_kind

_LEARNED = re.compile(r"learned-([1-6])", re.ASCII)

LEARNED = tuple(name.replace("lloyd", "learned") for name in FITTED)
"""Formats whose values are learned: they start as those of `lloyd-<b>`."""


def is_learned(name: str) -> bool:
    """Whether the values of a format are learned in training."""
    return name in LEARNED


def trained_format_bits(name: str) -> int:
    """Bits of a format that outputs may have in training: of FORMATS, any fp<bits>-e<x>m<y>,
    lloyd-<b> and learned-<b>; raises SettingError for other names.

    >>> from stochsim.networks import trained_format_bits
    >>> [trained_format_bits(name) for name in ("fp4-e2m1", "lloyd-3", "learned-4")]
    [4, 3, 4]
    """
    check_kind("output_format", name, str, "should be a name")
    found = _LEARNED.fullmatch(name)
    if found:
        return int(found[1])
    if name.startswith(("mx", "nvfp")) or name.endswith("-per-neuron"):
        rule = "is no format of outputs in training, which have one book for all neurons"
        raise SettingError.of("output_format", name, rule)
    try:
        return format_bits(name)
    except SettingError:
        choices = [*FORMATS, *FITTED, *LEARNED]
        raise SettingError.of("output_format", name, choices=choices) from None
