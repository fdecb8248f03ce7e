"""Files that are small and would take long: many wrong keys, long lists before one, pipes and
devices.
"""

import os
from pathlib import Path

import pytest

from stochsim.hardware import Hardware
from stochsim.program import load_program
from stochsim.settings import SettingError, StochsimError, toml_lines
from stochsim.settings.toml_lines import first_lines

HEAD = 'name = "x"\ninherits = "rram-array"\n'


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("".join(f"k{i} = 1\n" for i in range(3000)), "unknown key 'k0'"),
        ("sources = [\n" + '"a",\n' * 3000 + "]\n[array]\nrowz = 3\n", "unknown key 'array.rowz'"),
    ],
    ids=["keys", "list"],
)
def test_many_lines_are_passed_over_once(
    more: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many faults there are, the lines of a text are found in one pass."""
    toml_lines._lines_and_table.cache_clear()
    passes: list[int] = []

    def counted(text: str) -> dict[tuple[str, ...], int]:
        passes.append(len(text))
        return first_lines(text)

    monkeypatch.setattr(toml_lines, "first_lines", counted)
    path = tmp_path / "chip.toml"
    path.write_text(HEAD + more)
    with pytest.raises(SettingError, match=says) as error:
        Hardware.read(path)
    assert str(error.value).startswith(f"{path}:")
    assert not str(error.value).startswith(f"{path}:1:")
    assert len(str(error.value)) < 10_000
    assert passes.count(path.stat().st_size) == 1
    assert sum(passes) < 2 * path.stat().st_size


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
