"""`stochsim energy list` and `show`; in bill_command.py `bill`, in silicon_command.py `silicon`."""

import argparse
from typing import TYPE_CHECKING, Any

from stochsim.cli import bill_command as energy_bill
from stochsim.cli import silicon_command
from stochsim.cli.assignments import assignment, each_once

if TYPE_CHECKING:
    from stochsim.energy import Price

_EXAMPLES = """\
examples:
  stochsim energy list --kind adc          every ADC model with its formula and unit
  stochsim energy show adc-accelergy       one price: values, validity, source, how verified
  stochsim energy show adc-accelergy --set frequency_hz=1e8    with a parameter of your own

A chip names its prices in [prices] (adc = "adc-accelergy"), their parameters in
[prices.parameters.adc], another node in [prices.scaling]. A price tagged unv is unsourced: it is
used only where it is named, and flagged wherever it is.
"""


def add_to(commands: Any) -> None:
    """Add the commands to the parser's."""
    energy = commands.add_parser(
        "energy",
        help="the price book: every price with formula, unit and source; and the bill of a network",
        description="The price book and the bill: what an operation costs, where that figure is "
        "from, and what a network costs on a chip.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = energy.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list", help="every price, and every figure that prices nothing", description=_list.__doc__
    )
    listing.add_argument(
        "--kind",
        metavar="KIND",
        help="only prices of this kind: adc, dac, multiply, add, memory, cell, …",
    )
    listing.set_defaults(command=_list)
    show = actions.add_parser(
        "show", help="all about one price, with its values", description=_show.__doc__
    )
    show.add_argument("name", metavar="NAME", help="a price's name, or a fact's")
    show.add_argument(
        "--set",
        action="append",
        type=assignment("frequency_hz=1e8"),
        default=[],
        metavar="PARAMETER=VALUE",
        help="may be given several times",
    )
    show.set_defaults(command=_show)
    energy_bill.add_to(actions)
    silicon_command.add_to(actions)


def _list(args: argparse.Namespace) -> None:
    """List the prices: name, kind, how verified, node, unit and formula; then figures that price
    nothing.
    """
    from stochsim.energy import FACTS, PRICES, fact_lines, list_lines

    prices = sorted(PRICES.values(), key=lambda price: (price.kind, price.name))
    print(*list_lines(prices if args.kind is None else _of_kind(prices, args.kind)), sep="\n")
    if args.kind is None:
        print("", *fact_lines(FACTS.values()), sep="\n")


def _of_kind(prices: list["Price"], kind: str) -> list["Price"]:
    from stochsim.energy import part_kind
    from stochsim.settings import SettingError

    found = [price for price in prices if price.kind == part_kind(kind)]
    if not found:
        kinds = dict.fromkeys(price.kind for price in prices)
        raise SettingError.of("--kind", kind, "no price is of this kind", kinds)
    return found


def _show(args: argparse.Namespace) -> None:
    """Show a price: formula, unit, node, parameters, validity, source, how verified, its values,
    and the flags that it raises.
    """
    from stochsim.energy import FACTS, PRICES, fact_text, price, price_lines
    from stochsim.settings import SettingError

    if args.name in FACTS:
        if args.set:
            rule = f"'{args.name}' is a fact, not a price, and has no parameters"
            raise SettingError.of("--set", dict(args.set), rule)
        print(*fact_text(FACTS[args.name]), sep="\n")
    elif args.name in PRICES:
        print(
            *price_lines(price(args.name).with_parameters(**each_once("--set", args.set))), sep="\n"
        )
    else:
        names = (*PRICES, *FACTS)
        raise SettingError.of("price", args.name, "no price or fact of this name", names)
