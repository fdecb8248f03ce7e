"""A program on a Hardware: a chip, and the samples that it draws."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
