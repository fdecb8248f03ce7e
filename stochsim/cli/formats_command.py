"""`stochsim formats list` and `stochsim formats show`."""

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the commands to the parser's."""
    formats = commands.add_parser(
        "formats",
        help="show number formats: which values codes of few bits stand for",
        description="Number formats: integers, floating point, powers of two, companded, NF4.",
    )
    actions = formats.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser(
        "list", help="every format, its range, and where its values lie", description=_list.__doc__
    ).set_defaults(command=_list)
    show = actions.add_parser(
        "show", help="all values of one, and the edges between them", description=_show.__doc__
    )
    show.add_argument(
        "name",
        metavar="NAME",
        help="as `stochsim formats list` says it, or any fp<bits>-e<x>m<y> up to 8 bits",
    )
    show.set_defaults(command=_show)


def _list(args: argparse.Namespace) -> None:
    """List the formats: bits, values, smallest distance of two values, range, and a line on which
    values are marked, with 0 in the middle; then block formats, whose numbers share a scale.
    """
    from stochsim.formats import FORMATS, block_lines, code_book, list_lines

    print("\n".join([*list_lines(map(code_book, FORMATS)), "", *block_lines()]))


def _show(args: argparse.Namespace) -> None:
    """Show a format: its values, the edges between them, the unit that all values share, and the
    stored patterns that are NaN, infinite or -0; of a block format those of its numbers.
    """
    from stochsim.formats import BLOCK_FORMATS, element_and_blocks, format_lines

    book, size, scale = element_and_blocks(args.name)
    if size is not None:
        bits = f"{BLOCK_FORMATS[args.name].bits_per_number:g} bits per number"
        print(f"{args.name}: blocks of {size} numbers with a scale of the format {scale}, {bits}\n")
    print("\n".join(format_lines(book)))
