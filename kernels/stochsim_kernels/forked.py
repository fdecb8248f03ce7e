"""Whether this process was forked from one that had OpenMP.

GNU OpenMP's threads do not come along in a fork, and it does not know: the child's first parallel
region waits for them for ever. Numba's kernels and torch share one OpenMP, so either may have
started it. This file is light, so that it can be imported before anybody forks.
"""

import os
import sys

_MAPS = "/proc/self/maps"


class _Process:
    """What is known of this process; `lost_openmp`: OpenMP was here before it was forked."""

    lost_openmp = False


def openmp_is_lost() -> bool:
    """Whether OpenMP may wait for ever in this process."""
    return _Process.lost_openmp


def _has_gnu_openmp() -> bool:
    """Whether its library is loaded; elsewhere than on Linux OpenMP is another, which forks."""
    try:
        with open(_MAPS, encoding="utf-8", errors="replace") as file:
            return "libgomp" in file.read()
    except OSError:
        return False


def _look() -> None:
    """In a process that has just been forked."""
    _Process.lost_openmp = _has_gnu_openmp()


def _was_forked_before() -> bool:
    """Whether multiprocessing forked this process before this file was imported."""
    multiprocessing = sys.modules.get("multiprocessing")  # who forked by it has loaded it
    if multiprocessing is None or multiprocessing.parent_process() is None:
        return False
    method = multiprocessing.get_start_method(allow_none=True)
    default = method or multiprocessing.get_all_start_methods()[0]
    kind = type(multiprocessing.current_process()).__name__
    return kind == "ForkProcess" or (kind == "Process" and default == "fork")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_look)
if _was_forked_before():
    _look()
