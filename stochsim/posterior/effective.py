"""Effective samples: how many independent reads a sampler's dependent ones are worth.

Reads that each draw their own random numbers are independent by construction: n of them are worth
n, and nothing is estimated. Reads of one chain, or of a shift register, are measured. What all
reads of a stimulus share (the chip as it was made, weights as they were read, a sum that a chain
holds) is part of the law that they sample: it shows in D, not here. So do noise sources that
neurons share: they make neurons depend on each other, and leave the reads of each independent.
"""

import numpy as np
from numpy.typing import NDArray

from stochsim.settings import SettingError, check_flag, check_whole, finite_array

Floats = NDArray[np.floating]
LEAST_READS = 8
_AXES = "stimulus, read, neuron"
BY_CONSTRUCTION = "independent by construction"
MEASURED = "measured: bulk effective sample size"
NOTHING_VARIES = "the reads do not vary"


def effective_sample_size(values: Floats) -> Floats:
    """Bulk effective sample size (Vehtari et al. 2021) of `values` (stimulus, read, neuron), one
    chain each: (stimulus, neuron).

    NaN (n/a) where all reads are equal: a constant says nothing about how well it mixes. Raises
    SettingError for fewer than 8 reads, and values of another shape or not finite.
    """
    values = finite_array("values", values, _AXES)
    if values.shape[1] < LEAST_READS or 0 in values.shape:
        rule = f"should be (stimulus, read, neuron) with {LEAST_READS} reads or more"
        raise SettingError.of("values", values, rule)
    from arviz_stats.base import (
        array_stats,
    )  # here: it takes a second to import, and most samplers draw independent reads

    sizes = np.asarray(
        array_stats.ess(np.asarray(values, np.float64), chain_axis=None, draw_axis=1, method="bulk")
    )
    return np.where((values == values[:, :1]).all(axis=1), np.nan, sizes)


def effective_samples(values: Floats, independent: bool, period: int | None = None) -> Floats:
    """Effective samples of `values` (stimulus, read, neuron): (stimulus,), the mean over neurons;
    NaN where no neuron varies.

    independent: the reads are so by construction, and count in full. Else each neuron's bulk
    effective size counts, at most the reads (an estimate scatters by about a tenth, so 1,000 reads
    that are independent come out at 940), and neurons that do not vary are left out. period: reads
    after which the random source starts again; a stimulus whose reads do repeat then has at most so
    many.

    >>> import numpy as np
    >>> from stochsim.posterior import effective_samples
    >>> reads = np.random.default_rng(0).normal(size=(1, 1000, 3))
    >>> effective_samples(reads, independent=True)
    array([1000.])
    >>> slow = np.repeat(reads[:, :100], 10, axis=1)                  # each read ten times
    >>> bool(effective_samples(slow, independent=False)[0] < 200)
    True
    """
    if period is not None:
        period = check_whole("period", period, 1, 2**63)
    independent = check_flag("independent", independent)
    values = finite_array("values", values, _AXES)
    if not values.shape[1]:
        raise SettingError.of("values", values, "should be at least one read")
    varying = (values != values[:, :1]).any(axis=1)
    reads = values.shape[1]
    if independent:
        return np.where(varying.any(axis=1), float(reads), np.nan)
    most = np.where(_repeat(values, period), period or reads, reads)
    sizes = np.minimum(np.where(varying, effective_sample_size(values), 0.0), most[:, None])
    count = varying.sum(axis=1)
    return np.where(count > 0, sizes.sum(axis=1) / np.maximum(count, 1), np.nan)


def _repeat(values: Floats, period: int | None) -> NDArray[np.bool_]:
    """Whether the last reads of each stimulus, up to a period of them, are those of a period
    before: (stimulus,), of values (stimulus, read, neuron).
    """
    if period is None or period >= values.shape[1]:
        return np.zeros(len(values), bool)
    some = min(period, values.shape[1] - period)
    return np.asarray((values[:, -some:] == values[:, -some - period : -period]).all(axis=(1, 2)))
