"""The memory that the machine has left (no NumPy here: files are read before it is loaded)."""

import os
from pathlib import Path


def available_bytes() -> int:
    """Memory that can be had without swapping, as the system reports it; where it does not, all of
    it.
    """
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**62
