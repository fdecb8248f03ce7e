"""What a run's figures come from: the versions of the packages, and the machine."""

import json
import platform
from importlib import metadata
from pathlib import Path

_VERSIONS = (
    "stochsim",
    "torch",
    "brevitas",
    "numba",
    "numpy",
    "scipy",
    "scikit-image",
    "scikit-learn",
    "arviz-stats",
    "matplotlib",
)


def surroundings(*packages: str) -> dict[str, str]:
    """Versions, those of `packages` too, and the machine, as JSON: what a run's facts say of where
    its figures come from.
    """
    versions = {name: metadata.version(name) for name in (*_VERSIONS, *packages)}
    versions["python"] = platform.python_version()
    machine = {"processor": processor(), "system": platform.platform()}
    return {"versions": json.dumps(versions), "machine": json.dumps(machine)}


def processor() -> str:
    """The processor's name, as far as the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
