"""Linear-Gaussian: the closed form and the exact reference."""

import numpy as np
import pytest
from scipy import stats

from stochsim.models import LinearGaussianModel, Reference
from stochsim.settings import SettingError, StochsimError

FALSE_FAIL = 1e-6


def model(inputs=5, neurons=3):
    return LinearGaussianModel(np.random.default_rng(0).standard_normal((inputs, neurons)), 0.7)


def test_posterior_is_that_of_the_joint_gaussian():
    """Conditioning the joint covariance of (x, r) on x, another route to the same posterior."""
    m = model()
    x = np.random.default_rng(1).standard_normal((4, 5))
    marginal = m.decoder @ m.decoder.T + 0.49 * np.eye(5)
    gain = m.decoder.T @ np.linalg.inv(marginal)
    mean, covariance = m.posterior(x)
    np.testing.assert_allclose(mean, x @ gain.T, rtol=1e-10)
    np.testing.assert_allclose(covariance, np.eye(3) - gain @ m.decoder, rtol=1e-10)
    np.testing.assert_allclose(m.precision @ covariance, np.eye(3), atol=1e-12)


def test_posterior_mean_is_the_mode_of_the_joint():
    m = model()
    x = np.random.default_rng(1).standard_normal((1, 5))
    mean = m.posterior(x)[0][0]
    best = m.log_joint(x[0], mean)
    assert all(
        m.log_joint(x[0], mean + 1e-3 * step) < best for step in np.vstack([np.eye(3), -np.eye(3)])
    )


def mahalanobis_excess(reference, mean, covariance):
    """Sum of squared Mahalanobis lengths over its chi² bounds of rate FALSE_FAIL, as (below upper,
    above lower).
    """
    residual = reference.draws.astype(float) - mean[:, None]
    total = np.einsum("sdi,ij,sdj->", residual, np.linalg.inv(covariance), residual)
    return (
        stats.chi2.ppf(FALSE_FAIL / 2, residual.size)
        < total
        < stats.chi2.isf(FALSE_FAIL / 2, residual.size)
    )


def test_reference_is_exact_and_its_draws_follow_it():
    """False-fail rate 1e-6; a covariance 2 % too large fails, and so does a mean of no stimulus."""
    m = model()
    x = np.random.default_rng(1).standard_normal((4, 5))
    reference = m.reference(x, key=9)
    mean, covariance = m.posterior(x)
    assert reference.exact
    assert reference.diagnostics is None
    assert reference.draws.shape == (4, 10_000, 3)
    assert np.array_equal(reference.mean, mean)
    assert np.array_equal(reference.covariance[2], covariance)
    np.testing.assert_allclose(reference.sd[1] ** 2, np.diag(covariance))
    assert mahalanobis_excess(reference, mean, covariance)
    assert not mahalanobis_excess(reference, mean, 1.02 * covariance)
    assert not mahalanobis_excess(reference, 0 * mean, covariance)


def test_reference_ignores_the_batch():
    m = model()
    x = np.random.default_rng(1).standard_normal((4, 5))
    seen = []
    whole = m.reference(x, key=9, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert np.array_equal(m.reference(x[3:], key=9, first_stimulus=3).draws, whole.draws[3:])
    assert np.all(whole.draws[0] != whole.draws[1])


def test_subsets_are_disjoint_and_spread_over_the_chains():
    m = model(1, 1)
    reference = m.reference(np.zeros((2, 1)), key=1)
    numbered = np.tile(np.arange(10_000, dtype=np.float32)[None, :, None], (2, 1, 1))
    reference = Reference(True, numbered, reference.mean, reference.sd, reference.covariance, None)
    sets = [reference.subset(which, 1000)[0, :, 0] for which in range(10)]
    assert np.array_equal(np.sort(np.concatenate(sets)), np.arange(10_000))
    for chosen in sets:
        assert np.array_equal(np.bincount((chosen // 2500).astype(int)), [250] * 4)
        assert np.diff(chosen).max() < 21
    assert np.array_equal(reference.subset(0, 10_000), numbered)
    for which, n in ((10, 1000), (-1, 1000), (0, 1001), (0, 0), (0, 20_000)):
        with pytest.raises(SettingError):
            reference.subset(which, n)


def test_stored_form_comes_back_and_damage_is_refused(tmp_path):
    reference = model().reference(np.zeros((2, 5)), key=1)
    reference.save(tmp_path / "reference")
    back = Reference.load(tmp_path / "reference")
    assert back.exact
    assert back.chains == 4
    assert np.array_equal(back.draws, reference.draws)
    facts, arrays = reference.to_arrays()
    assert Reference.from_arrays(facts, arrays).exact
    for changed, field in (({"exact": 1}, "exact"), ({"chains": 0}, "chains"), ({"n": 1}, "n")):
        with pytest.raises(SettingError, match=rf"'(reference\.)?{field}'"):
            Reference.from_arrays({**facts, **changed}, arrays)
    with pytest.raises(SettingError, match="'sd' is missing"):
        Reference.from_arrays(facts, {name: one for name, one in arrays.items() if name != "sd"})


def test_arrays_changed_in_the_file_are_refused(tmp_path):
    path = tmp_path / "reference"
    model().reference(np.zeros((2, 5)), key=1).save(path)
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1
    path.write_bytes(whole)
    with pytest.raises(StochsimError, match="is damaged: the SHA-256 of its arrays"):
        Reference.load(path)
