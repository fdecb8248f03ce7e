"""Keys: 64-bit integers from which every random number follows.

No global generator, no unseeded path.
"""

import hashlib
import json
import operator

import numpy as np

__all__ = ["fold_in", "generator"]


def fold_in(key: int, *names: int | str) -> int:
    """A 64-bit key for the named purpose: SHA-256 over `key` and `names`, so different purposes
    share no stream; TypeError for floats.

    >>> from stochsim.keys import fold_in
    >>> fold_in(0, "reads") == fold_in(0, "reads")
    True
    >>> fold_in(0, "reads") == fold_in(0, "directions")
    False
    """
    parts = [
        name if isinstance(name, str) else operator.index(name) for name in names
    ]  # NumPy's integers are integers
    text = json.dumps(
        [operator.index(key), *parts]
    )  # tells 1 from "1", and ("a", "b") from ("a/b",)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def generator(key: int, *names: int | str) -> np.random.Generator:
    """A NumPy generator (Philox) for the named purpose, for work outside the kernels: bootstrap,
    choice of stimuli.
    """
    return np.random.Generator(np.random.Philox(key=fold_in(key, *names)))
