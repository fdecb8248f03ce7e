"""Energy: operations are counted, then priced; every price names its formula, unit, source and how that was verified."""

from stochsim.energy.bill import PART_OF_KIND, PARTS, Energy, format_energy, price_operations
from stochsim.energy.operations import KINDS, Operation, Operations
from stochsim.energy.prices import LANDAUER_J, PRICES, THERMAL_J, part_kind, price
from stochsim.energy.pricing import DEFAULT_VOLTAGE_V, TAGS, Citation, Price
from stochsim.energy.reliability import ReliabilityLaw, reliability_law, reliability_price_to_cost

__all__ = [
    "DEFAULT_VOLTAGE_V",
    "KINDS",
    "LANDAUER_J",
    "PARTS",
    "PART_OF_KIND",
    "PRICES",
    "TAGS",
    "THERMAL_J",
    "Citation",
    "Energy",
    "Operation",
    "Operations",
    "Price",
    "ReliabilityLaw",
    "format_energy",
    "part_kind",
    "price",
    "price_operations",
    "reliability_law",
    "reliability_price_to_cost",
]
