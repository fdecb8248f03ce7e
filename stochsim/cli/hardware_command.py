"""`stochsim hardware list` and `stochsim hardware show`."""

import argparse
from pathlib import Path
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
    """A preset by name, or a chip by its TOML file; raises SettingError for neither."""
    from stochsim.hardware import Hardware, preset

    return Hardware.read(Path(name)) if name.endswith(".toml") else preset(name)


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
    from stochsim.hardware import chip_files, describe, hardware_table, own_settings, preset_path

    hardware = hardware_of(args.name)
    chain = chip_files(
        Path(args.name) if args.name.endswith(".toml") else preset_path(args.name)
    ).chain
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
