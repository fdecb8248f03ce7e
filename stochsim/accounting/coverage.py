"""What the joules of a bill cover: parts with a price, operations whose price is 0, and what no
operation stands for.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from stochsim.energy import PARTS, nodes_text
from stochsim.hardware import Hardware

NEVER_COUNTED = (
    "control logic and clock distribution",
    "wires between layers",
    "buffers beside the memory of codes",
    "off-chip memory and links",
)
"""What no chip's bill has: no operation stands for it."""


class Coverage(NamedTuple):
    """What a bill covers.

    priced: parts with joules. at_zero: operations that were counted and cost nothing, each with the
    name of that price. left_out: what is not in the joules at all. nodes: operations with joules by
    the technology node of their price, {"28 nm": ("line",), "45 nm": ("add",)}; those whose price
    has no node are in none.
    """

    priced: tuple[str, ...]
    at_zero: dict[str, str]
    left_out: tuple[str, ...]
    nodes: dict[str, tuple[str, ...]]

    def lines(self) -> list[str]:
        """The four as lines of text; without the second where nothing costs 0, and without nodes
        where no price has one.
        """
        zero = ", ".join(f"{kind} ({price})" for kind, price in self.at_zero.items())
        lines = [f"covers: {', '.join(self.priced) or 'nothing'}"]
        lines += [f"counted, at 0 J: {zero}"] if zero else []
        lines += [f"does not cover: {', '.join(self.left_out)}"]
        nodes = ", ".join(f"{node} ({', '.join(kinds)})" for node, kinds in self.nodes.items())
        mixed = ", mixed" if len(self.nodes) > 1 else ""
        return [*lines, f"technology of the prices{mixed}: {nodes}"] if nodes else lines


def coverage_of(
    hardware: Hardware,
    rows: Iterable[Mapping[str, Any]],
    unpriced: Iterable[str],
    nodes: Iterable[tuple[float, str]],
) -> Coverage:
    """The coverage of a bill on this Hardware with these rows of operations, as
    `Bill.operation_table` gives them.

    unpriced: parts of the network that compute in float, without a price. nodes: (technology node
    in nm, operation) of the prices used, as an Energy has them.
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
    return Coverage(
        tuple(part for part in PARTS if part in priced),
        {kind: price for kind, price in prices.items() if kind not in paid},
        (*_not_described(hardware), *in_float, *NEVER_COUNTED),
        nodes_text(nodes),
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
