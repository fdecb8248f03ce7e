"""From torch to programs: trained networks and any torch module."""

from typing import Any

import lazy_loader

_by_stub, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """A public name; for one that was renamed ImportError that says the new name."""
    if name == "Converted":
        raise ImportError("'Converted' is now 'ChipModule'", name=__name__)
    return _by_stub(name)
