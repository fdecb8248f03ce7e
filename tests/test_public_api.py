"""The front door: every public name is there, and opening the door loads nothing heavy."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import stochsim
from stochsim import lazy

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
    assert loaded_by("import stochsim; stochsim.fold_in") & HEAVY == {"numpy"}


@pytest.mark.parametrize("name", stochsim.__all__)
def test_every_public_name_resolves_and_is_documented(name: str) -> None:
    thing = getattr(stochsim, name)
    assert inspect.getdoc(thing)
    assert thing.__name__ == name


def test_the_list_the_table_and_the_types_agree() -> None:
    in_table = [name for names in stochsim._FILES.values() for name in names]
    assert sorted(stochsim.__all__) == sorted(in_table)
    assert stochsim.__all__ == sorted(stochsim.__all__)
    assert type_checking_imports(Path(str(stochsim.__file__))) == {
        module: set(names) for module, names in stochsim._FILES.items()
    }


def type_checking_imports(path: Path) -> dict[str, set[str]]:
    """Names imported under `if TYPE_CHECKING:`, by module."""
    blocks = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.If)]
    found = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {str(node.module): {alias.name for alias in node.names} for node in found}


@pytest.mark.parametrize("module", sorted(stochsim._FILES))
def test_each_folder_offers_what_the_front_door_takes_from_it(module: str) -> None:
    home = importlib.import_module(module)
    for name in stochsim._FILES[module]:
        assert getattr(home, name) is getattr(stochsim, name)
        assert name in getattr(home, "__all__", [name])


def test_dir_and_star_offer_the_public_names() -> None:
    assert set(stochsim.__all__) <= set(dir(stochsim))
    names: dict[str, object] = {}
    exec("from stochsim import *", names)
    assert set(stochsim.__all__) <= set(names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'stochsim' has no attribute 'Studdy'"):
        stochsim.Studdy  # noqa: B018
    with pytest.raises(ImportError):
        exec("from stochsim import Studdy")


def test_lazy_names_load_on_first_use_only() -> None:
    get = lazy.lazy_names("somewhere", {"json": ("loads",), "not_there": ("nothing",)})
    assert get("loads") is json.loads
    with pytest.raises(ModuleNotFoundError):
        get("nothing")
