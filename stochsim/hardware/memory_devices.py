"""The memory devices that come with the package, by published fits of their errors.

Every Device names its source, and every tag says how that was verified ("src": read in the source
or in its published code; "calc": arithmetic on such figures). Conductances in microsiemens; r =
g/g_max; t is the cell's age, seconds since it was programmed.
"""

import math

import numpy as np
from numpy.polynomial import polynomial

from stochsim.hardware.memory_device import Device, Drift
from stochsim.settings import check_choice

DAY_S = 86400.0
# the logarithm's argument where a cell is empty; every law of log r is clipped long before it
_SMALLEST_R = 1e-7


def _powers(r: np.ndarray, *coefficients: float) -> np.ndarray:
    """Sum of coefficient_i r^i."""
    return polynomial.polyval(r, np.array(coefficients))


def _log_clipped(r: np.ndarray, slope: float, offset: float, low: float, high: float) -> np.ndarray:
    """clip(slope ln r + offset, low, high), with the limit at r = 0."""
    return np.clip(slope * np.log(np.maximum(r, _SMALLEST_R)) + offset, low, high)


def _growth(age_s: float, read_s: float) -> float:
    """√ln((t + t_read)/(2 t_read)): how 1/f noise has grown by age t; 0 before t_read."""
    return math.sqrt(max(0.0, math.log((age_s + read_s) / (2 * read_s))))


