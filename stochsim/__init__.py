"""stochsim: does a noisy low-bit network still sample the right posterior, and at how many joules?

The public names below load on first use, so `import stochsim` is quick and brings in neither torch
nor Numba.
"""

import importlib
from typing import Any

from stochsim._lazy import RENAMED, door
from stochsim._version import __version__ as __version__

_by_door, __dir__, __all__ = door(__name__, __file__)

_PACKAGES = (
    "accounting",
    "chip",
    "controls",
    "data",
    "energy",
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
    "studies",
    "training",
)


def __getattr__(name: str) -> Any:
    """A public name or a package; for others the errors of `door`, and ImportError that says which
    package has a name.
    """
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    is_new = name not in __all__ and f"{__name__}.{name}" not in RENAMED
    if is_new and not name.startswith("_") and (home := _in_a_package(name)):
        raise ImportError(f"'{name}' is in a package: {home}.{name}", name=__name__)
    return _by_door(name)


def _in_a_package(name: str) -> str:
    """The package that offers this name; "" where none does."""
    for package in _PACKAGES:
        door = importlib.import_module(f"{__name__}.{package}")
        if name in getattr(door, "__all__", ()):
            return door.__name__
    return ""
