"""The bill of a chip: operations by layer, their joules by layer and part, cycles by layer; all per
read, with the prices behind them.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stochsim.accounting.bill_text import bill_text
from stochsim.energy import KINDS, PART_OF_KIND, Citation, Energy, Operation, Operations
from stochsim.hardware import Hardware
from stochsim.settings import SettingError

_ORDER = tuple(KINDS)


@dataclass(frozen=True)
class Bill:
    """What so many reads of so many stimuli take on a Hardware; everything that is asked of it is
    per read (of one stimulus).

    counts: operations of all reads, by layer; cycles: of one read, by layer; rho: of the price of
    reliability, needed where neurons are held at a noise level. Raises SettingError for no stimuli
    or reads.
    """

    hardware: Hardware
    counts: Mapping[str, Operations]
    cycles: Mapping[str, float]
    stimuli: int = 1
    reads: int = 1
    rho: float | None = None

    def __post_init__(self) -> None:
        for name in ("stimuli", "reads"):
            if getattr(self, name) < 1:
                raise SettingError(f"'{name}' = {getattr(self, name)!r}: a bill needs at least 1")

    @property
    def name(self) -> str:
        """The Hardware's name."""
        return self.hardware.name

    @property
    def draws(self) -> int:
        """Reads of all stimuli together."""
        return self.stimuli * self.reads

    @property
    def total_operations(self) -> Operations:
        """Operations of all reads and all layers, as `Chip.operations` counts them."""
        return sum(self.counts.values(), Operations())

    @property
    def operations(self) -> dict[str, Operations]:
        """Operations per read, by layer."""
        return {
            layer: Operations({one: count / self.draws for one, count in found.items()})
            for layer, found in self.counts.items()
        }

    @property
    def energy(self) -> Energy:
        """Joules per read, by part."""
        return self.hardware.energy(self.total_operations, self.rho) / self.draws

    @property
    def energy_by_layer(self) -> dict[str, Energy]:
        """Joules per read, by layer and part."""
        return {
            layer: self.hardware.energy(found, self.rho) / self.draws
            for layer, found in self.counts.items()
        }

    @property
    def total_j(self) -> float:
        """Joules per read."""
        return self.energy.total_j

    @property
    def total_cycles(self) -> float:
        """Cycles per read: layers follow one another."""
        return math.fsum(self.cycles.values())

    @property
    def seconds(self) -> float:
        """Seconds per read, at the chip's clock."""
        return self.total_cycles / self.hardware.timing.clock_hz

    @property
    def flags(self) -> tuple[str, ...]:
        """Doubts about the prices used ("… outside the model's range", "unsourced: …")."""
        return self.energy.flags

    @property
    def prices(self) -> tuple[Citation, ...]:
        """The prices used, with formula, unit, source and how verified."""
        return self.energy.prices

    def with_hardware(self, hardware: Hardware) -> "Bill":
        """The same operations and cycles at another chip's prices."""
        return Bill(hardware, self.counts, self.cycles, self.stimuli, self.reads, self.rho)

    def table(self) -> list[dict[str, Any]]:
        """Rows of layer, part, joules per read and share of the total; parts that cost nothing are
        left out.
        """
        total_j = self.total_j
        return [
            {"layer": layer, "part": part, "joules": joules, "share": share(joules, total_j)}
            for layer, energy in self.energy_by_layer.items()
            for part, joules in energy.parts.items()
            if joules > 0
        ]

    def operation_table(self) -> list[dict[str, Any]]:
        """Rows of layer, operation, its arguments by name, count per read, the price's name, joules
        of one and of all, part.
        """
        prices = self.hardware.price_table(self.rho)
        return [
            {
                "layer": layer,
                "operation": one.kind,
                "arguments": dict(zip(KINDS[one.kind], one.args, strict=True)),
                "count": count,
                "price": prices[one.kind].name,
                "joules_each": (each_j := self._joules(one)),
                "joules": count * each_j,
                "part": PART_OF_KIND[one.kind],
            }
            for layer, found in self.operations.items()
            for one, count in sorted(
                found.items(), key=lambda pair: (_ORDER.index(pair[0].kind), pair[0])
            )
        ]

    def _joules(self, operation: Operation) -> float:
        return self.hardware.energy(Operations({operation: 1.0}), self.rho).total_j

    def to_json(self) -> dict[str, Any]:
        """The bill as plain values: what the tables hold, in joules, cycles and seconds; None for
        what is infinite.
        """
        whole = {
            "hardware": self.name,
            "stimuli": self.stimuli,
            "reads": self.reads,
            "rho": self.rho,
            "joules_per_read": self.total_j,
            "joules_by_part": self.energy.parts,
            "joules_by_layer": {
                layer: energy.parts for layer, energy in self.energy_by_layer.items()
            },
            "operations": self.operation_table(),
            "cycles_by_layer": dict(self.cycles),
            "clock_hz": self.hardware.timing.clock_hz,
            "seconds_per_read": self.seconds,
            "flags": list(self.flags),
            "prices": [asdict(one) for one in self.prices],
        }
        return {name: finite(value) for name, value in whole.items()}

    def __str__(self) -> str:
        return bill_text(self)


def share(joules: float, total_j: float) -> float:
    """Part of a total: 1 where both are infinite, 0 of nothing."""
    if math.isinf(joules):
        return 1.0
    return joules / total_j if total_j > 0 else 0.0


def finite(value: Any) -> Any:
    """A value as JSON can hold it: infinities, at any depth of dicts and lists, become None."""
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
