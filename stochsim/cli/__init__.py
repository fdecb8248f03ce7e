"""The command line: one file per group of commands.

Heavy imports wait until a command needs them.
"""

from stochsim.cli.main import build_parser, main

__all__ = ["build_parser", "main"]
