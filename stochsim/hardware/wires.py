"""Wire resistance to first order: what the resistance of a crossbar's wires takes from each cell.

    driver ──R── (i,0) ──R── (i,1) ── …      rows are driven at the left, one segment
                   │           │             before the first cell; columns end at the bottom,
                   R           R             one segment below the last row, in a virtual ground
                   ⋮           ⋮

Every cell's current is, to lowest order in R, what it would be without resistance. Segment k of row
i then carries x_i Σ_{j ≥ k} G_ij, and the segment below row k of column j carries Σ_{i ≤ k} x_i
G_ij. Both drops are linear in the inputs x, so the sensed current is that of another set of
conductances, whatever the inputs are; an input of 0 is a row held at ground, not a floating one:

    G'_ij = G_ij (1 − R Σ_j' G_ij' (1 + min(j, j')) − R Σ_i' G_i'j (rows − max(i, i')))

What is neglected is of second order in R: half the resistance, a quarter of the error.
"""

import numpy as np

from stochsim.settings import SettingError, check_not_negative, finite_array

LARGEST_DROP = 0.3
"""Above this largest relative drop the first order is refused; its error is about the square of the
drop.
"""


def relative_drop(g_s: np.ndarray, wire_ohm: float) -> np.ndarray:
    """Share of each cell's current that the wires take, shape (…, row, column) as the conductances
    `g_s` in siemens.

    `wire_ohm` is the resistance of one segment between neighbouring cells, in rows and in columns.
    Raises SettingError where it is negative or not finite, and where the largest drop exceeds 0.3,
    with that drop and the resistance that would not.
    """
    wire_ohm = check_not_negative("wire_ohm", wire_ohm)
    g_s = finite_array("g_s", g_s, "…, row, column")
    in_row_segments = np.cumsum(g_s[..., ::-1], axis=-1, dtype=np.float64)[..., ::-1]
    in_column_segments = np.cumsum(g_s, axis=-2, dtype=np.float64)
    along_row = np.cumsum(in_row_segments, axis=-1)
    down_column = np.cumsum(in_column_segments[..., ::-1, :], axis=-2)[..., ::-1, :]
    drop = wire_ohm * (along_row + down_column)
    largest = float(drop.max(initial=0.0))
    if largest > LARGEST_DROP:
        allowed = wire_ohm * LARGEST_DROP / largest
        rule = (
            f"the largest relative drop is {largest:.3g}, above {LARGEST_DROP} where the first "
            f"order holds; at most {allowed:.3g} ohm here, or smaller tiles"
        )
        raise SettingError.of("wire_ohm", wire_ohm, rule)
    return drop


def effective_conductance(g_s: np.ndarray, wire_ohm: float) -> np.ndarray:
    """Conductances (…, row, column), siemens, whose ideal crossbar senses what this one does behind
    its wires, to first order.

    Raises SettingError as `relative_drop`.
    """
    return g_s * (1.0 - relative_drop(g_s, wire_ohm))
