"""A network on a macro that was built and measured: operations of the whole array, by layer."""

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stochsim.energy import format_energy
from stochsim.hardware import Noise
from stochsim.program import LayerUse, Program
from stochsim.settings import check_kind, columns, number_text
from stochsim.silicon import MACHINE, Macro, OperatingPoint, largest_error, recorded_spread


@dataclass(frozen=True)
class MacroLayer:
    """A layer on a macro: how often the whole array works for a read, at which point, and the share
    of its multiply-accumulates that the layer has.
    """

    layer: str
    operations: float
    used: float
    point: OperatingPoint

    @property
    def joules(self) -> float:
        """Joules of a read, of all parts that the macro's file has."""
        return self.operations * self.point.all_j

    @property
    def seconds(self) -> float:
        """Seconds of a read, on all copies of the array at once."""
        return self.operations * self.point.seconds / self.point.copies


@dataclass(frozen=True)
class MacroBill:
    """A network's reads on a macro, by layer; weights are written before, and not billed. Nothing
    beside the array is in it: see the macro's `system`; nor is what is computed in float, in_float.
    """

    macro: Macro
    layers: tuple[MacroLayer, ...]
    in_float: tuple[str, ...] = ()

    @property
    def per_read_j(self) -> float:
        """Joules of one read."""
        return math.fsum(one.joules for one in self.layers)

    @property
    def seconds(self) -> float:
        """Seconds of one read: layers follow one another."""
        return math.fsum(one.seconds for one in self.layers)

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of what a read takes: the largest error of the macro's model over the published
        energies that it was held against (of all macros, where it has few), or, where a condition
        is extrapolated and for a macro of one's own, the 95 % interval of a machine that was not
        measured.
        """
        off = largest_error(self.macro)
        if off is not None and not self.flags:
            return self.per_read_j * math.exp(-off), self.per_read_j * math.exp(off)
        spread = recorded_spread(MACHINE)
        return self.per_read_j * spread.low, self.per_read_j * spread.high

    @property
    def basis(self) -> str:
        """What the interval rests on, in words."""
        if largest_error(self.macro) is None or self.flags:
            return "of a machine that was not measured (95 %)"
        return "the largest error of the macro's model over energies that were measured"

    @property
    def flags(self) -> tuple[str, ...]:
        """Conditions outside of what was published, each once."""
        return tuple(dict.fromkeys(flag for one in self.layers for flag in one.point.flags))

    def to_json(self) -> dict[str, Any]:
        """The bill as plain values, in joules and seconds."""
        return {
            "macro": self.macro.name,
            "parameters": self.macro.digest,
            "joules_per_read": self.per_read_j,
            "joules_per_read_interval": list(self.interval),
            "seconds_per_read": self.seconds,
            "layers": [
                {
                    "layer": one.layer,
                    "operations": one.operations,
                    "share_of_array_used": one.used,
                    "joules": one.joules,
                    "conditions": dict(one.point.conditions),
                }
                for one in self.layers
            ],
            "in_float": list(self.in_float),
            "flags": list(self.flags),
        }

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def bill_on_macro(
    program: Program, macro: Macro, x: np.ndarray | None = None, **conditions: float
) -> MacroBill:
    """What a read of a program takes on a macro, at these conditions.

    Bits of inputs and weights are each layer's own, where the macro has them as conditions, and
    outputs are converted to the layer's bits likewise. x: stimuli of a converted network whose
    positions depend on their size. Raises SettingError for what is no program and no macro, and for
    conditions that the macro does not have.

    >>> from stochsim.accounting import bill_on_macro
    >>> from stochsim.program import random_program
    >>> from stochsim.silicon import load_macro
    >>> program, _ = random_program((64, 16), (8, 8, 8), sigma=0.5)
    >>> bill = bill_on_macro(program, load_macro("wang"))
    >>> f"{bill.layers[0].operations:g} operation, {bill.per_read_j * 1e12:.0f} pJ per read"
    '1 operation, 110 pJ per read'
    """
    check_kind("program", program, Program, "should be a Program")
    check_kind("macro", macro, Macro, "should be a Macro, as load_macro gives one")
    workload = program.wiring.workload(program.shapes, Noise(), 1, None, x)
    layers = tuple(_layer(macro, use, conditions) for use in workload.uses)
    return MacroBill(macro, layers, (*workload.floats, *workload.unpriced))


def _layer(macro: Macro, use: LayerUse, conditions: dict[str, float]) -> MacroLayer:
    shape = use.shape
    own = {
        "input_bits": shape.input_bits,
        "weight_bits": shape.weight_bits,
        "output_bits": shape.output_bits,
    }
    own = {name: bits for name, bits in own.items() if name in macro.conditions}
    point = macro.at(**{**own, **conditions})
    tiles = math.ceil(shape.inputs / point.inputs) * math.ceil(shape.neurons / point.outputs)
    operations = use.products * tiles
    used = use.multiply_adds / (operations * point.macs) if operations else 0.0
    return MacroLayer(use.layer, operations, used, point)


def _lines(bill: MacroBill) -> Iterator[str]:
    low, high = (format_energy(end) for end in bill.interval)
    yield (
        f"{bill.macro.name}: {format_energy(bill.per_read_j)} per read [{low}, {high}], "
        f"{bill.seconds:.3g} s"
    )
    yield ""
    rows = [["layer", "operations", "of the array used", "each", "together", "fJ per used MAC"]]
    for one in bill.layers:
        per_mac = one.point.all_j / one.point.macs / one.used * 1e15 if one.used else math.nan
        rows.append(
            [
                one.layer,
                number_text(one.operations),
                f"{one.used:.0%}",
                format_energy(one.point.all_j),
                format_energy(one.joules),
                f"{per_mac:.3g}",
            ]
        )
    yield from columns(rows)
    yield ""
    yield f"interval: {bill.basis}"
    if bill.in_float:
        yield f"computed in float, not billed: {', '.join(bill.in_float)}"
    outside = [name for name, where in bill.macro.system.items() if where != "in"]
    said = ", ".join(outside) or "the file does not say what"
    yield f"not in it, or not known to be: {said}"
    for flag in bill.flags:
        yield from textwrap.wrap(f"warning: {flag}", 110, subsequent_indent="  ")
