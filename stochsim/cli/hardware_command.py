"""`stochsim hardware list` and `stochsim hardware show`."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stochsim.hardware import Hardware


def add_to(commands: Any) -> None:
    """Add the commands to the parser's."""
    hardware = commands.add_parser(
        "hardware", help="show the chips that come with stochsim", description=_show.__doc__
    )
    actions = hardware.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser("list", help="names and what they describe").set_defaults(command=_list)
    show = actions.add_parser(
        "show",
        help="a chip's origin and settings, and every price with formula, unit, source and how "
        "verified",
    )
    show.add_argument("name", help="a preset's name, or a chip's TOML file")
    show.set_defaults(command=_show)


def hardware_of(name: str) -> "Hardware":
    """The chip that `--hardware` names: a preset, or a TOML file; raises SettingError for neither,
    which says what a path is.
    """
    from stochsim.hardware import Hardware, chip_path

    return Hardware.read(chip_path(name, "--hardware"))


def _list(args: argparse.Namespace) -> None:
    """Name the chips that come with stochsim."""
    from stochsim.hardware import preset, presets
    from stochsim.settings import columns

    rows = [(name, preset(name).description) for name in presets()]
    print("\n".join(columns(rows, left=None)))


def _show(args: argparse.Namespace) -> None:
    """Show a chip: what it inherits from, its settings, and every price with formula, unit,
    source and how verified.
    """
    from stochsim.hardware import (
        Hardware,
        chip_files,
        chip_path,
        describe,
        hardware_table,
        own_settings,
    )

    path = chip_path(args.name, "name")
    hardware = Hardware.read(path)
    chain = chip_files(path).chain
    print(describe(hardware))
    if len(chain) > 1:
        print(f"  {'inherits':32} {' -> '.join(chain)}")
    for source in hardware.sources:
        print(f"  {'source':32} {source}")
    for name, value in own_settings(hardware).items():
        print(f"  {name:32} {value}")
    for flag in hardware.flags:
        print(f"  {'warning':32} {flag}")
    for row in hardware_table(hardware):
        print()
        for name, value in row.items():
            if value:
                print(f"  {name:10} {value}")
