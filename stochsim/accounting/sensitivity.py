"""Which price moves a bill most, and what the bill becomes under other prices: all by pricing the
same operations again, so exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from stochsim.accounting.bill import Bill, finite, share
from stochsim.energy import (
    ADC_MODELS,
    KINDS,
    PRICES,
    Energy,
    Price,
    format_energy,
    part_kind,
    price,
    price_operations,
)
from stochsim.settings import SettingError, check_kind, columns

_BILL_RULE = "should be a Bill, as `chip.bill` gives one"


class PriceShare(NamedTuple):
    """A price of a bill: the kinds of operation that it prices, how verified, its joules per read
    and their share of the total.

    The bill is linear in each price, so the share is its elasticity: 10 % more of the price is 10 %
    × share more of the total.
    """

    price: str
    kinds: tuple[str, ...]
    tag: str
    joules: float
    share: float


class Alternative(NamedTuple):
    """The bill with one other price for a kind of operation: joules per read, and that over the
    bill's own total.
    """

    kind: str
    price: str
    tag: str
    per_read_j: float
    ratio: float


def price_shares(bill: Bill) -> list[PriceShare]:
    """Every price of the bill, the largest share first; shares add up to 1."""
    check_kind("bill", bill, Bill, _BILL_RULE)
    kinds: dict[str, dict[str, list[float]]] = {}
    for row in bill.operation_table():
        kinds.setdefault(row["price"], {}).setdefault(row["operation"], []).append(row["joules"])
    tags = {one.name: one.tag for one in bill.prices}
    joules = {name: sum(sum(each) for each in found.values()) for name, found in kinds.items()}
    rows = [
        PriceShare(
            name, tuple(found), tags[name], joules[name], share(joules[name], bill.per_read_j)
        )
        for name, found in kinds.items()
    ]
    return sorted(rows, key=lambda row: (-row.joules, row.price))


def alternatives(bill: Bill) -> list[Alternative]:
    """The total under every other price of the same kind, for each kind of operation that the bill
    counts.

    Left out are unverified prices, and those that the chip refuses: they need a value that the book
    does not give, or do not go together with its others. "reliability" has no other price.
    """
    check_kind("bill", bill, Bill, _BILL_RULE)
    own = bill.hardware.price_table(bill.rho)
    rows = []
    for kind in dict.fromkeys(one.kind for one in bill.total_operations):
        if KINDS[kind].by_law:
            continue
        for other in PRICES.values():
            if (
                other.kind == part_kind(kind)
                and other.name != own[kind].name
                and other.tag != "unv"
            ):
                rows += _alternative(bill, kind, other.name)
    return rows


def _alternative(bill: Bill, kind: str, name: str) -> list[Alternative]:
    try:
        hardware = bill.hardware.with_price(kind, name)
    except SettingError:
        return []
    chosen = hardware.price_table(bill.rho)[kind]
    per_read_j = bill.with_hardware(hardware).per_read_j
    return (
        [Alternative(kind, name, chosen.tag, per_read_j, _ratio(per_read_j, bill.per_read_j))]
        if chosen.name == name
        else []
    )


def _ratio(joules: float, own_j: float) -> float:
    return joules / own_j if own_j > 0 else float("nan")  # of two infinite ones it is no number


class AdcModel(NamedTuple):
    """The bill under one model of the ADCs: joules per read by part, the share of converters,
    the total over the bill's.
    """

    model: str
    price: str
    tag: str
    energy: Energy
    converter_share: float
    ratio: float

    @property
    def order(self) -> tuple[str, ...]:
        """The parts that cost anything, the most expensive first."""
        parts = self.energy.parts
        return tuple(
            sorted((part for part in parts if parts[part] > 0), key=lambda part: -parts[part])
        )


@dataclass(frozen=True)
class AdcComparison:
    """A bill under each of ADC_MODELS, and `own`, under the price that the chip names.

    models: empty for a chip without ADCs.
    """

    own: AdcModel
    models: tuple[AdcModel, ...]

    @property
    def words(self) -> str:
        """What the choice of model does to the order of the bill's parts, in a sentence."""
        if not self.models:
            return f"No ADCs: {self.own.price} prices them, so no ADC model enters."
        moved = [one for one in self.models if one.order[:1] != self.own.order[:1]]
        if moved:
            under = ", ".join(f"{one.price} {_most_expensive(one)}" for one in moved)
            return (
                f"The ADC model decides which part is the most expensive: under "
                f"{self.own.price} "
                f"{_most_expensive(self.own)}, under {under}."
            )
        changed = [one for one in self.models if one.order != self.own.order]
        if changed:
            under = "; ".join(f"under {one.price} {' > '.join(one.order)}" for one in changed)
            return (
                f"The most expensive part is the same under every ADC model, "
                f"{_most_expensive(self.own)}, but the order of parts changes: {under}."
            )
        order = " > ".join(self.own.order) or "none costs anything"
        return f"The order of parts is the same under every ADC model: {order}."

    def __str__(self) -> str:
        rows = [["ADC model", "tag", "per read", "converters", "over the bill"]]
        for one in self.models:
            total = format_energy(one.energy.per_read_j)
            rows.append(
                [
                    one.price,
                    f"[{one.tag}]",
                    total,
                    f"{one.converter_share:.1%}",
                    f"×{one.ratio:.4g}",
                ]
            )
        return "\n".join([*(columns(rows, left=2) if self.models else ()), self.words])


