"""Results that fit into memory: checked before anything is allocated."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stochsim.settings.errors import SettingError

_END = 2**100
"""Bytes beyond which no figure is needed."""


def check_memory(
    what: str,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    advice: str = "take fewer stimuli or reads at a time",
) -> None:
    """Raise SettingError, before anything is allocated, where an array would not fit into the
    memory that is free.
    """
    needed = min(math.prod(shape) * np.dtype(dtype).itemsize, _END)
    free = available_bytes()
    if needed > free:
        sizes = " × ".join(str(size) for size in shape)
        raise SettingError.of(
            (),
            rule=f"{what} of {sizes} need {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are "
            f"free: {advice}",
        )


def available_bytes() -> int:
    """Memory that can be had without swapping, as the system reports it; where it does not, all of
    it.
    """
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**62
