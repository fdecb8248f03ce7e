"""The parser of the `stochsim` command, and what every command shares: exit codes, errors in one
line, a closed pipe, Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from stochsim._version import __version__
from stochsim.cli import energy_commands as energy
from stochsim.cli import hardware_command as hardware
from stochsim.cli import optimize_command as optimize
from stochsim.cli import sweep_command as sweep
from stochsim.settings import StochsimError

_EXAMPLES = """\
examples:
  stochsim sweep examples/first_light.toml            run a study, or go on with it
  stochsim sweep study.toml --out runs/a --workers 1  into another folder, on one core
  stochsim report runs/first_light                    write report.html and the CSV files again
  stochsim optimize examples/cheapest_chip.toml       the cheapest setting that keeps the posterior
  stochsim hardware list                              the chips that come with stochsim
  stochsim hardware show digital-45nm                 one of them: bits, noise, prices with sources
  stochsim energy list --kind adc                     what a conversion costs under each model
  stochsim energy show adc-zigzag-28nm                one price: formula, values, validity, source

A sweep or a search can be stopped at any moment (Ctrl-C, kill): the same command goes on where it
stopped. Exit codes: 0 done, 2 something in your input or on your disk needs mending, 130 stopped by
Ctrl-C, 141 output closed.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the `stochsim` command."""
    parser = argparse.ArgumentParser(
        prog="stochsim",
        description="Does a noisy low-bit network still sample the right posterior, and at how "
        "many joules?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stochsim {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in (sweep, optimize, hardware, energy):
        group.add_to(commands)
    return parser


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
        print(
            "\nstochsim: stopped; what is finished is stored, the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    return 0
