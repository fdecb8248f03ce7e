"""Energy: operations are counted, then priced; every price names its formula, unit, source and how
that was verified.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
