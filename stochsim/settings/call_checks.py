"""What a call to `sample` must keep: indices in range, results that fit into memory."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stochsim.settings.errors import SettingError, StochsimError


def check_whole(name: str, value: object, low: int, end: int) -> None:
    """Raise SettingError unless `value` is an integer from low to end - 1."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, np.integer))
        or not low <= value < end
    ):
        raise SettingError.of(name, value, f"should be an integer from {low} to {end - 1}")


def check_flag(name: str, value: object) -> None:
    """Raise SettingError unless `value` is True or False, Python's or NumPy's."""
    if not isinstance(value, bool | np.bool_):
        raise SettingError.of(name, value, "should be True or False")


def check_real(name: str, value: object) -> None:
    """Raise SettingError unless `value` is a real number; NaN and infinities are."""
    is_one = isinstance(value, int | float | np.integer | np.floating)
    if not is_one or isinstance(value, bool):
        raise SettingError.of(name, value, "should be a number")


def _as_float(value: Any) -> float:
    """A real number in float64, as it is kept; NaN of anything else."""
    try:
        check_real("", value)
        return float(value)
    except (SettingError, OverflowError):
        return math.nan


def check_positive(name: str, value: Any) -> None:
    """Raise SettingError unless `value` is a finite number above 0."""
    if not 0 < _as_float(value) < math.inf:
        raise SettingError.of(name, value, "should be finite and above 0")


def check_not_negative(name: str, value: Any) -> None:
    """Raise SettingError unless `value` is a finite number, 0 or above."""
    if not 0 <= _as_float(value) < math.inf:
        raise SettingError.of(name, value, "should be finite and at least 0")


def check_sigma_scale(sigma_scale: float) -> None:
    """Raise SettingError for a negative or non-finite multiplier of sigma."""
    check_not_negative("sigma_scale", sigma_scale)


def check_draw(stimuli: int, reads: int, key: int, first_stimulus: int, first_read: int) -> None:
    """Raise SettingError for reads, a key or absolute indices out of range."""
    check_whole("reads", reads, 1, 2**31)
    check_whole("key", key, 0, 2**64)
    check_whole(
        "first_stimulus", first_stimulus, 0, 2**32 - stimuli + 1
    )  # stimuli are counted in 32 bits
    check_whole("first_read", first_read, 0, 2**54)


def check_stable(radius: float) -> None:
    """Raise StochsimError unless the spectral radius of a recurrent circuit's step is below 1: its
    state would grow without bound.
    """
    if not (math.isfinite(radius) and radius < 1):
        raise StochsimError(
            f"the recurrent weights are unstable: the spectral radius of a step is {radius:.6g}, "
            f"it must be below 1"
        )


def check_memory(
    what: str,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    advice: str = "take fewer stimuli or reads at a time",
) -> None:
    """Raise SettingError, before anything is allocated, where an array would not fit into the
    memory that is free.
    """
    needed = math.prod(shape) * np.dtype(dtype).itemsize
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
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**62
