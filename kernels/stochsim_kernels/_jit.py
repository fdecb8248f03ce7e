"""The one place that says njit: compile policy and compile cache.

Numba's own cache does not notice a change in a callee that lives in another file. So the cache
folder is named by the SHA-256 of all kernel sources and the package versions: an edited kernel gets
a new folder, and a second process hits the old one.

Threads below parallel kernels are those of the layer that Numba chooses (TBB, else OpenMP, else its
workqueue) or that the user chose; nothing of Numba's settings is changed. Two things that a layer
cannot do are done here, in `Kernel`: GNU OpenMP cannot go on in a forked process, and the workqueue
cannot take two threads of Python at once.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np

from stochsim_kernels import KERNEL_VERSION
from stochsim_kernels.forked import openmp_is_lost
from stochsim_kernels.shared_cache import SharedCache

_STALE_AFTER_S = 30 * 24 * 3600


def source_digest(folder: Path) -> str:
    """SHA-256 over the kernel sources in `folder` and below, by their paths relative to it, and the
    versions of Numba, NumPy, Python and the kernels.
    """
    digest = hashlib.sha256(
        f"{KERNEL_VERSION} {numba.__version__} {np.__version__} {sys.version}".encode()
    )
    sources = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    for name in sorted(sources):
        source = sources[name].read_bytes()
        digest.update(f"{name}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()[:24]


def _cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "stochsim" / "kernels"


def _prepare_cache(root: Path, digest: str) -> Path | None:
    """The cache folder of this digest, or None where it cannot be written; folders of other digests
    older than 30 days go.
    """
    try:
        folder = root / digest
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        os.utime(folder)
        for other in root.iterdir():
            if other.name != digest and time.time() - other.stat().st_mtime > _STALE_AFTER_S:
                shutil.rmtree(other, ignore_errors=True)
    except (OSError, RuntimeError):  # RuntimeError: no home folder
        return None
    return folder


CACHE_FOLDER = _prepare_cache(_cache_root(), source_digest(Path(__file__).parent))


@contextlib.contextmanager
def _numba_cache_dir(folder: Path) -> Iterator[None]:
    """Set Numba's cache folder while decorating only, so that the user's own kernels keep
    theirs.
    """
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def _decorate(function: Callable[..., Any], below: str = "", **options: Any) -> Any:
    """`function` compiled by Numba; below: the cache's folder below that of the sources."""
    options["no_cfunc_wrapper"] = True  # that by which C would call it
    if CACHE_FOLDER is None:
        return numba.njit(function, **options)
    dispatcher = numba.njit(function, **options)
    with _numba_cache_dir(CACHE_FOLDER / below):
        dispatcher._cache = SharedCache(function)  # what its `enable_caching` does, with our cache
    return dispatcher


class _Turn:
    """Held by a call where the layer below takes one at a time."""

    lock = threading.Lock()

    @classmethod
    def renew(cls) -> None:
        """In a forked process no thread is left to give it back."""
        cls.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Turn.renew)


def _layer() -> str | None:
    """Numba's threading layer; None before any parallel kernel was compiled or loaded."""
    try:
        return str(numba.threading_layer())
    except ValueError:
        return None


def _would_be_openmp() -> bool:
    """Whether the layer is OpenMP, or may become it by Numba's settings as they are."""
    asked = str(numba.config.THREADING_LAYER).lower()
    return (_layer() or asked) not in ("workqueue", "tbb", "forksafe", "safe")


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Numba's number of threads is 1 inside: `tasks` then asks no layer for any."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


class Kernel:
    """An entry point that runs its tasks on threads (`tasks.run_tasks`), cached, without fast maths
    (reference implementations are bit-exact).

    In a process that was forked from one with OpenMP its tasks run one after the other: numbers do
    not depend on the number of threads. Where the layer is Numba's workqueue, calls of several
    threads of Python wait for each other.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self._has_own_loop = "prange" in function.__code__.co_names
        self.compiled = _decorate(function, parallel=self._has_own_loop)

    @functools.cached_property
    def _serial(self) -> Any:
        """A kernel with a `prange` of its own, without threads; Numba's cache does not tell it from
        `compiled`, so it has a folder of its own.
        """
        return _decorate(self.py_func, "serial")

    @property
    def signatures(self) -> list[Any]:
        """The types of arguments for which it is compiled or loaded."""
        return list(self.compiled.signatures)

    def __reduce__(self) -> str:
        """Pickled by its name, as a function is."""
        return self.py_func.__qualname__

    def __call__(self, *arguments: Any) -> Any:
        """Run on arrays and NamedTuples of them."""
        if _layer() is None:
            numba.get_num_threads()  # starts a layer, which a kernel from the cache may not do
        if openmp_is_lost() and _would_be_openmp():
            if self._has_own_loop:
                return self._serial(*arguments)
            with _one_thread():
                return self.compiled(*arguments)
        if _layer() in ("omp", "tbb"):
            return self.compiled(*arguments)
        with _Turn.lock:
            return self.compiled(*arguments)


def kernel(function: Callable[..., Any]) -> Kernel:
    """Compile an entry point (see `Kernel`)."""
    return Kernel(function)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a small function that is inlined into the kernels that call it."""
    return numba.njit(function, inline="always")


def threaded(function: Callable[..., Any]) -> Any:
    """Compile the loop of `tasks`, which threads share."""
    return _decorate(function, parallel=True)


def helper(function: Callable[..., Any]) -> Any:
    """Compile a serial function that kernels call."""
    return _decorate(function)
