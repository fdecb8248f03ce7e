"""Coverage of the chip's central intervals, and the maximum mean discrepancy: two measures of shape
beyond the moments.
"""

import numpy as np
from numpy.typing import NDArray

from stochsim.settings import SettingError

Floats = NDArray[np.floating]
MMD_READS = 256
"""Number of reads and of reference draws that MMD² uses, the first ones: its cost grows with the
square.
"""


def spread_quantiles(values: Floats, probabilities: Floats, step: float | Floats = 0.0) -> Floats:
    """Quantiles (probability, neuron) of the reads `values` (read, neuron), each spread evenly over
    [value − step/2, value + step/2].

    Values must lie on a lattice of that step, so that neighbours' spreads touch and the
    distribution function is piecewise linear; then the quantile follows exactly, without random
    dither. step: (neuron,) or a number; 0 for a float network, whose quantiles are those of
    expected rank p(n + 1) (Weibull), which hold exactly a share p of any continuous law on average.
    """
    step = np.broadcast_to(np.asarray(step, np.float64), values.shape[1:])
    if np.any(step < 0):
        raise SettingError.of("step", float(step.min()), "should be at least 0")
    probabilities = np.asarray(probabilities)
    plain = np.quantile(values, probabilities, axis=0, method="weibull")
    if not step.any():
        return plain
    ordered = np.sort(values, axis=0)
    return np.where(
        step > 0, np.stack([_lattice_quantile(ordered, p, step) for p in probabilities]), plain
    )


def _lattice_quantile(ordered: Floats, probability: float, step: Floats) -> Floats:
    """One quantile (neuron,): the code that holds rank p·n, and how far into its step that rank
    lies.
    """
    rank = probability * len(ordered)
    code = ordered[min(int(rank), len(ordered) - 1)]
    below = (ordered < code - step / 4).sum(axis=0)
    held = (ordered < code + step / 4).sum(axis=0) - below
    return code + step * ((rank - below) / np.maximum(held, 1) - 0.5)


def coverage(values: Floats, draws: Floats, level: float, step: float | Floats = 0.0) -> Floats:
    """Share of reference draws inside the chip's central `level` interval, averaged over neurons:
    (stimulus,); the right share is `level`.

    values: (stimulus, read, neuron); draws: (stimulus, draw, neuron), a reference set the chip had
    no part in. step as in spread_quantiles.
    """
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    inside = np.empty(len(values))
    for stimulus, (reads, reference) in enumerate(zip(values, draws, strict=True)):
        low, high = spread_quantiles(reads, tails, step)
        inside[stimulus] = np.mean((reference >= low) & (reference <= high))
    return inside


def mmd_squared(values: Floats, draws: Floats, sd: Floats) -> Floats:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012), (stimulus,), of the first
    256 reads and draws, scaled by the sd.

    Gaussian kernel exp(−‖u − v‖²/(2h²)), h the median distance between those reference draws.
    Unbiased, so it may fall below 0. values: (stimulus, read, neuron), draws: (stimulus, draw,
    neuron), sd: (stimulus, neuron).
    """
    groups = zip(values[:, :MMD_READS], draws[:, :MMD_READS], sd, strict=True)
    return np.array(
        [_one_mmd(reads / scale, reference / scale) for reads, reference, scale in groups]
    )


def _one_mmd(reads: Floats, reference: Floats) -> float:
    among = _squared_distances(reference, reference)
    squared_bandwidth = np.median(among[np.triu_indices(len(reference), k=1)])
    kernels = [
        np.exp(-array / (2 * squared_bandwidth))
        for array in (_squared_distances(reads, reads), among)
    ]
    within = [
        (kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)) for kernel in kernels
    ]
    return float(
        sum(within)
        - 2 * np.exp(-_squared_distances(reads, reference) / (2 * squared_bandwidth)).mean()
    )


def _squared_distances(left: Floats, right: Floats) -> Floats:
    left = left.astype(np.float64)
    right = right.astype(np.float64)
    return np.maximum(
        0.0, np.square(left).sum(1)[:, None] + np.square(right).sum(1)[None] - 2 * left @ right.T
    )
