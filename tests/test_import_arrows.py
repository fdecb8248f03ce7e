"""The import arrows: a package imports only packages below it and by their doors, no files import
each other in a circle, torch stays in four places.

Imports are read from the sources, those inside functions and under TYPE_CHECKING too.
"""

import ast
import sys
from pathlib import Path

import pytest
from importreader import (
    circles,
    door_names,
    imports,
    is_module,
    module_arrows,
    module_of,
    package_of,
    sources,
    target_of,
)

ROOT = Path(__file__).resolve().parent.parent

ORDER = (
    "stochsim_kernels",
    "stochsim.settings",
    "stochsim.keys",
    "stochsim.formats",
    "stochsim.energy",
    "stochsim.hardware",
    "stochsim.silicon",
    "stochsim.data",
    "stochsim.posterior",
    "stochsim.models",
    "stochsim.program",
    "stochsim.accounting",
    "stochsim.chip",
    "stochsim.networks",
    "stochsim.training",
    "stochsim.lowering",
    "stochsim.controls",
    "stochsim.runs",
    "stochsim.studies",
    "stochsim.search",
    "stochsim.report",
    "stochsim",
    "stochsim.cli",
    "stochsim.__main__",
    "benchmarks",
)
"""From the bottom up: a package imports what stands before it.

`stochsim` is the package's own door.
"""

BASE = {"stochsim._lazy", "stochsim._version"}
"""Base modules: what all of stochsim may import, and what imports nothing of it."""

TORCH_PLACES = (
    "stochsim/networks/",
    "stochsim/training/",
    "stochsim/lowering/",
    "stochsim/controls/",
    "benchmarks/",
)
TORCH_PACKAGES = {"torch", "brevitas"}
KERNEL_PACKAGES = {"llvmlite", "numba", "numpy", "stochsim_kernels"}
REFERENCE_FOLDER = "kernels/stochsim_kernels/reference/"
REFERENCE_PACKAGES = KERNEL_PACKAGES | {"scipy"}
"""The reference implementations are what kernels are tested against, so they may use SciPy; no
compiled kernel does.
"""

KERNEL_ORDER = ("random", "neuron", "product", "array", "circuit", "posterior", "reference")
"""Subpackages of the kernels; each imports earlier ones alone, and what stands beside them: `_jit`,
`tasks`.
"""
ABOVE_KERNELS = "first_calls"
"""The file beside the subpackages that imports them; the others there import none."""


def arrow_fault(package: str, target: str) -> str:
    if target == package or (target in BASE and package != "stochsim_kernels"):
        return ""
    if package in BASE:
        return "a base module imports nothing of the project"
    strangers = [each for each in (package, target) if each not in (*ORDER, *BASE)]
    if strangers:
        return f"'{strangers[0]}' has no place in ORDER"
    return "" if target in ORDER[: ORDER.index(package)] else "the arrow points up"


def door_fault(package: str, name: str, target: str, root: Path) -> str:
    """A file of stochsim names what it takes from another package by that package's door."""
    inside = package.startswith("stochsim") and package != "stochsim_kernels"
    if not inside or target in (package, "stochsim_kernels", *BASE):
        return ""
    if name == target:
        return ""
    past = name.removeprefix(target + ".")
    offered = door_names(root / Path(*target.split(".")) / "__init__.pyi")
    if past in offered or ("." not in past and not is_module(f"{target}.{past}", root)):
        return ""
    return f"an import past the door of {target}"


def faults(root: Path) -> list[str]:
    """Every import that breaks a rule, as "file: name: rule"."""
    found = []
    for path in sources(root):
        place = path.relative_to(root).as_posix()
        package = package_of(module_of(path, root))
        for name in imports(path, root):
            rule = rule_broken(place, package, name, root)
            found += [f"{place}: {name}: {rule}"] if rule else []
    return found


def rule_broken(place: str, package: str, name: str, root: Path) -> str:
    top = name.split(".")[0]
    if top in ("stochsim", "stochsim_kernels", "benchmarks"):
        target = target_of(name, root)
        return arrow_fault(package, target) or door_fault(package, name, target, root)
    if top in TORCH_PACKAGES and not place.startswith(TORCH_PLACES):
        return f"{top} belongs to {', '.join(TORCH_PLACES)}"
    if package == "stochsim_kernels" and top not in sys.stdlib_module_names:
        is_reference = place.startswith(REFERENCE_FOLDER)
        known = REFERENCE_PACKAGES if is_reference else KERNEL_PACKAGES
        return "" if top in known else f"kernels take {', '.join(sorted(known))} alone"
    return ""


def test_no_door_offers_a_name_that_is_one_of_its_modules() -> None:
    for stub in (ROOT / "stochsim").rglob("__init__.pyi"):
        modules = {path.stem for path in stub.parent.iterdir() if path.suffix == ".py"}
        found = [
            node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)
        ]
        names = {alias.name for node in found if node.module for alias in node.names}
        assert names & modules == set()


def kernel_faults(root: Path) -> list[str]:
    """Imports of the kernels from a subpackage that stands later, as "file: name"."""
    found = []
    for path in sorted((root / "kernels").rglob("*.py")):
        of_file = module_of(path, root).split(".")[1:2]
        for name in imports(path, root):
            top, *rest = name.split(".")
            if top != "stochsim_kernels" or not rest or rest[0] not in KERNEL_ORDER:
                continue
            place = of_file[0] if of_file else ""
            inside = KERNEL_ORDER.index(place) + 1 if place in KERNEL_ORDER else 0
            allowed = KERNEL_ORDER if place == ABOVE_KERNELS else KERNEL_ORDER[:inside]
            found += [] if rest[0] in allowed else [f"{path.name}: {name}"]
    return found


