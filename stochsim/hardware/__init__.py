"""Hardware: a chip described by its bits, its noise and its energy prices; frozen, validated, read
from and written to TOML.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
