"""Conversions of sixteen columns at once where the random bits meet a threshold, which happens once
in 2^29 draws, by hand.
"""

import numpy as np
import pytest
from stochsim_kernels._jit import inline
from stochsim_kernels.array.crossbar_kernel import Rule
from stochsim_kernels.array.simd_conversion import COLUMNS, PAIRS, Steps, convert_block
from stochsim_kernels.reference.neuron_codes import splitmix64

BITS = 3
MASK = 2**BITS - 1
GAMMA = 0x9E3779B97F4A7C15
FACTOR = 5


@inline
def convert(steps, rule, streams, entries, columns, totals):
    convert_block(steps, rule, streams, entries, columns, totals)


def drawn(column):
    """The 32 random bits of a column, by the plain generator."""
    return splitmix64(column // 2, GAMMA, 0) >> 32 * (column % 2) & 0xFFFFFFFF


@pytest.mark.parametrize("column", [c for c in range(COLUMNS) if drawn(c) & MASK != MASK])
def test_a_cell_is_taken_below_its_threshold_and_not_at_it(column):
    """Upper bits equal to the threshold's give the alias, whatever the lower bits are."""
    u = drawn(column)
    streams = np.array([np.arange(PAIRS), np.full(PAIRS, GAMMA, np.uint64)], np.uint64)
    rule = Rule(BITS, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    for threshold, expected in ((u >> BITS, MASK), ((u >> BITS) + 1, u & MASK)):
        entries = np.zeros(MASK + 1, np.uint32)
        entries[u & MASK] = threshold << BITS | MASK  # the last cell is its alias
        totals = np.zeros((1, COLUMNS), np.int32)
        steps = Steps(0, 1, np.int64(FACTOR))
        moved = streams.copy()
        convert(steps, rule, moved, entries, np.zeros((2, COLUMNS), np.int32), totals)
        assert totals[0, column] == FACTOR * expected
        assert moved.tolist() == [(streams[0] + np.uint64(GAMMA)).tolist(), [GAMMA] * PAIRS]
