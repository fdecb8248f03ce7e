"""Keys and arguments that were renamed: an error about an old one names the new one."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

RENAMED_KEYS = {
    "exchange": "nats_per_joule",
    "thin": "steps_between_reads",
    "converter": "adc",
    "converter_bits": "adc_bits",
    "columns_per_converter": "columns_per_adc",
    "converters": "adc_models",
}
"""Old key -> new key, of files, settings classes and dotted addresses; an old one is unknown
wherever the new one is known.
"""

RENAMED_VALUES = {
    "full": "float_samples",
    "blind": "prior_samples",
    "point": "chip_samples",
    "hold": "reliability",
}
"""Old name -> new name of what a key or an argument may be, where the new one is a choice."""


def renamed_arguments(**now: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorates a function whose keyword arguments {old: new} were renamed: an old one raises
    TypeError that names the new one.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> T:
            for old in now.keys() & kwargs.keys():
                raise TypeError(f"{function.__qualname__}(): '{old}' is now '{now[old]}'")
            return function(*args, **kwargs)

        return checked

    return decorate
