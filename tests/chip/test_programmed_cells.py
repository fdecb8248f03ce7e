"""What a chip's cells are programmed to: conductances on the grid, drift, wires, read noise.

Statistical tests fail right code at most once in 10^6 runs; each has a negative control that must
fail, and states its power.
"""

import math

import numpy as np
import pytest
import stattest

from stochsim.chip.array.programming import GRID, Wires, program_cells
from stochsim.hardware.measured_files import read_device_text
from stochsim.hardware.memory_devices import device
from stochsim.hardware.wires import effective_conductance
from stochsim.keys import generator
from stochsim.settings import SettingError

KEY = 7
CELLS = generator(1).integers(0, 4, (2, 3, 64, 128)).astype(np.uint8)


@pytest.mark.parametrize("cell_bits", range(1, 9))
def test_an_ideal_device_holds_256_times_its_code(cell_bits) -> None:
    cells = generator(2).integers(0, 2**cell_bits, (2, 2, 40, 30)).astype(np.uint8)
    programmed = program_cells(cells, cell_bits, device("ideal"), KEY)
    assert programmed.conductance.dtype == np.int32
    np.testing.assert_array_equal(programmed.conductance, GRID * cells.astype(np.int32))
    np.testing.assert_array_equal(programmed.read_variance, 0)
    assert programmed.read_variance.dtype == np.float32


MANY = np.tile(np.arange(4, dtype=np.uint8), (1, 2, 400, 100))  # 80,000 cells of each 2-bit code


@pytest.mark.parametrize("name", ["pcm-nandakumar", "rram-milo", "rram-wan-crosssim"])
def test_programming_noise_is_the_polynomial(name) -> None:
    """Mean and variance of 80,000 cells of each code, in steps of the grid, with the 1/12 that
    rounding adds. A σ wrong by 5 % moves the variance by 10 %; what is caught but once in 10^3 is 4
    %. Code 0 of a device whose g_min is 0 is clipped there, so it is left out.
    """
    chosen = device(name)
    programmed = program_cells(MANY, 2, chosen, KEY).conductance
    step_us = (chosen.g_max_us - chosen.g_min_us) / 3
    assert stattest.detectable(math.sqrt(2 / 80_000)) < 1.05**2 - 1
    for code in range(1 if chosen.g_min_us == 0 else 0, 4):
        sigma = (
            float(chosen.programming_sigma_us(np.array([chosen.g_min_us + step_us * code]))[0])
            * GRID
            / step_us
        )
        errors = programmed[code == MANY] - GRID * code
        stattest.assert_mean(errors, 0.0)
        stattest.assert_mean(errors.astype(float) ** 2, sigma**2 + 1 / 12)
        with pytest.raises(AssertionError):
            stattest.assert_mean(errors.astype(float) ** 2, (1.05 * sigma) ** 2)


def test_empty_cells_of_a_device_without_g_min_never_fall_below_zero() -> None:
    assert program_cells(MANY, 2, device("pcm-nandakumar"), KEY).conductance.min() == 0
    assert (
        program_cells(MANY, 2, device("rram-milo"), KEY).conductance.min() < 0
    )  # the reference column's 50 µS are subtracted


def test_same_key_same_chip_other_key_other_chip() -> None:
    pcm = device("pcm-nandakumar")
    ages = (20.0, 3600.0)
    first, again, other = (program_cells(CELLS, 2, pcm, key, 3600.0) for key in (KEY, KEY, KEY + 1))
    np.testing.assert_array_equal(first.conductance, again.conductance)
    np.testing.assert_array_equal(first.read_variance, again.read_variance)
    assert np.mean(first.conductance != other.conductance) > 0.9
    young, old = (program_cells(CELLS, 2, pcm, KEY, age).conductance.astype(float) for age in ages)
    full = CELLS == 3
    # the same cells, grown old: what they have in common is the programming noise, what is new the
    # spread of ν
    factor = (3600 / 20) ** -0.049
    common = 1.05538 * factor
    new = 25 * factor * math.log(3600 / 20) * 0.008
    assert abs(
        np.corrcoef(young[full], old[full])[0, 1] - common / math.hypot(common, new)
    ) < 5.5 / math.sqrt(full.sum())


def test_planes_have_errors_of_their_own() -> None:
    errors = program_cells(
        np.full((2, 3, 64, 64), 2, np.uint8), 2, device("pcm-nandakumar"), KEY
    ).conductance.reshape(6, -1)
    assert np.max(np.abs(np.corrcoef(errors) - np.eye(6))) < 5.5 / 64


def test_drift_lowers_by_the_power_law_and_compensation_restores_the_total() -> None:
    """At full conductance ν = .049 ± .008: ln g falls by ν ln(t/20 s) in the mean.

    An exponent off by 2 % is caught.
    """
    pcm = device("pcm-nandakumar")
    day = 86400.0
    full = np.full((1, 1, 400, 400), 3, np.uint8)
    young, old = (
        program_cells(full, 2, pcm, KEY, age).conductance / (3 * GRID) for age in (20.0, day)
    )
    nu = np.log(young / old) / math.log(day / 20)
    stattest.assert_mean(nu, 0.049)
    assert stattest.detectable(0.008 / 400) < 0.02 * 0.049
    with pytest.raises(AssertionError):
        stattest.assert_mean(nu, 1.02 * 0.049)
    restored = program_cells(full, 2, pcm, KEY, day, compensate_drift=True)
    plain = program_cells(full, 2, pcm, KEY, day)
    assert restored.conductance.mean() / (3 * GRID) == pytest.approx(young.mean(), rel=1e-3)
    factor = young.sum() / old.sum()
    np.testing.assert_allclose(restored.read_variance, factor**2 * plain.read_variance, rtol=1e-4)
    wan = device("rram-wan")  # does not drift
    np.testing.assert_array_equal(
        program_cells(full, 2, wan, KEY, compensate_drift=True).conductance,
        program_cells(full, 2, wan, KEY).conductance,
    )


