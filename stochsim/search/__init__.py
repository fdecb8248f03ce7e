"""The cheapest setting of a chip that keeps the posterior, or the whole front."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