def test_the_arrows_hold_inside_the_kernels() -> None:
    folders = {path.parent.name for path in (ROOT / "kernels" / "stochsim_kernels").glob("*/*.py")}
    assert folders == set(KERNEL_ORDER)
    assert kernel_faults(ROOT) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("random/flips.py", "from stochsim_kernels.neuron import channel"),
        ("product/matmul.py", "import stochsim_kernels.reference.neuron_codes"),
        ("__init__.py", "from stochsim_kernels.random import flips"),
    ],
)
def test_an_arrow_back_inside_the_kernels_is_found(tmp_path: Path, place: str, line: str) -> None:
    path = tmp_path / "kernels" / "stochsim_kernels" / place
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert len(kernel_faults(tmp_path)) == 1


def test_the_arrows_hold() -> None:
    assert len(sources(ROOT)) > 20
    assert faults(ROOT) == []


STILL_THERE: list[set[str]] = []
"""Circles that are still to be broken: what is not in this list is refused."""


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(module_arrows(ROOT)) == STILL_THERE


def test_a_circle_is_found_in_functions_and_through_doors(tmp_path: Path) -> None:
    root = synthetic(tmp_path, "stochsim/energy/joules.py", "def late():\n    import stochsim.keys")
    assert circles(module_arrows(root)) == []
    (root / "stochsim/energy/__init__.pyi").write_text("from .joules import Energy as Energy")
    (root / "stochsim/energy/prices.py").write_text("from stochsim.energy import Energy")
    (root / "stochsim/energy/joules.py").write_text(
        "if TYPE_CHECKING:\n    from stochsim.energy.prices import price"
    )
    assert circles(module_arrows(root)) == [{"stochsim.energy.joules", "stochsim.energy.prices"}]


@pytest.mark.parametrize(
    ("place", "line", "rule"),
    [
        ("stochsim/energy/bill.py", "from stochsim.hardware import Hardware", "points up"),
        ("stochsim/energy/bill.py", "import stochsim.hardware.parts", "points up"),
        ("stochsim/energy/bill.py", "from stochsim import hardware", "points up"),
        ("stochsim/energy/bill.py", "from ..hardware import parts", "points up"),
        ("stochsim/energy/bill.py", "def late():\n    from stochsim.studies import a", "points up"),
        (
            "stochsim/energy/bill.py",
            "import importlib\nimportlib.import_module('stochsim.report')",
            "points up",
        ),
        ("stochsim/energy/bill.py", "from stochsim import Hardware", "points up"),
        ("stochsim/energy/bill.py", "import torch.nn", "torch belongs"),
        ("stochsim/posterior/distances.py", "import stochsim.networks", "points up"),
        ("stochsim/chip/chip.py", "def late():\n    import brevitas", "brevitas belongs"),
        ("stochsim/settings/base.py", "from stochsim.energy import Energy", "points up"),
        ("stochsim/keys.py", "from stochsim.energy import Energy", "points up"),
        ("stochsim/_lazy.py", "from stochsim.settings import Settings", "base module"),
        ("stochsim/settings/base.py", "from stochsim import keys", "points up"),
        ("stochsim/corner/new.py", "from stochsim.energy import Energy", "no place"),
        ("stochsim/__init__.py", "import torch", "torch belongs"),
        ("stochsim/data/patches.py", "from stochsim.models import SparseCodingModel", "points up"),
        ("stochsim/chip/chip.py", "from stochsim.energy.new import Energy", "past the door"),
        ("stochsim/chip/chip.py", "import stochsim.energy.new", "past the door"),
        ("kernels/stochsim_kernels/neuron/drawing.py", "import stochsim.settings", "points up"),
        ("kernels/stochsim_kernels/reference_of_none.py", "import scipy.special", "kernels take"),
        ("kernels/stochsim_kernels/neuron/drawing.py", "import scipy.special", "kernels take"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, place: str, line: str, rule: str) -> None:
    (found,) = faults(synthetic(tmp_path, place, line))
    assert found.startswith(f"{place}: ")
    assert rule in found


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (
            "stochsim/studies/collect.py",
            "from stochsim.chip import Chip\nfrom stochsim.energy import Energy\nfrom . import a",
        ),
        (
            "stochsim/networks/layers.py",
            "import torch\nimport brevitas.nn\nfrom stochsim.settings import Settings",
        ),
        ("stochsim/lowering/export.py", "import torch\nfrom stochsim.networks import FeedForward"),
        ("stochsim/energy/bill.py", "from stochsim import keys"),
        ("stochsim/__init__.py", "from stochsim.hardware import Hardware"),
        (
            "benchmarks/speed.py",
            "import torch\nfrom stochsim import Hardware\nimport stochsim_kernels.neuron.drawing",
        ),
        ("stochsim/studies/plan.py", "from stochsim._version import __version__"),
        ("kernels/stochsim_kernels/reference/neuron_codes.py", "from scipy import special"),
        (
            "kernels/stochsim_kernels/neuron/drawing.py",
            "import math\nimport numba\nfrom stochsim_kernels.neuron import channel",
        ),
    ],
)
def test_an_allowed_import_is_not(tmp_path: Path, place: str, line: str) -> None:
    assert faults(synthetic(tmp_path, place, line)) == []


def synthetic(root: Path, place: str, line: str) -> Path:
    """A tree with every package of ORDER, all of them empty but the file at `place`."""
    packages = [one for one in ORDER if one.startswith("stochsim.")]
    for name in (*packages, "stochsim_kernels"):
        top = root / ("kernels" if name == "stochsim_kernels" else "")
        package = top / Path(*name.split("."))
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
    for name in BASE:
        (root / Path(*name.split("."))).with_suffix(".py").touch()
    (root / "stochsim/energy/new.py").touch()
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text(line)
    return root