def _nandakumar_exponent(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _log_clipped(r, -0.0155, 0.0244, 0.049, 0.1), _log_clipped(
        r, -0.0125, -0.0059, 0.008, 0.045
    )


def _nandakumar_read(g: np.ndarray, programmed: np.ndarray, age_s: float) -> np.ndarray:
    relative = np.minimum(0.0088 / np.maximum(programmed / 25.0, _SMALLEST_R) ** 0.65, 0.2)
    return g * relative * _growth(age_s, 250e-9)


def _hermes_mean_exponent(r: np.ndarray) -> np.ndarray:
    return np.where(
        r < 0.0945,
        _log_clipped(r, -0.0387, -0.0182, 0.072, 0.13),
        _powers(r, 0.0736, -0.0126, -0.0436),
    )


def _hermes_1_exponent(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sd = np.where(
        r < 0.3039,
        _log_clipped(r, -0.0120, -0.0023, 0.0124, 0.04),
        _powers(r, 0.0104, 0.0116, -0.0165),
    )
    return _hermes_mean_exponent(r), np.maximum(sd, 0.0)


def _hermes_2_exponent(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sd = np.where(
        r < 0.3055,
        _log_clipped(r, -0.0117, -0.0057, 0.0091, 0.04),
        _powers(r, 0.0073, 0.0093, -0.0118),
    )
    return _hermes_mean_exponent(r), np.maximum(sd, 0.0)


def _hermes_1_read(g: np.ndarray, programmed: np.ndarray, age_s: float) -> np.ndarray:
    r = programmed / 10.35
    relative = np.where(
        r < 0.1591,
        _log_clipped(r, -0.0078, 0.0038, 0.0179, 0.04),
        _powers(r, 0.0088, 0.0768, -0.1352, 0.0664),
    )
    return g * relative * _growth(age_s, 512e-9)


def _hermes_2_read(g: np.ndarray, programmed: np.ndarray, age_s: float) -> np.ndarray:
    r = programmed / 20.7
    relative = np.where(
        r < 0.16,
        _log_clipped(r, -0.0117, -0.0069, 0.015, 0.04),
        _powers(r, 0.0123, 0.0211, -0.0280, 0.0069),
    )
    return g * relative * _growth(age_s, 512e-9)


def _wan_programming(g: np.ndarray, age_s: float) -> np.ndarray:
    """The two published ages; between them σ is interpolated linearly in log t, which is ours, not
    the source's.
    """
    second = _powers(g / 40.0, 0.348, 16.030, -43.853, 45.393, -16.815)
    day = _powers(g / 40.0, 0.701, 22.086, -50.773, 47.095, -16.458)
    share = math.log(age_s) / math.log(DAY_S)
    return second + share * (day - second)


_SONOS_NA_PER_US = 100.0
"""The source stores up to 1,600 nA in cells of up to 16 µS: a read voltage of 0.1 V."""


def _sonos_saturating(amplitude_na: float, scale_na: float, g: np.ndarray) -> np.ndarray:
    return amplitude_na * -np.expm1(-g * _SONOS_NA_PER_US / scale_na) / _SONOS_NA_PER_US


_AIHWKIT = "through the published code of aihwkit"
_CROSSSIM = "through the published code of CrossSim"
_HERMES = f"IBM HERMES project chip (Le Gallo et al. 2023), {_AIHWKIT}"
_NO_TIME = "one age only: the source has no law of time and no read noise"

_ALL = (
    Device(
        "ideal",
        25.0,
        "no error",
        "definition",
        "engineering default",
        "25 µS matters to wire resistance alone",
    ),
    Device(
        name="pcm-nandakumar",
        g_max_us=25.0,
        formula="σ = .26348 + 1.9650 r − 1.1731 r² µS; g(t) = g (t/20 s)^−ν, ν ~ |N(clip(−.0155 ln "
        "r + .0244, .049, .1), "
        "clip(−.0125 ln r − .0059, .008, .045))|; read g min(.0088/r^.65, .2) √ln((t + 250 ns)/500 "
        "ns)",
        source=f"Nandakumar et al. 2019, {_AIHWKIT}",
        tag="src",
        note="the relative read noise follows r before drift; no drift before 20 s",
        default_age_s=20.0,
        ages_s=(0.0, math.inf),
        programming=lambda g, _: _powers(g / 25.0, 0.26348, 1.9650, -1.1731),
        drift=Drift(20.0, _nandakumar_exponent),
        read=_nandakumar_read,
    ),
    Device(
        name="pcm-hermes-2",
        g_max_us=20.7,
        formula="σ = .16603 + 4.71806 r − 8.48101 r² + 4.68961 r³ µS; drift from 300 s; read time "
        "512 ns",
        source=_HERMES,
        tag="src",
        note="two devices per cell, which drift as if at one conductance, as in the source; laws "
        "of ν and of read noise in pieces of r",
        default_age_s=300.0,
        ages_s=(0.0, math.inf),
        programming=lambda g, _: _powers(g / 20.7, 0.16603, 4.71806, -8.48101, 4.68961),
        drift=Drift(300.0, _hermes_2_exponent),
        read=_hermes_2_read,
    ),
    Device(
        name="pcm-hermes-1",
        g_max_us=10.35,
        formula="σ = .15782 + 2.32444 r − 2.16311 r² + .68842 r³ µS; drift from 200 s; read time "
        "512 ns",
        source=_HERMES,
        tag="src",
        note="one device per cell; laws of ν and of read noise in pieces of r",
        default_age_s=200.0,
        ages_s=(0.0, math.inf),
        programming=lambda g, _: _powers(g / 10.35, 0.15782, 2.32444, -2.16311, 0.68842),
        drift=Drift(200.0, _hermes_1_exponent),
        read=_hermes_1_read,
    ),
    Device(
        name="pcm-joshi",
        g_max_us=25.0,
        formula="σ = −.001788 G² + .07586 G + .28639 µS",
        source=f"Joshi et al. 2020, fig. 3b, {_CROSSSIM}",
        tag="src",
        note=_NO_TIME,
        programming=lambda g, _: _powers(g, 0.28639, 0.07586, -0.001788),
    ),
    Device(
        name="rram-wan",
        g_max_us=40.0,
        formula="1 s: σ = .348 + 16.030 r − 43.853 r² + 45.393 r³ − 16.815 r⁴ µS; "
        "1 day: .701 + 22.086 r − 50.773 r² + 47.095 r³ − 16.458 r⁴",
        source=f"Wan et al. 2022, {_AIHWKIT}",
        tag="src",
        note="between 1 s and 1 day interpolated in log time (ours); read noise 1 % of g_max in "
        "every cell, as the source advises",
        default_age_s=1.0,
        ages_s=(1.0, DAY_S),
        programming=_wan_programming,
        read=lambda g, _, __: np.full_like(g, 0.01 * 40.0),
    ),
    Device(
        name="rram-wan-crosssim",
        g_max_us=39.26,
        formula="σ = 1.536e-4 G³ − 1.167e-2 G² + .2374 G + 1.053 µS",
        source=f"Wan et al. 2022, 1 s, {_CROSSSIM}",
        tag="src",
        note=_NO_TIME,
        default_age_s=1.0,
        programming=lambda g, _: _powers(g, 1.053, 0.2374, -1.167e-2, 1.536e-4),
    ),
    Device(
        name="rram-milo",
        g_min_us=50.0,
        g_max_us=225.0,
        formula="σ = −.009107 G + 4.782321 µS",
        source=f"Milo et al. 2021, fig. 4, {_CROSSSIM}",
        tag="src",
        note=_NO_TIME,
        programming=lambda g, _: _powers(g, 4.782321, -0.009107),
    ),
    Device(
        name="sonos",
        g_max_us=16.0,
        formula="programming 19.88665 (1 − e^(−I/176.3115)) nA, read 12.58037 (1 − "
        "e^(−I/215.36557)) nA",
        source=f"Agrawal et al. 2022, 40 nm, {_CROSSSIM}",
        tag="src",
        note="as programmed; the source's drift over days is not used. I = g · 0.1 V, from its "
        "1,600 nA at 16 µS [calc]",
        programming=lambda g, _: _sonos_saturating(19.88665, 176.3115, g),
        read=lambda g, _, __: _sonos_saturating(12.58037, 215.36557, g),
    ),
)

DEVICES: dict[str, Device] = {entry.name: entry for entry in _ALL}
"""Every named device."""


def devices() -> tuple[str, ...]:
    """Names of the devices that come with the package.

    >>> from stochsim.hardware import devices
    >>> "rram-wan" in devices()
    True
    """
    return tuple(sorted(DEVICES))


def device(name: str) -> Device:
    """The device of this name; raises SettingError that names the nearest one."""
    return DEVICES[check_choice("device", name, DEVICES)]
