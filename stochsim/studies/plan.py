"""What a study has to do: tasks with content hashes, each naming the tasks whose results it needs.

    decoder(key) -> reference(key) -> blind(key)
                 -> float network(architecture, rho, key) -> full(float network, noise)
                                                          -> control(name, float network)
                                                          -> network(bits, method, ...)
    network(bits, method, ...) -> point(network, noise)

With decoder = "own" every network learns its own decoder, so every network has a reference of its
own.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stochsim.controls import CONTROLS
from stochsim.hardware import Hardware
from stochsim.runs import Task
from stochsim.studies.study import CIRCUIT_CONTROL, Study

PRIORITY = ("decoder", "reference", "float", "network", "blind", "full", "control", "point")
NO_ARCHITECTURE = ""
"""Of a control that is no network's."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the grid and the hashes of the tasks that fill it.

    Widths are None where nothing is quantised; `method` is then empty. `control` is empty for a
    trained network's own samples. `full` are the samples of the float network of the same
    architecture, rho and key, where the posterior is the same.
    """

    architecture: str
    method: str = ""
    control: str = ""
    weight_bits: int | None = None
    input_bits: int | None = None
    output_bits: int | None = None
    rho: float
    noise: float
    key: int
    network: str
    reference: str
    point: str
    full: str | None
    blind: str | None

    @property
    def widths(self) -> tuple[int, int, int] | None:
        """(weight, input, output) bits, None where nothing is quantised."""
        if self.weight_bits is None or self.input_bits is None or self.output_bits is None:
            return None
        return self.weight_bits, self.input_bits, self.output_bits


@dataclass(frozen=True)
class Plan:
    """Tasks by hash, in an order in which they could run, and the grid's cells."""

    tasks: dict[str, Task]
    cells: tuple[Cell, ...]


def by_priority(tasks: Iterable[Task]) -> list[Task]:
    """Tasks in the order in which they should start: by kind, and as they stand within a kind."""
    return sorted(tasks, key=lambda task: PRIORITY.index(task.kind))


class _Planner:
    """Adds tasks; equal ones are one."""

    def __init__(self, study: Study, hardware: Hardware) -> None:
        self.tasks: dict[str, Task] = {}
        self.study, self.grid = study, study.grid
        self.common = {name: getattr(study, name).to_table() for name in ("model", "data")}
        self.train, self.measure = study.train.to_table(), study.measure.to_table()
        self.chain = {"thin": thin} if (thin := self.measure.pop("thin", None)) is not None else {}
        self.priceless = {name: value for name, value in self.train.items() if name != "exchange"}
        self.chip = {
            name: value
            for name, value in hardware.to_table().items()
            if name not in ("description", "sources")
        }
        self.shared = study.train.decoder == "shared"

    def add(self, kind: str, label: str, needs: dict[str, str], **settings: Any) -> str:
        text = json.dumps(self.common | settings, sort_keys=True)
        task = Task(kind, text, tuple(sorted(needs.items())), label)
        self.tasks[task.hash] = task
        return task.hash

    def decoder(self, key: int) -> str:
        """Learned under the ELBO itself, whatever a chip's price is."""
        return self.add("decoder", f"decoder, key {key}", {}, train=self.priceless, key=key)

    def reference(self, source: str, key: int, label: str) -> str:
        return self.add(
            "reference",
            f"reference posterior, {label}",
            {"source": source},
            stimuli=self.study.measure.stimuli,
            key=key,
        )

    def float_network(self, decoder: str, kind: str, rho: float, key: int) -> str:
        architecture = self.study.network.architecture(kind).to_table()
        label = f"{_prefix(kind)}float network, rho {rho:g}, key {key}"
        priced_by = {"hardware": self.chip} if self.study.train.exchange is not None else {}
        needs = {"decoder": decoder}
        return self.add(
            "float",
            label,
            needs,
            train=self.train,
            architecture=architecture,
            rho=rho,
            key=key,
            **priced_by,
        )

    def network(
        self, start: str, kind: str, method: str, widths: tuple[int, int, int], rho: float, key: int
    ) -> str:
        label = (
            f"{_prefix(kind)}network at {'/'.join(map(str, widths))} bits, rho {rho:g}, key {key}"
        )
        label += f", {method}" if len(self.grid.method) > 1 else ""
        knows_chip = self.study.train.exchange is not None or method == "noise-aware"
        more: dict[str, Any] = {"hardware": self.chip} if knows_chip else {}
        own = {
            name: bits
            for name, bits in self.study.network.layer_bits_of(kind).items()
            if bits != widths[0]
        }
        if own:
            more["layer_bits"] = own
            label += "".join(f", {name} {bits}" for name, bits in own.items())
        return self.add(
            "network",
            label,
            {"start": start},
            train=self.train,
            method=method,
            widths=list(widths),
            rho=rho,
            key=key,
            **more,
        )

    def point(self, network: str, kind: str, reference: str, noise: float, key: int) -> str:
        label, needs = (
            f"{self.tasks[network].label}, noise x{noise:g}",
            {"network": network, "reference": reference},
        )
        measure = self.measure | (self.chain if kind == "recurrent" else {})
        return self.add(
            "point", label, needs, hardware=self.chip, noise=noise, measure=measure, key=key
        )

    def full(self, network: str, reference: str, noise: float, key: int) -> str:
        label = self.tasks[network].label.replace("float network", "float samples") + (
            f", noise x{noise:g}" if noise != 1 else ""
        )
        return self.add(
            "full",
            label,
            {"network": network, "reference": reference},
            noise=float(noise),
            measure=self.measure,
            key=key,
        )

    def blind(self, reference: str, key: int) -> str:
        return self.add(
            "blind", f"blind, key {key}", {"reference": reference}, measure=self.measure, key=key
        )

    def control(self, name: str, network: str, reference: str, key: int) -> str:
        label = (
            f"{name}, {self.tasks[network].label}"
            if CONTROLS[name].by_network
            else f"{name}, key {key}"
        )
        own: dict[str, Any] = {"train": self.priceless} if name == "vae" else {}
        if name == CIRCUIT_CONTROL:
            own = {"architecture": self.study.network.architecture("recurrent").to_table()}
        needs = {"network": network, "reference": reference}
        return self.add("control", label, needs, control=name, measure=self.measure, key=key, **own)


