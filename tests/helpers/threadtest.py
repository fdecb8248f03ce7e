"""Threads of the kernels in tests: one, so that test processes do not wait for each other's, unless
a test asks for all.
"""

import contextlib
from collections.abc import Iterator

import numba

MOST = numba.config.NUMBA_NUM_THREADS


@contextlib.contextmanager
def threads(count: int = MOST) -> Iterator[None]:
    """Run what is inside on this many threads, on all unless given."""
    before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        yield
    finally:
        numba.set_num_threads(before)
