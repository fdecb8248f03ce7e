"""The command line: one file per group of commands.

Heavy imports wait until a command needs them.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
