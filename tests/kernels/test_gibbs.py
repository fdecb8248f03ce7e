"""The Gibbs kernel against SciPy, its reference implementation, closed forms, and other splits."""

import numpy as np
from scipy import special, stats
from stochsim_kernels.posterior import gibbs
from stochsim_kernels.reference import coordinate_gibbs
from threadtest import threads

KEY = np.uint64(20240611)
FALSE_FAIL = 1e-6


def problem(stimuli, inputs, neurons, seed=1, noise_sd=0.5):
    """(numbers, linear, gram) of a random unit-norm dictionary and stimuli of a few standard
    deviations.
    """
    random = np.random.default_rng(seed)
    decoder = random.standard_normal((inputs, neurons))
    decoder /= np.linalg.norm(decoder, axis=0)
    x = 2 * random.standard_normal((stimuli, inputs))
    return np.arange(stimuli), x @ decoder / noise_sd**2, decoder.T @ decoder / noise_sd**2


def run(
    numbers,
    linear,
    gram,
    sweeps,
    chains=2,
    inverse_scale=1.0,
    key=KEY,
    burn_in=0,
    thin=1,
    kept=None,
    slices=None,
):
    """(draws, state) of a run cut into `slices` calls."""
    state = np.empty((len(numbers), chains, len(gram)))
    field = np.empty_like(state)
    draws = np.zeros((len(numbers), chains, kept or sweeps, len(gram)), np.float32)
    running = gibbs.Chains(key, numbers, state, field)
    posterior = gibbs.LaplacePosterior(linear, gram, inverse_scale)
    gibbs.gibbs_start(running, posterior)
    first = 1
    for part in slices or [sweeps]:
        schedule = gibbs.Schedule(first, part, burn_in, thin)
        gibbs.gibbs_sweeps(running, posterior, schedule, draws)
        first += part
    return draws, state


def test_sweeps_agree_with_the_reference_implementation_across_a_refresh():
    numbers, linear, gram = problem(3, 12, 16)
    sweeps = gibbs.REFRESH_SWEEPS + 20
    draws, state = run(numbers, linear, gram, sweeps)
    posterior = gibbs.LaplacePosterior(linear, gram, 1.0)
    start = coordinate_gibbs.gibbs_start(KEY, numbers, posterior, 2)
    chains = gibbs.Chains(KEY, numbers, *start)
    expected = coordinate_gibbs.gibbs_sweeps(chains, posterior, 1, sweeps)
    np.testing.assert_allclose(state, expected[-1], atol=1e-9)
    np.testing.assert_allclose(draws, np.moveaxis(expected, 0, 2), rtol=1e-6, atol=1e-9)


def test_splits_slices_and_threads_change_no_bit():
    numbers, linear, gram = problem(5, 12, 16)
    whole, state = run(numbers, linear, gram, 150)
    assert np.array_equal(whole, run(numbers, linear, gram, 150, slices=[1, 62, 2, 85])[0])
    parts = [run(numbers[rows], linear[rows], gram, 150) for rows in (slice(0, 2), slice(2, 5))]
    assert np.array_equal(whole, np.concatenate([draws for draws, _ in parts]))
    assert np.array_equal(state, np.concatenate([end for _, end in parts]))
    with threads():
        assert np.array_equal(whole, run(numbers, linear, gram, 150)[0])


def test_key_stimulus_and_chain_change_every_draw():
    numbers, linear, gram = problem(1, 12, 16)
    one = run(numbers, linear, gram, 5)[0]
    assert np.all(one[:, 0] != one[:, 1])
    assert np.all(one != run(numbers + 1, linear, gram, 5)[0])
    assert np.all(one != run(numbers, linear, gram, 5, key=KEY + np.uint64(1))[0])


def test_burn_in_and_thinning_choose_the_sweeps():
    numbers, linear, gram = problem(2, 12, 16)
    every = run(numbers, linear, gram, 40)[0]
    kept = run(numbers, linear, gram, 40, burn_in=10, thin=3, kept=8)[0]
    assert np.array_equal(kept, every[:, :, 12::3][:, :, :8])  # sweeps 13, 16, …


def distribution_function(r, g, precision, inverse_scale):
    """Exact P(draw <= r) of exp(−precision r²/2 + g r − inverse_scale |r|)."""
    sd = 1 / np.sqrt(precision)
    above, below = (inverse_scale - g) * sd, (inverse_scale + g) * sd
    log_above = 0.5 * above**2 + special.log_ndtr(-above)
    log_below = 0.5 * below**2 + special.log_ndtr(-below)
    p_below = special.expit(log_below - log_above)
    left = p_below * np.exp(
        special.log_ndtr(np.minimum(r, 0) / sd - below) - special.log_ndtr(-below)
    )
    right = 1 - (1 - p_below) * np.exp(
        special.log_ndtr(-np.maximum(r, 0) / sd - above) - special.log_ndtr(-above)
    )
    return np.where(r < 0, left, right)


def kolmogorov_excess(u):
    """Largest distance of the empirical distribution from uniform, over the bound that iid uniforms
    pass with rate FALSE_FAIL.

    Dvoretzky, Kiefer, Wolfowitz with Massart's constant: exact at any sample size.
    """
    return stats.kstest(u.ravel(), "uniform").statistic / np.sqrt(
        np.log(2 / FALSE_FAIL) / (2 * u.size)
    )


def test_orthogonal_dictionary_follows_the_closed_form():
    """False-fail rate 1e-6.

    All draws are independent here; a Laplace scale or a noise that is off by 10 % fails.
    """
    random = np.random.default_rng(3)
    precision = np.diag(random.uniform(0.5, 4.0, 6))
    linear = random.uniform(-4, 4, (8, 6))
    draws = run(np.arange(8), linear, precision, 2000, inverse_scale=1.0)[0]
    g = linear[:, None, None, :]
    assert (
        kolmogorov_excess(distribution_function(draws.astype(float), g, np.diag(precision), 1.0))
        < 1
    )
    assert (
        kolmogorov_excess(distribution_function(draws.astype(float), g, np.diag(precision), 1.1))
        > 1
    )
    assert (
        kolmogorov_excess(
            distribution_function(draws.astype(float), g / 1.1, np.diag(precision) / 1.1, 1.0)
        )
        > 1
    )


def test_silent_coordinate_follows_its_prior():
    """False-fail rate 1e-6: a neuron whose column is 0 draws from the Laplace prior; one of another
    scale fails.
    """
    draws = run(np.arange(10), np.zeros((10, 2)), np.zeros((2, 2)), 2000, inverse_scale=2.0)[
        0
    ].astype(float)
    assert kolmogorov_excess(stats.laplace.cdf(draws, scale=0.5)) < 1
    assert kolmogorov_excess(stats.laplace.cdf(draws, scale=0.53)) > 1


def test_starts_follow_the_prior():
    """False-fail rate 1e-6."""
    state = np.empty((2000, 2, 6))
    field = np.empty((2000, 2, 6))
    numbers, linear, gram = problem(2000, 5, 6)
    posterior = gibbs.LaplacePosterior(linear, gram, 2.0)
    gibbs.gibbs_start(gibbs.Chains(KEY, numbers, state, field), posterior)
    assert kolmogorov_excess(stats.laplace.cdf(state, scale=0.5)) < 1
    np.testing.assert_allclose(field, linear[:, None] - state @ gram, atol=1e-10)
