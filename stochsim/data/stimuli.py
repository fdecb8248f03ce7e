"""Which held-out pictures a network is judged on."""

import numpy as np
from numpy.typing import NDArray

from stochsim.data.dataset import Dataset
from stochsim.keys import generator
from stochsim.settings import SettingError, check_kind, check_whole

QUARTILES = 4


def evaluation_stimuli(dataset: Dataset, count: int, key: int) -> NDArray[np.int64]:
    """Numbers (stimulus,) of `count` different rows of `dataset.held_out`, drawn by key in equal
    shares from the quartiles of ‖x‖².

    Without the shares the evaluation would follow the sky: two thirds of the rocket's patches are
    almost flat. The first quartiles take the remainder. Sorted by quartile, then by draw, so a
    larger `count` draws the same rows and more of each quartile. SettingError for a count that the
    held-out set cannot serve.

    >>> import stochsim as ss
    >>> from stochsim.data import evaluation_stimuli
    >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
    >>> data.held_out[evaluation_stimuli(data, 16, key=0)].shape
    (16, 8)
    """
    check_kind("dataset", dataset, Dataset, "should be a Dataset, as load_dataset gives one")
    key = check_whole("key", key, 0, 2**64)
    count = check_whole("stimuli", count, -(2**63), 2**63)
    most = QUARTILES * (len(dataset.held_out) // QUARTILES)
    if not 1 <= count <= most:
        nearest_valid = min(max(count, 1), most)
        rule = f"the held-out set serves 1 to {most}; nearest valid: {nearest_valid}"
        raise SettingError.of("stimuli", count, rule)
    energy = np.sum(dataset.held_out.astype(np.float64) ** 2, axis=1)
    quartiles = np.array_split(np.argsort(energy, kind="stable"), QUARTILES)
    takes = [count // QUARTILES + (quartile < count % QUARTILES) for quartile in range(QUARTILES)]
    drawn = [
        generator(key, "stimuli", quartile).permutation(rows)
        for quartile, rows in enumerate(quartiles)
    ]
    return np.concatenate([rows[:take] for rows, take in zip(drawn, takes, strict=True)])
