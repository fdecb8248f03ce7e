"""`import stochsim` and `stochsim --help` load nothing heavy."""

import subprocess
import sys

import pytest


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
