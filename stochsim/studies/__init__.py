"""Studies: axes become tasks, tasks become rows of a store, rows become results."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
