"""What a chip's cells are programmed to: conductances on the grid, drift, wires, read noise.

Statistical tests fail right code at most once in 10^6 runs; each has a negative control that must
fail, and states its power.
"""

import math

import numpy as np
import pytest
import stattest

from stochsim.chip.array.programming import GRID, Wires, program_cells
from stochsim.hardware import Tiling, nodal_conductance
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


def on_one_row(planes):
    """Planes (sign, slice, row, neuron) as (row, cell of a row): of neuron 0 slice 0 with its
    signs, then slice 1, …; written cell by cell.
    """
    signs, slices, rows, neurons = planes.shape
    out = np.empty((rows, neurons * slices * signs))
    for sign, piece, neuron in np.ndindex(signs, slices, neurons):
        out[:, (neuron * slices + piece) * signs + sign] = planes[sign, piece, :, neuron]
    return out


def through_the_wires(planes_s, ohm, rows, columns, law):
    """Conductances (row, cell of a row) that every tile of `rows` × `columns` senses by `law`."""
    side_by_side = on_one_row(planes_s)
    out = np.empty_like(side_by_side)
    for top in range(0, len(side_by_side), rows):
        for left in range(0, side_by_side.shape[1], columns):
            tile = np.s_[top : top + rows, left : left + columns]
            out[tile] = law(side_by_side[tile], ohm)
    return out


@pytest.mark.parametrize(
    ("model", "law"), [("series", effective_conductance), ("nodal", nodal_conductance)]
)
def test_wires_run_along_tiles_on_which_slices_and_signs_lie_side_by_side(model, law) -> None:
    """An ideal device; the last tiles are not full. Planes that were arrays of their own, with
    shorter rows, would lose less.
    """
    cells = generator(5).integers(0, 4, (2, 3, 50, 15)).astype(np.uint8)
    tiling = Tiling(rows=32, columns=20, inputs=50, neurons=15, slices=3, signs=2)
    wires = Wires(tiling, 2.0, model)
    programmed = program_cells(cells, 2, device("ideal"), KEY, wires=wires).conductance
    g_s = cells * (25e-6 / 3)
    expected = through_the_wires(g_s, 2.0, 32, 20, law) * 3 * GRID / 25e-6
    found = on_one_row(programmed)
    assert np.max(np.abs(found - expected)) <= 0.5 + 1e-6
    assert programmed.sum() < GRID * cells.astype(int).sum()
    apart = np.stack([[law(plane, 2.0) for plane in sign] for sign in g_s]) * 3 * GRID / 25e-6
    assert np.max(np.abs(found - on_one_row(apart))) > 5


def test_wires_of_a_layer_that_is_billed_as_two_tiles() -> None:
    """64 neurons of 4 one-bit cells, 40 µS, 0.35 ohm: the 256 cells of a row take two tiles of 128,
    whose rows carry twice the current of a plane's 64. All cells on: of the 128 rows' and 128
    columns' own sums d is R G ((j + 1)(c - j/2) + …) for c columns, here summed by hand.
    """
    full = np.ones((1, 4, 128, 64), np.uint8)
    one = read_device_text("g_us,programming_sigma_us\n0,0\n40,0\n")
    tiling = Tiling(128, 128, inputs=128, neurons=64, slices=4)
    found = program_cells(full, 1, one, KEY, wires=Wires(tiling, 0.35)).conductance / GRID

    def mean_share(columns):
        j, i = np.arange(columns), np.arange(128)
        row = (j + 1) * (columns - j / 2)  # sum over j' of 1 + min(j, j')
        column = (128 - i) * (i + 1) + (127 - i) * (128 - i) / 2  # sum over i' of 128 - max(i, i')
        series = 0.35 * 40e-6 * (row + column[:, None])
        return np.mean(series / (1 + series))

    assert 1 - found.mean() == pytest.approx(mean_share(128), rel=1e-3)
    assert mean_share(64) < 0.7 * mean_share(128)


def test_wires_of_another_layer_and_too_long_wires_are_refused() -> None:
    cells = np.full((1, 2, 50, 45), 3, np.uint8)
    tiling = Tiling(64, 64, inputs=50, neurons=45, slices=2)
    with pytest.raises(SettingError, match="largest relative drop"):
        program_cells(cells, 2, device("ideal"), KEY, wires=Wires(tiling, 200.0))
    solved = program_cells(cells, 2, device("ideal"), KEY, wires=Wires(tiling, 200.0, "nodal"))
    assert 0 < solved.conductance.min() < 0.1 * 3 * GRID  # no limit of what is taken
    with pytest.raises(
        SettingError, match=r"should be the tiles of cells of shape \(1, 2, 50, 40\)"
    ):
        program_cells(cells[..., :40], 2, device("ideal"), KEY, wires=Wires(tiling, 1.0))


@pytest.mark.parametrize("model", ["series", "nodal"])
def test_wires_weaken_the_read_noise_with_the_signal(model) -> None:
    cells = np.full((1, 1, 32, 32), 3, np.uint8)
    wires = Wires(Tiling(32, 32, 32, 32), 1.0, model)
    plain = program_cells(cells, 2, device("rram-wan"), KEY)
    wired = program_cells(cells, 2, device("rram-wan"), KEY, wires=wires)
    passed = wired.conductance / plain.conductance
    assert passed.max() < 1
    np.testing.assert_allclose(wired.read_variance / plain.read_variance, passed**2, rtol=0.01)


def test_wires_take_of_the_off_current_too() -> None:
    """Cells at level 0 of a device from 20 to 40 µS: their sums are 0, their currents those of the
    tile's 20 µS behind its wires.
    """
    cells = np.zeros((1, 1, 24, 16), np.uint8)
    one = read_device_text("g_us,programming_sigma_us\n20,0\n40,0\n")
    found = program_cells(cells, 1, one, KEY, wires=Wires(Tiling(24, 16, 24, 16), 5.0))
    expected = effective_conductance(np.full((24, 16), 20e-6), 5.0) / 20e-6
    np.testing.assert_array_equal(found.conductance, 0)
    np.testing.assert_allclose(found.off_conductance[0, 0], GRID * expected, rtol=1e-6)


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
        ({"age_s": 5.0}, "'age_s' = 5.0: ideal has no published law of time"),
        ({"wires": Wires(Tiling(64, 128, 64, 128, 3, 2), -1.0)}, "'wire_ohm' = -1.0"),
    ],
)
def test_bad_programming_is_refused(settings, words) -> None:
    with pytest.raises(SettingError, match=words):
        program_cells(CELLS, 2, device("ideal"), KEY, **settings)


def test_cells_wider_than_their_bits_are_refused() -> None:
    with pytest.raises(
        SettingError, match=r"'cells' = 3: should be from 0 to 1, in cells of 1 bit$"
    ):
        program_cells(CELLS, 1, device("ideal"), KEY)
