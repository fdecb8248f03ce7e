"""Codes under Gaussian noise between edges at any distances: first the place among 255 evenly
spaced edges, then the few true edges that lie in that cell.

An even edge that is passed has every true edge below it passed, and one that is not has none above
it passed, for thresholds ascend with their edges; so true edges outside the cell need no look.
"""

from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper
from stochsim_kernels.neuron.channel import (
    GAUSSIAN,
    IDENTITY,
    NeuronLaw,
    is_placed,
    neuron_law,
    noiseless_index,
)
from stochsim_kernels.neuron.nearest_edge import locate, place_rows, spread
from stochsim_kernels.random.counter_rng import read_integer

_CELLS = 256


class Guide(NamedTuple):
    """even: the law of evenly spaced values, codes -128 … 127, from the first finite edge to the
    last. bounds: (2, 256) uint8, edges passed below each cell, and below its end.
    """

    even: NeuronLaw
    bounds: np.ndarray


def guide_of(law: NeuronLaw) -> Guide:
    """That of a law; without meaning where codes are found by the law itself, or by bisection."""
    bounds = np.zeros((2, _CELLS), np.uint8)
    if law.family != GAUSSIAN or is_placed.py_func(law):
        return Guide(law, bounds)
    finite = law.edges[np.isfinite(law.edges)]
    first, last = (finite[0], finite[-1]) if finite.size else (0.0, 0.0)
    step = (last - first) / (_CELLS - 2) or 1.0
    z = first + (_CELLS // 2 - 0.5) * step
    even = neuron_law(GAUSSIAN, IDENTITY, z, step, -_CELLS // 2, _CELLS)
    bounds[0] = np.searchsorted(law.edges, np.append(-np.inf, even.edges), side="right")
    bounds[1] = np.searchsorted(law.edges, np.append(even.edges, np.inf), side="left")
    return Guide(even, bounds)


@helper
def place_guided_rows(drive, sigma, other, law, guide, streams, out):
    """As `nearest_edge.place_rows`, for edges at any distances and any activation."""
    known = spread(sigma, other, guide.even)
    place_rows(drive, sigma, other, known, guide.even, streams, out)
    for r in range(out.shape[0]):
        a = drive[min(r, drive.shape[0] - 1)]
        for n in range(out.shape[1]):
            cell = np.int64(out[r, n]) + 128
            low = np.int64(guide.bounds[0, cell])
            high = np.int64(guide.bounds[1, cell])
            if sigma[n] == 0.0 and other[n] == 0.0:
                low = noiseless_index(a[n], law)
            elif low < high:
                u = read_integer(streams, r, n)
                low = locate(high, high - low, u, a[n], sigma[n], other[n], law)
            out[r, n] = law.c_min + low
