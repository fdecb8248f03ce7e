"""The PyTorch + Brevitas front end: quantisers and the networks that use them.

What needs torch loads lazily.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
