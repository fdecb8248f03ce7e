"""A wheel, installed into an environment of its own outside of the checkout, does what the checkout
does: `make test-slow`.

Nothing is downloaded: the packages that stochsim needs are those of the environment that runs the
tests.
"""

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from stochsim._version import __version__

ROOT = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("hatchling", "pip") if not list(metadata.distributions(name=name))]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed here: {', '.join(MISSING)}"),
]

TINY = {
    "neurons = 64": "neurons = 8",
    "size = 8": "size = 4",
    "components = 48": "components = 8",
    "steps = 1500": "steps = 30",
    "bits = [1, 2, 3, 4, 6, 8]": "bits = [4]",
    "noise = [0, 0.5, 1, 2, 4]": "noise = [1]",
    "stimuli = 64": "stimuli = 8",
    "reads = 1000": "reads = 100",
    "directions = 256": "directions = 8",
}
"""Lines of first_light.toml, and what they are in a study of seconds."""

Run = Callable[..., str]


def checked(command: list[str], folder: Path) -> str:
    """What a command prints, run in `folder` without the checkout on its path."""
    surroundings = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=surroundings, timeout=300
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def build(source: Path, target: str, folder: Path) -> Path:
    """The one distribution, a "wheel" or an "sdist", that hatchling makes of `source`."""
    checked([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)], source)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module", autouse=True)
def cache_of_these_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled kernels go with the tests, for the environment that they belong to goes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that holds the wheel alone, and sees the packages of
    this one; the .pth files there, a checkout's among them, are not read.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    interpreter = folder / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    checked([sys.executable, "-m", "pip", "--python", str(interpreter), *install], folder)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "needed.pth").write_text("\n".join(_package_folders()))
    return interpreter


def _package_folders() -> list[str]:
    """Folders of installed packages that this interpreter reads, without those of checkouts."""
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


@pytest.fixture
def run(python: Path, tmp_path: Path) -> Run:
    """A function (words, ...) -> what the installed `stochsim` prints, in an empty folder."""
    return lambda *words: checked([str(python.with_name("stochsim")), *words], tmp_path)


def test_both_packages_are_those_of_the_wheel(python: Path, tmp_path: Path) -> None:
    code = "import stochsim, stochsim_kernels; print(stochsim.__file__, stochsim_kernels.__file__)"
    environment = python.parents[1]
    for file in checked([str(python), "-c", code], tmp_path).split():
        assert Path(file).is_relative_to(environment)


def test_every_module_can_be_imported(python: Path, tmp_path: Path) -> None:
    code = (
        "import importlib, pkgutil, stochsim, stochsim_kernels\n"
        "names = [module.name for package in (stochsim, stochsim_kernels)\n"
        "  for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.')]\n"
        "names = [name for name in names if not name.endswith('__main__')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names), all(hasattr(stochsim, name) for name in stochsim.__all__))"
    )
    count, all_there = checked([str(python), "-c", code], tmp_path).split()
    assert int(count) > 100
    assert all_there == "True"


@pytest.mark.long
def test_mypy_sees_the_types_of_what_is_installed(python: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy, of the extra 'dev', is not installed")
    (tmp_path / "typed.py").write_text(
        "import stochsim\nreveal_type(stochsim.preset('digital-45nm'))\nstochsim.preset(3)\n"
    )
    options = ["--python-executable", str(python), "--follow-imports", "silent"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "typed.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={name: os.environ[name] for name in os.environ if name != "PYTHONPATH"},
    )
    revealed, refused, _ = done.stdout.splitlines()
    assert revealed.endswith('Revealed type is "stochsim.hardware.hardware.Hardware"')
    assert '"int"; expected "str"' in refused


def test_the_commands_that_need_no_file_run(run: Run) -> None:
    assert run("--version") == f"stochsim {__version__}\n"
    assert "784-100-10" in run("energy", "bill", "784-100-10", "--hardware", "digital-45nm")
    assert "digital-45nm" in run("hardware", "list")
    assert "adc-accelergy" in run("energy", "list")


@pytest.mark.long
def test_an_example_is_copied_and_a_small_one_runs_to_its_report(run: Run, tmp_path: Path) -> None:
    names = [line.split()[0] for line in run("examples", "list").splitlines()]
    in_repository = [
        path.relative_to(ROOT / "examples") for path in ROOT.glob("examples/**/*.toml")
    ]
    assert sorted(names) == sorted(path.with_suffix("").as_posix() for path in in_repository)

    assert "stochsim sweep examples/first_light.toml" in run("examples", "copy", "first_light")
    study = tmp_path / "examples" / "first_light.toml"
    text = study.read_text()
    assert text == (ROOT / "examples" / "first_light.toml").read_text()
    for line, small in TINY.items():
        assert line in text
        text = text.replace(line, small)
    study.write_text(text)
    run("sweep", "examples/first_light.toml", "--workers", "1")
    assert "<html" in (tmp_path / "runs" / "first_light" / "report.html").read_text()


def test_the_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    sdist = build(ROOT, "sdist", tmp_path / "sdist")
    code = "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter='data')"
    checked([sys.executable, "-c", code, str(sdist), str(tmp_path / "source")], tmp_path)
    (source,) = (tmp_path / "source").iterdir()
    with (
        zipfile.ZipFile(wheel) as ours,
        zipfile.ZipFile(build(source, "wheel", tmp_path / "again")) as again,
    ):
        assert {name: again.read(name) for name in again.namelist()} == {
            name: ours.read(name) for name in ours.namelist()
        }
        assert not {"tests", "benchmarks", "runs"} & {
            name.split("/")[0] for name in ours.namelist()
        }
