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
    "Converted": "lowering.ChipModule",
    "GaussianScaleMixtureSettings": "GaussianScaleMixture",
    "LinearGaussianSettings": "LinearGaussian",
    "SparseCodingSettings": "SparseCoding",
    "Trained": "TrainedNetwork",
    "Yardstick": "PosteriorDistance",
    "collect": "open_run",
    "compare_converters": "compare_adc_models",
    "export_program": "to_program",
}


def __getattr__(name: str) -> Any:
    """A public name or a package; for others ImportError that says the new name, or AttributeError
    with the nearest one.
    """
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__ or name.startswith("_"):
        return _by_stub(name)
    if name in _RENAMED:
        # ImportError too reaches whoever writes `from stochsim import …`
        raise ImportError(f"'{name}' is now '{_RENAMED[name]}'", name=__name__)
    nearest = difflib.get_close_matches(name, __all__, 1)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'{hint}", name=name)
