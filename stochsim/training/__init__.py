"""Training under the price of reliability: the objective with its terms apart, the loop,
checkpoints. What needs torch loads lazily.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
