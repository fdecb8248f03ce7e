"""Results that fit into memory: checked before anything is allocated."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stochsim.settings.available_memory import available_bytes
from stochsim.settings.errors import SettingError, shown
from stochsim.settings.large_memory import announce_memory

_ALWAYS = 2**26
"""Bytes that every machine has: below them it is not asked."""

_END = 2**100
"""Bytes beyond which no figure is needed."""


def check_memory(
    what: str,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    advice: str = "",
    copies: int = 1,
    beside: int = 0,
) -> None:
    """Raise SettingError, before anything is allocated, where an array would not fit into the
    memory that is free, and warn where it takes more than 1 GB; advice: what to do, "" for fewer of
    the stimuli and reads that its axes begin with; copies: as many arrays of its size are held at
    the peak; beside: bytes of what is held with them then.
    """
    needed = min(math.prod(shape) * np.dtype(dtype).itemsize * copies + beside, _END)
    if needed <= _ALWAYS:
        return
    free = available_bytes()
    if needed > free:
        sizes = " × ".join(map(shown, shape))
        raise SettingError.of(
            (),
            rule=f"{what} of {sizes} need {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are "
            f"free: {advice or _fewer(shape)}",
        )
    announce_memory(what, needed)


def _fewer(shape: Sequence[int]) -> str:
    named = zip(("stimuli", "reads"), shape, strict=False)
    many = " or ".join(name for name, size in named if size > 1)
    return f"take fewer {many} at a time" if many else "take a smaller network"
