"""A bill for the eye: joules by layer and part, operations, cycles, warnings, and one line for each
price used.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stochsim.energy import PARTS, format_energy

if TYPE_CHECKING:
    from stochsim.accounting.bill import Bill


def bill_text(bill: "Bill") -> str:
    """The whole bill."""
    sections = (
        _heading(bill),
        _joules(bill),
        _operations(bill),
        _latency(bill),
        _warnings(bill),
        _prices(bill),
    )
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines)


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> Iterator[str]:
    """Rows of text as aligned columns, the first `left` of them to the left, the others to the
    right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _heading(bill: "Bill") -> Iterator[str]:
    over = (
        f"mean over {_many(bill.stimuli, 'stimulus', 'stimuli')} × "
        f"{_many(bill.reads, 'read', 'reads')}"
    )
    yield (
        f"{bill.name}: {format_energy(bill.total_j)} per read, "
        f"{_many(bill.total_cycles, 'cycle', 'cycles')} ({over})"
    )


def _joules(bill: "Bill") -> Iterator[str]:
    layers = {**bill.energy_by_layer, "total": bill.energy}
    parts = [part for part in PARTS if bill.energy.parts[part] > 0]
    rows = [["layer", *parts, "total"]]
    for layer, energy in layers.items():
        rows.append(
            [
                layer,
                *(format_energy(energy.parts[part]) for part in parts),
                format_energy(energy.total_j),
            ]
        )
    total_j = bill.total_j
    if 0 < total_j < float("inf"):
        rows.append(
            ["share", *(f"{bill.energy.parts[part] / total_j:.1%}" for part in parts), "100.0%"]
        )
    return columns(rows)


def _operations(bill: "Bill") -> Iterator[str]:
    rows = [["layer", "operation", "price", "count per read", "each", "together"]]
    for row in _holds_together(bill.operation_table()):
        arguments = ", ".join(f"{name} {number(value)}" for name, value in row["arguments"].items())
        operation = f"{row['operation']} ({arguments})" if arguments else row["operation"]
        each = "" if row["joules_each"] is None else format_energy(row["joules_each"])
        rows.append(
            [
                row["layer"],
                operation,
                row["price"],
                number(row["count"]),
                each,
                format_energy(row["joules"]),
            ]
        )
    return columns(rows, left=3)


def _holds_together(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A layer's neurons in one row, however many noise levels they have."""
    for (_, kind), group in itertools.groupby(
        rows, key=lambda row: (row["layer"], row["operation"])
    ):
        found = list(group)
        if kind == "hold" and len(found) > 1:
            whole = {name: sum(row[name] for row in found) for name in ("count", "joules")}
            yield {
                **found[0],
                **whole,
                "arguments": {"noise levels:": len(found)},
                "joules_each": None,
            }
        else:
            yield from found


def _latency(bill: "Bill") -> Iterator[str]:
    cycles, clock_ghz = (
        _many(bill.total_cycles, "cycle", "cycles"),
        bill.hardware.timing.clock_hz / 1e9,
    )
    layers = ", ".join(f"{layer} {number(count)}" for layer, count in bill.cycles.items())
    yield (
        f"latency per read: {cycles} ({layers}), {seconds_text(bill.seconds)} at {clock_ghz:g} GHz"
    )


def _warnings(bill: "Bill") -> Iterator[str]:
    return (f"warning: {flag}" for flag in bill.flags)


def _prices(bill: "Bill") -> Iterator[str]:
    for name, tag, source, formula, unit in sorted(
        {(one.name, one.tag, one.source, one.formula, one.unit) for one in bill.prices}
    ):
        yield f"price {name} [{tag}] {formula} ({unit}): {source}"


def number(value: float) -> str:
    """A count for the eye: whole ones in full with thousands apart, others to four digits."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.4g}"


def seconds_text(seconds: float) -> str:
    """Seconds with a prefix, three digits."""
    scale, prefix = next(
        ((s, p) for s, p in ((1, ""), (1e-3, "m"), (1e-6, "µ")) if seconds >= s), (1e-9, "n")
    )
    return f"{seconds / scale:.3g} {prefix}s"


def _many(count: float, one: str, many: str) -> str:
    return f"{number(count)} {one if count == 1 else many}"
