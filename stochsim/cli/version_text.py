"""What `stochsim --version` says, and with `--verbose`: all that a bug report needs of the packages
and the machine.
"""

import os
import platform
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

from stochsim._version import __version__
from stochsim.settings import columns

_PACKAGES = ("numpy", "numba", "torch", "brevitas", "scipy")


def version_text() -> str:
    """The version alone; imports nothing."""
    return f"stochsim {__version__}"


def full_version_text() -> str:
    """Versions of stochsim, of its kernels and of the packages below it, and the machine, as lines
    of "name value"; imports torch and Numba, and runs one kernel.

    A broken installation is what it is for: where something cannot be told, its line says why.
    """
    lines = {
        "stochsim": __version__,
        "kernels": _answer(_kernels),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: _answer(partial(metadata.version, name)) for name in _PACKAGES},
        "processor": _answer(_processor),
        "cores": _answer(_cores),
        "threads": _answer(_threads),
        "threading layer": _answer(_threading_layer),
        "system": platform.platform(),
        "kernel cache": _answer(_kernel_cache),
        "cuda": _answer(_cuda),
    }
    return "\n".join(columns(list(lines.items()), left=None))


def _answer(question: Callable[[], str]) -> str:
    """The answer, or, where anything at all prevents one, what did."""
    try:
        return question()
    except Exception as error:
        words = " ".join(str(error).split())
        return f"unknown ({type(error).__name__}: {words})"


def _kernels() -> str:
    from stochsim_kernels import KERNEL_VERSION

    return f"version {KERNEL_VERSION}"


def _processor() -> str:
    from stochsim.runs import processor

    return f"{processor()} ({platform.machine()})"


def _cores() -> str:
    """How many the machine has, and how many this process may use."""
    from stochsim.runs import usable_cores

    return f"{os.cpu_count()}, {usable_cores()} of them for this process"


def _threads() -> str:
    import numba

    return f"{numba.get_num_threads()} (a sweep's and a search's workers take one each)"


def _threading_layer() -> str:
    """The layer below parallel kernels; Numba chooses it when the first one runs."""
    import numba
    import numpy as np
    from stochsim_kernels.random.normal import fill_normals

    fill_normals(np.zeros(2, np.uint32), np.empty(2))
    return str(numba.threading_layer())


def _kernel_cache() -> str:
    """The folder of compiled kernels, below ~ where it is there: the report is for others to
    read.
    """
    from stochsim_kernels._jit import CACHE_FOLDER

    if CACHE_FOLDER is None:
        return "none (the cache folder cannot be written: every process compiles its kernels)"
    if CACHE_FOLDER.is_relative_to(Path.home()):
        return f"~/{CACHE_FOLDER.relative_to(Path.home())}"
    return str(CACHE_FOLDER)


def _cuda() -> str:
    from stochsim.networks import cuda_device

    return cuda_device() or "no device that torch sees"
