"""Wire resistance to first order against Kirchhoff's laws solved for every node."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve

from stochsim.hardware import wires
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
    np.testing.assert_allclose(relative_drop(g, ohm), expected, rtol=1e-12)
    np.testing.assert_allclose(effective_conductance(g, ohm), g * (1 - expected), rtol=1e-12)


def test_the_error_against_all_nodes_is_of_second_order() -> None:
    """Halving R quarters the error; over four halvings the ratio tends to 4.

    At 5 ohm the drop is 9 % and the error under 1 %.
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
    """1/(1/G + 2R) = G (1 - 2 R G) to first order."""
    np.testing.assert_allclose(
        effective_conductance(np.array([[1e-4]]), 50.0), [[1e-4 * (1 - 0.01)]], rtol=1e-12
    )


def test_too_large_a_drop_is_refused_with_the_resistance_that_would_do() -> None:
    g = conductances()
    limit = wires.LARGEST_DROP / relative_drop(g, 1.0).max()
    effective_conductance(g, 0.999 * limit)
    with pytest.raises(
        SettingError,
        match=rf"'wire_ohm' = .*largest relative drop is 0\.6.*at most {limit:.3g} ohm",
    ):
        effective_conductance(g, 2 * limit)


@pytest.mark.parametrize("ohm", [-1.0, float("nan"), float("inf")])
def test_bad_resistances_are_errors(ohm) -> None:
    with pytest.raises(SettingError, match="'wire_ohm' = "):
        relative_drop(conductances(), ohm)
