"""Energy: operations are counted, then priced; every price names its formula, unit, source and how
that was verified.
"""

from stochsim.energy.bill import PART_OF_KIND, PARTS, Energy, format_energy, price_operations
from stochsim.energy.entries import THERMAL_J, Entry, Fact
from stochsim.energy.operations import KINDS, Operation, Operations
from stochsim.energy.prices import CONVERTER_MODELS, FACTS, LANDAUER_J, PRICES, price
from stochsim.energy.pricing import ARGUMENTS, DEFAULT_VOLTAGE_V, TAGS, Citation, Price, part_kind
from stochsim.energy.reliability import ReliabilityLaw, reliability_law, reliability_price_to_cost
from stochsim.energy.scaling import NODES, Scaling, energy_ratio, scaled

__all__ = [
    "ARGUMENTS",
    "CONVERTER_MODELS",
    "DEFAULT_VOLTAGE_V",
    "FACTS",
    "KINDS",
    "LANDAUER_J",
    "NODES",
    "PARTS",
    "PART_OF_KIND",
    "PRICES",
    "TAGS",
    "THERMAL_J",
    "Citation",
    "Energy",
    "Entry",
    "Fact",
    "Operation",
    "Operations",
    "Price",
    "ReliabilityLaw",
    "Scaling",
    "energy_ratio",
    "format_energy",
    "part_kind",
    "price",
    "price_operations",
    "reliability_law",
    "reliability_price_to_cost",
    "scaled",
]
