"""The statistical assertions themselves: what they promise about right code, and that wrong code
fails.
"""

import numpy as np
import pytest
import stattest
from scipy import stats
from stattest import TooFewSamplesError, assert_frequencies, assert_mean, detectable, power

EDGES = np.arange(-7, 8)  # of a 4-bit quantiser of step 1
SIGMAS_FROM_EDGE = np.array([0.3, 0.6, 0.9, 1.2, 1.5])
MILLION = 1_000_000


def channel(drives, sigma):
    """P(code | drive) of a Gaussian 4-bit neuron, (drive, code)."""
    below = stats.norm.cdf((EDGES - np.asarray(drives)[:, None]) / sigma)
    return np.diff(below, axis=1, prepend=0.0, append=1.0)


def drawn(probabilities, samples, seed):
    random = np.random.Generator(np.random.Philox(key=seed))
    return np.stack(
        [random.multinomial(samples, row / row.sum()) for row in np.atleast_2d(probabilities)]
    )


def fails(counts, probabilities, **options):
    try:
        assert_frequencies(counts, probabilities, **options)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("sigma", [0.25, 0.5, 1.0, 2.0])
def test_right_channel_passes_and_two_percent_more_noise_fails(sigma):
    """False-fail rate 1e-6 for the right channel, power ≥ 0.999 for the wrong one."""
    drives = SIGMAS_FROM_EDGE * sigma
    right, wrong = channel(drives, sigma), channel(drives, 1.02 * sigma)
    assert power(right, wrong, MILLION) >= 0.999
    assert_frequencies(drawn(right, MILLION, 1), right)
    with pytest.raises(AssertionError):
        assert_frequencies(drawn(wrong, MILLION, 1), right)


def test_one_drive_near_an_edge_has_too_little_power_alone():
    """0.3 σ from an edge at σ = ¼ step: why drives are pooled."""
    drive = [0.3 * 0.25]
    assert power(channel(drive, 0.25), channel(drive, 0.255), MILLION) < 0.9


def test_stated_power_is_the_share_caught():
    """300 wrong runs at a stated power of about 0.6; binomial bounds at 1e-6.

    The bound is one-sided: power() promises a lower bound.
    """
    right, wrong = channel(SIGMAS_FROM_EDGE, 1.0), channel(SIGMAS_FROM_EDGE, 1.02)
    samples = 13_000
    runs = 300
    stated = power(right, wrong, samples, false_fail=1e-3)
    assert 0.3 < stated < 0.8
    caught = sum(
        fails(drawn(wrong, samples, 100 + run), right, false_fail=1e-3) for run in range(runs)
    )
    assert (
        stats.binom.ppf(1e-6, runs, stated)
        <= caught
        <= stats.binom.isf(1e-6, runs, min(1.0, stated + 0.1))
    )


def test_false_fail_rate_holds_in_simulation():
    """3,000 right runs at a stated rate of 0.01 with expected counts down to 10; binomial bound at
    1e-6.
    """
    right = np.array([[0.1, 0.3, 0.55, 0.05], [0.5, 0.25, 0.15, 0.1]])
    random = np.random.Generator(np.random.Philox(key=5))
    counts = random.multinomial(200, right, size=(3000, 2))
    failures = sum(fails(table, right, false_fail=0.01) for table in counts)
    assert failures <= stats.binom.isf(1e-6, 3000, 0.01)


@pytest.mark.parametrize("share", [0.1, 0.11, 0.2, 0.37, 0.5])
@pytest.mark.parametrize("samples", [100, 400])
def test_false_fail_rate_is_exact_for_two_codes(share, samples):
    """Every outcome of a two-code cell enumerated: the probability of the failing ones is at most
    1e-6.
    """
    right = np.array([[share, 1 - share]])
    outcomes = np.arange(samples + 1)
    failing = [count for count in outcomes if fails(np.array([[count, samples - count]]), right)]
    assert 0 < stats.binom.pmf(failing, samples, share).sum() <= 1e-6


def test_impossible_and_almost_impossible_codes():
    right = np.array([[0.0, 0.5, 0.5 - 1e-9, 1e-9]])
    assert_frequencies([[0, 500_000, 500_000, 0]], right)
    with pytest.raises(AssertionError, match="impossible code 0"):
        assert_frequencies([[1, 500_000, 499_999, 0]], right)
    with pytest.raises(
        AssertionError, match="code 3"
    ):  # merged away in the G test, still judged by the exact one
        assert_frequencies([[0, 500_000, 499_990, 10]], right)


def test_certain_code_needs_no_samples_and_admits_no_other():
    assert_frequencies([[0, 7]], [[0.0, 1.0]])
    with pytest.raises(AssertionError):
        assert_frequencies([[1, 6]], [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("counts", "right"), [([[40, 40]], [[0.5, 0.5]]), ([[1000, 0]], [[0.999, 0.001]])]
)
def test_refuses_to_judge_with_too_few_samples(counts, right):
    with pytest.raises(TooFewSamplesError):
        assert_frequencies(counts, right)


def test_merging_keeps_ten_expected_in_every_group():
    groups = stattest._groups(np.array([1.0, 2, 12, 3, 8, 9, 9, 2]))
    assert groups.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]


def test_mean_right_passes_and_wrong_fails():
    """False-fail rate 1e-6; the wrong mean lies twice the detectable error away (miss rate below
    1e-9).
    """
    samples = np.random.Generator(np.random.Philox(key=3)).normal(1.0, 2.0, 10_000)
    error = detectable(2.0 / 100)
    assert_mean(samples, 1.0)
    assert_mean((1.0, 0.1), 1.3)
    for wrong in (1.0 - 2 * error, 1.0 + 2 * error):
        with pytest.raises(AssertionError, match="standard errors"):
            assert_mean(samples, wrong)
    with pytest.raises(AssertionError):
        assert_mean((1.0, 0.1), 1.5)
    with pytest.raises(TooFewSamplesError):
        assert_mean(samples[:50], 1.0)
