"""Memory devices: what is drawn from their laws, the edges of the laws, and what is refused.

Statistical tests fail right code at most once in 10^6 runs; each has a negative control that must
fail, and states its power.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import stattest

from stochsim.hardware.memory_devices import DEVICES, device, devices
from stochsim.keys import generator
from stochsim.settings import SettingError

DAY_S = 86400


class Ones:
    """A generator whose every normal number is the same."""

    def __init__(self, value) -> None:
        self.value = value

    def standard_normal(self, shape):
        return np.full(shape, self.value)


def test_drift_by_hand() -> None:
    """At r = 1 after 20 · 2^10 s: ν = .049 + .008 ξ, so 25 µS falls to 25 · 2^(-10 ν); |ν| where ξ
    makes it negative.
    """
    pcm = device("pcm-nandakumar")
    g = np.array([25.0])
    for xi, nu in ((0.0, 0.049), (2.0, 0.065), (-10.0, 0.031)):
        np.testing.assert_allclose(
            pcm.drifted_us(g, 20 * 1024, Ones(xi)), 25 * 2 ** (-10 * nu), rtol=1e-12
        )
    np.testing.assert_array_equal(pcm.drifted_us(g, 20, Ones(1.0)), g)
    np.testing.assert_array_equal(
        pcm.drifted_us(g, 3, Ones(1.0)), g
    )  # no drift before the first reading
    low = pcm.drifted_us(g, 20 * 1024, Ones(0.0), target_us=np.array([0.0]))
    np.testing.assert_allclose(low, 25 * 2 ** (-10 * 0.1), rtol=1e-12)  # ν follows the target
    np.testing.assert_array_equal(device("rram-wan").drifted_us(g, 10, Ones(1.0)), g)


CELLS = 200_000


@pytest.mark.parametrize(
    ("name", "g_us"), [("pcm-nandakumar", 12.5), ("rram-milo", 137.5), ("sonos", 8.0)]
)
def test_spread_of_programming(name, g_us) -> None:
    """Mean and variance of 200,000 cells.

    A σ wrong by 2 % moves the variance by 4 %, twice what is caught but once in 10^3.
    """
    chosen = device(name)
    target = np.full(CELLS, g_us)
    programmed = chosen.programmed_us(target, generator(11, name))
    sigma = float(chosen.programming_sigma_us(target)[0])
    stattest.assert_mean(programmed - target, 0.0)
    squares = (programmed - target) ** 2
    stattest.assert_mean(squares, sigma**2)
    assert stattest.detectable(math.sqrt(2 / CELLS)) < 1.02**2 - 1
    with pytest.raises(AssertionError):
        stattest.assert_mean(squares, (1.02 * sigma) ** 2)


def test_spread_of_drift() -> None:
    """ν of 200,000 cells at r = .1, and a negative control whose mean is off by 1 % (8 times
    the least error caught).
    """
    pcm = device("pcm-nandakumar")
    g = np.full(CELLS, 2.5)
    nu = -np.log(pcm.drifted_us(g, DAY_S, generator(12)) / g) / math.log(DAY_S / 20)
    mean, sd = -0.0155 * math.log(0.1) + 0.0244, -0.0125 * math.log(0.1) - 0.0059
    folded = 2 * sd * math.exp(-0.5 * (mean / sd) ** 2) / math.sqrt(2 * math.pi) + mean * math.erf(
        mean / sd / math.sqrt(2)
    )
    stattest.assert_mean(nu, folded)
    stattest.assert_mean(nu**2, mean**2 + sd**2)
    assert stattest.detectable(sd / math.sqrt(CELLS)) < 0.01 * mean
    with pytest.raises(AssertionError):
        stattest.assert_mean(nu, 1.01 * folded)


@pytest.mark.parametrize("name", devices())
def test_laws_are_never_negative_and_never_nan(name) -> None:
    """Over the whole range, both ends, and far above it for the laws of a conductance that noise
    has moved.
    """
    chosen = device(name)
    target = np.linspace(chosen.g_min_us, chosen.g_max_us, 501)
    assert np.all(chosen.programming_sigma_us(target) >= 0)
    above = np.linspace(0, 2 * chosen.g_max_us, 501)
    assert np.all(chosen.read_sigma_us(above) >= 0)
    if chosen.drift is not None:
        assert all(
            np.all(np.isfinite(law) & (law >= 0))
            for law in chosen.drift.exponent(np.linspace(0, 1, 501))
        )
    assert np.all(chosen.programmed_us(target, Ones(-100.0)) >= 0)


def test_a_polynomial_below_zero_is_clipped() -> None:
    steep = replace(device("rram-milo"), g_min_us=0.0, g_max_us=1000.0)  # 4.78 - 9.1 µS at the top
    np.testing.assert_array_equal(steep.programming_sigma_us(np.array([600.0, 1000.0])), 0.0)


@pytest.mark.parametrize(
    ("name", "g_us"),
    [("rram-milo", 49.0), ("rram-milo", 226.0), ("pcm-joshi", 25.1), ("sonos", float("nan"))],
)
def test_a_target_outside_the_range_is_refused_with_the_range(name, g_us) -> None:
    chosen = device(name)
    with pytest.raises(
        SettingError,
        match=rf"'target_us' = .*outside {chosen.g_min_us:g} to {chosen.g_max_us:g} µS.*{name}",
    ):
        chosen.programming_sigma_us(np.array([chosen.g_max_us, g_us]))


@pytest.mark.parametrize(
    ("name", "age_s", "words"),
    [
        ("rram-wan", 0.5, "published for 1 to 86400 s"),
        ("rram-wan", 2 * DAY_S, "published for 1 to 86400 s"),
        ("pcm-nandakumar", -1.0, "published for 0 to inf"),
        ("pcm-nandakumar", float("nan"), "published for"),
        ("pcm-nandakumar", float("inf"), "published for"),
        ("pcm-joshi", 1.0, "no published law of time"),
        ("ideal", 1.0, "no published law of time"),
    ],
)
def test_an_age_without_a_law_is_refused(name, age_s, words) -> None:
    with pytest.raises(SettingError, match=f"'age_s' = .*{words}"):
        device(name).programming_sigma_us(np.array([1.0]), age_s)


def test_every_law_of_time_moves_something() -> None:
    for name, chosen in DEVICES.items():
        if chosen.ages_s is None:
            continue
        g = np.array([0.5 * chosen.g_max_us])
        late = max(chosen.default_age_s * 100, 100.0)
        moved = (
            chosen.programming_sigma_us(g, late) != chosen.programming_sigma_us(g),
            chosen.drifted_us(g, late, Ones(0.0)) != chosen.drifted_us(g, None, Ones(0.0)),
        )
        assert np.any(moved), name


def test_names() -> None:
    assert "pcm-nandakumar" in devices()
    assert all(chosen.source and chosen.formula and chosen.tag for chosen in DEVICES.values())
    with pytest.raises(SettingError, match="did you mean 'rram-milo'"):
        device("rram-mlo")
