"""Calibrated statistical assertions: each states how often it fails code that is right, and how
surely it catches code that is wrong.

`assert_frequencies` compares counts of codes with exact probabilities by two tests that share the
false-fail rate:

- every single code of every cell by an exact binomial test (Bonferroni over all codes), half of the
  rate: rigorous at any expected count;
- all cells together by a G test with Williams' correction, at a tenth of the rate. Deep in the tail
  the statistic is not quite chi²: exact enumeration of two-code cells finds up to 4.6 times the
  nominal rate at an expected count of 10 (Pearson's X² up to 31 times), so a tenth stays below the
  other half.

A cell is one experiment: one drive, say, with its codes. For the G test alone, codes expected less
than 10 times join a neighbour.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEAST_EXPECTED = 10.0
LEAST_SAMPLES = 100
EXACT_SHARE, POOLED_SHARE = 0.5, 0.1


class TooFewSamplesError(Exception):
    """The samples cannot distinguish right from wrong, so the assertion refuses to judge.

    Not an AssertionError: nothing was found wrong.
    """


@dataclass(frozen=True)
class _Merged:
    """Cells after merging: `bins` (cells, codes) numbers each code's bin, counted on over cells;
    `freedom`: the degrees of freedom.
    """

    bins: np.ndarray
    freedom: int
    williams: float

    def add_up(self, table):
        return np.bincount(self.bins.ravel(), weights=np.asarray(table, float).ravel())


def assert_frequencies(counts, probabilities, false_fail=1e-6):
    """Assert that `counts` (cells, codes) were drawn with exactly `probabilities` (cells, codes;
    rows sum to 1).

    Fails right code at most once in 1/false_fail runs. A code of probability 0 must never occur.
    Raises TooFewSamplesError when a cell with more than one possible code has fewer than 100
    samples, or when no cell has two codes expected 10 times each.
    """
    counts, probabilities, samples = _checked(counts, probabilities)
    impossible = np.argwhere((probabilities == 0) & (counts > 0))
    assert not len(impossible), (
        f"impossible code {impossible[0][1]} occurred {counts[tuple(impossible[0])]} times in cell "
        f"{impossible[0][0]}"
    )
    merged = _merge(probabilities, samples)
    _assert_each_code(counts, probabilities, samples, EXACT_SHARE * false_fail)
    if merged.freedom == 0:
        return
    statistic = (
        _g_statistic(merged.add_up(counts), merged.add_up(probabilities * samples[:, None]))
        / merged.williams
    )
    p_value = stats.chi2.sf(statistic, merged.freedom)
    assert p_value > POOLED_SHARE * false_fail, (
        f"frequencies: G = {statistic:.1f} on {merged.freedom} degrees of freedom, p = "
        f"{p_value:.2g}"
    )


def power(probabilities, wrong_probabilities, samples, false_fail=1e-6):
    """Probability that `assert_frequencies(…, probabilities, false_fail)` fails counts of
    `wrong_probabilities`, `samples` per cell.

    A lower bound: the larger of the pooled G test's power, by the noncentral chi² with
    noncentrality 2 Σ n q log(q/p), and the power of the single most informative code, by the
    binomial law.
    """
    probabilities, wrong = np.atleast_2d(probabilities), np.atleast_2d(wrong_probabilities)
    sizes = np.broadcast_to(np.asarray(samples), (len(probabilities),))
    merged = _merge(probabilities, sizes)
    expected, drawn = (merged.add_up(table * sizes[:, None]) for table in (probabilities, wrong))
    critical = stats.chi2.isf(POOLED_SHARE * false_fail, merged.freedom)
    pooled = stats.ncx2.sf(critical, merged.freedom, max(0.0, _g_statistic(drawn, expected)))
    return float(
        max(pooled, _power_of_codes(probabilities, wrong, sizes, EXACT_SHARE * false_fail))
    )


def assert_mean(samples, expected, false_fail=1e-6):
    """Assert that the mean of independent `samples`, or of a pair (mean, standard error), is
    `expected`.

    Student's t at the stated rate for samples (100 at least, else TooFewSamplesError), normal for a
    pair. It leans on the central limit theorem: give it light tails, or many samples.
    """
    if isinstance(samples, tuple):
        mean, error = samples
        limit = stats.norm.isf(false_fail / 2)
    else:
        samples = np.asarray(samples, float).ravel()
        if samples.size < LEAST_SAMPLES:
            raise TooFewSamplesError(f"{samples.size} samples, {LEAST_SAMPLES} needed")
        mean, error = samples.mean(), samples.std(ddof=1) / np.sqrt(samples.size)
        limit = stats.t.isf(false_fail / 2, samples.size - 1)
    assert abs(mean - expected) <= limit * error, (
        f"mean {mean:.6g} is {abs(mean - expected) / error:.1f} standard errors from {expected:.6g}"
    )


def detectable(standard_error, false_fail=1e-6, miss=1e-3):
    """The smallest error of a mean that assert_mean catches with probability 1 − miss."""
    return standard_error * (stats.norm.isf(false_fail / 2) + stats.norm.isf(miss))


def _checked(counts, probabilities):
    counts = np.atleast_2d(counts)
    probabilities = np.atleast_2d(np.asarray(probabilities, float))
    assert counts.shape == probabilities.shape, (
        f"counts {counts.shape}, probabilities {probabilities.shape}"
    )
    assert np.all(probabilities >= 0), "probabilities must be 0 or more"
    assert np.allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-9), (
        "rows of probabilities must sum to 1"
    )
    samples = counts.sum(axis=1)
    short = ((probabilities > 0).sum(axis=1) > 1) & (samples < LEAST_SAMPLES)
    if short.any():
        raise TooFewSamplesError(
            f"cell {short.argmax()} has {samples[short.argmax()]} samples, {LEAST_SAMPLES} needed"
        )
    return counts, probabilities, samples


def _merge(probabilities, samples):
    """Group the codes of each cell, in order, until every group is expected 10 times or more; what
    is left over joins the last group.
    """
    bins = np.empty(probabilities.shape, int)
    first = 0
    inverse_sum = 0.0
    cells_judged = 0
    for cell, (row, n) in enumerate(zip(probabilities, samples, strict=True)):
        groups = _groups(row * n)
        bins[cell] = first + groups
        first += groups[-1] + 1
        if groups[-1]:
            inverse_sum += (np.sum(1 / np.bincount(groups, weights=row)) - 1) / (6 * n)
            cells_judged += 1
    freedom = first - len(probabilities)
    if freedom == 0 and np.any((probabilities > 0).sum(axis=1) > 1):
        raise TooFewSamplesError("no cell has two codes expected 10 times each")
    return _Merged(bins, freedom, 1 + inverse_sum / max(1, freedom))


def _groups(expected):
    groups = np.empty(len(expected), int)
    expected_in_group = 0.0
    group = 0
    for code, count in enumerate(expected):
        expected_in_group += count
        groups[code] = group
        if expected_in_group >= LEAST_EXPECTED and expected[code + 1 :].sum() >= LEAST_EXPECTED:
            expected_in_group = 0.0
            group = group + 1
    return groups


def _g_statistic(observed, expected):
    """2 Σ o log(o/e): twice the log-likelihood ratio; expected counts are positive after merging,
    save in cells of no possible code.
    """
    seen = observed > 0
    return 2 * np.sum(observed[seen] * np.log(observed[seen] / expected[seen]))


def _critical_counts(probabilities, samples, level):
    """Counts (low, high) that a single code stays within but for `level`, shared evenly by both
    sides of all codes that can go wrong.
    """
    side = level / (2 * max(1, np.sum((probabilities > 0) & (probabilities < 1))))
    law = stats.binom(samples[:, None], probabilities)
    return law.ppf(side), law.isf(side)


def _assert_each_code(counts, probabilities, samples, level):
    low, high = _critical_counts(probabilities, samples, level)
    wrong = np.argwhere((counts < low) | (counts > high))
    if len(wrong):
        cell, code = wrong[0]
        expected = probabilities[cell, code] * samples[cell]
        allowed = f"{low[cell, code]:.0f} to {high[cell, code]:.0f} allowed"
        raise AssertionError(
            f"cell {cell}, code {code}: {counts[cell, code]} counts, {expected:.1f} expected, "
            f"{allowed}"
        )


def _power_of_codes(probabilities, wrong, samples, level):
    low, high = _critical_counts(probabilities, samples, level)
    law = stats.binom(samples[:, None], wrong)
    caught = law.cdf(low - 1) + law.sf(high)
    return np.max(np.where(probabilities == 0, 1 - (1 - wrong) ** samples[:, None], caught))
