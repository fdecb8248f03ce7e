"""A program on a Hardware: a chip, and the samples that it draws."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
