"""Memory devices: every published fit against arithmetic written out here."""

import math

import numpy as np
import pytest

from stochsim.hardware.memory_devices import device, devices

DAY_S = 86400

# (device, age, five conductances in µS with σ in µS written out)
PROGRAMMING = [
    (
        "pcm-nandakumar",
        None,
        (0.0, 0.26348),
        (6.25, 0.26348 + 1.9650 * 0.25 - 1.1731 * 0.0625),
        (12.5, 0.26348 + 1.9650 * 0.5 - 1.1731 * 0.25),
        (18.75, 0.26348 + 1.9650 * 0.75 - 1.1731 * 0.5625),
        (25.0, 0.26348 + 1.9650 - 1.1731),
    ),
    (
        "pcm-hermes-2",
        None,
        (0.0, 0.16603),
        (4.14, 0.16603 + 4.71806 * 0.2 - 8.48101 * 0.04 + 4.68961 * 0.008),
        (8.28, 0.16603 + 4.71806 * 0.4 - 8.48101 * 0.16 + 4.68961 * 0.064),
        (16.56, 0.16603 + 4.71806 * 0.8 - 8.48101 * 0.64 + 4.68961 * 0.512),
        (20.7, 0.16603 + 4.71806 - 8.48101 + 4.68961),
    ),
    (
        "pcm-hermes-1",
        None,
        (0.0, 0.15782),
        (2.07, 0.15782 + 2.32444 * 0.2 - 2.16311 * 0.04 + 0.68842 * 0.008),
        (4.14, 0.15782 + 2.32444 * 0.4 - 2.16311 * 0.16 + 0.68842 * 0.064),
        (8.28, 0.15782 + 2.32444 * 0.8 - 2.16311 * 0.64 + 0.68842 * 0.512),
        (10.35, 0.15782 + 2.32444 - 2.16311 + 0.68842),
    ),
    (
        "pcm-joshi",
        None,
        (0.0, 0.28639),
        (5.0, -0.001788 * 25 + 0.07586 * 5 + 0.28639),
        (10.0, -0.001788 * 100 + 0.07586 * 10 + 0.28639),
        (20.0, -0.001788 * 400 + 0.07586 * 20 + 0.28639),
        (25.0, -0.001788 * 625 + 0.07586 * 25 + 0.28639),
    ),
    (
        "rram-wan",
        1,
        (0.0, 0.348),
        (10.0, 0.348 + 16.030 * 0.25 - 43.853 * 0.0625 + 45.393 * 0.015625 - 16.815 * 0.00390625),
        (20.0, 0.348 + 16.030 * 0.5 - 43.853 * 0.25 + 45.393 * 0.125 - 16.815 * 0.0625),
        (30.0, 0.348 + 16.030 * 0.75 - 43.853 * 0.5625 + 45.393 * 0.421875 - 16.815 * 0.31640625),
        (40.0, 0.348 + 16.030 - 43.853 + 45.393 - 16.815),
    ),
    (
        "rram-wan",
        DAY_S,
        (0.0, 0.701),
        (10.0, 0.701 + 22.086 * 0.25 - 50.773 * 0.0625 + 47.095 * 0.015625 - 16.458 * 0.00390625),
        (20.0, 0.701 + 22.086 * 0.5 - 50.773 * 0.25 + 47.095 * 0.125 - 16.458 * 0.0625),
        (30.0, 0.701 + 22.086 * 0.75 - 50.773 * 0.5625 + 47.095 * 0.421875 - 16.458 * 0.31640625),
        (40.0, 0.701 + 22.086 - 50.773 + 47.095 - 16.458),
    ),
    (
        "rram-wan-crosssim",
        None,
        (0.0, 1.053),
        (10.0, 0.1536 - 1.167 + 2.374 + 1.053),
        (20.0, 1.2288 - 4.668 + 4.748 + 1.053),
        (30.0, 4.1472 - 10.503 + 7.122 + 1.053),
        (39.26, 1.536e-4 * 39.26**3 - 1.167e-2 * 39.26**2 + 0.2374 * 39.26 + 1.053),
    ),
    (
        "rram-milo",
        None,
        (50.0, 4.782321 - 0.45535),
        (100.0, 4.782321 - 0.9107),
        (150.0, 4.782321 - 1.36605),
        (200.0, 4.782321 - 1.8214),
        (225.0, 4.782321 - 2.049075),
    ),
    (  # nA over .1 V, so I = 100 g
        "sonos",
        None,
        (0.0, 0.0),
        (1.0, 0.1988665 * (1 - math.exp(-100 / 176.3115))),
        (4.0, 0.1988665 * (1 - math.exp(-400 / 176.3115))),
        (8.0, 0.1988665 * (1 - math.exp(-800 / 176.3115))),
        (16.0, 0.1988665 * (1 - math.exp(-1600 / 176.3115))),
    ),
    ("ideal", None, (0.0, 0.0), (5.0, 0.0), (10.0, 0.0), (20.0, 0.0), (25.0, 0.0)),
]


