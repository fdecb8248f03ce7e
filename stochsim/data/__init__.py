"""Data: patches of photographs and digits, shipped with packages and never downloaded."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