def compare_adc_models(bill: Bill) -> AdcComparison:
    """The bill under each model of ADC_MODELS, unverified ones among them: they are named
    here.

    >>> import stochsim as ss
    >>> from stochsim.program import random_program
    >>> from stochsim.accounting import compare_adc_models
    >>> program, x = random_program((6, 3), (4, 4, 4), sigma=0.5)
    >>> chip = ss.Chip(program, ss.load_hardware("sram-array-28nm", bits=4))
    >>> print(str(compare_adc_models(chip.bill(x["layer 1"]))).splitlines()[0])
    ADC model        tag    per read  converters  over the bill
    """
    check_kind("bill", bill, Bill, _BILL_RULE)
    own = bill.hardware.price_table(bill.rho)["adc"]
    names = {} if own.name == "adc-none" else ADC_MODELS
    models = (
        _under(bill, model, own if name == own.name else price(name))
        for model, name in names.items()
    )
    return AdcComparison(_under(bill, "own", own), tuple(models))


def _under(bill: Bill, model: str, adc: Price) -> AdcModel:
    prices = {**bill.hardware.price_table(bill.rho), "adc": adc}
    voltage_v = bill.hardware.prices.voltage_v
    whole = price_operations(bill.total_operations, prices, voltage_v)
    energy = whole.divided(bill.draws, "read")
    shared = share(energy.converter_j, energy.per_read_j)
    return AdcModel(
        model,
        adc.name,
        adc.tag,
        energy,
        shared,
        _ratio(energy.per_read_j, bill.per_read_j),
    )


def _most_expensive(one: AdcModel) -> str:
    """The most expensive part with its share, "converter (60%)"."""
    return (
        f"{one.order[0]} ({share(one.energy.parts[one.order[0]], one.energy.per_read_j):.0%})"
        if one.order
        else "nothing"
    )


def sensitivity_text(bill: Bill) -> str:
    """Prices by what 10 % more of them adds to the total, and the total under other prices."""
    check_kind("bill", bill, Bill, _BILL_RULE)
    return "\n\n".join(
        "\n".join(lines)
        for lines in (list(_share_lines(bill)), list(_alternative_lines(bill)))
        if lines
    )


def sensitivity_json(bill: Bill) -> dict[str, Any]:
    """What `sensitivity_text` says, and the bill under each ADC model, as plain values;
    None for what is infinite.
    """
    found = compare_adc_models(bill)
    models = [
        {
            "model": one.model,
            "price": one.price,
            "tag": one.tag,
            "joules_per_read": one.energy.per_read_j,
            "converter_share": one.converter_share,
        }
        | {"ratio": one.ratio, "joules_by_part": one.energy.parts}
        for one in found.models
    ]
    whole = {
        "prices": [row._asdict() | {"kinds": list(row.kinds)} for row in price_shares(bill)],
        "alternatives": [row._asdict() for row in alternatives(bill)],
        "adc_models": models,
        "words": found.words,
    }
    return {name: finite(value) for name, value in whole.items()}


def _share_lines(bill: Bill) -> Iterator[str]:
    ranges = {one.price: one for one in bill.interval.by_price}
    head = ["price", "of", "share", "+10 % of it moves the total by"]
    rows = [[*head, "its range moves it by", "range from"]]
    for row in price_shares(bill):
        if row.joules > 0:
            one = ranges[row.price]
            ends = [(end - one.joules) / bill.per_read_j for end in (one.low, one.high)]
            moved = f"{_percent(ends[0])} to {_percent(ends[1])}" if one.swing > 0 else "-"
            shares = [f"{row.share:.1%}", f"{row.share / 10:+.2%}"]
            rows.append([row.price, ", ".join(row.kinds), *shares, moved, one.basis])
    return columns(rows, left=2)


def _percent(share: float) -> str:
    return "0%" if abs(share) < 0.005 else f"{share:+.0%}"


def _alternative_lines(bill: Bill) -> Iterator[str]:
    rows = [["operation", "in place of", "price", "tag", "per read", "over the bill"]]
    own = bill.hardware.price_table(bill.rho)
    for row in alternatives(bill):
        rows.append(
            [
                row.kind,
                own[row.kind].name,
                row.price,
                f"[{row.tag}]",
                format_energy(row.per_read_j),
                f"×{row.ratio:.4g}",
            ]
        )
    return columns(rows, left=4) if len(rows) > 1 else iter(())
