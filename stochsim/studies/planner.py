"""The tasks of a study one by one, and its cells: what each depends on, and how it is labelled."""

import json
from dataclasses import dataclass
from typing import Any

from stochsim.controls import CONTROLS
from stochsim.hardware import Hardware
from stochsim.networks import ARCHITECTURES, CIRCUIT
from stochsim.runs import Task
from stochsim.studies.at_axes import AtAxes
from stochsim.studies.axes import AXES, BIT_AXES, FORMAT_AXES, NETWORK_FORMATS, column_axes
from stochsim.studies.axis import value_text
from stochsim.studies.chips import chip_at
from stochsim.studies.study import CIRCUIT_CONTROL, Study

NO_ARCHITECTURE = ""
"""Of a control that is no network's."""
_NO_CHIP_FACTS = ("description", "sources")
Place = dict[str, Any]
"""Values by axis, of those that are decided so far."""


@dataclass(frozen=True, kw_only=True)
class Cell(AtAxes):
    """One cell of the grid and the hashes of the tasks that fill it.

    `samples`: those of the cell itself, of a chip, a float network or a control. `float_samples`:
    of the float network of the same architecture, rho and key, where the posterior is the same.
    `prior_samples`: draws that ignore the stimulus.
    """

    network: str
    reference: str
    samples: str
    float_samples: str | None
    prior_samples: str | None

    @property
    def key(self) -> int:
        """The key of its random numbers."""
        return int(self.values["key"])