def _prefix(kind: str) -> str:
    return "" if kind == "single" else f"{kind} "


def plan_study(study: Study, hardware: Hardware) -> Plan:
    """All tasks of a study on a Hardware; equal parts are one task, however many cells use them."""
    planner, cells = _Planner(study, hardware), list[Cell]()
    for key in sorted(study.grid.keys):
        decoder = planner.decoder(key)
        reference = planner.reference(decoder, key, f"key {key}") if planner.shared else None
        blind = planner.blind(reference, key) if reference else None
        for kind in study.grid.architecture:
            for rho in sorted(study.grid.rho):
                cells += _network_cells(planner, decoder, reference, blind, kind, rho, key)
        cells += _other_cells(planner, decoder, reference, blind, key)
    return Plan(planner.tasks, tuple(cells))


def _network_cells(
    planner: _Planner,
    decoder: str,
    shared: str | None,
    blind: str | None,
    kind: str,
    rho: float,
    key: int,
) -> Iterable[Cell]:
    """The cells of one architecture, rho and key: float, controlled, quantised."""
    grid, start = planner.grid, planner.float_network(decoder, kind, rho, key)
    full = planner.full(start, shared, 1.0, key) if shared else None
    place: dict[str, Any] = {
        "architecture": kind,
        "rho": rho,
        "key": key,
        "full": full,
        "blind": blind,
    }
    controls = [name for name in grid.control if CONTROLS[name].by_network]
    if grid.float or controls:
        reference = shared or planner.reference(start, key, planner.tasks[start].label)
        samples: dict[str, Any] = {"network": start, "reference": reference}
        for noise in sorted(grid.noise) if grid.float else ():
            yield Cell(
                **place, **samples, noise=noise, point=planner.full(start, reference, noise, key)
            )
        for name in controls:
            yield Cell(
                **place,
                **samples,
                noise=1.0,
                control=name,
                point=planner.control(name, start, reference, key),
            )
    for method in grid.method:
        for widths in grid.widths():
            network = planner.network(start, kind, method, widths, rho, key)
            reference = shared or planner.reference(network, key, planner.tasks[network].label)
            named: dict[str, Any] = dict(
                zip(("weight_bits", "input_bits", "output_bits"), widths, strict=True)
            )
            for noise in sorted(grid.noise):
                point = planner.point(network, kind, reference, noise, key)
                yield Cell(
                    **place,
                    **named,
                    method=method,
                    noise=noise,
                    network=network,
                    reference=reference,
                    point=point,
                )


def _other_cells(
    planner: _Planner, decoder: str, shared: str | None, blind: str | None, key: int
) -> Iterable[Cell]:
    """Controls that are no network's: one cell per key, facing the decoder's posterior; there is no
    float network to compare with.
    """
    for name in planner.grid.control:
        if not CONTROLS[name].by_network:
            reference = shared or planner.reference(decoder, key, f"key {key}")
            point = planner.control(name, decoder, reference, key)
            place: dict[str, Any] = {
                "rho": 0.0,
                "noise": 1.0,
                "key": key,
                "full": None,
                "blind": blind,
            }
            yield Cell(
                architecture=NO_ARCHITECTURE,
                control=name,
                network=decoder,
                reference=reference,
                point=point,
                **place,
            )
