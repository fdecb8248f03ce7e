"""From torch to programs: trained networks and any torch module."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