@pytest.mark.parametrize(
    ("name", "age_s", "points"), [(name, age, points) for name, age, *points in PROGRAMMING]
)
def test_programming_sigma_by_hand(name, age_s, points) -> None:
    g_us, sigma_us = np.transpose(points)
    np.testing.assert_allclose(
        device(name).programming_sigma_us(g_us, age_s), sigma_us, rtol=1e-12, atol=1e-13
    )


def test_every_device_has_its_hand_values() -> None:
    assert {name for name, *_ in PROGRAMMING} == set(devices())


def test_wan_between_its_two_ages_is_linear_in_log_time() -> None:
    wan = device("rram-wan")
    g = np.linspace(0, 40, 9)
    halfway = wan.programming_sigma_us(g, math.sqrt(DAY_S))
    np.testing.assert_allclose(
        halfway,
        (wan.programming_sigma_us(g, 1) + wan.programming_sigma_us(g, DAY_S)) / 2,
        rtol=1e-12,
    )


def test_nandakumar_read_noise_by_hand() -> None:
    """g min(.0088/r^.65, .2) √ln((t + 250 ns)/500 ns) at one day; r^.65 written as e^(.65 ln r)."""
    growth = math.sqrt(math.log((86400 + 250e-9) / 500e-9))
    points = [
        (0.0, 0.0),
        (0.1, 0.1 * 0.2 * growth),  # .0088/.004^.65 = .319: capped
        (1.0, 1.0 * 0.0088 / math.exp(0.65 * math.log(0.04)) * growth),
        (12.5, 12.5 * 0.0088 / math.exp(0.65 * math.log(0.5)) * growth),
        (25.0, 25.0 * 0.0088 * growth),
    ]
    g, sigma = np.transpose(points)
    assert growth == pytest.approx(5.0859, abs=1e-3)
    np.testing.assert_allclose(device("pcm-nandakumar").read_sigma_us(g, DAY_S), sigma, rtol=1e-12)


