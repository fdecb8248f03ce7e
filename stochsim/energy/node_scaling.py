"""Prices at another node and voltage: E_Y/E_X = (a_Y V_Y² + b_Y V_Y + c_Y)/(a_X V_X² + b_X V_X +
c_X), Stillmaker and Baas 2017.

Between two nodes of the table log E is interpolated in log node, and the price is flagged; outside
of it no node is taken.
"""

import math
from dataclasses import replace
from importlib import resources
from typing import Self

from pydantic import model_validator

from stochsim.energy.pricing import Price
from stochsim.settings import (
    Positive,
    SettingError,
    Settings,
    check_kind,
    check_positive,
    read_toml,
)

_NODES = resources.files("stochsim.energy") / "nodes.toml"


class Polynomial(Settings):
    """Energy of one node against its supply voltage, in arbitrary units: a V² + b V + c, right of
    the parabola's vertex.
    """

    a: Positive
    b: float
    c: float

    @property
    def least_voltage_v(self) -> float:
        """The vertex: below it the parabola would rise as the voltage falls."""
        return -self.b / (2 * self.a)

    def energy(self, voltage_v: float) -> float:
        """The polynomial's value."""
        return (self.a * voltage_v + self.b) * voltage_v + self.c


class _NodeFile(Settings):
    source: str
    tag: str
    nodes: dict[str, Polynomial]


def _read() -> _NodeFile:
    with resources.as_file(_NODES) as path:
        table = read_toml(path)
        return _NodeFile.from_table(
            {**table, "nodes": {name: Polynomial(**each) for name, each in table["nodes"].items()}},
            str(path),
        )


_FILE = _read()
NODES: dict[float, Polynomial] = {
    float(name): polynomial for name, polynomial in _FILE.nodes.items()
}
"""The polynomials, keyed by node in nm."""


class Scaling(Settings):
    """The node (nm) and the supply voltage (V) that digital logic and SRAM are scaled to.

    A node between two of the table is interpolated and flagged. Raises SettingError for a node
    outside of the table, with the nearest in it, and for a voltage below a polynomial's vertex.

    >>> from stochsim.energy import Scaling, energy_ratio
    >>> f"{energy_ratio(Scaling(node_nm=22, voltage_v=0.8), 45, 0.9):.4g}"
    '0.2265'
    """

    node_nm: Positive
    voltage_v: Positive

    @model_validator(mode="after")
    def _within_the_polynomials(self) -> Self:
        nodes = nodes_around(self.node_nm)
        turning = max(nodes, key=lambda node: NODES[node].least_voltage_v)
        least_v = NODES[turning].least_voltage_v
        if self.voltage_v <= least_v:
            rule = f"should be above {least_v:.3g} V, where the polynomial of {turning:g} nm turns"
            raise SettingError.of("voltage_v", self.voltage_v, rule, also=("node_nm",))
        return self

    @property
    def words(self) -> str:
        """The target, as formulas and notes name it."""
        return f"{self.node_nm:g} nm, {self.voltage_v:g} V"


_SCALING_RULE = "should be a Scaling(node_nm=…, voltage_v=…)"


def nodes_around(node_nm: float) -> tuple[float, ...]:
    """The node itself where the table has it, else the two that it lies between, the larger first;
    raises SettingError outside of the table.
    """
    if node_nm in NODES:
        return (node_nm,)
    low, high = min(NODES), max(NODES)
    if not low < node_nm < high:
        near = low if node_nm < low else high
        rule = f"the polynomials are of {low:g} to {high:g} nm; nearest valid: {near:g}"
        raise SettingError.of("node_nm", node_nm, rule)
    above = min(node for node in NODES if node > node_nm)
    below = max(node for node in NODES if node < node_nm)
    return (above, below)


def energy_at(node_nm: float, voltage_v: float) -> float:
    """The polynomial of a node at this voltage; between two nodes of the table log E is
    interpolated in log node.
    """
    nodes = nodes_around(node_nm)
    if len(nodes) == 1:
        return NODES[node_nm].energy(voltage_v)
    above, below = nodes
    share = math.log(node_nm / below) / math.log(above / below)
    logs = [math.log(NODES[node].energy(voltage_v)) for node in nodes]
    return math.exp(share * logs[0] + (1 - share) * logs[1])


def energy_ratio(scaling: Scaling, node_nm: float, voltage_v: float) -> float:
    """Energy at the target of `scaling` over that at this node and voltage; raises SettingError for
    a node outside of the table.
    """
    check_kind("scaling", scaling, Scaling, _SCALING_RULE)
    node_nm = check_positive("node_nm", node_nm)
    voltage_v = check_positive("voltage_v", voltage_v)
    return energy_at(scaling.node_nm, scaling.voltage_v) / energy_at(node_nm, voltage_v)


def scaled(price: Price, scaling: Scaling) -> Price:
    """The price at the node and voltage of `scaling`; as it is, with a note, where by its nature it
    does not scale.

    Flags say where a node is interpolated. Raises SettingError for a figure that does not go
    together with scaled ones, and for one of a node or a voltage that the polynomials do not have.
    """
    check_kind("price", price, Price, "should be a Price, as price(…) gives one")
    check_kind("scaling", scaling, Scaling, _SCALING_RULE)
    if price.scaling == "refused":
        why = _why_refused(price)
        raise SettingError.of("", price.name, f"{why}: choose another, or leave out 'scaling'")
    if price.scaling == "none":
        note = f"not scaled to {scaling.words}" if price.node_nm else ""
        return replace(price, note="; ".join(filter(None, (price.note, note))))
    assert price.node_nm is not None
    assert price.voltage_v is not None
    _check_start(price.name, price.node_nm, price.voltage_v)
    ratio = energy_ratio(scaling, price.node_nm, price.voltage_v)
    words = f"E({scaling.words})/E({price.node_nm:g} nm, {price.voltage_v:g} V) = {ratio:.4g}"
    note = f"scaled by the polynomials of {_FILE.source} [{_FILE.tag}]"
    found = price.times(ratio, words, tag="calc" if price.tag == "src" else "")
    return replace(
        found,
        note="; ".join(filter(None, (price.note, note))),
        node_nm=scaling.node_nm,
        voltage_v=scaling.voltage_v,
        doubts=(*price.doubts, *_interpolated(price.name, price.node_nm, scaling.node_nm)),
    )


def _check_start(name: str, node_nm: float, voltage_v: float) -> None:
    try:
        Scaling(node_nm=node_nm, voltage_v=voltage_v)
    except SettingError as error:
        raise SettingError.of("", name, f"its figure has {error.faults[0].text}") from None


def _interpolated(name: str, *nodes_nm: float) -> list[str]:
    """Flags of a price for each node that lies between two of the table."""
    between = {node: nodes_around(node) for node in nodes_nm}
    return [
        f"{name}: {node:g} nm is interpolated between {around[0]:g} and {around[1]:g} nm"
        for node, around in between.items()
        if len(around) == 2
    ]


def _why_refused(price: Price) -> str:
    if price.node_nm is None or price.node_nm in NODES:
        return "is of a table that disagrees with scaled figures by a factor of about five"
    if price.has_voltage:
        return f"is of {price.node_nm:g} nm, by a formula with V, which no polynomial scales"
    return f"is of {price.node_nm:g} nm, without a supply voltage that a polynomial could start at"
