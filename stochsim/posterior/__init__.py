"""A chip's reads held against the reference posterior: distance D, the measures beside it, survival
S, the cliff, and their intervals.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
