"""Distance D.

Statistical bounds below are at least 6 standard deviations wide (false-fail rate below 1e-6), as
measured over 60 keys.
"""

import time

import numpy as np
import pytest

from stochsim.posterior import PosteriorDistance, blind_draws, unit_directions
from stochsim.settings import SettingError

N, NEURONS = 1000, 64


def normal(key, *shape):
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape)


def to_posterior(stimuli=2, neurons=NEURONS, n=N, mean=0.0, sd=1.0, key=11, directions=256):
    """Reference N(mean, sd²) per stimulus and neuron."""
    mean, sd = (np.broadcast_to(array, (stimuli, neurons)).astype(float) for array in (mean, sd))
    sets = tuple(
        mean[:, None] + sd[:, None] * normal(key + i, stimuli, n, neurons) for i in range(2)
    )
    return PosteriorDistance(sets, mean, sd, directions=directions, key=0)


def test_one_bit_codes_show_on_the_axes_and_hide_in_random_directions():
    """±1 against N(0, 1): exact W2² = 2 − 2 √(2/π), W2 = 0.636, along every axis; a direction of 64
    codes is nearly Gaussian.
    """
    scale = to_posterior()
    found = scale.distance(np.sign(normal(1, 2, N, NEURONS)))
    assert np.all(np.abs(found.axes - 0.63) < 0.03)
    assert np.all(
        found.projections < scale.floor.projections
    )  # at the floor: less than a floor's worth is left after subtraction
    assert np.allclose(found.total**2, (found.axes**2 + found.projections**2) / 2, atol=0)


def test_floor_is_subtracted_from_reads_of_the_reference_itself():
    scale = to_posterior()
    found = scale.distance(normal(2, 2, N, NEURONS))
    assert np.all(scale.floor.total > 0.06)
    assert np.all(found.total < 0.06)


def test_wrong_sampler_fails_where_the_right_one_passes():
    """An sd 10 % too large: exact W2 = 0.1 along every line."""
    found = to_posterior().distance(1.1 * normal(2, 2, N, NEURONS))
    assert np.all(np.abs(found.total - 0.1) < 0.035)


@pytest.mark.parametrize("shift", [0.3, 1.0, 3.0])
def test_shifted_gaussian_is_its_shift_away(shift):
    """W2(N(m, C), N(m + δ, C)) = |δ| along each line: δ on the axes, |u·δ| along a direction u."""
    scale = to_posterior()
    found = scale.distance(normal(3, 2, N, NEURONS) + shift)
    along = np.sqrt(np.mean(np.square(scale.directions.sum(axis=1)))) * shift
    assert np.all(np.abs(found.axes - shift) < 0.04)
    assert np.all(np.abs(found.projections - along) < 0.05)


def test_units_are_the_reference_sd_of_each_stimulus_and_neuron():
    sd = np.exp(normal(4, 2, NEURONS))
    mean = 5 * normal(5, 2, NEURONS)
    reads = 0.5 + 1.3 * normal(6, 2, N, NEURONS)
    plain = to_posterior().distance(reads)
    scaled = to_posterior(mean=mean, sd=sd).distance(mean[:, None] + sd[:, None] * reads)
    for name in ("total", "axes", "projections"):
        assert np.allclose(getattr(scaled, name), getattr(plain, name), rtol=1e-4, atol=0)


def test_deterministic_chip_keeps_its_full_distance():
    """A constant at the reference mean is the sd away, 1, floor and all; and the fast path agrees
    with the sort.
    """
    scale = to_posterior()
    constant = np.broadcast_to(normal(7, 2, 1, NEURONS), (2, N, NEURONS))
    still = scale.distance(np.zeros((2, N, NEURONS)))
    assert np.all(np.abs(still.axes - 1) < 0.02)
    fast = scale.distance(constant)
    by_sorting = np.array([scale._squared(i, constant[i]) for i in range(2)])
    assert np.allclose(fast.axes**2, by_sorting[:, :NEURONS].mean(axis=1), rtol=1e-4, atol=0)
    assert np.allclose(fast.projections**2, by_sorting[:, NEURONS:].mean(axis=1), rtol=1e-4, atol=0)
    elsewhere = to_posterior(mean=7.0).distance(np.full((2, N, NEURONS), 7.0))
    assert np.allclose(elsewhere.total, still.total, rtol=1e-3, atol=0)
    almost = np.array(constant)
    almost[:, 0, 0] += 1e-3  # one read moved: a noisy chip, so the floor goes
    lost = fast.axes**2 - scale.distance(almost).axes ** 2
    assert np.allclose(lost, scale.floor.axes**2, rtol=0.05, atol=0)


def test_each_stimulus_faces_its_own_reference():
    mean = np.array([[0.0], [4.0]])
    scale = to_posterior(mean=mean)
    reads = normal(8, 1, N, NEURONS)
    assert scale.distance(reads, first=0).total[0] < 0.06
    assert abs(scale.distance(reads, first=1).axes[0] - 4) < 0.04
    both = scale.distance(np.concatenate([reads, reads]))
    assert both.total[1] == scale.distance(reads, first=1).total[0]


