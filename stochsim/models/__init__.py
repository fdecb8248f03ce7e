"""Generative models: joint density, samples and a reference posterior that can be trusted."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
