"""Reports: a run, finished or not, as one self-contained page, two CSV files, a table for the
terminal and figures.
"""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