def test_blind_draws_are_the_even_mixture():
    """Posteriors at ±2 with sd 1: the mixture has mean 0 and sd √5, and every stimulus is exactly
    as far from it by symmetry.
    """
    scale = to_posterior(stimuli=2, neurons=8, mean=np.array([[-2.0], [2.0]]))
    found = scale.blind(key=1)
    assert np.all(np.abs(found.axes[0] - found.axes[1]) < 0.65)
    assert np.all(found.axes > 1.8)
    assert np.array_equal(found.total, scale.blind(key=1).total)
    assert not np.array_equal(found.total, scale.blind(key=2).total)
    draws = blind_draws(np.array([[[1.0]], [[2.0]], [[3.0]]]), 30_000, key=3)
    assert draws.shape == (30_000, 1)
    shares = np.bincount(draws[:, 0].astype(int), minlength=4)[1:] / 30_000
    assert np.all(np.abs(shares - 1 / 3) < 0.017)  # 6 standard deviations


def test_blind_equals_one_posterior_that_never_changes():
    """Where the stimulus says nothing, ignoring it costs nothing."""
    assert np.all(to_posterior(neurons=16).blind(key=1).total < 0.12)


def test_directions_are_unit_and_fixed_by_the_key():
    directions = unit_directions(256, NEURONS, key=3)
    assert np.allclose(np.linalg.norm(directions, axis=1), 1, atol=0)
    assert np.array_equal(directions, unit_directions(256, NEURONS, key=3))
    assert not np.array_equal(directions, unit_directions(256, NEURONS, key=4))


def test_correlations_show_in_the_directions_alone():
    """All neurons share one normal: axes at the floor, directions not."""
    shared = np.broadcast_to(normal(9, 2, N, 1), (2, N, 8))
    found = to_posterior(neurons=8).distance(shared + 1e-9)
    assert np.all(found.axes < 0.2)
    assert np.all(found.projections > 0.4)


def test_refuses_what_it_cannot_compare():
    scale = to_posterior(neurons=4, n=50, directions=8)
    with pytest.raises(SettingError, match=r"'reads' = 40.*n = 50"):
        scale.distance(np.zeros((2, 40, 4)))
    with pytest.raises(SettingError, match="neuron = 4"):
        scale.distance(np.zeros((2, 50, 5)))
    with pytest.raises(SettingError, match="holds 0 to 1"):
        scale.distance(np.zeros((2, 50, 4)), first=1)
    with pytest.raises(SettingError, match="NaN or Inf"):
        scale.distance(np.full((1, 50, 4), np.nan))
    sets = (np.zeros((2, 50, 4)), np.zeros((2, 50, 4)))
    sd = np.ones((2, 4))
    sd[1, 3] = 0
    with pytest.raises(SettingError, match="stimulus 1, neuron 3"):
        PosteriorDistance(sets, np.zeros((2, 4)), sd)
    with pytest.raises(
        SettingError, match=r"'mean' = array of shape .*should be \(stimulus, neuron\)"
    ):
        PosteriorDistance(sets, np.zeros((2, 3)), np.ones((2, 4)))
    with pytest.raises(SettingError, match="'sets': shapes"):
        PosteriorDistance((sets[0], sets[1][:, :40]), np.zeros((2, 4)), np.ones((2, 4)))
    with pytest.raises(SettingError, match="'directions' = 0"):
        PosteriorDistance(sets, np.zeros((2, 4)), np.ones((2, 4)), directions=0)


def test_one_point_of_a_sweep_is_quick():
    """8 stimuli, 64 axes and 256 directions, 1,000 reads; the bound is far above what one core
    needs, for a busy machine.
    """
    scale = to_posterior(stimuli=8)
    reads = normal(10, 8, N, NEURONS).astype(np.float32)
    began = time.process_time()
    scale.distance(reads)
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize("name", ["sets", "mean", "sd"])
def test_a_reference_beyond_measure_is_refused_by_the_name_of_its_array(name):
    given = {"sets": np.ones((2, 50, 4)), "mean": np.zeros((2, 4)), "sd": np.ones((2, 4))}
    given[name] = given[name] * 1e200 if name == "sets" else np.full((2, 4), 1e-320 + 1e300)
    with pytest.raises(SettingError, match=rf"'{name}"):
        PosteriorDistance((given["sets"], given["sets"]), given["mean"], given["sd"])
    with pytest.raises(SettingError, match="'sd' = 1e-320: should be at least 1e-15"):
        PosteriorDistance((np.ones((2, 50, 4)),) * 2, np.zeros((2, 4)), np.full((2, 4), 1e-320))


def test_a_set_against_itself_is_no_floor():
    """Its distance from itself is 0, and nothing would be forgiven."""
    draws = np.random.default_rng(0).standard_normal((2, 50, 3))
    mean, sd = np.zeros((2, 3)), np.ones((2, 3))
    with pytest.raises(SettingError, match="'sets': are the same draws twice"):
        PosteriorDistance((draws, draws.copy()), mean, sd)
    other = PosteriorDistance((draws, draws[:, ::-1] + 0.1), mean, sd)
    with pytest.raises(SettingError, match=r"'values' = .*at least one stimulus"):
        other.distance(draws[:0])
    assert other.distance(draws[:1]).total.shape == (1,)
