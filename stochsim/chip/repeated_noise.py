"""A warning of loops whose steps all have the same noise."""

import threading
import warnings
import weakref
import zlib
from typing import NamedTuple

import numpy as np

from stochsim.chip.rng_address import Place
from stochsim.settings import levels_to_user, line_of_user

_CALLS = 3
_CONTENT = 16384
_LINES = 64


class RepeatedNoiseWarning(UserWarning):
    """One line of code samples one stimulus after another with the same noise."""


class _Seen(NamedTuple):
    """The last call of a line with one program and its settings, and how many there were that
    sampled other stimuli with the same noise.
    """

    program: weakref.ref[object]
    place: Place
    content: int
    calls: int
    has_warned: bool


_seen: dict[tuple[str, int, int, int], _Seen] = {}
_lock = threading.Lock()


class NoiseWatch:
    """Counts the calls that sample other stimuli than the call before, from the same line of the
    user's code, with the same program, settings, key and indices; warns at the third of them, once
    for each line.

    program, settings: what a chip is made of; chips that are alike are one, so that a loop may make
    its chip anew at every step. The same stimuli again are a repetition that the user asked for;
    batches of one set have indices of their own.
    """

    def __init__(self, program: object, *settings: object) -> None:
        self._program = program
        self._settings = settings

    def see(self, x: np.ndarray, place: Place) -> None:
        """Note a call that samples x (stimulus, …) with the noise of this place."""
        key = (*line_of_user(), id(self._program), hash(self._settings))
        with _lock:
            seen = self._next(_seen.pop(key, None), x, place)
            warns = seen.calls == _CALLS and not seen.has_warned
            _seen[key] = seen._replace(has_warned=seen.has_warned or warns)
            if len(_seen) > _LINES:
                del _seen[next(iter(_seen))]  # the one that was not called for longest
        if warns:
            _warn(place)

    def _next(self, before: _Seen | None, x: np.ndarray, place: Place) -> _Seen:
        content = _content(x)
        if before is None or before.program() is not self._program:
            return _Seen(weakref.ref(self._program), place, content, 1, has_warned=False)
        calls = before.calls + (content != before.content)
        if before.place != place:
            calls = 1
        return before._replace(place=place, content=content, calls=calls)


def _content(x: np.ndarray) -> int:
    """A number that other stimuli hardly share: of at most _CONTENT values, evenly spread."""
    some = x.reshape(-1)[:: max(1, x.size // _CONTENT)]
    return zlib.crc32(np.ascontiguousarray(some).data)


def _warn(place: Place) -> None:
    warnings.warn(
        f"{_CALLS} calls from this line sampled different stimuli with key {place.key}, "
        f"first_stimulus {place.first_stimulus} and first_read {place.first_read}: all of them "
        f"have the same noise, which does not average out over the steps of a loop. "
        f"`stream(key)` of a chip or a converted network has new noise at every call; batches "
        f"of one set of stimuli take their absolute first_stimulus",
        RepeatedNoiseWarning,
        stacklevel=levels_to_user(),
    )
