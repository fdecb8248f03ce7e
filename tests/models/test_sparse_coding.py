"""Sparse coding: density, the reference and its rule, and the closed form for orthogonal
dictionaries.
"""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from stochsim.models import SparseCodingModel, gibbs_run, orthogonal_posterior_moments
from stochsim.settings import SettingError, StochsimError

FALSE_FAIL = 1e-6


def orthogonal_model(laplace_scale=0.5):
    columns = np.linalg.qr(np.random.default_rng(2).standard_normal((6, 4)))[0]
    return SparseCodingModel(columns * [0.5, 1.0, 1.5, 2.0], 0.8, laplace_scale)


def stimuli(count=4, inputs=6, scale=1.0):
    return scale * np.random.default_rng(4).standard_normal((count, inputs))


def worst_z(draws, chains, mean, second):
    """Largest |z| of first and second moments of draws (stimulus, draw, neuron), errors by the
    effective sample size of each.
    """
    worst = 0.0
    for power, expected in ((1, mean), (2, second)):
        values = draws.astype(float) ** power
        by_chain = values.reshape(len(draws), chains, -1, values.shape[-1]).transpose(0, 3, 1, 2)
        ess = np.minimum(array_stats.ess(by_chain, method="mean"), values.shape[1])
        worst = max(
            worst,
            np.max(np.abs(values.mean(axis=1) - expected) / (values.std(axis=1) / np.sqrt(ess))),
        )
    return worst


def z_limit(comparisons):
    """Bonferroni bound of |z|.

    10,000 draws are close to normal; a tenth of the rate leaves room for their skewness.
    """
    return stats.norm.isf(0.1 * FALSE_FAIL / comparisons / 2)


def test_reference_agrees_with_the_closed_form_and_not_with_a_wrong_one():
    """False-fail rate below 1e-6; a Laplace scale 10 % too large fails."""
    model = orthogonal_model()
    x = stimuli()
    reference = model.reference(x, key=1)
    mean, variance = orthogonal_posterior_moments(model, x)
    limit = z_limit(2 * mean.size)
    assert worst_z(reference.draws, reference.chains, mean, variance + mean**2) < limit
    mean, variance = orthogonal_posterior_moments(orthogonal_model(0.55), x)
    assert worst_z(reference.draws, reference.chains, mean, variance + mean**2) > limit


def test_closed_form_agrees_with_quadrature():
    model = SparseCodingModel(np.array([[0.7]]), 0.3, 0.9)
    for x in (-3.0, 0.0, 0.2, 2.0):
        mean, variance = orthogonal_posterior_moments(model, [[x]])
        centre = float(mean[0, 0])
        grid = np.concatenate(
            [np.linspace(-12, 0, 200_001), np.linspace(0, 12, 200_001)]
        )  # the kink lies on the grid
        density = np.exp(
            model.log_joint(np.array([x]), grid[:, None])
            - model.log_joint(np.array([x]), np.array([centre]))
        )
        total = np.trapezoid(density, grid)
        assert np.trapezoid(density * grid, grid) / total == pytest.approx(centre, abs=1e-7)
        assert np.trapezoid(density * (grid - centre) ** 2, grid) / total == pytest.approx(
            variance[0, 0], rel=1e-6
        )


def test_correlated_posterior_agrees_with_quadrature():
    """Two correlated columns, a posterior with a kink; false-fail rate below 1e-6; the posterior of
    uncorrelated columns fails.
    """
    model = SparseCodingModel(np.array([[1.0, 0.8], [0.0, 0.6]]), 0.7, 0.6)
    x = np.array([[1.0, -0.5], [0.1, 0.9]])
    axis = np.linspace(-8, 8, 1601)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)

    def moments(of):
        weights = np.exp(np.stack([of.log_joint(row, grid) for row in x]))
        weights /= weights.sum(axis=(1, 2), keepdims=True)
        return (np.einsum("sij,ijn->sn", weights, grid**power) for power in (1, 2))

    reference = model.reference(x, key=3)
    assert worst_z(reference.draws, reference.chains, *moments(model)) < z_limit(8)
    other = SparseCodingModel(np.array([[1.0, 0.0], [0.0, 1.0]]), 0.7, 0.6)
    assert worst_z(reference.draws, reference.chains, *moments(other)) > z_limit(8)


