"""A chip's reads held against the reference posterior: distance D, the measures beside it, survival
S, the cliff, and their intervals.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
