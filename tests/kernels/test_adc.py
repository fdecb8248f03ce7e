"""Noisy ADCs as tables: the integer probabilities, read off the cells, against the
definition.
"""

import math

import numpy as np
import pytest
from stochsim_kernels.array import adc_channel
from stochsim_kernels.reference import crossbar_sums

WHOLE = 2**32


def assert_masses(channel, value, sigma, edges, code_min=0):
    """Every state's integer masses sum to 2^32 and are within one unit of the exact
    probabilities.
    """
    value, sigma = np.broadcast_arrays(np.atleast_2d(value), sigma)
    masses = crossbar_sums.masses(channel)
    assert (masses.sum(axis=1) == WHOLE).all()
    for mass, v, s in zip(masses, value.ravel(), sigma.ravel(), strict=True):
        exact = crossbar_sums.probabilities(v, s, edges, code_min) * WHOLE
        assert np.abs(mass - exact).max() <= (1.001 if s > 0 else 0)


@pytest.mark.parametrize("levels", [2, 3, 16, 255, 1024])
@pytest.mark.parametrize("sigma", [0.0, 1e-6, 0.05, 1.0, 7.0])
@pytest.mark.parametrize("step", [0.01, 1.0, 2.0, -0.7])
def test_tables_hold_the_exact_probabilities(levels, sigma, step):
    """Ideal edges, values that overlap the range at one end."""
    value = levels / 2 + step * np.arange(-20, 40)
    edges = adc_channel.ideal_edges(levels)
    assert_masses(adc_channel.build_channel(value, sigma, edges), value, sigma, edges)


@pytest.mark.parametrize("code_min", [0, -128, -3])
def test_edges_may_be_anywhere_and_codes_may_be_missing(code_min):
    rng = np.random.default_rng(code_min + 200)
    for spread in (0.05, 0.5, 3.0):
        edges = np.sort(adc_channel.ideal_edges(64) + rng.normal(0, spread, 63))
        edges[20:23] = edges[20]
        value = np.concatenate([rng.uniform(-5, 70, 50), edges])
        sigma = np.array([[0.0], [0.3], [2.0]])
        assert_masses(
            adc_channel.build_channel(value, sigma, edges, code_min), value, sigma, edges, code_min
        )


def test_without_noise_halves_go_to_the_even_code():
    value = np.arange(-1, 8, 0.5)
    for code_min in (0, -2, -3):
        channel = adc_channel.build_channel(value, 0.0, adc_channel.ideal_edges(6), code_min)
        codes = crossbar_sums.masses(channel).argmax(axis=1) + code_min
        assert channel.certain == 1
        assert np.array_equal(codes, np.clip(np.rint(value + code_min), code_min, code_min + 5))


def test_cells_follow_the_noise_not_the_range():
    """The codes are counted from a line, so that an ADC of 8 bits with noise of one step needs
    16 cells for each state.
    """
    for step in (0.5, 1.0, 2.0, 3.7):
        value = step * np.arange(129) - 10
        assert adc_channel.build_channel(value, 1.0, adc_channel.ideal_edges(256)).bits == 4
    assert adc_channel.build_channel(np.arange(129.0), 0.0, adc_channel.ideal_edges(256)).bits == 1


def test_shared_noise_is_a_rounded_gaussian():
    for sigma in (0.0, 0.2, 3.0, 300.0):
        channel = adc_channel.shared_noise(sigma)
        mass = crossbar_sums.masses(channel)[0] / WHOLE
        moves = np.arange(channel.code_min, channel.code_max + 1)
        assert mass @ moves == pytest.approx(0.0, abs=1e-6)
        if sigma >= 3:
            assert mass @ moves**2 == pytest.approx(
                sigma**2 + 1 / 12, rel=1e-6
            )  # Sheppard: the rounding adds 1/12
        assert (sigma == 0) == (channel.certain == 1)


def test_alias_tables_conserve_every_mass():
    """Vose's construction on masses of every kind: random, one cell only, flat, a staircase."""
    rng = np.random.default_rng(5)
    for cells in (2, 4, 64, 4096):
        cuts = np.sort(rng.integers(0, WHOLE, cells - 1))
        one = np.eye(cells, dtype=np.int64)[cells // 2] * WHOLE
        flat = np.full(cells, WHOLE // cells)
        for mass in (np.diff([0, *cuts, WHOLE]), one, flat):
            entries = np.empty(cells, np.uint32)
            drawn = np.zeros(cells, np.int64)
            adc_channel.alias_table(mass.astype(np.int64), np.empty(cells, np.int64), entries)
            threshold, alias = np.divmod(entries.astype(np.int64), cells)
            np.add.at(drawn, np.arange(cells), threshold)
            np.add.at(drawn, alias, WHOLE // cells - threshold)
            assert np.array_equal(drawn, mass)


@pytest.mark.parametrize(
    ("value", "sigma", "edges", "message"),
    [
        ([0.0], 1.0, [1.0, 0.0], "ascending"),
        ([0.0], 1.0, [], "at least one"),
        ([math.nan], 1.0, [0.5], "value_lsb"),
        ([], 1.0, [0.5], "value_lsb"),
        ([0.0], -1.0, [0.5], "sigma_lsb"),
        ([0.0], math.inf, [0.5], "sigma_lsb"),
        ([5000.0], 1000.0, np.arange(10_000.0), "4096"),
    ],
)
def test_bad_adcs_are_refused(value, sigma, edges, message):
    with pytest.raises(ValueError, match=message):
        adc_channel.build_channel(np.array(value), sigma, np.array(edges))


def test_a_channel_of_one_position_hands_on_arrays_without_warnings(monkeypatch):
    """NumPy warns where the flags of a broadcast array are read, which a first compilation does."""
    seen = []
    fill = adc_channel.fill_entries

    def read_flags(*arrays):
        seen.extend(each.flags.writeable for each in arrays)
        fill(*arrays)

    monkeypatch.setattr(adc_channel, "fill_entries", read_flags)
    adc_channel.shared_noise(0.5)
    assert seen == [True] * 7
