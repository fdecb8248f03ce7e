"""Programs: what a chip needs to know of a network, as plain arrays."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
