"""Doors of packages: their public names, loaded on first use; an old name says the new one."""

import difflib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import lazy_loader

RENAMED = {
    "stochsim.conversion": "stochsim.lowering",
    "stochsim.deploy": "stochsim.program, stochsim.accounting or stochsim.chip",
    "stochsim.optimize": "stochsim.search",
    "stochsim.sweep": "stochsim.studies, stochsim.runs or stochsim.controls",
    "stochsim.DeepProgram": "stochsim.program.with_log_sigma",
    "stochsim.Link": "stochsim.program.random_program",
    "stochsim.RecurrentProgram": "stochsim.program.recurrent",
    "stochsim.drawn_chain": "stochsim.program.random_program",
    "stochsim.Converted": "stochsim.lowering.ChipModule",
    "stochsim.Converter": "stochsim.hardware.Adc",
    "stochsim.GaussianScaleMixtureSettings": "stochsim.GaussianScaleMixture",
    "stochsim.LinearGaussianSettings": "stochsim.LinearGaussian",
    "stochsim.SparseCodingSettings": "stochsim.SparseCoding",
    "stochsim.Trained": "stochsim.TrainedNetwork",
    "stochsim.Yardstick": "stochsim.posterior.PosteriorDistance",
    "stochsim.collect": "stochsim.open_run",
    "stochsim.compare_converters": "stochsim.accounting.compare_adc_models",
    "stochsim.export_program": "stochsim.to_program",
    "stochsim.save_network": "stochsim.TrainedNetwork.save",
    "stochsim.accounting.compare_converters": "stochsim.accounting.compare_adc_models",
    "stochsim.energy.CONVERTER_MODELS": "stochsim.energy.ADC_MODELS",
    "stochsim.hardware.Converter": "stochsim.hardware.Adc",
    "stochsim.lowering.Converted": "stochsim.lowering.ChipModule",
    "stochsim.lowering.export_program": "stochsim.lowering.to_program",
    "stochsim.models.GaussianScaleMixtureSettings": "stochsim.models.GaussianScaleMixture",
    "stochsim.models.LinearGaussianSettings": "stochsim.models.LinearGaussian",
    "stochsim.models.SparseCodingSettings": "stochsim.models.SparseCoding",
    "stochsim.program.DeepProgram": "stochsim.program.with_log_sigma",
    "stochsim.program.FloatDeepProgram": "stochsim.program.float_deep",
    "stochsim.program.FloatRecurrentProgram": "stochsim.program.float_recurrent",
    "stochsim.program.Link": "stochsim.program.random_program",
    "stochsim.program.RecurrentProgram": "stochsim.program.recurrent",
    "stochsim.settings.Place": "stochsim.settings.KeyPath",
    "stochsim.studies.with_setting": "stochsim.hardware.Hardware.with_",
    "stochsim.posterior.Yardstick": "stochsim.posterior.PosteriorDistance",
    "stochsim.posterior.elbo": "stochsim.models.elbo",
    "stochsim.program.drawn_chain": "stochsim.program.random_program",
    "stochsim.studies.collect": "stochsim.studies.open_run",
    "stochsim.training.Price": "stochsim.training.ReliabilityCost",
    "stochsim.training.Trained": "stochsim.training.TrainedNetwork",
    "stochsim.training.save_network": "stochsim.training.TrainedNetwork.save",
}
"""Old name -> new name, in full."""

Door = tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]


def door(package: str, file: str) -> Door:
    """`__getattr__`, `__dir__` and `__all__` of a package whose names its `__init__.pyi` lists.

    A name that is not there raises the error of `missing`.
    """
    by_stub, names, public = lazy_loader.attach_stub(package, file)

    def find(name: str) -> Any:
        if name in public or name.startswith("_"):
            return by_stub(name)
        raise missing(package, name, public)

    return find, names, public


def missing(package: str, name: str, public: Sequence[str], home: str = "") -> Exception:
    """The error about a name that a package does not have: what it is called now, where it is
    (home: the package that has it), or the nearest of the public names.

    An ImportError where an import statement asks, for Python leaves the message of an
    AttributeError out; else an AttributeError, so that `hasattr` answers False.
    """
    now = RENAMED.get(f"{package}.{name}")
    nearest = difflib.get_close_matches(name, public, 1)
    text = f"module '{package}' has no attribute '{name}'"
    if now:
        text = f"'{name}' is now '{now}'"
    elif home:
        text = f"'{name}' is in a package: {home}.{name}"
    elif nearest:
        text += f"; did you mean '{nearest[0]}'?"
    if _an_import_asks() and importlib.util.find_spec(f"{package}.{name}") is None:
        return ImportError(text, name=package)
    return AttributeError(text, name=name)


def _an_import_asks() -> bool:
    """Whether the attribute is looked up by `from package import name`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("stochsim"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "_handle_fromlist"
