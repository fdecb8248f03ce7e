"""The bill of a chip: operations by layer, their joules by layer and part, cycles by layer; all per
read, with the prices behind them.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from stochsim.accounting.adc_use import AdcUse, adc_flags
from stochsim.accounting.coverage import Coverage, MultiplyAdds, coverage_of
from stochsim.accounting.price_ranges import JoulesInterval, joules_interval
from stochsim.energy import (
    KINDS,
    PARTS,
    Citation,
    Energy,
    Operations,
    format_energy,
)
from stochsim.hardware import HARDWARE_RULE, Hardware
from stochsim.settings import (
    check_kind,
    check_not_negative,
    check_rho,
    check_whole,
    columns,
    counted,
    number_text,
)

_ORDER = tuple(KINDS)


@dataclass(frozen=True)
class Bill:
    """Operations, joules and cycles of `reads` reads of each of `stimuli` stimuli on a Hardware;
    all of its figures are per read (of one stimulus).

    counts: operations of all reads, by layer; cycles: of one read, by layer; rho: of the price of
    reliability, needed where neurons keep a noise level. unpriced: parts of the network that
    compute in float, without a price, and multiply-adds that each takes at most in a read. adc_use:
    of an array, how the ADCs of each layer stand against its partial sums. multiply_adds: of a
    read. Raises SettingError for what is no
    Hardware, no stimuli or reads, and a rho that is no number of at least 0.

    >>> import stochsim as ss
    >>> from stochsim.program import random_program
    >>> program, x = random_program((6, 3), (4, 4, 4), sigma=0.5)
    >>> chip = ss.Chip(program, ss.load_hardware("digital-45nm", bits=4))
    >>> bill = chip.bill(x["layer 1"], reads=100)
    >>> f"{bill.per_read_j:.3g} J per read, {bill.all_reads_j:.3g} J in all"
    '7.78e-12 J per read, 7.78e-10 J in all'
    >>> print(str(bill).splitlines()[0])
    digital-45nm: 7.78 pJ per read [1.44 pJ, 47.3 pJ], 1 cycle (mean over 1 stimulus × 100 reads)
    """

    hardware: Hardware
    counts: Mapping[str, Operations]
    cycles: Mapping[str, float]
    stimuli: int = 1
    reads: int = 1
    rho: float | None = None
    unpriced: Mapping[str, float] = field(default_factory=dict)
    adc_use: Mapping[str, AdcUse] = field(default_factory=dict)
    multiply_adds: MultiplyAdds = field(default_factory=MultiplyAdds)

    def __post_init__(self) -> None:
        check_kind("hardware", self.hardware, Hardware, HARDWARE_RULE)
        check_kind("counts", self.counts, Mapping, "should be Operations by layer, as in a dict")
        check_kind("cycles", self.cycles, Mapping, "should be cycles by layer, as in a dict")
        for layer, found in self.counts.items():
            check_kind("counts", layer, str, "the name of a layer should be text")
            check_kind(f"counts.{layer}", found, Operations, "should be Operations")
        check_kind("adc_use", self.adc_use, Mapping, "should be AdcUse by layer, as in a dict")
        for layer, use in self.adc_use.items():
            check_kind(f"adc_use.{layer}", use, AdcUse, "should be an AdcUse")
        for name in ("stimuli", "reads"):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), 1, 2**63))
        object.__setattr__(
            self,
            "cycles",
            {name: check_not_negative(f"cycles.{name}", one) for name, one in self.cycles.items()},
        )
        if self.rho is not None:
            object.__setattr__(self, "rho", check_rho(self.rho))

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
        """Joules per read, by part; their total is `bill.energy.per_read_j`."""
        return self.hardware.energy(self.total_operations, self.rho).divided(self.draws, "read")

    @property
    def energy_by_layer(self) -> dict[str, Energy]:
        """Joules per read, by layer and part."""
        return {
            layer: self.hardware.energy(found, self.rho).divided(self.draws, "read")
            for layer, found in self.counts.items()
        }

    @property
    def per_read_j(self) -> float:
        """Joules of one read of one stimulus."""
        return self.energy.per_read_j

    @property
    def total_j(self) -> float:
        """No more: see `per_read_j` and `all_reads_j`."""
        raise AttributeError("'total_j' is now 'per_read_j', and of all reads 'all_reads_j'")

    @property
    def interval(self) -> JoulesInterval:
        """Joules of one read with the ends that the ranges of their prices give, and each price's
        (see `joules_interval`); operations are counted exactly.
        """
        return joules_interval(self.hardware, self.total_operations, self.rho, self.draws)

    @property
    def all_reads_j(self) -> float:
        """Joules of all reads of all stimuli together."""
        return self.hardware.energy(self.total_operations, self.rho).all_operations_j

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
        """Doubts about the prices used ("… outside the model's range", "unsourced: …", "mixed
        technology nodes: …"), and ADCs that are too coarse for what they convert, or clip it
        ("coarse ADCs: …", "clipping ADCs: …").
        """
        return (*self.energy.flags, *adc_flags(self.adc_use))

    @property
    def coverage(self) -> Coverage:
        """What the joules cover, what was counted at 0 J, and what they leave out.

        >>> from stochsim.hardware import load_hardware
        >>> from stochsim.energy import Operation, Operations
        >>> counts = Operations({Operation("add", (16,)): 3, Operation("adc", (4,)): 1})
        >>> bill = Bill(load_hardware("digital-45nm"), {"readout": counts}, {"readout": 1})
        >>> bill.coverage.priced, bill.coverage.at_zero
        (('add',), {'adc': 'adc-none'})
        """
        rows = self.operation_table()
        nodes = self.energy.nodes
        return coverage_of(self.hardware, rows, nodes, self.unpriced, self.multiply_adds)

    @property
    def prices(self) -> tuple[Citation, ...]:
        """The prices used, with formula, unit, source and how verified."""
        return self.energy.prices

    def with_hardware(self, hardware: Hardware) -> "Bill":
        """A bill of the same operations and cycles at another chip's prices."""
        return replace(self, hardware=hardware)

    def table(self) -> list[dict[str, Any]]:
        """Rows of layer, part, joules per read and share of the total; parts that cost nothing are
        left out.
        """
        total_j = self.per_read_j
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
        voltage_v = self.hardware.prices.voltage_v
        return [
            {
                "layer": layer,
                "operation": one.kind,
                "arguments": dict(zip(KINDS[one.kind].arguments, one.args, strict=True)),
                "count": count,
                "price": prices[one.kind].name,
                "joules_each": (each_j := prices[one.kind].energy_j(one.args, voltage_v)),
                "joules": count * each_j,
                "part": KINDS[one.kind].part,
            }
            for layer, found in self.operations.items()
            for one, count in sorted(
                found.items(), key=lambda pair: (_ORDER.index(pair[0].kind), pair[0])
            )
        ]

    def to_json(self) -> dict[str, Any]:
        """The bill as plain values: what the tables hold, in joules, cycles and seconds; None for
        what is infinite.
        """
        coverage = self.coverage
        interval = self.interval
        whole = {
            "hardware": self.name,
            "stimuli": self.stimuli,
            "reads": self.reads,
            "rho": self.rho,
            "joules_per_read": self.per_read_j,
            "joules_per_read_interval": [interval.low, interval.high],
            "joules_by_part": self.energy.parts,
            "joules_by_layer": {
                layer: energy.parts for layer, energy in self.energy_by_layer.items()
            },
            "operations": self.operation_table(),
            "cycles_by_layer": dict(self.cycles),
            "adc_use": {layer: use.to_json() for layer, use in self.adc_use.items()},
            "clock_hz": self.hardware.timing.clock_hz,
            "seconds_per_read": self.seconds,
            "flags": list(self.flags),
            "coverage": {**coverage._asdict(), "multiply_adds": coverage.multiply_adds._asdict()},
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


def bill_text(bill: Bill) -> str:
    """A bill as text: joules, operations, latency, warnings and prices."""
    sections = (
        _heading(bill),
        _joules(bill),
        _operations(bill),
        _latency(bill),
        _ranges(bill),
        _adcs(bill),
        bill.coverage.lines(),
        _warnings(bill),
        _prices(bill),
    )
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines)


def _heading(bill: Bill) -> Iterator[str]:
    over = (
        f"mean over {counted(bill.stimuli, 'stimulus', 'stimuli')} × "
        f"{counted(bill.reads, 'read', 'reads')}"
    )
    yield (
        f"{bill.name}: {format_energy(bill.per_read_j)} per read{_ends(bill)}, "
        f"{counted(bill.total_cycles, 'cycle', 'cycles')} ({over})"
    )


def _ends(bill: Bill) -> str:
    """The ends of the interval, " [low, high]"; empty where there are none."""
    found = bill.interval
    if found.deciding is None:
        return ""
    return f" [{format_energy(found.low)}, {format_energy(found.high)}]"


def _ranges(bill: Bill) -> Iterator[str]:
    deciding = bill.interval.deciding
    if deciding is not None:
        yield (
            f"interval: from the ranges of its prices, most from that of {deciding.price} "
            f"({deciding.basis})"
        )


def _joules(bill: Bill) -> Iterator[str]:
    layers = {**bill.energy_by_layer, "total": bill.energy}
    parts = [part for part in PARTS if bill.energy.parts[part] > 0]
    rows = [["layer", *parts, "total"]]
    for layer, energy in layers.items():
        rows.append(
            [
                layer,
                *(format_energy(energy.parts[part]) for part in parts),
                format_energy(energy.per_read_j),
            ]
        )
    total_j = bill.per_read_j
    if 0 < total_j < float("inf"):
        rows.append(
            ["share", *(f"{bill.energy.parts[part] / total_j:.1%}" for part in parts), "100.0%"]
        )
    return columns(rows)


def _operations(bill: Bill) -> Iterator[str]:
    rows = [["layer", "operation", "price", "count per read", "each", "together"]]
    for row in _neurons_together(bill.operation_table()):
        arguments = ", ".join(
            f"{name} {number_text(value)}" for name, value in row["arguments"].items()
        )
        operation = f"{row['operation']} ({arguments})" if arguments else row["operation"]
        each = "" if row["joules_each"] is None else format_energy(row["joules_each"])
        rows.append(
            [
                row["layer"],
                operation,
                row["price"],
                number_text(row["count"]),
                each,
                format_energy(row["joules"]),
            ]
        )
    return columns(rows, left=3)


def _neurons_together(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A layer's neurons in one row, however many noise levels they have."""
    for (_, kind), group in itertools.groupby(
        rows, key=lambda row: (row["layer"], row["operation"])
    ):
        found = list(group)
        if KINDS[kind].by_law and len(found) > 1:
            whole = {name: sum(row[name] for row in found) for name in ("count", "joules")}
            yield {
                **found[0],
                **whole,
                "arguments": {"noise levels:": len(found)},
                "joules_each": None,
            }
        else:
            yield from found


def _latency(bill: Bill) -> Iterator[str]:
    cycles = counted(bill.total_cycles, "cycle", "cycles")
    clock_ghz = bill.hardware.timing.clock_hz / 1e9
    layers = ", ".join(f"{layer} {number_text(count)}" for layer, count in bill.cycles.items())
    yield (
        f"latency per read: {cycles} ({layers}), {seconds_text(bill.seconds)} at {clock_ghz:g} GHz"
    )


def _adcs(bill: Bill) -> Iterator[str]:
    return (f"ADCs of {layer}: {use}" for layer, use in bill.adc_use.items())


def _warnings(bill: Bill) -> Iterator[str]:
    return (f"warning: {flag}" for flag in bill.flags)


def _prices(bill: Bill) -> Iterator[str]:
    for name, tag, source, formula, unit in sorted(
        {(one.name, one.tag, one.source, one.formula, one.unit) for one in bill.prices}
    ):
        yield f"price {name} [{tag}] {formula} ({unit}): {source}"


def seconds_text(seconds: float) -> str:
    """Seconds with a prefix, three digits."""
    rounded = float(f"{seconds:.3g}")  # before the prefix is chosen: 999.9996 ns are 1 µs
    scale, prefix = next(
        ((s, p) for s, p in ((1, ""), (1e-3, "m"), (1e-6, "µ")) if rounded >= s), (1e-9, "n")
    )
    return f"{rounded / scale:.3g} {prefix}s"
