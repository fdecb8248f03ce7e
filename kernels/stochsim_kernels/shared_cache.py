"""Numba's cache of compiled functions, shared by processes that start at the same time.

Of several processes that miss the same function one compiles it and the others wait for it, then
load it. Numba's own cache lets all of them compile, and two that save different types of arguments,
or for different processors, at the same moment may take the same name for their files.
"""

import os
import time
from typing import Any

from numba.core.caching import FunctionCache

try:
    import fcntl
except ImportError:  # elsewhere than on Linux and macOS every process compiles for itself
    fcntl = None  # type: ignore[assignment]

_MOST_WAIT_S = 120.0
"""Longer than any function compiles: a process that waited so long compiles for itself."""
_PAUSE_S = 0.02
_held: dict[str, int] = {}
"""Path of a lock -> its open file, in this process."""


def _take(path: str) -> None:
    """Hold the lock of this path, as soon as no other process holds it; a file system without locks
    is no error.
    """
    if fcntl is None or path in _held:
        return
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return
    _held[path] = file
    until = time.monotonic() + _MOST_WAIT_S
    while time.monotonic() < until:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        except OSError:
            return


def _give_back(path: str) -> None:
    file = _held.pop(path, None)
    if file is not None:
        os.close(file)


def _forget() -> None:
    """In a forked process: the locks are those of the parent, which alone gives them back."""
    for path in list(_held):
        _give_back(path)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class SharedCache(FunctionCache):
    """The cache of one function; a lock is held from a miss until what was compiled is saved.

    Functions wait only for those that they call, so no two processes wait for each other.
    """

    @property
    def _lock(self) -> str:
        return os.path.join(self._cache_path, f"{self._impl.filename_base}.lock")

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function from the cache; None where this process has to compile it."""
        found = super().load_overload(sig, target_context)
        if found is not None:
            return found
        self._impl.locator.ensure_cache_path()
        _take(self._lock)
        found = super().load_overload(sig, target_context)
        if found is not None:
            _give_back(self._lock)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save it, under the lock that the miss has taken."""
        try:
            super().save_overload(sig, data)
        finally:
            _give_back(self._lock)
