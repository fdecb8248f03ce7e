"""Number formats: which values a code can stand for, where one gives way to the next, and how they
are stored.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