def test_reference_meets_its_rule_and_ignores_the_batch():
    model = SparseCodingModel(np.random.default_rng(1).standard_normal((6, 8)) * 0.3, 0.8, 0.5)
    x = stimuli(3)
    seen = []
    whole = model.reference(x, key=7, progress=lambda done, total: seen.append((done, total)))
    assert whole.draws.shape == (3, 10_000, 8)
    assert not whole.exact
    assert np.isfinite(whole.draws).all()
    assert whole.diagnostics.max_rhat < 1.01
    assert whole.diagnostics.min_ess_per_draw >= 0.8
    assert seen[-1][0] == seen[-1][1] == 12_700 * 3 * 4 * 8
    assert len(seen) == 1 + seen[-1][1] // gibbs_run.UPDATES_PER_CALL
    last = model.reference(x[2:], key=7, first_stimulus=2)
    assert np.array_equal(last.draws, whole.draws[2:])
    assert not np.array_equal(model.reference(x[2:], key=8, first_stimulus=2).draws, last.draws)


def strained_model():
    """Two nearly parallel columns: slow mixing."""
    return SparseCodingModel(np.array([[1.0, 0.9], [0.0, np.sqrt(1 - 0.81)]]), 0.3, 1.0)


def test_thinning_doubles_only_where_needed():
    reference = strained_model().reference(np.array([[0.1, 0.2], [3.0, 1.0], [0.0, -2.0]]), key=2)
    thinning = reference.diagnostics.thinning
    assert len(set(thinning)) > 1
    assert set(thinning) <= {5, 10, 20, 40}
    assert reference.diagnostics.min_ess_per_draw >= 0.8


def finished(run):
    while run.advance():
        pass
    return run


@pytest.mark.parametrize("length", [50, 51])
def test_a_continued_run_equals_a_longer_one(length):
    """Doubled thinning is not a second attempt: it is the run that would have been thinned so from
    the start.
    """
    gram = np.array([[4.0, 3.0], [3.0, 4.0]])
    linear = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]])
    rows = np.array([0, 2])
    posterior = gibbs_run.LaplacePosterior(linear, gram, 1.0)
    short = finished(gibbs_run.start_run(5, np.arange(3), posterior, length)).continued(rows)
    fresh = gibbs_run.start_run(5, rows, posterior._replace(linear=linear[rows]), length)
    fresh.thinning = 10
    assert np.array_equal(finished(short).draws, finished(fresh).draws)


def test_chains_that_never_mix_are_refused_by_name():
    model = SparseCodingModel(np.array([[1.0, 0.9995], [0.0, np.sqrt(1 - 0.9995**2)]]), 0.05, 10.0)
    with pytest.raises(StochsimError, match=r"stimulus 11, coordinate 0: R-hat .* thinning 40"):
        model.reference([[1.0, 0.5]], key=0, first_stimulus=11)


def test_log_joint_by_hand_and_by_batch():
    model = SparseCodingModel(np.array([[1.0, 2.0]]), 0.5, 2.0)
    assert model.log_joint(np.array([1.0]), np.array([1.0, -0.5])) == pytest.approx(
        stats.norm.logpdf(1.0, 0.0, 0.5) + stats.laplace.logpdf([1.0, -0.5], scale=2.0).sum()
    )
    x, r = model.sample(5, key=3)
    joint = model.log_joint(x[:, None], r[None])
    assert joint.shape == (5, 5)
    assert joint[1, 2] == pytest.approx(model.log_joint(x[1], r[2]))
    np.testing.assert_allclose(model.log_prior(r), stats.laplace.logpdf(r, scale=2.0).sum(axis=1))


def test_sample_is_keyed_and_has_the_scale_of_the_model():
    """False-fail rate below 1e-6 (Chebyshev is not needed: |r| and x² average over 40,000 draws,
    limit 6 standard errors).
    """
    model = SparseCodingModel(np.eye(2), 0.5, 2.0)
    x, r = model.sample(40_000, key=3)
    assert np.array_equal(model.sample(10, key=5)[0], model.sample(10, key=5)[0])
    assert abs(np.abs(r).mean() - 2.0) < 6 * 2.0 / np.sqrt(r.size)
    assert abs(((x - r) ** 2).mean() - 0.25) < 6 * 0.25 * np.sqrt(2 / x.size)


def test_bad_values_are_refused():
    for decoder, noise, scale in (
        (np.ones(3), 1, 1),
        (np.full((2, 2), np.nan), 1, 1),
        (np.eye(2), -1, 1),
        (np.eye(2), 1, float("nan")),
    ):
        with pytest.raises(SettingError):
            SparseCodingModel(decoder, noise, scale)
    with pytest.raises(SettingError, match="row 0, column 1"):
        SparseCodingModel(np.eye(2), 1, 1).reference([[0.0, np.nan]], 0)
    with pytest.raises(SettingError, match="orthogonal"):
        orthogonal_posterior_moments(strained_model(), [[0.0, 1.0]])
