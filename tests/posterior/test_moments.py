"""Means, spreads, covariances and the Gaussian KL, against closed forms."""

import numpy as np
import pytest

from stochsim.posterior import (
    compare,
    expected_gaussian_kl,
    gaussian_kl,
    log_sd_correlation,
    moments,
    sample_moments,
)


def normal(key, *shape):
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape)


def test_sample_moments_are_numpys():
    values = normal(1, 3, 200, 4)
    mean, covariance = sample_moments(values)
    assert np.allclose(mean, values.mean(axis=1), atol=0)
    assert np.allclose(covariance, [np.cov(reads.T) for reads in values], atol=0)


def test_constant_reads_have_a_variance_of_exactly_zero():
    values = np.full((1, 1000, 2), 0.1)
    assert values[0, :, 0].mean() != 0.1  # rounding, which must not count as spread
    values[0, :, 1] = normal(2, 1000)
    covariance = sample_moments(values)[1]
    assert covariance[0, 0, 0] == covariance[0, 0, 1] == 0
    assert covariance[0, 1, 1] > 0.5


def test_signed_errors_do_not_cancel():
    """Two neurons off by +½ and −½ sd are off by ½, not by 0; each in its own unit."""
    sd = np.array([[2.0, 0.1]])
    assert moments.mean_errors(np.array([[1.0, -0.05]]), np.zeros((1, 2)), sd) == pytest.approx(
        [0.5]
    )


def test_log_sd_bias_and_rms():
    sd = np.ones((2, 3))
    chip = np.array([[np.e, 1 / np.e, 0.0], [0.0, 0.0, 0.0]])
    bias, rms, zero_share = moments.log_sd_errors(chip, sd)
    assert bias[0] == pytest.approx(0)
    assert rms[0] == pytest.approx(1)
    assert np.isnan(bias[1])
    assert np.isnan(rms[1])
    assert zero_share == pytest.approx([1 / 3, 1])


def test_log_sd_correlation_follows_the_stimulus_and_marks_what_it_cannot_say():
    sd = np.exp(normal(3, 20, 6))
    chip = sd.copy()
    chip[:, 1] = 3 * sd[:, 1] ** 2  # any power law correlates fully
    chip[:, 2] = 1 / sd[:, 2]
    chip[:, 3] = 0.7  # constant over stimuli
    chip[5, 4] = 0.0  # silent at one stimulus
    sd[:, 5] = 2.0  # reference constant: a linear-Gaussian posterior
    found = log_sd_correlation(chip, sd)
    assert found[:3] == pytest.approx([1, 1, -1])
    assert np.isnan(found[3:]).all()


def test_log_sd_correlation_over_bootstrap_resamples_is_the_plain_one():
    chip = np.exp(normal(4, 20, 6))
    sd = np.exp(normal(5, 20, 6))
    stacked = log_sd_correlation(np.stack([chip, chip[::-1]]), np.stack([sd, sd[::-1]]))
    expected = [np.corrcoef(np.log(chip[:, i]), np.log(sd[:, i]))[0, 1] for i in range(6)]
    assert np.allclose(stacked, expected, atol=0)


def test_covariance_error_sees_scale_and_pattern_correlation_does_not():
    reference = np.array([[[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 1.5]]])
    assert moments.covariance_errors(2 * reference, reference) == pytest.approx([1.0])
    assert moments.pattern_correlations(2 * reference, reference) == pytest.approx([1.0])
    assert moments.pattern_correlations(reference + 9 * np.eye(3), reference) == pytest.approx(
        [1.0]
    )  # the diagonal is no pattern
    flipped = -reference
    assert moments.pattern_correlations(flipped, reference) == pytest.approx([-1.0])
    assert moments.covariance_errors(np.zeros_like(reference), reference) == pytest.approx([1.0])
    assert np.isnan(moments.pattern_correlations(np.zeros_like(reference), reference)).all()
    assert np.isnan(moments.pattern_correlations(np.ones((1, 1, 1)), np.ones((1, 1, 1)))).all()


