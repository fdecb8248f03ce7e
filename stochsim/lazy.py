"""Lazy doors: a package names what it offers and loads a file when one of its names is first used
(torch takes seconds to import).
"""

import importlib
from collections.abc import Callable
from typing import Any


def lazy_names(package: str, files: dict[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """A module-level __getattr__ for `package`: files maps a module's full name to the public names
    that live in it.
    """
    homes = {name: module for module, names in files.items() for name in names}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return get
