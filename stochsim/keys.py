"""Keys: 64-bit integers from which every random number follows.

No global generator, no unseeded path.
"""

import hashlib
import json

import numpy as np

from stochsim.settings import SettingError, plain

__all__ = ["fold_in", "generator"]

_END = 2**128


def fold_in(key: int, *names: int | str) -> int:
    """A 64-bit key for the named purpose: SHA-256 over `key` and `names`, so different purposes
    share no stream. Raises SettingError for a key that is no integer, and names that are neither
    integers nor text.

    >>> from stochsim.keys import fold_in
    >>> fold_in(0, "reads") == fold_in(0, "reads")
    True
    >>> fold_in(0, "reads") == fold_in(0, "directions")
    False
    """
    parts = [name if isinstance(name, str) else _whole("names", name) for name in names]
    # tells 1 from "1", and ("a", "b") from ("a/b",)
    text = json.dumps([_whole("key", key), *parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _whole(field: str, value: object) -> int:
    """An integer, NumPy's as Python's."""
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, int):
        raise SettingError.of(field, value, "should be an integer")
    if abs(found) >= _END:
        raise SettingError.of(field, value, "should be below 2^128 in size")
    return found


def generator(key: int, *names: int | str) -> np.random.Generator:
    """A NumPy generator (Philox) for the named purpose, for work outside the kernels: bootstrap,
    choice of stimuli.
    """
    return np.random.Generator(np.random.Philox(key=fold_in(key, *names)))