class Planner:
    """Adds tasks; equal ones are one."""

    def __init__(self, study: Study, hardware: Hardware) -> None:
        self.tasks: dict[str, Task] = {}
        self.study = study
        self.grid = study.grid
        self._hardware = hardware
        self._common = {name: getattr(study, name).to_table() for name in ("model", "data")}
        self._train = study.train.to_table()
        self._measure = study.measure.to_table()
        name = "steps_between_reads"
        self._chain = {name: self._measure.pop(name)} if name in self._measure else {}
        self._priceless = dict(self._train)
        self._priceless.pop("nats_per_joule", None)
        self._chips: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.priced = study.train.nats_per_joule is not None
        self.shared = study.train.decoder == "shared"

    def add(
        self, kind: str, label: str, needs: dict[str, str], place: Place, **settings: Any
    ) -> str:
        """Add a task; its settings have the place's value on every axis that enters such tasks."""
        entered = {name: value for name, value in place.items() if AXES[name].enters(kind)}
        text = json.dumps(self._common | entered | settings, sort_keys=True)
        task = Task(kind, text, tuple(sorted(needs.items())), label)
        self.tasks[task.hash] = task
        return task.hash

    def chip(self, place: Place) -> dict[str, Any]:
        """What a task on the chip at this place depends on."""
        values = tuple(place[axis.name] for axis in self.grid.setting_axes())
        if values not in self._chips:
            table = chip_at(self._hardware, place).to_table()
            for name in _NO_CHIP_FACTS:
                table.pop(name, None)
            self._chips[values] = table
        return self._chips[values]

    def decoder(self, place: Place) -> str:
        """Learned under the ELBO itself, whatever a chip's price is."""
        return self.add("decoder", f"decoder, key {place['key']}", {}, place, train=self._priceless)

    def reference(self, source: str, place: Place, label: str) -> str:
        """The reference posterior under the decoder of the task `source`."""
        return self.add(
            "reference",
            f"reference posterior, {label}",
            {"source": source},
            place,
            stimuli=self.study.measure.stimuli,
        )

    def float_network(self, decoder: str, place: Place) -> str:
        """The network without quantisers; under `nats_per_joule` it depends on the chip."""
        kind = place["architecture"]
        label = f"{_prefix(kind)}float network, {_rho_and_key(place)}"
        more: dict[str, Any] = {"architecture": self.study.network.architecture(kind).to_table()}
        if self.priced:
            more["hardware"] = self.chip(place)
            label += self._chip_words(place)
        return self.add("float", label, {"decoder": decoder}, place, train=self._train, **more)

    def network(self, start: str, place: Place) -> str:
        """The quantised network that starts from a float one."""
        kind = place["architecture"]
        method = place["method"]
        widths = [place[name] for name in BIT_AXES]
        label = f"{_prefix(kind)}network at {'/'.join(map(str, widths))} bits, "
        label += _rho_and_key(place)
        if len(self.grid.method) > 1:
            label += f", {method}"
        more: dict[str, Any] = {"widths": widths}
        layers = {
            name: bits
            for name, bits in self.study.network.layer_bits_of(kind).items()
            if bits != widths[0]
        }
        if layers:
            more["layer_bits"] = layers
            label += "".join(f", {name} {bits}" for name, bits in layers.items())
        place = _without_own_integers(place)
        label += "".join(f", {AXES[name].text(place[name])}" for name in _formats_at(place))
        if self._trained_for_chip(place):
            more["hardware"] = self.chip(place)
            label += self._chip_words(place)
        return self.add("network", label, {"start": start}, place, train=self._train, **more)

    def chip_samples(self, network: str, reference: str, place: Place) -> str:
        """The samples of a quantised network on the chip."""
        label = f"{self.tasks[network].label}, noise x{place['noise']:g}"
        label += "" if self._trained_for_chip(place) else self._chip_words(place)
        label += f", {place['output_format']} outputs" if "output_format" in place else ""
        label += f", chip {place['chip_key']}" if "chip_key" in place else ""
        measure = self._measure
        if ARCHITECTURES[place["architecture"]].has_chain:
            measure = measure | self._chain
        needs = {"network": network, "reference": reference}
        return self.add(
            "chip_samples", label, needs, place, hardware=self.chip(place), measure=measure
        )

    def float_samples(self, network: str, reference: str, place: Place) -> str:
        """The samples of a float network."""
        label = self.tasks[network].label.replace("float network", "float samples")
        label += f", noise x{place['noise']:g}" if place["noise"] != 1 else ""
        needs = {"network": network, "reference": reference}
        return self.add("float_samples", label, needs, place, measure=self._measure)

    def prior_samples(self, reference: str, place: Place) -> str:
        """Draws that ignore the stimulus."""
        label = f"prior samples, key {place['key']}"
        return self.add(
            "prior_samples", label, {"reference": reference}, place, measure=self._measure
        )

    def control(self, network: str, reference: str, place: Place) -> str:
        """The samples of a control."""
        name = place["control"]
        of_network = CONTROLS[name].by_network
        label = f"{name}, {self.tasks[network].label if of_network else key_words(place)}"
        more: dict[str, Any] = {"train": self._priceless} if name == "vae" else {}
        if name == CIRCUIT_CONTROL:
            more = {"architecture": self.study.network.architecture(CIRCUIT).to_table()}
        needs = {"network": network, "reference": reference}
        return self.add("control", label, needs, place, measure=self._measure, **more)

    def cell(self, place: Place, **tasks: Any) -> Cell:
        """A cell; an axis that its place does not name has no value there."""
        absent = {"method": "", "control": "", "architecture": NO_ARCHITECTURE}
        axes = [axis.name for axis in column_axes(self.grid)]
        return Cell(values={name: place.get(name, absent.get(name)) for name in axes}, **tasks)

    def _trained_for_chip(self, place: Place) -> bool:
        """Whether the training of a quantised network knows the chip."""
        return self.priced or place["method"] == "noise-aware"

    def _chip_words(self, place: Place) -> str:
        axes = self.grid.setting_axes()
        return "".join(f", {axis.name} {value_text(place[axis.name])}" for axis in axes)


def _formats_at(place: Place) -> list[str]:
    """The axes of formats that a network is trained with, of those that a place names."""
    return [name for name in NETWORK_FORMATS if name in place]


def _without_own_integers(place: Place) -> Place:
    """A place without formats that are those of the network without any: int<b> of b bits."""
    widths = dict(zip(FORMAT_AXES.values(), BIT_AXES, strict=True))
    own = [name for name in _formats_at(place) if place[name] == f"int{place[widths[name]]}"]
    return {name: value for name, value in place.items() if name not in own}


def _prefix(kind: str) -> str:
    return ARCHITECTURES[kind].prefix


def key_words(place: Place) -> str:
    """A place's key, for labels."""
    return f"key {place['key']}"


def _rho_and_key(place: Place) -> str:
    return f"rho {place['rho']:g}, {key_words(place)}"
