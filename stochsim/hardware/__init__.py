"""Hardware: a chip described by its bits, its noise and its energy prices; frozen, validated, read
from and written to TOML.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
