"""Portions of stimuli and reads that run together: as many as fit into memory or cache, and no more
than a kernel, which no Ctrl-C interrupts, is through with in about a second.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from stochsim.settings import check_memory

DRIVES_AT_ONCE = 8_000_000
"""64 MB, however many stimuli and reads there are."""

BYTES_OF_VALUE = 40
"""Of a portion's values at the peak: drives, integers and codes, with copies on their way."""

STATES_AT_ONCE = 1 << 19
"""Of a recurrent circuit: 4 MB, which stay in the cache from step to step."""

STEPS_OF_STATES_AT_ONCE = 1 << 26
"""Of all states of a circuit together, in one call."""

_DRAWN_OF_VALUE = 32
"""Codes that are drawn, or sums that are converted, for each value that a portion may have."""

Portion = tuple[slice, slice]
"""The stimuli of a portion, and its reads."""


def values_of_shared(shared: int, drawn: int, reads: int) -> int:
    """Values of one of `reads` reads that have `shared` values together: its part of these, or what
    stands for the `drawn` codes or conversions of a read where they are too many for one call.
    """
    return max(-(-shared // reads), -(-drawn // _DRAWN_OF_VALUE))


def portions(stimuli: int, reads: int, values: int, most: int, block: int = 1) -> Iterator[Portion]:
    """All stimuli and reads, in portions of at most `most` values: whole stimuli where all reads of
    one fit, else parts of one stimulus's reads.

    values: of one read of one stimulus. block: parts of reads are multiples of this many.
    """
    stimuli_at_once = max(1, most // (reads * values))
    reads_at_once = reads
    if stimuli_at_once == 1:
        reads_at_once = min(reads, max(block, most // values // block * block))
    firsts = itertools.product(range(0, stimuli, stimuli_at_once), range(0, reads, reads_at_once))
    for first, begin in firsts:
        last = min(first + stimuli_at_once, stimuli)
        end = min(begin + reads_at_once, reads)
        yield slice(first, last), slice(begin, end)


class Result(NamedTuple):
    """What is found of every stimulus: its name in errors, its shape without stimuli, its type."""

    what: str
    shape: tuple[int, ...]
    dtype: type[np.generic]


def found_in_portions(
    x: np.ndarray, result: Result, values_of_read: int, find: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """A result (stimulus, …) of stimuli x (stimulus, …), found in portions of them, announced where
    it is large; raises SettingError for more than memory holds. values_of_read: what a read of a
    stimulus takes on its way.
    """
    values = max(math.prod(result.shape), values_of_read)
    size = np.dtype(result.dtype).itemsize
    shape, most = (len(x), *result.shape), 16 * DRIVES_AT_ONCE // size
    beside = 5 * size * min(len(x) * values, most) // 2
    check_memory(result.what, shape, result.dtype, beside=beside)
    if len(x) * values <= most:
        return find(x)
    out = np.empty(shape, result.dtype)
    for part, _ in portions(len(x), 1, values, most):
        out[part] = find(x[part])
    return out
