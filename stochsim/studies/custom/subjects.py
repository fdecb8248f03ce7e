"""What a study samples from: a network on a chip, or a sampler of the user's."""

import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from stochsim.accounting import Bill
from stochsim.chip import Chip
from stochsim.hardware import Hardware
from stochsim.posterior import Reads, as_reads
from stochsim.program import Program
from stochsim.settings import SettingError, StochsimError
from stochsim.studies.custom.axis_targets import (
    CONVERSION,
    GIVEN,
    TRAINED,
    Parameters,
    conversion_at,
)
from stochsim.studies.custom.data import StudyData, fixed

_KEPT = 12
"""Networks, as they are and quantised, and their reads in float that a worker keeps at hand."""


@dataclass
class Asked:
    """What is asked for at a point."""

    point: Mapping[str, Any]
    hardware: Hardware | None
    data: StudyData
    reads: int
    key: int

    def arguments(self, parameters: Parameters) -> dict[str, Any]:
        """What a function of these parameters is called with: the values of axes that they name,
        and what is given to those that ask for it.
        """
        known = {
            "stimuli": fixed(self.data.stimuli),
            "reads": self.reads,
            "key": self.key,
            "hardware": self.hardware,
        }
        own = {name: value for name, value in self.point.items() if "." not in name}
        taken = (
            own
            if parameters.takes_any
            else {name: value for name, value in own.items() if name in parameters.names}
        )
        return taken | {name: known[name] for name in GIVEN if name in parameters.names}


class _Kept(NamedTuple):
    """Something that was made, and the warnings that this gave."""

    value: Any
    said: list[warnings.WarningMessage]


@dataclass
class ChipSubject:
    """A network that runs on a chip: a torch module, a network that `train` made, a Program, or a
    function that gives one of these.
    """

    network: Any
    parameters: Parameters | None
    examples: Any
    _kept: dict[str, _Kept] = field(default_factory=dict, repr=False)

    def reads(self, asked: Asked) -> tuple[Reads, Bill | None]:
        """Reads (stimulus, read, …) of all stimuli, and their bill."""
        program, stimuli, calibration = self._program(asked)
        assert asked.hardware is not None
        chip = Chip(
            program,
            asked.hardware,
            float(asked.point.get("noise", 1.0)),
            chip_key=int(asked.point.get("chip_key", 0)),
            calibration=calibration,
        )
        samples = chip.sample(stimuli, asked.reads, asked.key)
        return samples, samples.bill

    def against(self, asked: Asked) -> np.ndarray | None:
        """Reads of the network before quantisation; None of a program, which had none."""
        name, network = self._network(asked)
        if is_module(network):
            from stochsim.lowering import float_reads

            found = self._keep(
                f"float {asked.reads} {asked.key} {name}",
                lambda: float_reads(network, asked.data.stimuli, asked.reads, asked.key),
            )
            return found.reshape(*found.shape[:2], -1)
        if isinstance(network, Program):
            return None
        values: np.ndarray = network.sample(asked.data.stimuli, asked.reads, asked.key).values
        return values

    def _network(self, asked: Asked) -> tuple[str, Any]:
        """What tells the network from those of other points, and the network."""
        if self.parameters is None:
            return "", self.network
        given = asked.arguments(self.parameters)
        name = _text(given)
        return name, self._keep(f"network {name}", lambda: self.network(**given))

    def _program(self, asked: Asked) -> tuple[Program, Any, Any]:
        """(program, stimuli as it reads them, stimuli that ADCs are calibrated on)."""
        name, network = self._network(asked)
        examples = self.examples if self.examples is not None else asked.data.stimuli
        options = conversion_at(asked.point)
        known = options_of(network)
        for option in (one for one in asked.point if one in ("format", *CONVERSION)):
            if option not in known:
                rule = "is no option of a network of this kind, which is quantised already"
                raise SettingError.unknown(option, known, rule, section=("axes",))
        if isinstance(network, Program):
            return network, asked.data.stimuli, examples
        assert asked.hardware is not None
        widths = asked.hardware.precision
        name = f"program {widths} {options} {name}"
        return self._keep(name, lambda: _programmed(network, asked, examples, dict(options)))

    def _keep(self, name: str, make: Callable[[], Any]) -> Any:
        """What was made under a name, made anew where it is not at hand any more; what was warned
        of then is warned of now.
        """
        if name not in self._kept:
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                self._kept[name] = _Kept(make(), said)
        for one in self._kept[name].said:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        return self._kept[name].value


