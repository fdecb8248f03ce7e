"""Energy: operations are counted, then priced; every price names its formula, unit, source and how
that was verified.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
