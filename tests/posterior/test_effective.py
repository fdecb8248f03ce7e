"""Effective samples of dependent reads, against processes whose autocorrelation is known."""

import numpy as np
import pytest

from stochsim.posterior import effective_sample_size, effective_samples
from stochsim.settings import SettingError

READS = 2000
TOLERANCE = 0.08


def chains(phi, reads=READS, stimuli=16, neurons=16, key=1):
    """Autoregressive chains of correlation phi: worth reads (1 - phi)/(1 + phi)."""
    noise = np.random.Generator(np.random.Philox(key=key)).standard_normal(
        (reads, stimuli, neurons)
    )
    values = np.empty_like(noise)
    values[0] = noise[0]
    for t in range(1, reads):
        values[t] = phi * values[t - 1] + np.sqrt(1 - phi**2) * noise[t]
    return values.transpose(1, 0, 2)


@pytest.mark.parametrize("phi", [0.2, 0.5, 0.8, 0.9])
def test_an_autoregressive_process(phi):
    """Within 8 %: the mean of 256 estimates has a standard error below 1.1 %, and a bias of up to
    2.7 %; at that 1e-6 are failed wrongly.

    Negative controls: reads taken for independent, and the variance's inflation with the sum over
    lags counted once, (1 - phi).
    """
    found = effective_samples(chains(phi), independent=False)
    assert found.shape == (16,)
    assert found.mean() == pytest.approx(READS * (1 - phi) / (1 + phi), rel=TOLERANCE)
    for wrong in (READS, READS * (1 - phi)):
        assert found.mean() != pytest.approx(wrong, rel=TOLERANCE)


def test_fewer_effective_samples_of_fewer_reads():
    found = [effective_samples(chains(0.5, reads), False).mean() / reads for reads in (500, 2000)]
    assert found == pytest.approx([1 / 3, 1 / 3], rel=TOLERANCE)


def test_independent_reads_count_in_full_and_are_not_estimated():
    """An estimate would be below: each neuron's is capped at the reads, and it scatters."""
    values = chains(0.0)
    assert (effective_samples(values, independent=True) == READS).all()
    assert (effective_samples(values[:, :3], independent=True) == 3).all()
    estimated = effective_samples(values, independent=False)
    assert 0.92 * READS < estimated.mean() < 0.98 * READS


def test_never_more_than_the_reads():
    """Reads that alternate around their mean say more of it than independent ones; they count as no
    more than the reads that there are.
    """
    assert effective_sample_size(chains(-0.5)).mean() > 2 * READS
    assert (effective_samples(chains(-0.5), False) == READS).all()


def test_neurons_that_do_not_vary_are_left_out():
    values = chains(0.5, 500, 4)
    expected = effective_samples(values[:, :, 3:], False)
    values[:, :, :3] = 1.0
    np.testing.assert_allclose(effective_samples(values, False), expected)
    values[2] = 0.0
    for independent in (True, False):
        assert np.array_equal(
            np.isnan(effective_samples(values, independent)), [False, False, True, False]
        )


def test_a_state_left_once_is_a_bad_mixer():
    """One jump half way: two states seen, not a thousand reads."""
    values = np.zeros((1, 1000, 1))
    values[:, 500:] = 1.0
    assert effective_samples(values, False)[0] < 10


def test_reads_that_repeat_are_worth_one_period():
    """A random source of 255 reads, run for 1,000: each read of a period looks independent, and
    there are but 255.
    """
    period = chains(0.0, 255, 4)
    values = np.concatenate([period] * 4, axis=1)[:, :1000]
    assert (
        effective_samples(values, False).min() > 700
    )  # what the autocorrelation at small lags makes of it
    assert (effective_samples(values, False, period=255) <= 255).all()
    assert effective_samples(values, False, period=255).mean() > 0.95 * 255
    values[1, 900] += 1e-3  # this one does not repeat
    assert effective_samples(values, False, period=255)[1] > 700
    assert effective_samples(values[:, :200], False, period=255).mean() > 150


def test_a_period_that_begins_after_a_while_counts():
    """A chain forgets its start, then repeats with its source: a last stretch alone."""
    values = np.concatenate([chains(0.0, 300, 2, key=5), *[chains(0.0, 200, 2)] * 3], axis=1)
    assert (effective_samples(values, False, period=200) <= 200).all()


def test_too_few_dependent_reads_are_refused():
    with pytest.raises(
        SettingError,
        match=r"'values' = array of shape \(1, 4, 1\), float64: should be .* 8 reads or more",
    ):
        effective_samples(np.arange(4.0).reshape(1, 4, 1), independent=False)
