"""Training under the price of reliability: the objective with its terms apart, the loop,
checkpoints. What needs torch loads lazily.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
