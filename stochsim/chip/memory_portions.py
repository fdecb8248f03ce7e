"""Portions of stimuli and reads that run together, as many as fit into memory or cache."""

import itertools
from collections.abc import Iterator

DRIVES_AT_ONCE = 8_000_000
"""Of reads that differ: 64 MB, however many stimuli there are."""

STATES_AT_ONCE = 1 << 19
"""Of a recurrent circuit: 4 MB, which stay in the cache from step to step."""

Portion = tuple[slice, slice]
"""The stimuli of a portion, and its reads."""


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
