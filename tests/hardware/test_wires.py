"""Wire resistance, by its formula and solved exactly, against Kirchhoff's laws at every node."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve

from stochsim.hardware import wires
from stochsim.hardware.nodal_analysis import nodal_conductance
from stochsim.hardware.wires import effective_conductance, relative_drop
from stochsim.keys import generator
from stochsim.settings import SettingError

ROWS, COLUMNS = 12, 7


def conductances(rows=ROWS, columns=COLUMNS):
    """Between 1 and 40 µS, in siemens."""
    return generator(3).uniform(1e-6, 40e-6, (rows, columns))


def sensed_currents(g_s, wire_ohm, volts):
    """Currents into the virtual grounds (input, column) for row voltages (input, row): every node
    of both layers of wires solved.
    """
    rows, columns = g_s.shape
    row_node = np.arange(rows * columns).reshape(rows, columns)
    column_node = row_node + rows * columns
    segment = 1 / wire_ohm
    matrix = sparse.lil_matrix((2 * rows * columns, 2 * rows * columns))
    source = np.zeros((2 * rows * columns, len(volts)))

    def join(a, b, conductance):
        matrix[a, a] += conductance
        matrix[b, b] += conductance
        matrix[a, b] -= conductance
        matrix[b, a] -= conductance

    for i in range(rows):
        matrix[row_node[i, 0], row_node[i, 0]] += segment  # to the driver
        source[row_node[i, 0]] += segment * volts[:, i]
        for j in range(columns):
            join(row_node[i, j], column_node[i, j], g_s[i, j])
            if j + 1 < columns:
                join(row_node[i, j], row_node[i, j + 1], segment)
            if i + 1 < rows:
                join(column_node[i, j], column_node[i + 1, j], segment)
    for j in range(columns):
        matrix[column_node[-1, j], column_node[-1, j]] += segment  # to the virtual ground
    solved = np.reshape(spsolve(matrix.tocsc(), source), (2 * rows * columns, len(volts)))
    return segment * solved[column_node[-1]].T


def volts():
    """Ten random inputs, some rows at ground."""
    random = generator(4)
    return random.uniform(0, 1, (10, ROWS)) * (random.random((10, ROWS)) < 0.7)


def error_of(effective, wire_ohm):
    """Largest error of the sensed currents, relative to the largest current without resistance."""
    exact = sensed_currents(conductances(), wire_ohm, volts())
    return np.max(np.abs(volts() @ effective - exact)) / np.max(volts() @ conductances())


def wrong_row_dropped(g, ohm):
    only_column = ohm * np.array(
        [
            [sum(g[k, j] * (ROWS - max(i, k)) for k in range(ROWS)) for j in range(COLUMNS)]
            for i in range(ROWS)
        ]
    )
    return g * (1 - only_column)


def wrong_min_max_swapped(g, ohm):
    row = [
        [sum(g[i, k] * (1 + max(j, k)) for k in range(COLUMNS)) for j in range(COLUMNS)]
        for i in range(ROWS)
    ]
    column = [
        [sum(g[k, j] * (ROWS - min(i, k)) for k in range(ROWS)) for j in range(COLUMNS)]
        for i in range(ROWS)
    ]
    return g * (1 - ohm * (np.array(row) + np.array(column)))


def wrong_first_segment(g, ohm):
    """The driver sits right at the first cell."""
    row = [
        [sum(g[i, k] * min(j, k) for k in range(COLUMNS)) for j in range(COLUMNS)]
        for i in range(ROWS)
    ]
    column = [
        [sum(g[k, j] * (ROWS - max(i, k)) for k in range(ROWS)) for j in range(COLUMNS)]
        for i in range(ROWS)
    ]
    return g * (1 - ohm * (np.array(row) + np.array(column)))


def test_the_sums_are_the_formula() -> None:
    g = conductances()
    ohm = 3.0
    expected = np.empty_like(g)
    for i in range(ROWS):
        for j in range(COLUMNS):
            row = sum(g[i, k] * (1 + min(j, k)) for k in range(COLUMNS))
            column = sum(g[k, j] * (ROWS - max(i, k)) for k in range(ROWS))
            expected[i, j] = ohm * (row + column)
    np.testing.assert_allclose(relative_drop(g, ohm), expected / (1 + expected), rtol=1e-12)
    np.testing.assert_allclose(effective_conductance(g, ohm), g / (1 + expected), rtol=1e-12)


def test_the_error_against_all_nodes_is_of_second_order() -> None:
    """Halving R quarters the error; over four halvings the ratio tends to 4.

    At 5 ohm the drop is 1.2 % and the error under its square.
    """
    errors = [
        error_of(effective_conductance(conductances(), ohm), ohm) for ohm in (5.0, 2.5, 1.25, 0.625)
    ]
    ratios = np.divide(errors[:-1], errors[1:])
    np.testing.assert_allclose(ratios, 4.0, rtol=0.1)
    assert errors[0] < relative_drop(conductances(), 5.0).max() ** 2
    assert error_of(conductances(), 5.0) > 10 * errors[0]


@pytest.mark.parametrize("wrong", [wrong_row_dropped, wrong_min_max_swapped, wrong_first_segment])
def test_negative_controls_are_of_first_order(wrong) -> None:
    ratio = error_of(wrong(conductances(), 5.0), 5.0) / error_of(wrong(conductances(), 2.5), 2.5)
    assert ratio < 2.6


def test_no_resistance_changes_nothing_and_planes_are_apart() -> None:
    g = conductances()
    np.testing.assert_array_equal(effective_conductance(g, 0.0), g)
    both = effective_conductance(np.stack([g, 2 * g]), 1.0)
    np.testing.assert_array_equal(both[0], effective_conductance(g, 1.0))
    np.testing.assert_array_equal(both[1], effective_conductance(2 * g, 1.0))


def test_a_single_cell_is_in_series_with_two_segments() -> None:
    """1/(1/G + 2R), exactly, where 1 - 2 R G would be off by (2 R G)²."""
    cell = np.array([[1e-4]])
    expected = [[1 / (1e4 + 2 * 50.0)]]
    np.testing.assert_allclose(effective_conductance(cell, 50.0), expected, rtol=1e-12)
    np.testing.assert_allclose(nodal_conductance(cell, 50.0), expected, rtol=1e-12)


def half_on(size):
    """Half of size × size cells at 40 µS, the others at 0, in siemens, and ten inputs, half on."""
    random = generator(6)
    return 40e-6 * (random.random((size, size)) < 0.5), random.integers(0, 2, (10, size)) * 1.0


@pytest.mark.parametrize("ohm", [1.0, 2.5, 5.5])
def test_series_is_far_nearer_to_all_nodes_than_the_first_order(ohm) -> None:
    """48 × 48 cells, half on: drops of up to 6, 13 and 24 %; mean errors of all columns."""
    g, x = half_on(48)
    drop = relative_drop(g, 1.0)
    first_order = g * (1 - ohm * drop / (1 - drop))
    exact = sensed_currents(g, ohm, x)
    series, linear = (
        np.mean(np.abs(x @ effective - exact) / exact)
        for effective in (effective_conductance(g, ohm), first_order)
    )
    assert series < linear / 10
    assert series < 0.02 * np.mean(1 - exact / (x @ g))


def shapes():
    """Tiles (row, column) of siemens: all on, half on, of one programmed row, and sparse rows."""
    random = generator(8)
    one_row = np.zeros((16, 64))
    one_row[0] = 1.0
    few_rows = (random.random((8, 64)) < 0.2) * (random.random((8, 1)) < 0.4)
    few_rows[0, 0] = True
    tiles = {
        "one row of cells": np.ones((1, 64)),
        "one programmed row": one_row,
        "one column": np.ones((64, 1)),
        "square": np.ones((24, 24)),
        "half on": (random.random((12, 48)) < 0.5) * 1.0,
        "few rows": few_rows * 1.0,
        "corner": np.pad([[1.0]], ((0, 11), (11, 0))),
    }
    return {name: 1e-4 * tile for name, tile in tiles.items()}


def column_errors(g, effective, ohm):
    """|error| of each column that has cells, all rows driven, relative to its exact current."""
    exact = sensed_currents(g, ohm, np.ones((1, len(g))))[0]
    full = g.sum(axis=0) > 0
    return np.abs(effective.sum(axis=0)[full] / exact[full] - 1)


@pytest.mark.parametrize(("share", "bound"), [(0.3, 0.03), (0.1, 0.003)])
@pytest.mark.parametrize("name", shapes())
def test_columns_are_off_by_no_more_than_is_said(name, share, bound) -> None:
    """At the resistance where the wires take this share of one cell; the first order is out of
    bounds.
    """
    g = shapes()[name]
    drop = relative_drop(g, 1e-6)
    per_ohm = drop / (1 - drop) / 1e-6
    ohm = 0.9999 * share / (1 - share) / per_ohm.max()
    assert column_errors(g, effective_conductance(g, ohm), ohm).max() < bound
    assert column_errors(g, g * (1 - ohm * per_ohm), ohm).max() > bound


def test_a_row_of_cells_at_the_limit_is_off_by_2_percent() -> None:
    g = np.full((1, 64), 1e-4)
    assert column_errors(g, effective_conductance(g, 2.059), 2.059).max() == pytest.approx(
        0.022, abs=5e-4
    )


def test_at_usual_losses_columns_are_off_by_thousandths() -> None:
    """128 × 128, half at 40 µS, 0.35 ohm: by all nodes, columns with half of the rows driven."""
    g, x = half_on(128)
    exact = sensed_currents(g, 0.35, x[:3])
    errors = np.abs(x[:3] @ effective_conductance(g, 0.35) / exact - 1)
    assert errors.mean() == pytest.approx(3e-4, abs=1e-4)
    assert errors.max() < 1.5e-3
    assert relative_drop(g, 0.35).max() == pytest.approx(0.12, abs=5e-3)


def test_the_nodal_solution_is_that_of_all_nodes() -> None:
    """At 10^5 ohm the wires take nearly all. The formula and a driver at the first cell differ."""
    g = conductances()
    for ohm in (1e-3, 5.0, 1e5):
        exact = sensed_currents(g, ohm, volts())
        np.testing.assert_allclose(volts() @ nodal_conductance(g, ohm), exact, rtol=1e-10)
    exact = sensed_currents(g, 5.0, volts())
    for wrong in (effective_conductance(g, 5.0), wrong_first_segment(g, 5.0)):
        assert np.max(np.abs(volts() @ wrong / exact - 1)) > 1e-6


def test_currents_find_a_way_around_an_open_cell() -> None:
    g, x = half_on(12)
    found = nodal_conductance(g, 20.0)
    assert found[g == 0].max() > 0
    np.testing.assert_allclose(x @ found, sensed_currents(g, 20.0, x), rtol=1e-10)
    np.testing.assert_array_equal(nodal_conductance(g, 0.0), g)


@pytest.mark.parametrize(
    ("g_s", "ohm", "words"),
    [
        (np.ones((2, 3)), -1.0, "'wire_ohm' = -1.0"),
        (np.full((2, 3), np.nan), 1.0, "'g_s'"),
        (np.full((2, 3), -1e-6), 1.0, "'g_s' = -1e-06: should be at least 0"),
        (np.full((2, 3), 1e-6), 1e30, "'wire_ohm' = 1e[+]30: should be at most 1e[+]18 ohm"),
        (np.ones((2, 2**14)), 1.0, "'wire_model' = 'nodal'.*2 × 16384; valid: smaller tiles"),
    ],
)
def test_what_cannot_be_solved_is_refused(g_s, ohm, words) -> None:
    with pytest.raises(SettingError, match=words):
        nodal_conductance(g_s, ohm)


def test_too_large_a_drop_is_refused_with_the_resistance_that_would_do() -> None:
    """The share that the wires take is d/(1 + d): 0.3 at d = 3/7, and 6/13 at twice as much."""
    g = conductances()
    unit = relative_drop(g, 1e-3).max()
    limit = 1e-3 * (3 / 7) / (unit / (1 - unit))
    assert relative_drop(g, 0.999 * limit).max() == pytest.approx(wires.LARGEST_DROP, rel=1e-2)
    with pytest.raises(
        SettingError,
        match=rf"'wire_ohm' = .*largest relative drop is 0\.462.*at most {limit:.3g} ohm",
    ):
        effective_conductance(g, 2 * limit)


@pytest.mark.parametrize("solve", [relative_drop, effective_conductance, nodal_conductance])
@pytest.mark.parametrize(
    ("g_s", "words"),
    [
        ([[1e-6, -1e-5]], "'g_s' = -1e-05: should be at least 0"),
        ([[float("inf")]], "'g_s'.* should be finite"),
        ([1e-6], "'g_s' = array of shape .*row, column"),
    ],
)
def test_what_is_no_conductance_is_refused(solve, g_s, words) -> None:
    for ohm in (0.0, 1.0):
        with pytest.raises(SettingError, match=words):
            solve(g_s, ohm)


@pytest.mark.parametrize("ohm", [-1.0, float("nan"), float("inf")])
def test_bad_resistances_are_errors(ohm) -> None:
    with pytest.raises(SettingError, match="'wire_ohm' = "):
        relative_drop(conductances(), ohm)
