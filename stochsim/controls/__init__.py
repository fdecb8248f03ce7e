"""Controls: what networks are compared with."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
