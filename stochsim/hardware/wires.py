"""Wire resistance: what the resistance of a crossbar's wires takes from each cell.

    driver ──R── (i,0) ──R── (i,1) ── …      rows are driven at the left, one segment
                   │           │             before the first cell; columns end at the bottom,
                   R           R             one segment below the last row, in a virtual ground
                   ⋮           ⋮

Every cell's current is, to lowest order in R, what it would be without resistance. Segment k of row
i then carries x_i Σ_{j ≥ k} G_ij, and the segment below row k of column j carries Σ_{i ≤ k} x_i
G_ij. Both drops are linear in the inputs x, so the sensed current is that of another set of
conductances, whatever the inputs are; an input of 0 is a row held at ground, not a floating one:

    G'_ij = G_ij / (1 + d_ij)
    d_ij = R Σ_j' G_ij' (1 + min(j, j')) + R Σ_i' G_i'j (rows − max(i, i'))

Each cell stands in series with d_ij/G_ij, as it does exactly where it is alone. What is neglected
is of second order in R, and a tenth of what G (1 − d) neglects. With half of 128 × 128 cells at 40
µS and 0.35 Ω, which take up to 12 % of a cell's current, columns are off by 0.03 % on average and
by 0.13 % at most. Of what a column of cells on or off senses the error is at most 0.3 % where the
largest share is 10 %, and at most 3 % at the limit of 30 %: most where few rows carry the current,
2.2 % of one row of 64 cells, all on. A cell far below its neighbours may be off by more than its
own current, which goes around it: of a column driven at cells of 2 % of theirs 1 % and 11 %.
`nodal_analysis.nodal_conductance` neglects nothing.
"""

import numpy as np

from stochsim.settings import SettingError, check_not_negative, finite_array

LARGEST_DROP = 0.3
"""Above this largest share of a cell's current the formula is refused; columns are off by up to 3 %
there.
"""


def relative_drop(g_s: np.ndarray, wire_ohm: float) -> np.ndarray:
    """Share d/(1 + d) of each cell's current that the wires take, shape (…, row, column) as the
    conductances `g_s` in siemens.

    `wire_ohm` is the resistance of one segment between neighbouring cells, in rows and in columns.
    Raises SettingError where one of them is negative or not finite, and where the largest share
    exceeds 0.3, with that share and the resistance that would not.
    """
    wire_ohm = check_not_negative("wire_ohm", wire_ohm)
    g_s = check_conductances(g_s, "…, row, column")
    series = _series(g_s, wire_ohm)
    largest = float(series.max(initial=0.0))
    share = largest / (1 + largest)
    if share > LARGEST_DROP:
        allowed = wire_ohm * LARGEST_DROP / (1 - LARGEST_DROP) / largest
        rule = (
            f"the largest relative drop is {share:.3g}, above {LARGEST_DROP} where the formula "
            f"holds; at most {allowed:.3g} ohm here, or smaller tiles, or wire_model = 'nodal'"
        )
        raise SettingError.of("wire_ohm", wire_ohm, rule)
    return series / (1.0 + series)


def check_conductances(g_s: np.ndarray, axes: str) -> np.ndarray:
    """Conductances with these axes, in float64; raises SettingError for those that are negative or
    no finite numbers.
    """
    g_s = finite_array("g_s", g_s, axes).astype(np.float64)
    least = float(g_s.min(initial=0.0))
    if least < 0:
        raise SettingError.of("g_s", least, "should be at least 0")
    return g_s


def _series(g_s: np.ndarray, wire_ohm: float) -> np.ndarray:
    """d_ij, (…, row, column)."""
    in_row_segments = np.cumsum(g_s[..., ::-1], axis=-1, dtype=np.float64)[..., ::-1]
    in_column_segments = np.cumsum(g_s, axis=-2, dtype=np.float64)
    along_row = np.cumsum(in_row_segments, axis=-1)
    down_column = np.cumsum(in_column_segments[..., ::-1, :], axis=-2)[..., ::-1, :]
    return wire_ohm * (along_row + down_column)


def unchecked_share(g_s: np.ndarray, wire_ohm: float) -> np.ndarray:
    """Share 1/(1 + d) of each cell's current that passes, (…, row, column), however small it is."""
    return 1.0 / (1.0 + _series(g_s, wire_ohm))


def effective_conductance(g_s: np.ndarray, wire_ohm: float) -> np.ndarray:
    """Conductances (…, row, column), siemens, whose ideal crossbar senses what this one does behind
    its wires, but for a second order in R.

    Raises SettingError as `relative_drop`.
    """
    return g_s * (1.0 - relative_drop(g_s, wire_ohm))
