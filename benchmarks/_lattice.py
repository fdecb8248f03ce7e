"""How near can samples on a b-bit grid come to the posterior at all?

Draws of the posterior itself, each rounded to its nearest value.

Per coordinate that is the nearest law on the grid in Wasserstein-2, so no network with this output
quantiser, whatever its weights and inputs, has a smaller distance along the axes, and D² being the
mean of the squares along axes and projections, D >= D_axes/√2. What lies above that is the best
found, no bound. The grid is one for all neurons, as the chip's is; its step is the best of a scan.
"""

import numpy as np

from stochsim.keys import fold_in
from stochsim.models import Reference
from stochsim.posterior import PosteriorDistance, Survival, survival
from stochsim.studies import Result, Results

_STEPS = np.geomspace(
    0.03, 1.0, 25
)  # of the step that clips one value in 100,000: few bits gain by clipping many more


def lattice_distances(results: Results, row: Result, bits: int) -> np.ndarray:
    """D of the rounded posterior per stimulus, (keys, stimulus), for the references that a row's
    cells face.
    """
    return np.stack(
        [_distances_of_key(results, cell.reference, cell.key, bits) for cell in row.cells]
    )


def lattice_survival(results: Results, row: Result, distances: np.ndarray) -> Survival:
    """The S that those distances are for the row's architecture: the best found at this width."""
    first = row.cells
    full = results.per_task([str(cell.float_samples) for cell in first])
    blind = results.per_task([str(cell.prior_samples) for cell in first])
    return survival(distances, np.atleast_2d(blind), np.atleast_2d(full), fold_in(0, "lattice"))


def _distances_of_key(results: Results, reference_task: str, key: int, bits: int) -> np.ndarray:
    measure = results.study.measure
    artifact = results.store.row(reference_task).artifact
    assert artifact is not None
    reference = Reference.load(artifact)
    sets = (reference.subset(0, measure.reads), reference.subset(1, measure.reads))
    to_posterior = PosteriorDistance(
        sets,
        reference.mean,
        reference.sd,
        directions=measure.directions,
        key=fold_in(key, "directions"),
    )
    draws = reference.subset(2, measure.reads)
    half = 2 ** (bits - 1)
    widest = float(np.quantile(np.abs(draws), 1 - 1e-5)) / half
    tried = [to_posterior.distance(_rounded(draws, share * widest, bits)).total for share in _STEPS]
    return min(tried, key=lambda total: float(total.mean()))


def _rounded(draws: np.ndarray, step: float, bits: int) -> np.ndarray:
    if bits == 1:
        return np.where(draws >= 0, step, -step).astype(np.float32)
    half = 2 ** (bits - 1)
    return (step * np.clip(np.rint(draws / step), -half, half - 1)).astype(np.float32)
