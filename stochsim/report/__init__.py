"""Reports: a run, finished or not, as one self-contained page, two CSV files, a table for the
terminal and figures.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
