"""Coverage of the chip's central intervals, and the maximum mean discrepancy: two measures of shape
beyond the moments.
"""

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior.intervals import check_level
from stochsim.settings import SettingError, finite, finite_array, real_array

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
    step = _steps(step, values.shape[1])
    probabilities = np.asarray(probabilities)
    plain = np.quantile(values, probabilities, axis=0, method="weibull")
    if not step.any():
        return plain
    ordered = np.sort(values, axis=0)
    return np.where(
        step > 0, np.stack([_lattice_quantile(ordered, p, step) for p in probabilities]), plain
    )


def _steps(step: float | Floats, neurons: int) -> Floats:
    """A step for each neuron, (neuron,); raises SettingError for one that is no number, not finite
    or negative.
    """
    rule = f"should be a number, or (neuron) = ({neurons},)"
    found = finite("step", real_array("step", step, rule))
    if found.shape not in ((), (neurons,)):
        raise SettingError.of("step", found, rule)
    if np.any(found < 0):
        raise SettingError.of("step", float(found.min()), "should be at least 0")
    return np.broadcast_to(found, (neurons,))


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
    no part in. step as in spread_quantiles. Raises SettingError for shapes that disagree, values
    that are not finite, and a level outside 0 to 1.
    """
    values = finite_array("values", values, "stimulus, read, neuron")
    sizes = (values.shape[0], None, values.shape[2])
    draws = finite_array("draws", draws, "stimulus, draw, neuron", sizes)
    if not values.shape[1]:
        raise SettingError.of("values", values, "should be at least one read")
    level = check_level(level)
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
