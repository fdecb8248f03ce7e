"""Survival S and the cliff."""

import numpy as np
import pytest

from stochsim.posterior import Estimate, Survival, bootstrap, cliff, survival
from stochsim.settings import SettingError


def distances(key=1, stimuli=64):
    """D_blind around 0.9, D_full around 0.15, sharing the hardness of the stimulus."""
    random = np.random.Generator(np.random.Philox(key=key))
    hardness = random.normal(0, 0.1, stimuli)
    return 0.9 + hardness + random.normal(0, 0.02, stimuli), 0.15 + 0.3 * hardness + random.normal(
        0, 0.02, stimuli
    )


def test_float_network_survives_whole_and_blind_not_at_all():
    d_blind, d_full = distances()
    whole = survival(d_full, d_blind, d_full, key=1)
    nothing = survival(d_blind, d_blind, d_full, key=1)
    assert (whole.estimate.value, whole.estimate.low, whole.estimate.high) == (1.0, 1.0, 1.0)
    assert (nothing.estimate.value, nothing.estimate.low, nothing.estimate.high) == (0.0, 0.0, 0.0)


def test_ratio_of_means_not_mean_of_ratios():
    d = np.array([0.5, 0.5, 0.5, 0.5])
    d_blind = np.array([1.0, 1.0, 2.0, 2.0])
    d_full = np.array([0.5, 0.1, 0.5, 0.1])
    found = survival(d, d_blind, d_full, key=1)
    assert found.estimate.value == pytest.approx((1.5 - 0.5) / (1.5 - 0.3))
    assert found.estimate.value != pytest.approx(np.mean((d_blind - d) / (d_blind - d_full)))


def test_never_clipped():
    d_blind, d_full = distances()
    worse = survival(d_blind + 0.3, d_blind, d_full, key=1)
    better = survival(d_full - 0.05, d_blind, d_full, key=1)
    assert worse.estimate.value < -0.3
    assert worse.estimate.high < 0
    assert better.estimate.value > 1.05
    assert better.estimate.low > 1


def test_interval_is_paired():
    """The stimuli's hardness cancels: D = halfway gives S = ½ exactly in every resample."""
    d_blind, d_full = distances()
    half = survival((d_blind + d_full) / 2, d_blind, d_full, key=1).estimate
    assert half.low == pytest.approx(0.5)
    assert half.high == pytest.approx(0.5)
    d = d_full + np.random.Generator(np.random.Philox(key=9)).normal(0.1, 0.05, 64)
    found = survival(d, d_blind, d_full, key=1).estimate
    assert found.low < found.value < found.high


def test_untrained_network_is_not_judged():
    d_blind, d_full = distances()
    found = survival(d_full, d_blind, d_blind - 0.05, key=1)
    assert found.estimate is None
    assert str(found) == "n/a: the network is not significantly better than ignoring the stimulus"
    assert found.d_blind.available
    assert found.d_full.available
    assert found.d.value == pytest.approx(d_full.mean())
    assert found.gain.value == pytest.approx(0.05)


def test_threshold_is_on_the_lower_bound_of_the_gain():
    """A mean gain of 0.13, twice: certain, and with an interval that reaches below 0.1."""
    d_blind, _ = distances()
    wave = np.where(np.arange(64) % 2, 1.0, -1.0)
    assert survival(d_blind, d_blind, d_blind - 0.13 + 0.01 * wave, key=1).estimate is not None
    assert survival(d_blind, d_blind, d_blind - 0.13 + 0.50 * wave, key=1).estimate is None


def test_several_keys_widen_the_interval():
    d_blind, d_full = (
        np.stack(arrays) for arrays in zip(*(distances(key) for key in range(5)), strict=True)
    )
    d = d_full + np.linspace(0, 0.3, 5)[:, None]
    several = survival(d, d_blind, d_full, key=1).estimate
    flat = survival(d.ravel(), d_blind.ravel(), d_full.ravel(), key=1).estimate
    assert several.value == pytest.approx(flat.value)
    assert several.high - several.low > 2 * (flat.high - flat.low)


def test_one_stimulus_has_no_survival():
    found = survival(np.array([0.2]), np.array([0.9]), np.array([0.1]), key=1)
    assert found.estimate is None
    assert "one stimulus" in str(found)


def test_bad_distances_are_refused():
    with pytest.raises(SettingError, match="should all be"):
        survival(np.zeros(3), np.zeros(4), np.zeros(3), key=1)
    with pytest.raises(SettingError, match="'d_blind': holds NaN"):
        survival(np.zeros(3), np.array([1.0, np.nan, 1.0]), np.zeros(3), key=1)


def survived(low):
    """A Survival with this lower bound; None for n/a."""
    number = Estimate(0.5, 0.4, 0.6)
    estimate = None if low is None else Estimate(low + 0.02, low, low + 0.04)
    return Survival(estimate, "" if estimate else "n/a", number, number, number, number)


@pytest.mark.parametrize(
    ("lows", "expected"),
    [
        ({1: -0.5, 2: 0.3, 4: 0.91, 8: 0.98}, 4),
        ({8: 0.98, 1: -0.5, 4: 0.91, 2: 0.3}, 4),  # in any order
        (
            {1: 0.95, 2: 0.3, 4: 0.91, 8: 0.98},
            4,
        ),  # a lucky narrow width does not count: a wider one fails
        ({1: 0.95, 2: 0.95}, 1),
        ({1: 0.95, 2: 0.89}, None),
        ({1: 0.95, 2: None}, None),  # n/a fails
        ({1: None, 2: 0.95}, 2),
        ({4: 0.9}, 4),  # the bar itself is reached
        ({}, None),
    ],
)
def test_cliff(lows, expected):
    assert cliff(list(lows), [survived(low) for low in lows.values()]) == expected


def test_cliff_refuses_a_width_given_twice():
    with pytest.raises(SettingError, match="distinct"):
        cliff([2, 2], [survived(0.95), survived(0.95)])


def test_gain_matches_the_plain_bootstrap():
    d_blind, d_full = distances()
    expected = bootstrap(lambda rows: rows.mean(axis=1), d_blind - d_full, key=5)
    found = survival(d_full, d_blind, d_full, key=5).gain
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
