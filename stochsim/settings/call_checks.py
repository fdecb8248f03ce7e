"""What a call must keep: numbers in range. A check returns the number as Python has it, and that is
what is to be used. No NumPy here, so that the price book can be shown without it.
"""

import math
from collections.abc import Collection
from typing import Any, NamedTuple

from stochsim.settings.errors import SettingError, StochsimError
from stochsim.settings.largest import LARGEST, MOST_RHO
from stochsim.settings.plain_numbers import plain


def check_whole(name: str, value: object, low: int, end: int) -> int:
    """The integer from low to end - 1 that `value` is, NumPy's as Python's; raises SettingError for
    anything else.
    """
    if type(value) is int and low <= value < end:  # nearly always
        return value
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, int) or not low <= found < end:
        raise SettingError.of(name, value, f"should be an integer from {low} to {end - 1}")
    return int(found)


def check_flag(name: str, value: object) -> bool:
    """True or False, NumPy's as Python's; raises SettingError for anything else."""
    found = plain(value)
    if not isinstance(found, bool):
        raise SettingError.of(name, value, "should be True or False")
    return found


def check_choice(name: str, value: object, choices: Collection[str], rule: str = "") -> str:
    """One of these words; raises SettingError that names the nearest one for anything else."""
    if not isinstance(value, str) or value not in choices:
        raise SettingError.of(name, value, rule, choices)
    return value


def check_kind(name: str, value: object, kinds: type | tuple[type, ...], rule: str) -> None:
    """Raise SettingError of this rule for what is not of these types."""
    if not isinstance(value, kinds):
        raise SettingError.of(name, value, rule)


def check_real(name: str, value: object) -> float:
    """The real number that `value` is, NumPy's as Python's, integers as integers; NaN and
    infinities are numbers. Raises SettingError for anything else.
    """
    if type(value) is float or type(value) is int:  # nearly always
        return value
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise SettingError.of(name, value, "should be a number")
    return found


def check_float(name: str, value: object) -> float:
    """The real number that `value` is in float64; NaN and infinities are numbers. Raises
    SettingError for anything else, and for integers that float64 cannot hold.
    """
    try:
        return float(check_real(name, value))
    except OverflowError:
        raise SettingError.of(name, value, "is too large for a number") from None


def _as_float(value: Any) -> float:
    """A real number in float64, as it is kept; NaN of anything else."""
    try:
        return check_float("", value)
    except SettingError:
        return math.nan


def check_positive(name: str, value: Any) -> float:
    """A finite number above 0, in float64; raises SettingError for anything else."""
    found = _as_float(value)
    if not 0 < found < math.inf:
        raise SettingError.of(name, value, "should be finite and above 0")
    return found


def check_not_negative(name: str, value: Any) -> float:
    """A finite number, 0 or above, in float64; raises SettingError for anything else."""
    found = _as_float(value)
    if not 0 <= found < math.inf:
        raise SettingError.of(name, value, "should be finite and at least 0")
    return found


def check_rho(rho: Any) -> float:
    """The exponent of a price of reliability; raises SettingError unless it is from 0 to
    MOST_RHO.
    """
    found = _as_float(rho)
    if not 0 <= found <= MOST_RHO:
        raise SettingError.of("rho", rho, f"should be from 0 to {MOST_RHO}")
    return found


def check_sigma_scale(sigma_scale: float) -> float:
    """The multiplier of sigma; raises SettingError for one that is negative, not finite or above
    LARGEST, where sigma itself would leave the numbers.
    """
    found = check_not_negative("sigma_scale", sigma_scale)
    if found > LARGEST:
        raise SettingError.of("sigma_scale", sigma_scale, f"should be at most {LARGEST:g}")
    return found


class Draw(NamedTuple):
    """What a call draws: reads of each stimulus, the key, the absolute first stimulus and read."""

    reads: int
    key: int
    first_stimulus: int
    first_read: int


_MOST_READS = 2**39
"""Of a stream of random numbers: beyond it reads would have random bits in common."""


def check_draw(stimuli: int, reads: int, key: int, first_stimulus: int, first_read: int) -> Draw:
    """Reads, key and absolute indices as Python's integers; raises SettingError for one out of
    range.
    """
    reads = check_whole("reads", reads, 1, 2**31)
    return Draw(
        reads,
        check_whole("key", key, 0, 2**64),
        # stimuli are counted in 32 bits
        check_whole("first_stimulus", first_stimulus, 0, 2**32 - stimuli + 1),
        check_whole("first_read", first_read, 0, _MOST_READS - reads + 1),
    )


def check_stable(radius: float) -> None:
    """Raise StochsimError unless the spectral radius of a recurrent circuit's step is below 1: its
    state would grow without bound.
    """
    if not (math.isfinite(radius) and radius < 1):
        raise StochsimError(
            f"the recurrent weights are unstable: the spectral radius of a step is {radius:.6g}, "
            f"it must be below 1"
        )
