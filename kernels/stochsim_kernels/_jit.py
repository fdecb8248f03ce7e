"""The one place that says njit: compile policy and compile cache.

Numba's own cache does not notice a change in a callee that lives in another file. So the cache
folder is named by the SHA-256 of all kernel sources and the package versions: an edited kernel gets
a new folder, and a second process hits the old one.
"""

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np

from stochsim_kernels import KERNEL_VERSION

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


def _decorate(function: Callable[..., Any], **options: Any) -> Any:
    if CACHE_FOLDER is None:
        return numba.njit(function, **options)
    with _numba_cache_dir(CACHE_FOLDER):
        return numba.njit(function, cache=True, **options)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile an entry point: parallel over `prange`, cached, without fast maths (reference
    implementations are bit-exact).
    """
    return _decorate(function, parallel=True)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a small function that is inlined into the kernels that call it."""
    return numba.njit(function, inline="always")


def helper(function: Callable[..., Any]) -> Any:
    """Compile a serial function that kernels call."""
    return _decorate(function)
