"""Chips that were built and measured: their energy, speed and area from geometry, capacitances and
supply, held against what was published.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
