"""The command line: sweep, report, hardware. Heavy imports wait until a command needs them."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stochsim import __version__
from stochsim.errors import StochsimError

_EXAMPLES = """\
examples:
  stochsim sweep examples/first_light.toml            run a study (or go on with it) into runs/first_light
  stochsim sweep study.toml --out runs/a --workers 1  into another folder, on one core
  stochsim report runs/first_light                    write report.html, results.csv and timing.csv again
  stochsim hardware list                              the chips that come with stochsim
  stochsim hardware show digital-45nm                 one of them: bits, noise, every price with its source

A sweep can be stopped at any moment (Ctrl-C, kill): the same command goes on where it stopped.
Exit codes: 0 done, 2 something in your input or on your disk needs mending, 130 stopped by Ctrl-C, 141 output closed.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the `stochsim` command."""
    parser = argparse.ArgumentParser(
        prog="stochsim",
        description="Does a noisy low-bit network still sample the right posterior, and at how many joules?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stochsim {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    sweep = commands.add_parser("sweep", help="run a study over bits, noise, rho and keys; resumable", description=_sweep.__doc__)
    sweep.add_argument("study", type=Path, metavar="FILE.toml", help="the study: model, data, training, hardware, grid, measures")
    sweep.add_argument("--out", type=Path, metavar="RUN", help="the run's folder (default: runs/ and the study's name)")
    sweep.add_argument("--workers", type=_positive, default=2, metavar="N", help="worker processes, one thread each (default: 2)")
    sweep.set_defaults(command=_sweep)
    report = commands.add_parser("report", help="write a run's report", description=_report.__doc__)
    report.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    report.set_defaults(command=_report)
    hardware = commands.add_parser("hardware", help="show the chips that come with stochsim", description=_show_hardware.__doc__)
    actions = hardware.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser("list", help="names and what they describe").set_defaults(command=_list_hardware)
    show = actions.add_parser("show", help="bits, noise and every price with formula, unit, source and how verified")
    show.add_argument("name", help="a preset's name, or a chip's TOML file")
    show.set_defaults(command=_show_hardware)
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' should be a whole number of at least 1")
    return int(text)


def _sweep(args: argparse.Namespace) -> None:
    """Run a study into a folder, going on where an earlier run stopped; then print the table and write the report."""
    from stochsim.sweep import run_sweep

    folder = args.out or Path("runs") / args.study.stem
    run_sweep(args.study, folder, args.workers)
    _print_report(folder)


def _report(args: argparse.Namespace) -> None:
    """Print a run's table and write its report.html, results.csv and timing.csv."""
    _print_report(args.run)


def _print_report(folder: Path) -> None:
    from stochsim.report import console_table, write_report
    from stochsim.sweep import collect

    with collect(folder) as results:
        page = write_report(results)  # first: a closed pipe behind the table must not cost the report
        print(f"{console_table(results)}\n\nreport: {page}")


def _list_hardware(args: argparse.Namespace) -> None:
    """Name the chips that come with stochsim."""
    from stochsim.hardware import preset, presets

    for name in presets():
        print(f"{name:16} {preset(name).description}")


def _show_hardware(args: argparse.Namespace) -> None:
    """Show a chip: bits, noise, array and every price with formula, unit, source and how verified."""
    from stochsim.hardware import Hardware, describe, hardware_table, own_settings, preset

    hardware = Hardware.read(Path(args.name)) if args.name.endswith(".toml") else preset(args.name)
    print(describe(hardware))
    for name, value in own_settings(hardware).items():
        print(f"  {name:28} {value}")
    for row in hardware_table(hardware):
        print()
        for name, value in row.items():
            if value:
                print(f"  {name:10} {value}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = build_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = args.command
    try:
        command(args)
        sys.stdout.flush()
    except StochsimError as error:
        print(f"stochsim: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # what reads the output has seen enough (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("\nstochsim: stopped; what is finished is stored, the same command goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
