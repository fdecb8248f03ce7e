"""A noisy ADC as a discrete channel: P(code | state), drawn exactly from a table of integers.

A state is a position (what the ADC sees, on a grid) and a variance class (how much noise it
sees). The probabilities of its codes are kept as integers that sum to 2^32, and each state owns an
alias table (Walker 1974, Vose 1991) of K = 2^k cells, one uint32 each:

    entry = threshold 2^k + alias,    u a 32-bit random integer,
    j = u mod K  if u div K < threshold of that cell,  else its alias.

A cell holds 2^(32-k) values of u, so a code is drawn with exactly its integer probability. Only
codes of positive probability need cells: j counts from a code that rises with the position along a
straight line, base = clamp((slope position + intercept) >> shift, 0, base_last). It costs no
look-up and keeps K at the width of the noise (16 where sigma is one step), so the tables stay in
the first-level cache.
"""

import math
from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper
from stochsim_kernels.neuron.channel import normal_cdf

MOST_BITS = 12  # cells per state: 2^12
_FLAT = 6.34  # standard deviations beyond which a probability rounds to 0 or 1 on the grid of 2^-32
_STEEPEST = 2**26  # slope times position stays within 32 bits


class AdcChannel(NamedTuple):
    """P(code | variance class, position): `entries` (variance × position × cell,) uint32 and the
    line that codes are counted from.
    """

    entries: np.ndarray
    bits: int  # k: 2^k cells per state
    positions: int
    slope: int
    intercept: int
    shift: int
    base_last: int
    code_min: int
    code_max: int
    certain: int  # 1 where every state has one code only: nothing to draw


def ideal_edges(levels: int) -> np.ndarray:
    """The edges of an ADC without errors, in its steps: code k meets code k + 1 at k + 1/2,
    (levels - 1,) float64.
    """
    return np.arange(1, levels) - 0.5


def build_channel(
    value_lsb: np.ndarray, sigma_lsb: np.ndarray | float, edges_lsb: np.ndarray, code_min: int = 0
) -> AdcChannel:
    """The channel code = code_min + #{k : edge_k <= value + sigma xi}, xi a standard Gaussian.

    value_lsb: (position,) or (variance, position), in ADC steps from the centre of the first
    code; sigma_lsb: the same unit, broadcast against it; edges_lsb: (levels - 1,), ascending: the
    edge between codes k and k + 1 (INL and DNL are edges moved; two equal ones: a missing code).
    sigma = 0: the code is certain, a value on an edge takes the even code, as rint does. Raises
    ValueError for edges that descend, values that are not finite, negative sigmas, and noise that
    spans more than 2^12 codes.
    """
    value, sigma = np.broadcast_arrays(
        np.atleast_2d(np.asarray(value_lsb, np.float64)), np.asarray(sigma_lsb, np.float64)
    )
    edges = np.ascontiguousarray(edges_lsb, np.float64)
    _check(value, sigma, edges)
    first, last = _windows(value, sigma, edges, code_min)
    lowest = first.min(axis=0)
    highest = last.max(axis=0)
    lines = (_line_below(lowest, highest, slope) for slope in _slopes(value.mean(axis=0), edges))
    line, cells = min(lines, key=lambda one: one[1])
    bits = max(1, math.ceil(math.log2(cells)))
    if bits > MOST_BITS:
        raise ValueError(
            f"a state of this ADC reaches {cells} codes; at most {2**MOST_BITS} can be drawn"
        )
    entries = np.empty((value.size, 1 << bits), np.uint32)
    start = first - line_codes(np.arange(value.shape[1]), *line)
    # copies: NumPy warns of a broadcast array wherever its flags are read, as numba does
    flat = (np.array(a, order="C").ravel() for a in (value, sigma, first, last, start))
    fill_entries(*flat, edges, entries)
    certain = int((first == last).all())
    slope, intercept, shift, base_last = line
    code_max = int(code_min) + edges.size
    return AdcChannel(
        entries.ravel(),
        bits,
        value.shape[1],
        slope,
        intercept,
        shift,
        base_last,
        int(code_min),
        code_max,
        certain,
    )


def _windows(value, sigma, edges, code_min):
    """First and last code index that can have a positive probability."""
    first = np.searchsorted(edges, value - _FLAT * sigma)
    last = np.searchsorted(edges, value + _FLAT * sigma, side="right")
    upper = (code_min + first) % 2 != 0  # the lower code is odd: on the edge the upper one is taken
    return np.where((sigma == 0) & upper, last, first), np.where((sigma == 0) & ~upper, first, last)