@dataclass
class SamplerSubject:
    """A function of the user's that samples."""

    sampler: Callable[..., Any]
    parameters: Parameters

    def reads(self, asked: Asked) -> tuple[Reads, Bill | None]:
        """Reads (stimulus, read, …), and their bill where the function gives Samples with one."""
        given = self.sampler(**asked.arguments(self.parameters))
        found = as_reads("sampler", given)
        count = asked.data.count
        if np.ndim(found.values) < 2 or len(found.values) != count:
            rule = f"should give reads (stimulus, read, …) of the {count} stimuli"
            raise SettingError.of("sampler", found.values, rule)
        if not np.isfinite(found.values).all():
            rule = "should give reads that are finite, and some are NaN or infinite"
            raise SettingError.of("sampler", found.values, rule)
        reads = np.shape(found.values)[1]
        if "reads" in self.parameters.names and reads != asked.reads:
            rule = f"should give the {asked.reads} reads that it was asked for, and gives {reads}"
            raise SettingError.of("sampler", found.values, rule)
        return found, getattr(given, "counted", None)

    def against(self, asked: Asked) -> np.ndarray | None:
        """None: it was not made of another network."""
        return None


def is_module(value: Any) -> bool:
    """Whether a value is a module of torch, which need not be loaded for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def is_network(value: Any) -> bool:
    """Whether a value is something that a chip can run."""
    return is_module(value) or isinstance(value, Program) or _is_trained(value)


def options_of(network: Any) -> tuple[str, ...]:
    """Axes that name how a network is quantised: none of one that is; all of a function's, whose
    network is not there yet.
    """
    is_quantised = _is_trained(network) and not network.network.settings.is_float
    if isinstance(network, Program) or hasattr(network, "left_in_float") or is_quantised:
        return ()
    return ("format", *(TRAINED if _is_trained(network) else CONVERSION))


def programmed_already(network: Any) -> Any:
    """The program of a quantised network of `train`, which is all that runs on a chip; any other
    network as it is.
    """
    if not _is_trained(network) or network.network.settings.is_float:
        return network
    from stochsim.lowering import to_program

    return to_program(network)


def _is_trained(value: Any) -> bool:
    return hasattr(value, "quantise") and hasattr(value, "network")


def _programmed(
    network: Any, asked: Asked, examples: Any, options: dict[str, Any]
) -> tuple[Program, Any, Any]:
    """A network quantised for the widths of a point's chip."""
    from stochsim.lowering import ChipModule, convert, to_program

    assert asked.hardware is not None
    if _is_trained(network):
        if network.network.settings.is_float:
            formats = options.pop("formats", {})
            named = {f"{side.removesuffix('s')}_format": one for side, one in formats.items()}
            if network.stimuli is None:  # from a file
                options["stimuli"] = examples
            network = network.quantise(asked.hardware.precision, key=0, **named, **options)
        return to_program(network), asked.data.stimuli, examples
    if not is_module(network):
        rule = "should be a torch module, a Program, a network of `train`, or a function of one"
        raise SettingError.of("network", network, rule)
    converted = network
    if not isinstance(network, ChipModule):
        converted = convert(network, asked.hardware, examples, **options)
    if converted.outputs.is_packed:
        raise StochsimError("the network gives several tensors: a study takes networks of one")
    stimuli = converted.stimuli(asked.data.stimuli).numpy()
    return converted.program, stimuli, converted.examples.numpy()


def _text(given: Mapping[str, Any]) -> str:
    """Arguments as a name: of arrays, of which a study has but one each, the name alone."""
    plain = (int, float, str, bool, type(None), Hardware)
    return str({name: one if isinstance(one, plain) else "" for name, one in given.items()})
