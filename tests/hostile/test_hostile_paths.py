"""Every reader of files, given every odd path: one line that names it, at once, and no more of the
file than that.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tinystudy
from oddpaths import MADE, NAMES

from stochsim import load_hardware, load_network, open_run, run_optimize, run_sweep
from stochsim.energy.price_book import read_book
from stochsim.hardware import Hardware
from stochsim.hardware.measured_files import read_channel, read_device
from stochsim.lowering import load_converted
from stochsim.models import Reference
from stochsim.program import load_program
from stochsim.search.request import Request
from stochsim.settings import SettingError, StochsimError, read_toml
from stochsim.studies import Study

CHIP = 'name = "x"\ninherits = "rram-array"\n'
MEASURED = f'{CHIP}without = ["array.cells.age_s"]\n[array.cells]\ndevice = "measured"\n'


def _beside(name: str, read: Callable[[Path], Any], **others: str) -> Callable[[Path], Any]:
    """A reader of a folder in which the odd path stands under this name, beside other files."""

    def act(path: Path) -> None:
        folder = path.with_name("folder-of-it")
        folder.mkdir()
        for other, text in others.items():
            (folder / other.replace("_", ".")).write_text(text, encoding="utf-8")
        (folder / name).symlink_to(path)
        read(folder)

    return act


def _chip(folder: Path) -> Hardware:
    return Hardware.read(folder / "chip.toml")


def _study(path: Path) -> None:
    table = {**tinystudy.TINY, "hardware": {"file": str(path)}}
    Study.from_table(table).hardware.resolve(path.parent)


READERS: dict[str, Callable[[Path], Any]] = {
    "chip": Hardware.read,
    "chip by name": load_hardware,
    "study": Study.read,
    "study's chip": _study,
    "search": Request.read,
    "sweep": lambda path: run_sweep(path, path.with_name("run")),
    "optimize": lambda path: run_optimize(path, path.with_name("run")),
    "price book": read_book,
    "device": read_device,
    "channel": read_channel,
    "base": _beside("base.toml", _chip, chip_toml='name = "x"\ninherits = "base.toml"\n'),
    "measured": _beside("c.csv", _chip, chip_toml=f'{MEASURED}device_csv = "c.csv"\n'),
    "program": load_program,
    "program.json": _beside("program.json", load_program, program_safetensors=""),
    "program's arrays": _beside("program.safetensors", load_program, program_json="{}"),
    "converted": load_converted,
    "converted's table": _beside("program.json", load_converted, program_safetensors=""),
    "network": load_network,
    "reference": Reference.load,
    "run": open_run,
    "store": _beside("store.sqlite", open_run),
    "journal": _beside("store.sqlite-journal", open_run, store_sqlite=""),
}


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Not one byte more than what the tests have plus 4 GiB, so that 40 GiB fail at once."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    limit = used * os.sysconf("SC_PAGE_SIZE") + 4 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def said_of(read: Callable[[Path], Any], path: Path) -> str:
    """What the reader says; fails unless that is one line, printable, bounded and at once."""
    start = time.monotonic()
    with pytest.raises(StochsimError) as error:
        read(path)
    said = str(error.value)
    assert time.monotonic() - start < 10
    assert said.isprintable()
    assert 0 < len(said) < 2_000
    assert "SECRET" not in said
    return said


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("name", READERS)
def test_what_stands_there(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    MADE[kind](path)
    assert tmp_path.name in said_of(READERS[name], path)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", [name for name in READERS if not READERS[name].__closure__])
def test_names_of_nothing(name: str, kind: str, tmp_path: Path) -> None:
    said_of(READERS[name], tmp_path / NAMES[kind])


def test_the_nearest_name_is_said(tmp_path: Path) -> None:
    (tmp_path / "my_chip.toml").write_text(CHIP, encoding="utf-8")
    with pytest.raises(SettingError, match=r"did you mean 'my_chip\.toml'\?$"):
        Hardware.read(tmp_path / "my_chp.toml")


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For root nothing is without permission, so the refusal itself is made."""

    def refused(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "chip.toml"
    path.write_text(CHIP, encoding="utf-8")
    monkeypatch.setattr("stochsim.settings.files.os.open", refused)
    with pytest.raises(SettingError, match=r"chip\.toml: cannot be read \(Permission denied\)"):
        read_toml(path)


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "chip.toml")
    with pytest.raises(StochsimError, match="cannot be written"):
        load_hardware("digital-45nm").write(tmp_path / "chip.toml")