def line_codes(
    position: np.ndarray, slope: int, intercept: int, shift: int, base_last: int
) -> np.ndarray:
    """The code, from 0, that the alias table of each position (any shape) counts from."""
    return np.clip((position * slope + intercept) >> shift, 0, base_last)


def shared_noise(sigma: float) -> AdcChannel:
    """A Gaussian of `sigma` grid positions rounded to whole positions, as a channel of one state:
    the codes are the moves of a reference.

    Raises ValueError where sigma is 315 positions or more (2^12 cells): take a coarser grid.
    """
    reach = math.ceil(_FLAT * sigma) + 1
    return build_channel(np.array([float(reach)]), sigma, ideal_edges(2 * reach + 1), -reach)


def _check(value, sigma, edges):
    if (
        edges.ndim != 1
        or not edges.size
        or not np.isfinite(edges).all()
        or (np.diff(edges) < 0).any()
    ):
        raise ValueError("edges_lsb must be one ascending row of finite numbers, at least one")
    if not np.isfinite(value).all() or not value.size:
        raise ValueError("value_lsb must be finite and hold at least one position")
    if not (np.isfinite(sigma) & (sigma >= 0)).all():
        raise ValueError("sigma_lsb must be finite and 0 or more")


def _slopes(value, edges):
    """Candidates for the line: flat, and the mean slope of the values inside the ADC's
    range.
    """
    inside = np.flatnonzero((value >= edges[0]) & (value <= edges[-1]))
    steep = (
        0.0
        if inside.size < 2
        else (value[inside[-1]] - value[inside[0]]) / (inside[-1] - inside[0])
    )
    return [0.0, steep] if abs(steep) * value.size < _STEEPEST else [0.0]


def _line_below(lowest, highest, slope):
    """The highest line of this slope at or below `lowest`, in 32-bit integers, and the cells that
    reach from it to `highest`.
    """
    positions = np.arange(lowest.size)
    base_last = int(lowest.max())
    shift = 29 - math.frexp(abs(slope) * lowest.size + highest.max() + 1.0)[1]
    steep = round(slope * 2.0**shift)
    under = (
        (lowest + 1) * (1 << shift) - 1 - positions * steep
    )  # the largest intercept that each position admits
    intercept = int(under[lowest < base_last].min(initial=(1 << 29)))
    line = (steep, intercept, shift, base_last)
    return line, int((highest - line_codes(positions, *line)).max()) + 1


@helper
def fill_entries(value, sigma, first, last, start, edges, entries):
    """Write the alias tables of all states to entries (state, cell), uint32; codes first to last
    take the cells from `start` on.
    """
    cells = entries.shape[1]
    mass = np.empty(cells, np.int64)
    open_cells = np.empty(cells, np.int64)
    for s in range(value.size):
        for j in range(cells):
            mass[j] = 0
        below = np.int64(0)  # P(code < k), 2^32 times
        for k in range(first[s], last[s]):
            p = normal_cdf((edges[k] - value[s]) / sigma[s])
            upper = max(below, np.int64(math.floor(4294967296.0 * p + 0.5)))
            mass[start[s] + k - first[s]] = upper - below
            below = upper
        mass[start[s] + last[s] - first[s]] = 4294967296 - below
        alias_table(mass, open_cells, entries[s])


@helper
def alias_table(mass, open_cells, entries):
    """Vose's construction in integers: mass (cell,) sums to 2^32; each cell takes 2^32 / K, its own
    share first, the rest from one other.

    `open_cells` (cell,) is room for the lists of the poor, from its front, and of the rich, from
    its end.
    """
    cells = mass.size
    room = 4294967296 // cells
    poor = 0
    rich = cells
    for j in range(cells):
        if mass[j] < room:
            open_cells[poor] = j
            poor += 1
        else:
            rich -= 1
            open_cells[rich] = j
            entries[j] = np.uint32(j)  # full unless it gives: its own alias
    while poor > 0:
        poor -= 1
        needy = open_cells[poor]
        giver = open_cells[rich]
        entries[needy] = np.uint32(mass[needy] * cells + giver)
        mass[giver] -= room - mass[needy]
        if mass[giver] < room:
            rich += 1
            open_cells[poor] = giver
            poor += 1
