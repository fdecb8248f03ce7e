"""stochsim: does a noisy low-bit network still sample the right posterior, and at how many joules?

The public names below load on first use, so `import stochsim` is quick and brings in neither torch
nor Numba.
"""

import importlib
from typing import Any

import stochsim_kernels.forked  # noqa: F401 - so that a fork is seen from here on

from stochsim._lazy import door, missing
from stochsim._version import __version__ as __version__

_by_door, __dir__, __all__ = door(__name__, __file__)

_PACKAGES = (
    "accounting",
    "chip",
    "controls",
    "data",
    "energy",
    "formats",
    "hardware",
    "keys",
    "lowering",
    "models",
    "networks",
    "posterior",
    "program",
    "report",
    "runs",
    "search",
    "settings",
    "silicon",
    "studies",
    "training",
)


def __getattr__(name: str) -> Any:
    """A public name or a package; for others the error that says what it is called now, in which
    package it is, or which name is nearest.
    """
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__ or name.startswith("_"):
        return _by_door(name)
    raise missing(__name__, name, __all__, _in_a_package(name))


def _in_a_package(name: str) -> str:
    """The package that offers this name; "" where none does."""
    for package in _PACKAGES:
        door = importlib.import_module(f"{__name__}.{package}")
        if name in getattr(door, "__all__", ()):
            return door.__name__
    return ""
