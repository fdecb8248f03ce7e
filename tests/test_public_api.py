"""The public API: every public name is there, and importing it loads nothing heavy."""

import ast
import importlib
import inspect
import json
import operator
import subprocess
import sys
from pathlib import Path

import pytest

import stochsim
from stochsim._lazy import RENAMED

HEAVY = {
    "torch",
    "brevitas",
    "numba",
    "scipy",
    "matplotlib",
    "sklearn",
    "skimage",
    "arviz_stats",
    "pydantic",
    "numpy",
}


def loaded_by(code: str) -> set[str]:
    """Top-level packages in a fresh interpreter after this code, with what the interpreter had
    before it taken away.
    """
    script = (
        f"import sys; before = set(sys.modules)\n{code}\nimport json; "
        f"print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_loads_nothing_heavy() -> None:
    loaded = loaded_by("import stochsim; dir(stochsim); stochsim.__version__")
    assert "stochsim" in loaded
    assert not loaded & HEAVY


def test_the_check_above_can_fail() -> None:
    assert loaded_by("import stochsim; stochsim.keys.fold_in") & HEAVY == {"numpy"}


NAMES = [name for name in stochsim.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_resolves_and_is_documented(name: str) -> None:
    thing = getattr(stochsim, name)
    assert inspect.getdoc(thing)
    assert thing.__name__ == name


STUBS = sorted(Path(str(stochsim.__file__)).parent.rglob("__init__.pyi"))


def names_of(stub: Path) -> dict[str, str]:
    """Names that a door's stub offers, and the module that each is taken from."""
    found = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module or alias.name) for node in found for alias in node.names}


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.parent.name)
def test_every_name_of_every_door_resolves(stub: Path) -> None:
    inside = stub.parent.parts[len(STUBS[0].parent.parent.parts) :]
    door = importlib.import_module(".".join(inside))
    names = names_of(stub)
    assert sorted(names) == sorted(door.__all__)
    assert all(hasattr(door, name) for name in names)


def test_each_package_offers_what_the_top_door_takes_from_it() -> None:
    for name, module in names_of(Path(str(stochsim.__file__)).with_suffix(".pyi")).items():
        home = importlib.import_module(f"stochsim.{module}")
        assert getattr(home, name) is getattr(stochsim, name)
        assert name in getattr(home, "__all__", [name])


def test_dir_and_star_offer_the_public_names() -> None:
    assert set(stochsim.__all__) <= set(dir(stochsim))
    names: dict[str, object] = {}
    exec("from stochsim import *", names)
    assert set(stochsim.__all__) <= set(names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"stochsim.* attribute .*Studdy"):
        stochsim.Studdy  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean 'Study'"):
        stochsim.Studdy  # noqa: B018
    assert not hasattr(stochsim, "nothing_like_it")
    with pytest.raises(ImportError, match="did you mean 'Study'"):
        exec("from stochsim import Studdy")
    with pytest.raises(ImportError, match="did you mean 'load_hardware'"):
        exec("from stochsim.hardware import load_hardwre")


@pytest.mark.parametrize(("before", "now"), RENAMED.items())
def test_an_old_name_says_the_new_one(before: str, now: str) -> None:
    package, _, name = before.rpartition(".")
    for one in now.replace(" or ", ", ").split(", "):
        assert operator.attrgetter(one.removeprefix("stochsim."))(stochsim)
    with pytest.raises(ImportError, match=f"'{name}' is now '{now}'"):
        exec(f"from {package} import {name}")
    assert not hasattr(importlib.import_module(package), name)
    with pytest.raises(AttributeError, match=f"'{name}' is now '{now}'"):
        getattr(importlib.import_module(package), name)


def test_a_misspelt_name_of_a_package_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"'stochsim\.hardware' has no .*mean 'load_hardware'"):
        stochsim.hardware.load_hardwre  # noqa: B018


def test_what_a_beginner_needs_is_at_the_top_and_the_rest_is_in_packages() -> None:
    assert len(NAMES) <= 34
    met = {
        "accounting": ["Bill"],
        "chip": ["FloatChip", "Samples"],
        "energy": ["Energy", "Operation", "Operations", "Price", "format_energy", "price"],
        "hardware": ["Array", "Cells", "Memory", "Prices", "Reliability", "Timing"],
        "lowering": ["ChipModule", "float_program"],
        "networks": ["ArchitectureSettings", "NetworkSettings"],
        "posterior": ["PosteriorDistance", "Survival", "effective_samples", "survival"],
        "program": ["Layer", "Quantizer", "load_program"],
        "studies": ["Results"],
        "training": ["TrainSettings", "learn_bits", "train_float", "train_quantised"],
    }
    for package, names in met.items():
        assert set(names) <= set(getattr(stochsim, package).__all__)


@pytest.mark.parametrize("name", ["train_float", "Quantizer", "format_energy", "fold_in"])
def test_a_name_of_a_package_is_found_from_the_top(name: str) -> None:
    homes = {"train_float": "training", "Quantizer": "program", "format_energy": "energy"}
    home = f"stochsim.{homes.get(name, 'keys')}"
    said = f"'{name}' is in a package: {home}.{name}"
    with pytest.raises(AttributeError, match=said):
        getattr(stochsim, name)
    with pytest.raises(ImportError, match=said):
        exec(f"from stochsim import {name}")


def test_every_package_is_at_hand_without_an_import_of_its_own() -> None:
    folders = Path(str(stochsim.__file__)).parent.iterdir()
    packages = {path.name for path in folders if (path / "__init__.pyi").exists()} - {"cli"}
    script = f"import stochsim; print([getattr(stochsim, n).__name__ for n in {sorted(packages)}])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == str([f"stochsim.{name}" for name in sorted(packages)])
