"""stochsim: does a noisy low-bit network still sample the right posterior, and at how many joules?

The public names below load on first use, so `import stochsim` is quick and brings in neither torch
nor Numba.
"""

import lazy_loader

from stochsim._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