def test_read_noise_follows_the_drifted_conductance_and_its_share_the_programmed_one() -> None:
    pcm = device("pcm-nandakumar")
    np.testing.assert_allclose(
        pcm.read_sigma_us(np.array([5.0]), DAY_S, np.array([25.0])),
        pcm.read_sigma_us(np.array([25.0]), DAY_S) / 5,
    )


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        # r = .01, .1, .2, .5, 1; clipped from .057681 at r = .01, and -.0078 ln .1 + .0038 = .02176
        (
            "pcm-hermes-1",
            [
                -0.0078 * math.log(0.01) + 0.0038,
                -0.0078 * math.log(0.1) + 0.0038,
                0.0088 + 0.01536 - 0.005408 + 0.0005312,
                0.0088 + 0.0384 - 0.0338 + 0.0083,
                0.0088 + 0.0768 - 0.1352 + 0.0664,
            ],
        ),
        (
            "pcm-hermes-2",
            [
                0.04,  # clipped from -.0117 ln .01 - .0069 = .04698
                -0.0117 * math.log(0.1) - 0.0069,
                0.0123 + 0.00422 - 0.00112 + 0.0000552,
                0.0123 + 0.01055 - 0.007 + 0.0008625,
                0.0123 + 0.0211 - 0.0280 + 0.0069,
            ],
        ),
    ],
)
def test_hermes_read_noise_by_hand(name, shares) -> None:
    hermes = device(name)
    growth = math.sqrt(math.log((3600 + 512e-9) / 1024e-9))
    g = hermes.g_max_us * np.array([0.01, 0.1, 0.2, 0.5, 1.0])
    expected = g * np.minimum(shares, 0.04) * growth
    np.testing.assert_allclose(hermes.read_sigma_us(g, 3600), expected, rtol=1e-12)


def test_wan_read_noise_is_one_percent_of_g_max() -> None:
    np.testing.assert_allclose(device("rram-wan").read_sigma_us(np.array([0.0, 1.0, 40.0])), 0.4)


def test_sonos_read_noise_by_hand() -> None:
    g = np.array([0.0, 1.0, 4.0, 8.0, 16.0])
    expected = [
        0.1258037 * (1 - math.exp(-current / 215.36557)) for current in (0, 100, 400, 800, 1600)
    ]
    np.testing.assert_allclose(device("sonos").read_sigma_us(g), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "r", "mean", "sd"),
    [
        ("pcm-nandakumar", 0.0, 0.1, 0.045),
        (
            "pcm-nandakumar",
            0.05,
            -0.0155 * math.log(0.05) + 0.0244,
            -0.0125 * math.log(0.05) - 0.0059,
        ),
        (
            "pcm-nandakumar",
            0.15,
            -0.0155 * math.log(0.15) + 0.0244,
            -0.0125 * math.log(0.15) - 0.0059,
        ),
        (
            "pcm-nandakumar",
            0.25,
            0.049,
            -0.0125 * math.log(0.25) - 0.0059,
        ),  # mean: clipped from .04589
        ("pcm-nandakumar", 1.0, 0.049, 0.008),
        ("pcm-hermes-2", 0.0, 0.13, 0.04),
        (
            "pcm-hermes-2",
            0.05,
            -0.0387 * math.log(0.05) - 0.0182,
            -0.0117 * math.log(0.05) - 0.0057,
        ),
        ("pcm-hermes-2", 0.2, 0.0736 - 0.00252 - 0.001744, -0.0117 * math.log(0.2) - 0.0057),
        ("pcm-hermes-2", 0.5, 0.0736 - 0.0063 - 0.0109, 0.0073 + 0.00465 - 0.00295),
        ("pcm-hermes-2", 1.0, 0.0736 - 0.0126 - 0.0436, 0.0073 + 0.0093 - 0.0118),
        (
            "pcm-hermes-1",
            0.05,
            -0.0387 * math.log(0.05) - 0.0182,
            -0.0120 * math.log(0.05) - 0.0023,
        ),
        ("pcm-hermes-1", 0.2, 0.0736 - 0.00252 - 0.001744, -0.0120 * math.log(0.2) - 0.0023),
        ("pcm-hermes-1", 0.5, 0.0736 - 0.0063 - 0.0109, 0.0104 + 0.0058 - 0.004125),
        ("pcm-hermes-1", 1.0, 0.0736 - 0.0126 - 0.0436, 0.0104 + 0.0116 - 0.0165),
    ],
)
def test_drift_exponent_by_hand(name, r, mean, sd) -> None:
    found = device(name).drift.exponent(np.array([r]))
    np.testing.assert_allclose(np.ravel(found), [mean, sd], rtol=1e-12)
