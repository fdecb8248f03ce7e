"""Runs: a folder with a store, filled by worker processes.

The engine of studies and search, which knows neither.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
