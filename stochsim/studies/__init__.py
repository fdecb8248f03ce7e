"""Studies: axes become tasks, tasks become rows of a store, rows become results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
