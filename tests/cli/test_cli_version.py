"""`stochsim --version`, alone and with `--verbose`; and the nearest name to a misspelt command."""

import platform
import shlex
from importlib import metadata
from pathlib import Path

import pytest
import torch
from importprobe import modules_after
from stochsim_kernels import KERNEL_VERSION, _jit

import stochsim.networks
from stochsim._version import __version__
from stochsim.cli import main
from stochsim.runs import processor


def said(line: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What `--verbose` says, by the name that opens each line."""
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    width = lines[0].index(__version__)
    return {text[:width].strip(): text[width:] for text in lines}


@pytest.mark.parametrize("line", ["--version --verbose", "--verbose --version"])
def test_verbose_says_versions_and_machine(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    facts = said(line, capsys)
    for name in ("numpy", "numba", "torch", "brevitas", "scipy"):
        assert facts[name] == metadata.version(name)
    assert facts["stochsim"] == __version__
    assert facts["kernels"] == f"version {KERNEL_VERSION}"
    assert facts["python"].endswith(platform.python_version())
    assert processor() in facts["processor"]
    assert facts["system"] == platform.platform()
    assert facts["threads"].startswith("1 ")  # as tests/conftest.py sets it
    assert facts["threading layer"] in ("omp", "tbb", "workqueue")
    assert facts["cores"][0].isdigit()
    assert not [value for value in facts.values() if value.startswith("unknown")]


def test_the_kernel_cache_is_told_without_the_home_folder_s_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "someone"))
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path / "someone" / "cache" / "abc")
    assert said("--version --verbose", capsys)["kernel cache"] == "~/cache/abc"
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path / "shared" / "abc")
    assert said("--version --verbose", capsys)["kernel cache"] == str(tmp_path / "shared" / "abc")
    monkeypatch.setattr(_jit, "CACHE_FOLDER", None)
    assert said("--version --verbose", capsys)["kernel cache"].startswith("none (")


def test_a_cuda_device_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert said("--version --verbose", capsys)["cuda"] == "no device that torch sees"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a device")
    assert said("--version --verbose", capsys)["cuda"] == "a device"


def test_what_is_broken_costs_its_own_line_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> str:
        raise OSError("libtorch.so:\ncannot open")

    monkeypatch.setattr(stochsim.networks, "cuda_device", broken)
    facts = said("--version --verbose", capsys)
    assert facts["cuda"] == "unknown (OSError: libtorch.so: cannot open)"
    assert facts["torch"] == metadata.version("torch")


def test_version_alone_loads_nothing_heavy_and_verbose_would_be_seen() -> None:
    assert modules_after(["--version"]) == set()
    assert {"torch", "numba"} <= modules_after(["--version", "--verbose"])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("swep", "'swep'; did you mean 'sweep'?"),
        ("exmaples list", "'exmaples'; did you mean 'examples'?"),
        ("energy lst", "'lst'; did you mean 'list'?"),
        ("examples cpy", "'cpy'; did you mean 'copy'?"),
        ("xyzzy", "'xyzzy' (choose from "),
        ("--verbose", "argument --verbose: belongs to --version"),
        ("--verbose hardware list", "argument --verbose: belongs to --version"),
    ],
)
def test_a_misspelt_command_names_the_nearest(
    line: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(shlex.split(line))
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err
