"""stochsim: does a noisy low-bit network still sample the right posterior, and at how many joules?

The public names below load on first use, so `import stochsim` is quick and brings in neither torch
nor Numba.
"""

import difflib
import importlib
from typing import Any

import lazy_loader

from stochsim._version import __version__ as __version__

_by_stub, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

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
_RENAMED = {
    "Converted": "stochsim.lowering.ChipModule",
    "Converter": "stochsim.hardware.Adc",
    "GaussianScaleMixtureSettings": "stochsim.GaussianScaleMixture",
    "LinearGaussianSettings": "stochsim.LinearGaussian",
    "SparseCodingSettings": "stochsim.SparseCoding",
    "Trained": "stochsim.TrainedNetwork",
    "Yardstick": "stochsim.posterior.PosteriorDistance",
    "collect": "stochsim.open_run",
    "compare_converters": "stochsim.accounting.compare_adc_models",
    "export_program": "stochsim.to_program",
    "save_network": "stochsim.TrainedNetwork.save",
}


def __getattr__(name: str) -> Any:
    """A public name or a package; for others ImportError that says where it is now, or
    AttributeError with the nearest one.
    """
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__ or name.startswith("_"):
        return _by_stub(name)
    # ImportError: of an AttributeError `from stochsim import …` leaves out the message
    if name in _RENAMED:
        raise ImportError(f"'{name}' is now '{_RENAMED[name]}'", name=__name__)
    if home := _in_a_package(name):
        raise ImportError(f"'{name}' is in a package: {home}.{name}", name=__name__)
    nearest = difflib.get_close_matches(name, __all__, 1)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'{hint}", name=name)


def _in_a_package(name: str) -> str:
    """The package that offers this name; "" where none does."""
    for package in _PACKAGES:
        door = importlib.import_module(f"{__name__}.{package}")
        if name in getattr(door, "__all__", ()):
            return door.__name__
    return ""