def test_a_cell_is_programmed_then_drifts_then_is_read() -> None:
    """The chain of one plane step by step, after a day: ν follows the target, the relative read
    noise the conductance before drift.
    """
    pcm = device("pcm-nandakumar")
    day = 86400.0
    drawn = CELLS[:1, :, :5, :7]
    programmed = program_cells(drawn, 2, pcm, KEY, day)
    target = drawn[0, 1] * 25 / 3
    before = pcm.programmed_us(target, generator(KEY, "programming", 0, 1), day)
    now = pcm.drifted_us(before, day, generator(KEY, "drift", 0, 1), target)
    np.testing.assert_array_equal(programmed.conductance[0, 1], np.rint(now * 3 * GRID / 25))
    np.testing.assert_allclose(
        programmed.read_variance[0, 1],
        (pcm.read_sigma_us(now, day, before) * 3 * GRID / 25) ** 2,
        rtol=1e-6,
    )


def test_read_variance_is_the_law_in_grid_steps() -> None:
    wan = program_cells(CELLS, 2, device("rram-wan"), KEY)
    np.testing.assert_allclose(wan.read_variance, (0.4 * GRID * 3 / 40) ** 2, rtol=1e-6)
    pcm = program_cells(
        CELLS, 2, device("pcm-nandakumar"), KEY, 20.0
    )  # no drift yet, so the conductance shows the noise
    g_us = pcm.conductance * 25 / (3 * GRID)
    expected = (device("pcm-nandakumar").read_sigma_us(g_us, 20.0) * GRID * 3 / 25) ** 2
    full = CELLS == 3
    np.testing.assert_allclose(
        pcm.read_variance[full], expected[full], rtol=0.01
    )  # the grid's own rounding
    assert np.all(pcm.read_variance[full] > 0)


def test_wires_are_first_order_in_every_tile() -> None:
    """An ideal device's tiles, each an array of its own; the last ones are not full."""
    cells = generator(5).integers(0, 4, (1, 2, 50, 45)).astype(np.uint8)
    programmed = program_cells(
        cells, 2, device("ideal"), KEY, wires=Wires(2.0, rows_per_tile=32, columns_per_tile=20)
    ).conductance
    g_s = cells * (25e-6 / 3)
    for plane in range(2):
        for top in (0, 32):
            for left in (0, 20, 40):
                tile = np.s_[0, plane, top : top + 32, left : left + 20]
                expected = effective_conductance(g_s[tile], 2.0) * 3 * GRID / 25e-6
                assert np.max(np.abs(programmed[tile] - expected)) <= 0.5 + 1e-9
    assert programmed.sum() < GRID * cells.astype(int).sum()
    whole = program_cells(cells, 2, device("ideal"), KEY, wires=Wires(2.0)).conductance
    assert whole.sum() < programmed.sum()  # longer wires take more
    with pytest.raises(SettingError, match="largest relative drop"):
        program_cells(cells, 2, device("ideal"), KEY, wires=Wires(200.0))


def test_wires_weaken_the_read_noise_with_the_signal() -> None:
    cells = np.full((1, 1, 32, 32), 3, np.uint8)
    plain = program_cells(cells, 2, device("rram-wan"), KEY)
    wired = program_cells(cells, 2, device("rram-wan"), KEY, wires=Wires(1.0))
    passed = wired.conductance / plain.conductance
    assert passed.max() < 1
    np.testing.assert_allclose(wired.read_variance / plain.read_variance, passed**2, rtol=0.01)


def test_a_measured_device_is_programmed_like_any_other() -> None:
    """Mean 1 µS above target; the range of the file is the range of codes: 10 to 40 µS, so a 2-bit
    step is 10 µS.
    """
    mine = read_device_text(
        "g_us,programming_sigma_us,mean_us,read_sigma_us\n10,0,11,0.5\n40,0,41,0.5\n"
    )
    programmed = program_cells(CELLS, 2, mine, KEY)
    np.testing.assert_array_equal(
        programmed.conductance, GRID * CELLS.astype(int) + np.rint(GRID / 10)
    )
    np.testing.assert_allclose(programmed.read_variance, (0.5 * GRID / 10) ** 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"wires": Wires(rows_per_tile=0)}, "'rows_per_tile' = 0: should be an integer from 1"),
        ({"wires": Wires(columns_per_tile=-3)}, "'columns_per_tile' = -3"),
        ({"age_s": 5.0}, "'age_s' = 5.0: ideal has no published law of time"),
        ({"wires": Wires(-1.0)}, "'wire_ohm' = -1.0"),
    ],
)
def test_bad_programming_is_refused(settings, words) -> None:
    with pytest.raises(SettingError, match=words):
        program_cells(CELLS, 2, device("ideal"), KEY, **settings)


def test_cells_wider_than_their_bits_are_refused() -> None:
    with pytest.raises(
        SettingError, match="'cells' = 3: should be from 0 to 1, in cells of 1 bits"
    ):
        program_cells(CELLS, 1, device("ideal"), KEY)
