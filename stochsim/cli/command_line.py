"""The parser of the `stochsim` command, and what every command shares: exit codes, errors in one
line, the nearest name to a misspelt one, a closed pipe, Ctrl-C.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from stochsim.cli import energy_commands as energy
from stochsim.cli import examples_commands as examples
from stochsim.cli import formats_command as formats
from stochsim.cli import hardware_command as hardware
from stochsim.cli import optimize_command as optimize
from stochsim.cli import sweep_command as sweep
from stochsim.cli import warm_up_command as warm_up
from stochsim.cli.version_text import full_version_text, version_text
from stochsim.settings import RENAMED_KEYS, StochsimError, bounded, nearest, printable, shown

_EXAMPLES = """\
examples:
  stochsim examples copy first_light                  a study that comes with stochsim, to examples/
  stochsim sweep examples/first_light.toml            run a study, or go on with it
  stochsim sweep study.toml --out runs/a --workers 1  into another folder, on one core
  stochsim report runs/first_light                    write report.html and the CSV files again
  stochsim optimize examples/cheapest_chip.toml       the cheapest setting that keeps the posterior
  stochsim hardware list                              the chips that come with stochsim
  stochsim hardware show digital-45nm                 one of them: bits, noise, prices with sources
  stochsim energy list --kind adc                     what a conversion costs under each model
  stochsim energy show adc-zigzag-28nm                one price: formula, values, validity, source
  stochsim formats list                               number formats: values of few-bit codes
  stochsim warm-up                                    compile all kernels now, for later processes
  stochsim --version --verbose                        versions and machine, for a bug report

A sweep or a search can be stopped at any moment (Ctrl-C, kill): the same command goes on where it
stopped. Exit codes: 0 done, 2 something in your input or on your disk needs mending, 130 stopped by
Ctrl-C, 141 output closed.
"""


class _Parser(argparse.ArgumentParser):
    """A parser that names the nearest choice to a misspelt one; those of subcommands are of this
    class too.
    """

    def error(self, message: str) -> NoReturn:
        """As argparse does, what was given escaped and cut: on one line."""
        super().error(bounded(printable(message)))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            hint = nearest(value, action.choices or ())
            if hint.startswith("did you mean"):
                raise argparse.ArgumentError(action, f"invalid choice: {value!r}; {hint}") from None
            raise error


def build_parser() -> argparse.ArgumentParser:
    """The parser of the `stochsim` command; `command` of what it parses is missing where none was
    named.
    """
    parser = _Parser(
        prog="stochsim",
        description="Does a noisy low-bit network still sample the right posterior, and at how "
        "many joules?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="with --version: also versions of packages, processor, threads, caches, CUDA",
    )
    commands = parser.add_subparsers(metavar="COMMAND")
    for group in (examples, sweep, optimize, hardware, energy, formats, warm_up):
        group.add_to(commands)
    return parser


def _now(words: Sequence[str]) -> str:
    """The end of a sentence that says the new names of renamed options; "" without one."""
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    keys = {option: option.removeprefix("--").replace("-", "_") for option in options}
    return "".join(
        f"; '{option}' is now '--{RENAMED_KEYS[key].replace('_', '-')}'"
        for option, key in keys.items()
        if key in RENAMED_KEYS
    )


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the words of the command line ask for; ends the process, as argparse does, with 0 when
    the version was asked for and is printed, and with 2 where no command is named.
    """
    parser = build_parser()
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{_now(unknown)}")
    if args.version:
        print(full_version_text() if args.verbose else version_text(), flush=True)
        parser.exit()
    if args.verbose:
        parser.error("argument --verbose: belongs to --version: stochsim --version --verbose")
    if "command" not in args:
        parser.error("the following arguments are required: COMMAND")
    return args


def _print_in_any_locale() -> None:
    """Letters that the terminal's encoding does not have are printed as escapes: "\\xb5"."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    _print_in_any_locale()
    try:
        args = _parsed(arguments)
        command: Callable[[argparse.Namespace], None] = args.command
        command(args)
        sys.stdout.flush()
    except StochsimError as error:
        print(f"stochsim: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # what reads the output has seen enough (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # a name that is too long, a disk that is full
        where = "" if error.filename is None else f"{shown(error.filename)}: "
        print(f"stochsim: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nstochsim: stopped; what is finished is stored, the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    return 0
