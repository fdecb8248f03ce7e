"""How much memory a call takes on its way.

Measured as the peak of the process's resident memory over where it stood before the call: Linux
keeps the peak (VmHWM) and starts it anew on request. Elsewhere Python's own count stands in, which
sees NumPy's arrays but not what compiled code takes for itself. `python benchmarks/_memory.py`
measures the crossbar's call in a fresh process and prints bytes.
"""

import ctypes
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

_MMAP_THRESHOLD = -3  # of mallopt, glibc
_OWN_PAGES = (
    1 << 16
)  # allocations from this size on get pages of their own, which go back to the system when freed


def give_back_freed_memory() -> None:
    """Make the C library return freed arrays to the system, now and from now on, so that what
    earlier calls left hides nothing.
    """
    try:
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _OWN_PAGES)
        library.malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return  # another library than glibc


def peak_bytes(work: Callable[[], object]) -> int:
    """The most memory held at a time during the call, beyond what was held before it; its result
    counts, unless it existed before.
    """
    give_back_freed_memory()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        before = _status_bytes("VmRSS")
        work()
        return max(0, _status_bytes("VmHWM") - before)
    except OSError:
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def crossbar_bytes() -> int:
    """Working memory of the crossbar's call beyond inputs, weights and output: 512 × 1024 × 1024,
    measured in a fresh process.

    Packing the inputs is part of it. The output is allocated and written before; a call on a few
    numbers has compiled the code.
    """
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}
    return int(
        subprocess.run(
            [sys.executable, __file__],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    )


def _measure_crossbar() -> int:
    import numba
    from _crossbar_races import crossbar_by_kernels, crossbar_work
    from _speed import THREADS

    numba.set_num_threads(THREADS)
    crossbar_by_kernels(crossbar_work(batch=4, inputs=128, columns=2))()
    return peak_bytes(crossbar_by_kernels(crossbar_work()))


if __name__ == "__main__":
    print(_measure_crossbar())
