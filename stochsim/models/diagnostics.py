"""May a Gibbs run serve as a reference?

Rank R-hat and bulk effective sample size per coordinate, by arviz-stats.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stochsim.settings import SettingError, one_line, shaped_array

MAX_RHAT = 1.01
"""Rank R-hat of every coordinate stays below this."""

MIN_ESS_PER_DRAW = 0.8
"""Bulk effective sample size of every coordinate, as a share of the kept draws, reaches this."""


@dataclass(frozen=True)
class Diagnostics:
    """How the chains of a reference mixed, per stimulus, the worst coordinate of each: all arrays
    (stimulus,).
    """

    rhat: NDArray[np.float64]
    ess_per_draw: NDArray[np.float64]
    thinning: NDArray[np.int64]
    __repr__ = one_line

    def __post_init__(self) -> None:
        """Raises SettingError for arrays of other shapes or numbers; R-hat and ESS may be NaN."""
        rhat = shaped_array("rhat", self.rhat, "stimulus")
        object.__setattr__(self, "rhat", rhat.astype(np.float64, copy=False))
        for name in ("ess_per_draw", "thinning"):
            found = shaped_array(name, getattr(self, name), "stimulus", rhat.shape)
            dtype = np.float64 if name == "ess_per_draw" else np.int64
            if dtype is np.int64 and (found.dtype.kind == "f" or found.min(initial=1) < 1):
                raise SettingError.of(name, found, "should be integers of at least 1")
            object.__setattr__(self, name, found.astype(dtype, copy=False))

    @property
    def max_rhat(self) -> float:
        """The largest rank R-hat of all stimuli and coordinates."""
        return float(self.rhat.max())

    @property
    def min_ess_per_draw(self) -> float:
        """The smallest bulk effective sample size per draw of all stimuli and coordinates."""
        return float(self.ess_per_draw.min())


def _split(draws: NDArray[np.floating]) -> NDArray[np.floating]:
    """(chain, draw, neuron) to (neuron, 2 chain, draw // 2): every chain cut into halves, the
    middle draw of an odd number left out.
    """
    half = draws.shape[1] // 2
    return np.ascontiguousarray(
        np.concatenate([draws[:, :half], draws[:, -half:]]).transpose(2, 0, 1)
    )


def _blom_table(count: int) -> NDArray[np.float64]:
    """Normal scores of the ranks 1, 1½, 2, … count, (2 count - 1,), with Blom's offset 3/8, as rank
    R-hat is defined (Vehtari et al. 2021).
    """
    return np.asarray(special.ndtri((np.arange(2, 2 * count + 1) / 2 - 0.375) / (count + 0.25)))


def _normal_scores(values: NDArray[np.floating], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row of values (row, draw) replaced by the normal scores of its ranks; ties, a few among
    float32 draws, share their average rank.
    """
    order = np.argsort(values, axis=-1)
    ranked = np.take_along_axis(values, order, axis=-1)
    scores = np.tile(table[::2], (len(values), 1))
    for row in np.flatnonzero((ranked[:, 1:] == ranked[:, :-1]).any(axis=-1)):
        first = np.flatnonzero(np.diff(ranked[row], prepend=-np.inf))
        count = np.diff(first, append=ranked.shape[1])
        scores[row] = np.repeat(table[2 * first + count - 1], count)
    result = np.empty_like(scores)
    np.put_along_axis(result, order, scores, axis=-1)
    return result


def rank_rhat_and_ess(
    draws: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rank R-hat and bulk effective sample size per draw of each coordinate, (neuron,) each, of
    draws (chain, draw, neuron).

    Both start from the normal scores of the split chains, computed here once; the statistics are
    those of arviz-stats on these scores, so the results equal its `rhat(method="rank")` and
    `ess(method="bulk", relative=True)`, which rank anew for each.
    """
    from arviz_stats.base import array_stats  # slow to import, and only a Gibbs run needs it

    split = _split(draws)
    flat = split.reshape(split.shape[0], -1)
    table = _blom_table(flat.shape[1])
    bulk = _normal_scores(flat, table).reshape(split.shape)
    folded = np.abs(flat - np.median(flat, axis=-1, keepdims=True))
    tail = _normal_scores(folded, table).reshape(split.shape)
    rhat = np.maximum(
        array_stats.rhat(bulk, method="identity"), array_stats.rhat(tail, method="identity")
    )
    return rhat, np.asarray(array_stats.ess(bulk, method="identity", relative=True))