def test_gaussian_kl_is_the_closed_form_and_knows_its_direction():
    """One dimension: KL(N(m, s²) ‖ N(0, 1)) = ½ (s² + m² − 1 − log s²); independent dimensions
    add.
    """
    m, s2 = np.array([0.7, -0.2]), np.array([0.5, 2.0])
    expected = 0.5 * np.sum(s2 + m**2 - 1 - np.log(s2))
    found = gaussian_kl(m[None], np.diag(s2)[None], np.zeros((1, 2)), np.eye(2)[None])
    assert found == pytest.approx([expected])
    reverse = gaussian_kl(np.zeros((1, 2)), np.eye(2)[None], m[None], np.diag(s2)[None])
    assert reverse != pytest.approx([expected])


def test_gaussian_kl_does_not_change_with_the_units():
    root = normal(6, 2, 3, 3)
    chip, reference = (array @ array.T + np.eye(3) for array in root)
    mix = normal(7, 3, 3)
    plain = gaussian_kl(np.ones((1, 3)), chip[None], np.zeros((1, 3)), reference[None])
    mixed = gaussian_kl(
        (mix @ np.ones(3))[None],
        (mix @ chip @ mix.T)[None],
        np.zeros((1, 3)),
        (mix @ reference @ mix.T)[None],
    )
    assert mixed == pytest.approx(plain)


def test_gaussian_kl_of_a_singular_chip_is_not_a_number():
    singular = np.array([[[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]])
    assert np.isnan(
        gaussian_kl(
            np.zeros((2, 2)), singular, np.zeros((2, 2)), np.broadcast_to(np.eye(2), (2, 2, 2))
        )
    ).all()


@pytest.mark.parametrize("draws", [None, 500])
def test_expected_gaussian_kl_is_what_two_samples_of_one_law_give(draws):
    """200 repetitions of 16 neurons, 300 reads; mean within 5.5 standard errors: false-fail rate
    below 1e-6.
    """
    repeats = 200
    neurons = 16
    chip_mean, chip = sample_moments(normal(8, repeats, 300, neurons))
    mean = np.zeros((repeats, neurons))
    reference = np.broadcast_to(np.eye(neurons), (repeats, neurons, neurons))
    if draws:
        mean, reference = sample_moments(normal(9, repeats, draws, neurons))
    found = gaussian_kl(chip_mean, chip, mean, reference)
    error = found.std() / np.sqrt(repeats)
    assert abs(found.mean() - expected_gaussian_kl(neurons, 300, draws)) < 5.5 * error
    assert expected_gaussian_kl(neurons, 300, draws) > 20 * error  # so a floor of 0 would fail


def test_reconstruction_error():
    dictionary, inputs, values = normal(10, 5, 3), normal(11, 2, 5), normal(12, 2, 50, 3)
    expected = [
        np.mean([np.sum((x - dictionary @ r) ** 2) / 5 for r in reads])
        for x, reads in zip(inputs, values, strict=True)
    ]
    assert np.allclose(moments.reconstruction_errors(values, inputs, dictionary), expected, atol=0)


def test_compare_gathers_every_measure():
    values, draws = normal(13, 4, 300, 5), normal(14, 4, 300, 5)
    reference = sample_moments(draws)[1]
    found = compare(
        values,
        np.zeros((4, 5)),
        reference,
        draws,
        inputs=np.zeros((4, 3)),
        dictionary=np.ones((3, 5)),
    )
    measures = found.per_stimulus()
    assert len(measures) == 11
    assert all(array.shape == (4,) and np.isfinite(array).all() for array in measures.values())
    silent = compare(np.zeros((4, 300, 5)), np.zeros((4, 5)), np.eye(5), draws)
    undefined = {name for name, array in silent.per_stimulus().items() if np.isnan(array).all()}
    assert undefined == {
        "log_sd_bias",
        "log_sd_rms",
        "pattern_correlation",
        "gaussian_kl_nat",
        "reconstruction_error",
    }
    assert np.all(silent.zero_sd_share == 1)
    assert np.all(silent.coverage_90 == 0)
