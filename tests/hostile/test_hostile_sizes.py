"""Files that are small and would take long: many wrong keys, long lists before one, pipes and
devices.
"""

import os
import time
from pathlib import Path

import pytest

from stochsim.hardware import Hardware
from stochsim.program import load_program
from stochsim.settings import SettingError, StochsimError

HEAD = 'name = "x"\ninherits = "rram-array"\n'


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("".join(f"k{i} = 1\n" for i in range(3000)), "unknown key 'k0'"),
        ("sources = [\n" + '"a",\n' * 3000 + "]\n[array]\nrowz = 3\n", "unknown key 'array.rowz'"),
    ],
    ids=["keys", "list"],
)
def test_many_lines_are_found_in_one_pass(more: str, says: str, tmp_path: Path) -> None:
    """Each error has its line, and all of them together take no second."""
    path = tmp_path / "chip.toml"
    path.write_text(HEAD + more)
    begun = time.perf_counter()
    with pytest.raises(SettingError, match=says) as error:
        Hardware.read(path)
    assert time.perf_counter() - begun < 2
    assert str(error.value).startswith(f"{path}:")
    assert len(str(error.value)) < 10_000
    lines = path.read_text().splitlines()
    for fault in error.value.faults:
        key = fault.fields[0][-1]
        assert lines[(fault.line or 0) - 1].startswith(f"{key} =")


def test_a_number_of_faults_is_counted_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "chip.toml"
    path.write_text(HEAD + "".join(f"k{i} = 1\n" for i in range(50)))
    with pytest.raises(SettingError) as error:
        Hardware.read(path)
    assert len(error.value.faults) == 50
    assert str(error.value).endswith("; and 30 more")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_never_ends_is_not_read(kind: str, tmp_path: Path) -> None:
    def put(path: Path) -> None:
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")

    put(tmp_path / "chip.toml")
    with pytest.raises(SettingError, match="no file of data"):
        Hardware.read(tmp_path / "chip.toml")
    put(tmp_path / "program.json")
    with pytest.raises(StochsimError, match="no file of data"):
        load_program(tmp_path)
    (tmp_path / "program.json").unlink()
    (tmp_path / "program.json").write_text("{}")
    put(tmp_path / "program.safetensors")
    with pytest.raises(StochsimError, match="no file of data"):
        load_program(tmp_path)
