"""Bootstrap intervals and the numbers that carry them."""

import numpy as np
import pytest
from scipy import stats

from stochsim.posterior import Estimate, bootstrap, intervals, mean_estimate
from stochsim.posterior.intervals import resample_rows
from stochsim.settings import SettingError


def normal(key, *shape):
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape)


def difference(left, right):
    return left.mean(axis=1) - right.mean(axis=1)


def test_estimate_prints_its_interval_or_its_reason():
    assert str(Estimate(0.9, 0.876, 0.92)) == "0.90 [0.88, 0.92]"
    assert f"{Estimate(0.9, 0.876, 0.92):.3f}" == "0.900 [0.876, 0.920]"
    missing = Estimate.missing("no labels")
    assert str(missing) == f"{missing:.3f}" == "n/a: no labels"
    assert not missing.available
    assert Estimate(1, 0, 2).available


def test_interval_of_a_mean_is_the_classical_one():
    """64 stimuli: percentile interval against mean ± 1.96 s/√n, s the plug-in sd; 2,000 resamples
    leave 0.06 s/√n of scatter.
    """
    data = normal(1, 64)
    found = mean_estimate(data, key=1)
    error = data.std() / 8
    assert found.value == pytest.approx(data.mean())
    assert abs(found.low - (data.mean() - 1.96 * error)) < 0.3 * error
    assert abs(found.high - (data.mean() + 1.96 * error)) < 0.3 * error


def test_interval_covers_the_truth_as_often_as_it_says():
    """400 data sets of 64 stimuli, where a percentile interval of a mean covers 0.943 of the time;
    false-fail rate 1e-6.
    """
    covered = 0
    for key in range(400):
        found = mean_estimate(normal(1000 + key, 64), key)
        covered += found.low <= 0 <= found.high
    assert stats.binom.ppf(5e-7, 400, 0.943) <= covered <= stats.binom.isf(5e-7, 400, 0.943)


def test_pairing_removes_what_arrays_share():
    """A spread over stimuli common to both arrays cancels in the paired difference; unpaired it
    would make the interval 50 times wider.
    """
    shared = 10 * normal(2, 64)
    noise = 0.1 * normal(3, 64)
    found = bootstrap(difference, shared + 1 + noise, shared, key=4)
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.2
    unpaired = mean_estimate(shared + 1 + noise, key=4)
    assert unpaired.high - unpaired.low > 3


@pytest.mark.parametrize("shape", [(7,), (3, 5)])
def test_rows_are_the_same_drawn_together_or_apart(shape, monkeypatch):
    whole = resample_rows(shape, 50, 3)
    monkeypatch.setattr(intervals, "_ELEMENTS_AT_ONCE", 4 * int(np.prod(shape)))
    parts = list(intervals._resampled(shape, 50, 3))
    assert len(parts) == 13
    assert np.array_equal(np.concatenate(parts), whole)


def test_same_key_gives_the_same_interval_and_chunks_do_not_matter(monkeypatch):
    data = normal(5, 40)
    first = mean_estimate(data, key=6)
    assert first == mean_estimate(data, key=6)
    assert first != mean_estimate(data, key=7)
    monkeypatch.setattr("stochsim.posterior.intervals._ELEMENTS_AT_ONCE", 1000)
    assert first == mean_estimate(data, key=6)


def test_several_keys_are_drawn_before_their_stimuli():
    """Keys that differ by far more than their stimuli: the interval must span the keys, as pooling
    all stimuli would not.
    """
    data = np.array([[0.0], [1.0], [2.0], [3.0]]) + 0.01 * normal(7, 4, 50)
    found = mean_estimate(data, key=8)
    pooled = mean_estimate(data.ravel(), key=8)
    assert found.high - found.low > 3 * (pooled.high - pooled.low)
    rows = resample_rows((4, 50), 100, key=8).reshape(100, 4, 50)
    assert np.all(
        rows // 50 == (rows // 50)[:, :, :1]
    )  # each drawn block of stimuli belongs to one key
    assert set(np.unique(rows)) == set(range(200))


def test_trailing_axes_go_to_the_statistic():
    data = normal(9, 30, 5)
    found = bootstrap(lambda rows: rows.mean(axis=(1, 2)), data, key=1)
    assert found.value == pytest.approx(data.mean())
    assert found.low < found.value < found.high
    one_key = bootstrap(lambda rows: rows.mean(axis=(1, 2)), data[None], key=1, several_keys=True)
    assert one_key.value == found.value
    assert one_key.high - one_key.low == pytest.approx(
        found.high - found.low, rel=0.15
    )  # one key adds no spread


def test_missing_values_are_left_out_or_reported():
    data = normal(10, 30)
    holed = data.copy()
    holed[::3] = np.nan
    found = mean_estimate(holed, key=1)
    assert found.value == pytest.approx(holed[~np.isnan(holed)].mean())
    assert np.isfinite([found.low, found.high]).all()
    assert (
        str(mean_estimate(np.full(5, np.nan), key=1, reason="constant outputs"))
        == "n/a: constant outputs"
    )
    assert "one stimulus" in str(mean_estimate(np.array([1.0]), key=1))
    assert "one stimulus" in str(mean_estimate(np.array([1.0, np.nan, np.nan]), key=1))


def test_arrays_of_different_stimuli_are_refused():
    with pytest.raises(SettingError, match="same \\(stimulus,\\)"):
        bootstrap(difference, np.zeros(4), np.zeros(5), key=1)
    with pytest.raises(SettingError, match="keys"):
        bootstrap(difference, np.zeros(4), np.zeros(4), key=1, several_keys=True)
