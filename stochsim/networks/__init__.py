"""The PyTorch + Brevitas front end: quantisers and the networks that use them.

What needs torch loads lazily.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
