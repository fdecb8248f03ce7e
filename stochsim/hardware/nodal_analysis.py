"""A crossbar behind its wires solved exactly: Kirchhoff's laws at every node.

The wiring is that of `wires`. The network is linear and its rows are driven by voltages, so the
virtual grounds sense Σ_i V_i G'_ij of one matrix G', whatever the inputs are. Rows are taken in
from the top. What lies above the segment below row k is one multiport source: it sends J V − Y c
into the columns, where c are the voltages of their nodes in row k; Y is (column, column), J has one
column for every row so far. A row adds its own Y and J, and a segment in series with every column
makes them those of the row below:

    Y ← s M Y,  J ← s M J,  M = (Y + s)⁻¹,  s = 1/R

It takes about 3 × rows × columns³ operations: a tile of 128 × 128 a quarter of a second of a core.
"""

import numpy as np

from stochsim.hardware.wires import check_conductances, unchecked_share
from stochsim.settings import SettingError, check_not_negative

MOST_OF_A_CELL = 1e12
"""Resistance of a segment over that of a cell: above it double precision does not do."""

MOST_OPERATIONS = 2**40
"""Rows × columns³ of the largest tile that is solved: 1,024 × 1,024, some minutes."""


def nodal_conductance(g_s: np.ndarray, wire_ohm: float) -> np.ndarray:
    """Conductances (row, column), siemens, whose ideal crossbar senses exactly what that of `g_s`
    (row, column) does behind wires of `wire_ohm` per segment.

    A cell of conductance 0 may be above 0: currents find a way around it. Raises SettingError for
    conductances that are negative or no finite numbers, a resistance that is negative, not finite
    or above 1e12 times that of a cell, and more than 2^40 rows × columns³.
    """
    wire_ohm = check_not_negative("wire_ohm", wire_ohm)
    g_s = check_conductances(g_s, "row, column")
    if wire_ohm == 0 or g_s.size == 0:
        return g_s
    _check_size(*g_s.shape)
    _check_range(g_s, wire_ohm)
    scaled = g_s * wire_ohm  # in units of the segments' conductance, s = 1
    columns = g_s.shape[1]
    admittance: np.ndarray = np.zeros((columns, columns))
    sources: np.ndarray = np.zeros((columns, 0))
    for row in scaled:
        added, own = _row(row)
        admittance += added
        sources = np.column_stack([sources, own])
        below = np.linalg.solve(
            admittance + np.eye(columns), np.column_stack([admittance, sources])
        )
        admittance = below[:, :columns]
        sources = below[:, columns:]
    return sources.T / wire_ohm


def nodal_shares(g_s: np.ndarray, wire_ohm: float) -> tuple[np.ndarray, np.ndarray]:
    """Share of each cell's current that passes, and siemens that empty cells seem to have, which
    currents go around; both (row, column), so that share × g_s + siemens is `nodal_conductance`.

    An empty cell's share, which only its noise has, is that of the formula of `wires`. Raises
    SettingError as `nodal_conductance`.
    """
    sensed = nodal_conductance(g_s, wire_ohm)
    g_s = check_conductances(g_s, "row, column")
    full = g_s != 0
    passed = unchecked_share(g_s, float(wire_ohm))
    passed[full] = sensed[full] / g_s[full]
    return passed, np.where(full, 0.0, sensed)


def _row(g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Admittance (column, column) between the columns, and currents (column,) into them per volt of
    the driver, of one row's cells g (column,); all in units of a segment's conductance.
    """
    wire = np.diag(np.full(g.size, 2.0)) - np.eye(g.size, k=1) - np.eye(g.size, k=-1)
    wire[-1, -1] = 1.0  # the row ends at its last cell
    first = np.eye(g.size, 1)  # the driver, one segment before the first cell
    solved = np.linalg.solve(wire + np.diag(g), np.column_stack([np.diag(g), first]))
    return np.diag(g) - g[:, None] * solved[:, :-1], g * solved[:, -1]


def _check_size(rows: int, columns: int) -> None:
    """Raise SettingError for a tile whose solution would take too long."""
    if rows * columns**3 > MOST_OPERATIONS:
        rule = (
            f"solves tiles of at most 2^40 rows × columns³, such as 1024 × 1024, and this one has "
            f"{rows} × {columns}; valid: smaller tiles, or 'series'"
        )
        raise SettingError.of("wire_model", "nodal", rule)


def _check_range(g_s: np.ndarray, wire_ohm: float) -> None:
    """Raise SettingError for wires that hide the cells."""
    largest_s = float(g_s.max())
    if largest_s > 0 and wire_ohm > MOST_OF_A_CELL / largest_s:
        rule = f"should be at most {MOST_OF_A_CELL / largest_s:.3g} ohm, 1e12 times that of a cell"
        raise SettingError.of("wire_ohm", wire_ohm, rule)
