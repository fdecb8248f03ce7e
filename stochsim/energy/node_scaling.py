"""Prices at another node and voltage: E_Y/E_X = (a_Y V_Y² + b_Y V_Y + c_Y)/(a_X V_X² + b_X V_X +
c_X), Stillmaker and Baas 2017.
"""

from dataclasses import replace
from importlib import resources
from typing import Self

from pydantic import model_validator

from stochsim.energy.pricing import Price
from stochsim.settings import Positive, SettingError, Settings, read_toml

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

    Raises SettingError for a node without a polynomial, with the nearest that has one, and for a
    voltage below the polynomial's vertex.
    """

    node_nm: Positive
    voltage_v: Positive

    @model_validator(mode="after")
    def _within_the_polynomials(self) -> Self:
        if self.node_nm not in NODES:
            near = min(NODES, key=lambda node: abs(node - self.node_nm))
            listed = [f"{node:g}" for node in NODES]
            rule = f"no polynomial of that node; nearest valid: {near:g}"
            raise SettingError.of("node_nm", self.node_nm, rule, listed)
        least_v = NODES[self.node_nm].least_voltage_v
        if self.voltage_v <= least_v:
            rule = (
                f"should be above {least_v:.3g} V, where the polynomial of {self.node_nm:g} nm "
                f"turns"
            )
            raise SettingError.of("voltage_v", self.voltage_v, rule, also=("node_nm",))
        return self

    @property
    def words(self) -> str:
        """The target, as formulas and notes name it."""
        return f"{self.node_nm:g} nm, {self.voltage_v:g} V"


def energy_ratio(scaling: Scaling, node_nm: float, voltage_v: float) -> float:
    """Energy at the target of `scaling` over that at this node and voltage."""
    return NODES[scaling.node_nm].energy(scaling.voltage_v) / NODES[node_nm].energy(voltage_v)


def scaled(price: Price, scaling: Scaling) -> Price:
    """The price at the node and voltage of `scaling`; as it is, with a note, where by its nature it
    does not scale.

    Raises SettingError for a figure that does not go together with scaled ones.
    """
    if price.scaling == "refused":
        why = _why_refused(price)
        raise SettingError.of("", price.name, f"{why}: choose another, or leave out 'scaling'")
    if price.scaling == "none":
        note = f"not scaled to {scaling.words}" if price.node_nm else ""
        return replace(price, note="; ".join(filter(None, (price.note, note))))
    assert price.node_nm is not None
    assert price.voltage_v is not None
    ratio = energy_ratio(scaling, price.node_nm, price.voltage_v)
    words = f"E({scaling.words})/E({price.node_nm:g} nm, {price.voltage_v:g} V) = {ratio:.4g}"
    note = f"scaled by the polynomials of {_FILE.source} [{_FILE.tag}]"
    found = price.times(ratio, words, tag="calc" if price.tag == "src" else "")
    return replace(found, note="; ".join(filter(None, (price.note, note))))


def _why_refused(price: Price) -> str:
    if price.node_nm is None or price.node_nm in NODES:
        return "is of a table that disagrees with scaled figures by a factor of about five"
    return f"is of {price.node_nm:g} nm, a node without a polynomial, so it cannot be scaled"
