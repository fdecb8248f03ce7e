"""Coverage of central intervals and MMD²."""

import numpy as np
import pytest
from scipy import stats

from stochsim.posterior.coverage import coverage, mmd_squared, spread_quantiles
from stochsim.settings import SettingError

STIMULI, N, NEURONS = 8, 1000, 16


def generator(key):
    return np.random.Generator(np.random.Philox(key=key))


def normal(key, *shape):
    return generator(key).standard_normal(shape)


def bound(level):
    """6 standard deviations (false-fail rate 2e-9) of the mean coverage over all stimuli and
    neurons: N reads place the interval and N reference draws are counted, each with the binomial
    variance of the share.
    """
    return 6 * np.sqrt(2 * level * (1 - level) / N / (STIMULI * NEURONS))


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_matched_sampler_covers_its_level(level):
    values, draws = normal(1, STIMULI, N, NEURONS), normal(2, STIMULI, N, NEURONS)
    assert abs(coverage(values, draws, level).mean() - level) < bound(level)
    for wrong in (1.1, 0.9):
        assert abs(coverage(wrong * values, draws, level).mean() - level) > bound(level)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_codes_spread_over_their_step_cover_a_reference_spread_the_same_way(level):
    """Reference: the same code law plus an even spread of one step, so the match is exact; without
    the spread the codes miss.
    """
    step = 0.25
    shift = 0.11
    codes, others = (np.round(normal(key, STIMULI, N, NEURONS) / 0.4) for key in (3, 4))
    values = shift + step * codes
    draws = shift + step * (others + generator(5).uniform(-0.5, 0.5, others.shape))
    assert abs(coverage(values, draws, level, step).mean() - level) < bound(level)
    assert abs(coverage(values, draws, level, 0.0).mean() - level) > bound(level)


def test_spread_quantiles_are_exact():
    """Codes 0, 0, 1, 3 of step 1: distribution function 0 at −½, ½ at ½, ¾ at 1½, ¾ at 2½, 1 at
    3½.
    """
    values = np.array([[0.0, 5.0], [0.0, 5.0], [1.0, 6.0], [3.0, 8.0]])
    found = spread_quantiles(values, np.array([0.0, 0.25, 0.5, 0.625, 0.875, 1.0]), 1.0)
    assert np.allclose(found[:, 0], [-0.5, 0.0, 0.5, 1.0, 3.0, 3.5], atol=0)
    assert np.allclose(found[:, 1], found[:, 0] + 5, atol=0)


def test_plain_quantiles_have_the_expected_rank():
    """Rank p(n + 1): of 9 reads the quartiles lie halfway between the 2nd and 3rd, and the 7th and
    8th.
    """
    found = spread_quantiles(np.arange(1.0, 10.0)[:, None], np.array([0.25, 0.75]))
    assert np.allclose(found[:, 0], [2.5, 7.5], atol=0)


def test_spread_quantiles_agree_with_dither():
    """The same law by Monte Carlo: 1,000 reads dithered 1,000 times; sd of a quantile below
    1e-3.
    """
    values = 0.3 * np.round(normal(6, N, 1) / 0.7)
    dithered = values + 0.3 * generator(7).uniform(-0.5, 0.5, (N, 1000))
    tails = np.array([0.05, 0.25, 0.75, 0.95])
    assert np.allclose(
        spread_quantiles(values, tails, 0.3)[:, 0], np.quantile(dithered, tails), atol=6e-3
    )


def test_one_bit_code_spreads_over_two_steps():
    values = np.where(np.arange(1000) < 500, -1.0, 1.0)[:, None]
    assert np.allclose(spread_quantiles(values, np.array([0.25, 0.75]), 2.0)[:, 0], [-1, 1], atol=0)


def test_steps_may_differ_by_neuron_and_must_not_be_negative():
    values = np.round(normal(8, 100, 2))
    both = spread_quantiles(values, np.array([0.3]), np.array([0.0, 1.0]))
    assert both[0, 0] == spread_quantiles(values, np.array([0.3]))[0, 0]
    assert both[0, 1] == spread_quantiles(values, np.array([0.3]), 1.0)[0, 1]
    with pytest.raises(SettingError, match="'step' = -1"):
        spread_quantiles(values, np.array([0.3]), -1.0)


def test_constant_float_chip_covers_nothing():
    assert np.all(coverage(np.zeros((2, 50, 3)), normal(9, 2, 50, 3), 0.9) == 0)


def test_mmd_is_unbiased_for_one_law_and_sees_another():
    """64 stimuli; the mean of the right law within 5.5 standard errors of 0 (false-fail rate below
    1e-6), negative controls beyond.
    """
    draws = normal(10, 64, 300, 4)
    sd = np.ones((64, 4))

    def standard_errors(values):
        found = mmd_squared(values, draws, sd)
        return found.mean() / (found.std() / 8)

    values = normal(11, 64, 300, 4)
    assert abs(standard_errors(values)) < 5.5
    assert mmd_squared(values, draws, sd).min() < 0  # unbiased means that it may fall below 0
    for wrong in (values + 0.2, 1.2 * values):
        assert standard_errors(wrong) > 5.5


def test_mmd_is_the_plain_double_sum():
    values = normal(12, 1, 20, 3) + 0.5
    draws = normal(13, 1, 30, 3)
    sd = np.array([[0.5, 1.0, 2.0]])
    u, v = values[0] / sd[0], draws[0] / sd[0]
    h2 = np.median([np.sum((a - b) ** 2) for i, a in enumerate(v) for b in v[:i]])

    def kernel(a, b):
        return np.exp(-np.sum((a - b) ** 2) / (2 * h2))

    within = [
        np.mean([kernel(a, b) for i, a in enumerate(w) for j, b in enumerate(w) if i != j])
        for w in (u, v)
    ]
    between = np.mean([kernel(a, b) for a in u for b in v])
    assert mmd_squared(values, draws, sd) == pytest.approx([sum(within) - 2 * between])


def test_mmd_uses_the_first_256_reads():
    values, draws = normal(14, 1, 400, 3), normal(15, 1, 400, 3)
    sd = np.ones((1, 3))
    assert mmd_squared(values, draws, sd) == mmd_squared(values[:, :256], draws[:, :256], sd)


def test_bound_is_what_it_says():
    """The scale behind `bound`: over 64 repeats of single-neuron coverages, the variance is 2 p(1 −
    p)/N within 60 %.
    """
    found = coverage(normal(16, 64, N, 1), normal(17, 64, N, 1), 0.9)
    assert (
        stats.chi2.ppf(1e-7, 63) / 63
        < found.var(ddof=1) / (2 * 0.09 / N)
        < stats.chi2.isf(1e-7, 63) / 63
    )
