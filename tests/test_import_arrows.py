"""The import arrows: a folder imports only what stands to its right, torch stays in three places,
and the front door loads nothing heavy.

Imports are read from the sources, those inside functions too.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ORDER = (
    "benchmarks",
    "stochsim.__main__",
    "stochsim.cli",
    "stochsim",
    "stochsim.optimize",
    "stochsim.report",
    "stochsim.sweep",
    "stochsim.conversion",
    "stochsim.deploy",
    "stochsim.training",
    "stochsim.networks",
    "stochsim.posterior",
    "stochsim.models",
    "stochsim.data",
    "stochsim.hardware",
    "stochsim.energy",
    "stochsim_kernels",
)
"""From left to right; an import goes to a later name.

`stochsim` is the package's own __init__, the front door.
"""

LEAVES = {"stochsim.errors", "stochsim.keys", "stochsim.lazy", "stochsim.settings"}
"""What all of stochsim may import, and what imports nothing of it but other leaves."""

TORCH_PLACES = (
    "stochsim/conversion/",
    "stochsim/networks/",
    "stochsim/training/",
    "stochsim/deploy/export.py",
    "benchmarks/",
)
TORCH_PACKAGES = {"torch", "brevitas"}
KERNEL_PACKAGES = {"llvmlite", "numba", "numpy", "stochsim_kernels"}
REFERENCE_FOLDER = "kernels/stochsim_kernels/reference/"
REFERENCE_PACKAGES = KERNEL_PACKAGES | {"scipy"}
"""The reference implementations are oracles, so they may lean on SciPy; no compiled kernel does."""

KERNEL_ORDER = ("random", "neuron", "product", "array", "circuit", "posterior", "reference")
"""Subpackages of the kernels; each imports earlier ones alone, and the `_jit` of all."""


def sources(root: Path) -> list[Path]:
    return sorted(
        path for top in ("stochsim", "kernels", "benchmarks") for path in (root / top).rglob("*.py")
    )


def module_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[1:] if parts[0] == "kernels" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The folder (or single file) of stochsim that a module belongs to."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "stochsim" else parts[0]


def imports(path: Path, root: Path) -> Iterator[str]:
    """Full names of all that a file imports; `from a import b` is a.b, and relative imports are
    made absolute.
    """
    package = module_of(path, root).split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(
            node.func, "attr", getattr(node.func, "id", "")
        ) in ("import_module", "__import__"):
            yield from (
                argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)
            )


def target_room(name: str, root: Path) -> str:
    """The room that an imported name lives in: `stochsim.Hardware` is a name of the front door,
    `stochsim.hardware` a folder.
    """
    room = room_of(name)
    if room.startswith("stochsim.") and not any(
        (root / Path(*room.split("."))).with_suffix(end).exists() for end in ("", ".py")
    ):
        return "stochsim"
    return room


def arrow_fault(room: str, name: str, target: str) -> str:
    if (
        target == room
        or name == "stochsim.__version__"
        or (target in LEAVES and room != "stochsim_kernels")
    ):
        return ""
    if room in LEAVES:
        return "a leaf imports nothing of the project but leaves"
    strangers = [each for each in (room, target) if each not in (*ORDER, *LEAVES)]
    if strangers:
        return f"'{strangers[0]}' has no place in ORDER"
    return "" if target in ORDER[ORDER.index(room) :] else "the arrow points back"


def faults(root: Path) -> list[str]:
    """Every import that breaks a rule, as "file: name: rule"."""
    found = []
    for path in sources(root):
        place, room = path.relative_to(root).as_posix(), room_of(module_of(path, root))
        for name in imports(path, root):
            top = name.split(".")[0]
            rule = ""
            if top in ("stochsim", "stochsim_kernels", "benchmarks"):
                rule = arrow_fault(room, name, target_room(name, root))
            elif top in TORCH_PACKAGES and not place.startswith(TORCH_PLACES):
                rule = f"{top} belongs to {', '.join(TORCH_PLACES)}"
            elif room == "stochsim_kernels" and top not in sys.stdlib_module_names:
                plain = place.startswith(REFERENCE_FOLDER)
                known = REFERENCE_PACKAGES if plain else KERNEL_PACKAGES
                rule = "" if top in known else f"kernels take {', '.join(sorted(known))} alone"
            found += [f"{place}: {name}: {rule}"] if rule else []
    return found


def kernel_faults(root: Path) -> list[str]:
    """Imports of the kernels from a subpackage that stands later, as "file: name"."""
    found = []
    for path in sorted((root / "kernels").rglob("*.py")):
        of_file = module_of(path, root).split(".")[1:2]
        for name in imports(path, root):
            top, *rest = name.split(".")
            if top != "stochsim_kernels" or rest[0] not in KERNEL_ORDER:
                continue
            allowed = KERNEL_ORDER[: KERNEL_ORDER.index(of_file[0]) + 1] if of_file else ()
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


@pytest.mark.parametrize(
    ("place", "line", "rule"),
    [
        ("stochsim/energy/bill.py", "from stochsim.hardware import Hardware", "points back"),
        ("stochsim/energy/bill.py", "import stochsim.hardware.parts", "points back"),
        ("stochsim/energy/bill.py", "from stochsim import hardware", "points back"),
        ("stochsim/energy/bill.py", "from ..hardware import parts", "points back"),
        (
            "stochsim/energy/bill.py",
            "def late():\n    from stochsim.sweep import collect",
            "points back",
        ),
        (
            "stochsim/energy/bill.py",
            "import importlib\nimportlib.import_module('stochsim.report')",
            "points back",
        ),
        ("stochsim/energy/bill.py", "from stochsim import Hardware", "points back"),
        ("stochsim/energy/bill.py", "import torch.nn", "torch belongs"),
        ("stochsim/posterior/distances.py", "import stochsim.networks", "points back"),
        ("stochsim/deploy/chip.py", "def late():\n    import brevitas", "brevitas belongs"),
        ("stochsim/settings.py", "from stochsim.energy import Energy", "leaf"),
        ("stochsim/corner/new.py", "from stochsim.energy import Energy", "no place"),
        ("stochsim/__init__.py", "import torch", "torch belongs"),
        ("stochsim/data/patches.py", "from stochsim.models import SparseCoding", "points back"),
        (
            "kernels/stochsim_kernels/neuron/drawing.py",
            "from stochsim.settings import Settings",
            "points back",
        ),
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
            "stochsim/sweep/collect.py",
            "from stochsim.deploy import Chip\nfrom stochsim import energy\nfrom . import store",
        ),
        (
            "stochsim/networks/layers.py",
            "import torch\nimport brevitas.nn\nfrom stochsim.settings import Settings",
        ),
        ("stochsim/deploy/export.py", "import torch\nfrom stochsim.networks import FeedForward"),
        ("stochsim/settings.py", "from stochsim import keys"),
        ("stochsim/__init__.py", "from stochsim.hardware import Hardware"),
        (
            "benchmarks/speed.py",
            "import torch\nfrom stochsim import Hardware\nimport stochsim_kernels.neuron.drawing",
        ),
        ("stochsim/sweep/plan.py", "from stochsim import __version__"),
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
    """A tree with every room of ORDER, all of them empty but the file at `place`."""
    rooms = [room for room in ORDER if room.startswith("stochsim.")]
    for name in (*rooms, "stochsim_kernels"):
        (root / ("kernels" if name == "stochsim_kernels" else "") / Path(*name.split("."))).mkdir(
            parents=True
        )
    for leaf in LEAVES:
        (root / Path(*leaf.split("."))).with_suffix(".py").touch()
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text(line)
    return root


def loaded_packages(code: str) -> set[str]:
    """Top-level packages in sys.modules of a fresh Python after `code`."""
    report = "\nimport sys; print('|'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code + report],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split("|")}


HEAVY = {"torch", "brevitas", "numba", "scipy", "matplotlib", "sklearn", "skimage"}


def test_importing_stochsim_loads_nothing_heavy() -> None:
    assert loaded_packages("import stochsim") & HEAVY == set()


def test_help_loads_nothing_heavy() -> None:
    pytest.importorskip("stochsim.cli")
    code = (
        "import contextlib, stochsim.cli\nwith contextlib.suppress(SystemExit):\n    "
        "stochsim.cli.main(['--help'])"
    )
    assert loaded_packages(code) & HEAVY == set()


def test_the_probe_sees_what_is_loaded() -> None:
    assert "numba" in loaded_packages("import stochsim_kernels._jit")
