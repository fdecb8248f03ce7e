"""The cumulative distribution of the standard normal by a table and a Taylor series, and as integer
thresholds.
"""

import math

import numpy as np

from stochsim_kernels._jit import inline

ONE = 2147483648.0  # 2^31: probability 1
FLAT = 6.4  # standard deviations beyond which Phi is within 2^-32 of 0 or 1
REACH = 8.5  # of the table: Phi is within 1e-17 of 0 or 1 beyond
CELLS = 16  # grid points of the table per standard deviation
_GRID = np.arange(-int(REACH * CELLS) - 1, int(REACH * CELLS) + 2) / CELLS
CDF = np.array([0.5 * math.erfc(-t * math.sqrt(0.5)) for t in _GRID])
DENSITY = np.exp(-0.5 * _GRID**2) / math.sqrt(2.0 * math.pi)
ORIGIN = _GRID.size // 2
# of the Hermite polynomials 2 ... 6 in the series: products, for a division takes ten times as long
HERMITE = (1.0 / 6.0, -1.0 / 24.0, 1.0 / 120.0, -1.0 / 720.0, 1.0 / 5040.0)
_H2, _H3, _H4, _H5, _H6 = HERMITE


@inline
def tabled_normal_cdf(t):
    """Phi(t) for |t| <= REACH within 1e-15: the Taylor series about the nearest grid point, whose
    derivatives are Hermite polynomials.

    No branch and no call, so a loop over it runs on vectors.
    """
    cell = np.int64(np.floor(t * CELLS + 0.5))
    t0 = cell / CELLS
    d = t - t0
    square = t0 * t0
    h3 = t0 * (square - 3.0)
    h4 = square * (square - 6.0) + 3.0
    h5 = t0 * (square * (square - 10.0) + 15.0)
    h6 = square * (square * (square - 15.0) + 45.0) - 15.0
    high = d * d * d * (h3 * _H3 + d * (h4 * _H4 + d * (h5 * _H5 + d * (h6 * _H6))))
    series = d * (1.0 + d * (-0.5 * t0 + d * ((square - 1.0) * _H2)) + high)
    at = np.uint64(cell + ORIGIN)  # unsigned: no test for an index counted from the end
    return CDF[at] + DENSITY[at] * series


@inline
def as_threshold(p):
    """round(2^31 p), for p from 0 to 1 (a last place beyond them does not matter)."""
    return np.uint32(np.int64(p * ONE + 0.5))


@inline
def normal_threshold(edge, a, rate):
    """round(2^31 Phi((edge - a) rate))."""
    return as_threshold(tabled_normal_cdf(min(max((edge - a) * rate, -FLAT), FLAT)))
