"""Accounting: operations by layer, latency, the bill and what moves it."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
