"""Reads of a sampler whose successive reads depend on each other, thinned until they count as
nearly independent ones.
"""

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior.effective import effective_sample_size
from stochsim.settings import StochsimError, check_positive, check_whole, finite_array

Floats = NDArray[np.floating]


def thin_to_ess(values: Floats, reads: int, fraction: float = 0.8) -> tuple[Floats, int]:
    """`reads` reads of the run `values` (stimulus, read, neuron), every k-th one, and k: the
    smallest power of 2 that mixes well enough.

    Well enough: effective size at least `fraction` of the size for every stimulus (mean over
    neurons) and every neuron (mean over stimuli), measured on the whole run at that k, each
    coordinate first capped at 1. Means, because the estimate scatters: of 500 coordinates of 1,000
    *independent* reads the smallest comes out at 0.59. Raises StochsimError that says how far it
    got if the run is too short, SettingError for values of another shape or not finite.
    """
    reads = check_whole("reads", reads, 1, 2**31)
    fraction = check_positive("fraction", fraction)
    values = finite_array("values", values, "stimulus, read, neuron")
    stride = 1
    reached = "it is shorter than that"
    while stride * (reads - 1) < values.shape[1]:
        thinned = values[:, ::stride]
        worst = _worst_mean(np.minimum(effective_sample_size(thinned) / thinned.shape[1], 1.0))
        if worst >= fraction:
            return thinned[:, :reads], stride
        reached = f"thinning by {stride} gives {worst:.2f} · {reads}"
        stride *= 2
    raise StochsimError(
        f"a run of {values.shape[1]} reads holds no {reads} with an effective size of {fraction} · "
        f"{reads}: {reached}"
    )


def _worst_mean(sizes: Floats) -> float:
    """The smallest mean over a row or a column of sizes (stimulus, neuron), constants (NaN) left
    out; infinite where everything is constant.
    """
    known = ~np.isnan(sizes)
    filled = np.where(known, sizes, 0.0)
    means = [
        filled.sum(axis)[known.any(axis)] / known.sum(axis)[known.any(axis)] for axis in (0, 1)
    ]
    return float(min(np.concatenate(means), default=np.inf))
