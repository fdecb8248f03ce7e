"""Runs: a folder with a store, filled by worker processes.

The engine of studies and search, which knows neither.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
