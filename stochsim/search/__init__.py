"""The cheapest setting of a chip that keeps the posterior, or the whole front."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
