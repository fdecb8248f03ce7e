"""What the joules of a bill cover: parts with a price, operations whose price is 0, and what no
operation stands for.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from stochsim.energy import PARTS, Operation, Operations, format_energy, nodes_text
from stochsim.hardware import Hardware
from stochsim.program import FLOAT_BITS, PESSIMISTIC_MACS
from stochsim.settings import counted, number_text

NEVER_COUNTED = (
    "control logic and clock distribution",
    "wires between layers",
    "buffers beside the memory of codes",
    "off-chip memory and links",
)
"""What no chip's bill has: no operation stands for it."""


class MultiplyAdds(NamedTuple):
    """Multiply-adds of products in a read: those of layers on the chip, and those of parts in
    float; both have a price.
    """

    on_chip: float = 0.0
    in_float: float = 0.0

    def __str__(self) -> str:
        share = self.on_chip / max(self.on_chip + self.in_float, 1)
        on_chip, in_float = number_text(self.on_chip), number_text(self.in_float)
        return f"{on_chip} on the chip ({share:.1%}), {in_float} in float32"


class Coverage(NamedTuple):
    """What a bill covers.

    multiply_adds: of a read, those with a price, on the chip and in float. priced: parts with
    joules. at_zero: operations that were counted and cost nothing, each with the
    name of that price. left_out: what is not in the joules at all. nodes: operations with joules by
    the technology node of their price, {"28 nm": ("line",), "45 nm": ("add",)}; those whose price
    has no node are in none. unpriced: multiply-adds in float32 that parts in float without a price
    take at most in a read, by part; at_most_j: their joules.
    """

    priced: tuple[str, ...]
    at_zero: dict[str, str]
    left_out: tuple[str, ...]
    nodes: dict[str, tuple[str, ...]]
    multiply_adds: MultiplyAdds = MultiplyAdds()
    unpriced: Mapping[str, float] = {}
    at_most_j: float = 0.0

    def lines(self) -> list[str]:
        """All of it as lines of text; without what is at 0 J where nothing costs 0, without
        multiply-adds, parts in float and nodes where there are none.
        """
        zero = ", ".join(f"{kind} ({price})" for kind, price in self.at_zero.items())
        lines = [f"covers: {', '.join(self.priced) or 'nothing'}"]
        lines += [f"counted, at 0 J: {zero}"] if zero else []
        known = "multiply-adds that are known" if self.unpriced else "multiply-adds"
        lines += [f"{known}: {self.multiply_adds}"] if self.multiply_adds.in_float else []
        lines += [f"does not cover: {', '.join(self.left_out)}"]
        if self.unpriced:
            count = counted(len(self.unpriced), "part", "parts")
            lines.append(
                f"{count} in float without a price: at most {format_energy(self.at_most_j)} per "
                f"read, at {PESSIMISTIC_MACS} multiply-adds in float32 for each value read or "
                f"given, and those of a product of two arrays"
            )
        nodes = ", ".join(f"{node} ({', '.join(kinds)})" for node, kinds in self.nodes.items())
        mixed = ", mixed" if len(self.nodes) > 1 else ""
        return [*lines, f"technology of the prices{mixed}: {nodes}"] if nodes else lines


def coverage_of(
    hardware: Hardware,
    rows: Iterable[Mapping[str, Any]],
    nodes: Iterable[tuple[float, str]],
    unpriced: Mapping[str, float],
    multiply_adds: MultiplyAdds,
) -> Coverage:
    """The coverage of a bill on this Hardware with these rows of operations, as
    `Bill.operation_table` gives them.

    nodes: (technology node in nm, operation) of the prices used, as an Energy has them. unpriced:
    parts of the network that compute in float, without a price, and the multiply-adds that each
    takes at most in a read.
    """
    priced: set[str] = set()
    paid: set[str] = set()
    prices: dict[str, str] = {}
    for row in rows:
        prices[row["operation"]] = row["price"]
        if row["joules"] > 0:
            priced.add(row["part"])
            paid.add(row["operation"])
    in_float = (f"{name} (in float)" for name in unpriced)
    macs = sum(unpriced.values())
    kinds = ("float_multiply", "float_add")
    at_most = hardware.energy(Operations({Operation(kind, (FLOAT_BITS,)): macs for kind in kinds}))
    return Coverage(
        tuple(part for part in PARTS if part in priced),
        {kind: price for kind, price in prices.items() if kind not in paid},
        (*_not_described(hardware), *in_float, *NEVER_COUNTED),
        nodes_text(nodes),
        multiply_adds,
        dict(unpriced),
        at_most.all_operations_j,
    )


def _not_described(hardware: Hardware) -> list[str]:
    """Costs that the chip has no figure for."""
    missing = []
    if hardware.timing.leakage_w == 0 and hardware.prices.leakage == "leakage-none":
        missing.append("leakage (timing.leakage_w is 0)")
    array = hardware.array
    if array is not None and array.reads_per_programming is None:
        missing.append("programming of cells (array.reads_per_programming is not set)")
    return missing
