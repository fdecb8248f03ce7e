"""`stochsim warm-up`."""

import argparse
from typing import Any

_EPILOG = """\
examples:
  stochsim warm-up               as many processes as there are cores
  stochsim warm-up --workers 1   one, where others need the machine

The kernels are compiled for the processor at hand, once per machine and version of stochsim, and
kept in a cache: ~/.cache/stochsim/kernels, or below $XDG_CACHE_HOME where that is set. Without a
warm-up each kernel is compiled at its first call, so the first study waits. A second warm-up finds
everything there. It can be stopped at any moment: what is compiled is kept. Machines that share the
folder each keep their own; an image of a container is warmed up on the kind of processor that will
run it.
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's."""
    from stochsim.cli.sweep_command import positive

    command = commands.add_parser(
        "warm-up",
        help="compile all kernels now, so that nothing waits for it later",
        description=_warm_up.__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes that compile at the same time (default: one per core)",
    )
    command.set_defaults(command=_warm_up)


def _warm_up(args: argparse.Namespace) -> None:
    """Compile every kernel for this machine into the cache, those of a network on a chip first."""
    from stochsim.runs import kernel_cache, warm_up

    print(f"compiling the kernels into {kernel_cache()}", flush=True)
    print(warm_up(args.workers, _say))


def _say(name: str, seconds: float, compiled: bool) -> None:
    print(f"  {seconds:5.1f} s  {name}{'' if compiled else ', was there'}", flush=True)
