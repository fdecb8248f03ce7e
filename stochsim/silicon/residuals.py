"""What the published figures said of modelled joules, kept as a table: these do not come with
stochsim.
"""

import functools
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from stochsim.energy import PRICES, Price
from stochsim.settings import check_choice, check_kind, read_toml
from stochsim.silicon.macro import MACRO_RULE, Macro
from stochsim.silicon.scoreboard import Score
from stochsim.silicon.spread import Spread, spread_between

MACHINE = "machine"
FEW = 5
"""Energies that say too little of how far a model may be off."""
_FILE = resources.files("stochsim.silicon") / "residuals.toml"


class Converter(NamedTuple):
    """A converter that was measured in a macro: the part, the parameter that is the number of
    conversions of one operation and pass, and bits.
    """

    part: str
    conversions: str
    bits: int


_CONVERTERS = {
    "jia": Converter("converter", "columns", 8),
    "wang": Converter("converter out (ADC)", "output_lines", 8),
}
"""Converters whose joules were published apart; NeuRRAM's are those of its own price."""


@functools.cache
def _recorded() -> dict[str, Any]:
    with resources.as_file(_FILE) as path:
        return read_toml(path)


def recorded_spread(kind: str) -> Spread:
    """The spread of modelled joules between machines that were measured: "machine", of whole macros
    with their fitted parameters at their prior.

    >>> from stochsim.silicon import recorded_spread
    >>> sorted(recorded_spread("machine").by_macro)
    ['colonnade', 'jia', 'neurram', 'sinangil', 'wang']
    """
    return spread_between(_recorded()[check_choice("kind", kind, (MACHINE,))])


def largest_error(macro: Macro) -> float | None:
    """The largest |log(modelled / measured)| of a macro's energies that count, of the five macros
    together where it has fewer than FEW; None of a macro that is not, number for number, one of
    those that come with stochsim.

    >>> from stochsim.silicon import largest_error, load_macro
    >>> macro = load_macro("neurram")
    >>> largest_error(macro) < 0.1, largest_error(macro.with_values({"rows": 128}))
    (True, None)
    """
    check_kind("macro", macro, Macro, MACRO_RULE)
    found: dict[str, dict[str, Any]] = _recorded()["largest"]
    own = found.get(macro.name)
    if own is None or macro.digest != own["digest"]:
        return None
    if own["energies"] < FEW:
        return float(max(one["log_ratio"] for one in found.values()))
    return float(own["log_ratio"])


def confronted_prices() -> Mapping[str, Mapping[str, float]]:
    """Measured over priced joules by macro, of every price that was held against a chip.

    >>> from stochsim.silicon import confronted_prices
    >>> confronted_prices()["adc-zigzag-28nm"]["jia"] > 2
    True
    """
    found: Mapping[str, Mapping[str, float]] = _recorded()["prices"]
    return found


def confront_prices(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """The same, found anew from scored macros: converters of published energy against every price
    of the book for one, at the machine's bits and supply, and at its node where a price takes one.
    """
    found: dict[str, dict[str, float]] = {}
    for one in scores:
        converter = _CONVERTERS.get(one.macro.name)
        if converter is None:
            continue
        row = next(row for row in one.rows if row.row.part == converter.part)
        point = one.macro.at(**row.row.conditions)
        count = one.macro.parameters[converter.conversions].value
        measured_j = row.row.value * 1e-15 * point.macs / count
        for price in PRICES.values():
            if price.kind == "adc" and not price.required and price.tag not in ("unv", "floor"):
                joules = _at_node(price, one.macro.node_nm).energy_j(
                    (converter.bits,), point.conditions["voltage_v"]
                )
                if joules > 0:
                    found.setdefault(price.name, {})[one.macro.name] = measured_j / joules
    return found


def _at_node(price: Price, node_nm: float) -> Price:
    """The price with the machine's node where that is a parameter."""
    if "node_nm" not in price.parameters:
        return price
    return price.with_parameters(node_nm=node_nm)
