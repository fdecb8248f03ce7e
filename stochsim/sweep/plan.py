"""What a study has to do: tasks with content hashes, each naming the tasks whose results it needs.

    decoder(key) -> reference(key) -> blind(key)
                 -> float network(rho, key) -> full(rho, key)
                                            -> network(bits, rho, key) -> point(network, noise)

With decoder = "own" every network learns its own decoder, so every network has a reference of its own.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from stochsim_kernels import KERNEL_VERSION

from stochsim import __version__
from stochsim.hardware import Hardware
from stochsim.sweep.study import Study

PRIORITY = ("decoder", "reference", "float", "network", "blind", "full", "point")


@dataclass(frozen=True)
class Task:
    """One unit of work: its kind, all settings that change its answer (canonical JSON), the tasks it needs by role."""

    kind: str
    settings: str
    needs: tuple[tuple[str, str], ...]
    label: str

    @property
    def hash(self) -> str:
        """Content hash: equal tasks of equal versions have equal answers. The label does not count."""
        content = json.dumps([self.kind, self.settings, self.needs, __version__, KERNEL_VERSION])
        return hashlib.sha256(content.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Cell:
    """One cell of the grid and the hashes of the tasks that fill it."""

    weight_bits: int
    input_bits: int
    output_bits: int
    rho: float
    noise: float
    key: int
    network: str
    reference: str
    point: str
    full: str | None
    blind: str | None


@dataclass(frozen=True)
class Plan:
    """Tasks by hash, in an order in which they could run, and the grid's cells."""

    tasks: dict[str, Task]
    cells: tuple[Cell, ...]


class _Planner:
    def __init__(self, study: Study, hardware: Hardware) -> None:
        self.tasks: dict[str, Task] = {}
        self.study, self.hardware = study, hardware
        self.common = {name: getattr(study, name).to_table() for name in ("model", "data")}
        self.train = study.train.to_table()
        self.measure = study.measure.to_table()

    def add(self, kind: str, label: str, needs: dict[str, str], **settings: Any) -> str:
        text = json.dumps(self.common | settings, sort_keys=True)
        task = Task(kind, text, tuple(sorted(needs.items())), label)
        self.tasks[task.hash] = task
        return task.hash

    def decoder(self, key: int) -> str:
        return self.add("decoder", f"decoder, key {key}", {}, train=self.train, key=key)

    def reference(self, source: str, key: int, label: str) -> str:
        return self.add("reference", f"reference posterior, {label}", {"source": source}, stimuli=self.study.measure.stimuli, key=key)

    def float_network(self, decoder: str, rho: float, key: int) -> str:
        return self.add("float", f"float network, rho {rho:g}, key {key}", {"decoder": decoder}, train=self.train, rho=rho, key=key)

    def network(self, start: str, widths: tuple[int, int, int], rho: float, key: int) -> str:
        label = f"network at {'/'.join(map(str, widths))} bits, rho {rho:g}, key {key}"
        return self.add("network", label, {"start": start}, train=self.train, widths=list(widths), rho=rho, key=key)

    def point(self, network: str, reference: str, noise: float, key: int, label: str) -> str:
        needs = {"network": network, "reference": reference}
        chip = {name: value for name, value in self.hardware.to_table().items() if name not in ("description", "sources")}
        return self.add("point", f"{label}, noise x{noise:g}", needs, hardware=chip, noise=noise, measure=self.measure, key=key)


def plan_study(study: Study, hardware: Hardware) -> Plan:
    """All tasks of a study on a Hardware; equal parts are one task, however many cells use them."""
    planner, cells = _Planner(study, hardware), []
    shared = study.train.decoder == "shared"
    grid = study.grid
    for key in sorted(grid.keys):
        decoder = planner.decoder(key)
        shared_reference = planner.reference(decoder, key, f"key {key}") if shared else None
        blind = None
        if shared_reference:
            blind = planner.add("blind", f"blind, key {key}", {"reference": shared_reference}, measure=planner.measure, key=key)
        for rho in sorted(grid.rho):
            start = planner.float_network(decoder, rho, key)
            full = None
            if shared_reference:
                needs = {"network": start, "reference": shared_reference}
                full = planner.add("full", f"float samples, rho {rho:g}, key {key}", needs, measure=planner.measure, key=key)
            for widths in grid.widths():
                network = planner.network(start, widths, rho, key)
                label = planner.tasks[network].label
                reference = shared_reference or planner.reference(network, key, label)
                for noise in sorted(grid.noise):
                    point = planner.point(network, reference, noise, key, label)
                    cells.append(Cell(*widths, rho, noise, key, network, reference, point, full, blind))
    return Plan(planner.tasks, tuple(cells))
