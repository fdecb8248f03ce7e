"""The price book as text: one line per price for a list, everything about one of them with a small
table of its values.
"""

import math
from collections.abc import Iterable, Iterator

from stochsim.energy.entries import Fact
from stochsim.energy.joules import format_energy
from stochsim.energy.pricing import ARGUMENTS, DEFAULT_VOLTAGE_V, TAGS, Price
from stochsim.settings import check_kind, check_positive, columns

_WIDTHS = {1, 2, 4, 6, 8, 10, 12, 16}
_SHOWN: dict[str, set[int]] = {
    "multiply": {1, 2, 4, 8, 16, 32},
    "add": {4, 8, 16, 24, 32, 48},
    "memory": {2**power for power in range(10, 31, 4)},
    "float_multiply": {16, 32},
    "float_add": {16, 32},
}
"""The arguments that a table of values shows, by kind of price (of others: _WIDTHS); a multiply's
two widths are equal.
"""

_SCALING = {
    "polynomials": "to other nodes by prices.scaling",
    "none": "not scaled to other nodes",
    "refused": "refused beside prices.scaling",
}


def list_lines(prices: Iterable[Price]) -> list[str]:
    """One aligned line per price: name, kind, tag, node, unit, formula."""
    rows = [("price", "kind", "tag", "node", "unit", "formula")]
    rows += [
        (price.name, price.kind, price.tag, _node(price), price.unit, _formula(price))
        for price in prices
    ]
    return list(columns(rows, left=None))


def fact_lines(facts: Iterable[Fact]) -> list[str]:
    """One aligned line per fact: name, tag, figure, what it is a figure of, source."""
    rows = [("fact", "tag", "figure", "what", "source")]
    rows += [(fact.name, fact.tag, fact.figure, fact.what, fact.source) for fact in facts]
    return list(columns(rows, left=None))


def price_lines(price: Price, voltage_v: float = DEFAULT_VOLTAGE_V) -> list[str]:
    """All about one price, its values over its valid range, and the flags that it raises, inside
    and outside.
    """
    check_kind("price", price, Price, "should be a Price, as price(…) gives one")
    voltage_v = check_positive("voltage_v", voltage_v)
    facts = {
        "kind": f"{price.kind} ({', '.join(ARGUMENTS[price.kind]) or 'no argument'})",
        "formula": _formula(price),
        "unit": price.unit,
        "node": _node(price),
        "voltage": _voltage(price, voltage_v),
        "parameters": ", ".join(
            [f"{name} = {value:g}" for name, value in price.parameters.items()]
            + [f"{name}: needs a value" for name in price.required]
        ),
        "valid": "; ".join(_range(name, *bounds) for name, bounds in price.valid.items()),
        "scaling": _SCALING[price.scaling],
        "source": price.source,
        "tag": f"{price.tag}: {TAGS[price.tag]}",
        "note": price.note,
    }
    lines = [price.name, *(f"  {name:10} {text}" for name, text in facts.items() if text)]
    return (
        lines
        if price.required
        else [*lines, "", *_value_lines(price, voltage_v), *_flag_lines(price)]
    )


def fact_text(fact: Fact) -> list[str]:
    """All about one fact."""
    rows = {
        "what": fact.what,
        "figure": fact.figure,
        "source": fact.source,
        "tag": f"{fact.tag}: {TAGS[fact.tag]}",
        "note": fact.note,
    }
    return [fact.name, *(f"  {name:10} {text}" for name, text in rows.items() if text)]


def _value_lines(price: Price, voltage_v: float) -> list[str]:
    names = ARGUMENTS[price.kind]
    rows = [(" = ".join(names) or "each", "energy")]
    rows += [
        (_argument(args), format_energy(price.energy_j(args, voltage_v))) for args in _inside(price)
    ]
    return [f"  {line}" for line in columns(rows, left=None)]


def _inside(price: Price) -> Iterator[tuple[float, ...]]:
    """Equal arguments within the valid range, its finite bounds among them."""
    names = ARGUMENTS[price.kind]
    if not names:
        yield ()
        return
    low, high = price.valid.get(names[0], (-math.inf, math.inf))
    bounds = {int(bound) for bound in (low, high) if math.isfinite(bound)}
    for value in sorted(
        bounds | {value for value in _SHOWN.get(price.kind, _WIDTHS) if low <= value <= high}
    ):
        yield (value,) * len(names)


def _voltage(price: Price, voltage_v: float) -> str:
    """The voltage of the figure itself, or that at which a formula with V in it is shown."""
    if price.voltage_v:
        return f"{price.voltage_v:g} V"
    return f"V = {voltage_v:g}" if price.has_voltage else ""


def _argument(args: tuple[float, ...]) -> str:
    if not args:
        return ""
    return f"{args[0]:g}" if args[0] < 1e6 else f"2^{math.log2(args[0]):g}"


def _flag_lines(price: Price) -> list[str]:
    """The flags inside the range, and what each argument or parameter would raise on either side of
    it.
    """
    args = next(_inside(price))
    found = list(price.flags(args))
    for name, bounds in price.valid.items():
        for value in (bounds[0] / 2, bounds[1] * 2):
            if not math.isfinite(value):
                continue
            if name in price.parameters:
                found += price.with_parameters(**{name: value}).flags(args)
            else:
                found += price.flags(
                    tuple(
                        value if each == name else arg
                        for each, arg in zip(ARGUMENTS[price.kind], args, strict=True)
                    )
                )
    return ["", "  flags", *(f"    {flag}" for flag in dict.fromkeys(found))] if found else []


def _formula(price: Price) -> str:
    if price.formula == "table":
        return price.definitions
    return ", ".join(filter(None, (price.formula, price.definitions)))


def _node(price: Price) -> str:
    return f"{price.node_nm:g} nm" if price.node_nm else ""


def _range(name: str, low: float, high: float) -> str:
    ends = [
        f"from {low:.10g}" if math.isfinite(low) else "",
        f"to {high:.10g}" if math.isfinite(high) else "",
    ]
    return f"{name} {' '.join(filter(None, ends))}"
