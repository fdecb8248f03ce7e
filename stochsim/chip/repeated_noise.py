"""A warning of loops whose steps all have the same noise."""

import warnings
import zlib

import numpy as np

from stochsim.chip.rng_address import Place
from stochsim.settings import levels_to_user, line_of_user

_CALLS = 3
_LINES = 64


class RepeatedNoiseWarning(UserWarning):
    """One line of code samples one stimulus after another with the same noise."""


class NoiseWatch:
    """Counts the calls that sample other stimuli than the call before, from the same line of the
    user's code and with the same key and indices; warns at the third of them, once.

    The same stimuli again are a repetition that the user asked for; batches of one set have
    indices of their own.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], tuple[Place, int, int]] = {}
        self._has_warned = False

    def see(self, x: np.ndarray, place: Place) -> None:
        """Note a call that samples x (stimulus, …) with the noise of this place."""
        if self._has_warned:
            return
        line, content = line_of_user(), zlib.crc32(np.ascontiguousarray(x).data)
        before, last, calls = self._seen.get(line, (place, content, 1))
        if before != place:
            calls = 1
        elif content != last:
            calls += 1
        if len(self._seen) >= _LINES:
            self._seen.clear()
        self._seen[line] = place, content, calls
        if calls == _CALLS:
            self._warn(place)

    def _warn(self, place: Place) -> None:
        self._has_warned = True
        warnings.warn(
            f"{_CALLS} calls from this line sampled different stimuli with key {place.key}, "
            f"first_stimulus {place.first_stimulus} and first_read {place.first_read}: all of them "
            f"have the same noise, which does not average out over the steps of a loop. "
            f"`stream(key)` of a chip or a converted network has new noise at every call; batches "
            f"of one set of stimuli take their absolute first_stimulus",
            RepeatedNoiseWarning,
            stacklevel=levels_to_user(),
        )
