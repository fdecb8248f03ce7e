"""Doors of packages: their public names, loaded on first use; an old name says the new one."""

import difflib
from collections.abc import Callable
from typing import Any

import lazy_loader

RENAMED = {
    "stochsim.conversion": "stochsim.lowering",
    "stochsim.deploy": "stochsim.program, stochsim.accounting or stochsim.chip",
    "stochsim.optimize": "stochsim.search",
    "stochsim.sweep": "stochsim.studies, stochsim.runs or stochsim.controls",
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

    A name that is not there raises ImportError that says what it is called now, or AttributeError
    with the nearest one.
    """
    by_stub, names, public = lazy_loader.attach_stub(package, file)

    def find(name: str) -> Any:
        if name in public or name.startswith("_"):
            return by_stub(name)
        now = RENAMED.get(f"{package}.{name}")
        if now:
            # of an AttributeError `from package import name` leaves out the message
            raise ImportError(f"'{name}' is now '{now}'", name=package)
        nearest = difflib.get_close_matches(name, public, 1)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
        raise AttributeError(f"module '{package}' has no attribute '{name}'{hint}", name=name)

    return find, names, public
