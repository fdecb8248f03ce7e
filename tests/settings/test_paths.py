"""Public functions that take a path take text and path objects, and say what else is wrong."""

from pathlib import Path
from typing import Any

import pytest
from circuittest import single_program

import stochsim
from stochsim.hardware import Hardware, chip_files, load_hardware, preset
from stochsim.lowering import load_converted, read_saved
from stochsim.models import Reference
from stochsim.program import load_program
from stochsim.settings import NotWrittenError, SettingError, StochsimError, as_path
from stochsim.studies import Study

READERS: dict[str, Any] = {
    "Hardware.read": Hardware.read,
    "chip_files": chip_files,
    "load_hardware": load_hardware,
    "Study.read": Study.read,
    "open_run": stochsim.open_run,
    "write_report": stochsim.write_report,
    "run_sweep": lambda path: stochsim.run_sweep(path, "nowhere"),
    "run_optimize": lambda path: stochsim.run_optimize(path, "nowhere"),
    "load_network": stochsim.load_network,
    "load_program": load_program,
    "load_converted": load_converted,
    "read_saved": read_saved,
    "Reference.load": Reference.load,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("value", [b"chip.toml", 3, "", None, "a\0b"])
def test_what_is_no_path_is_refused(read: Any, value: Any) -> None:
    with pytest.raises(SettingError, match="should be a path, as a str or a pathlib"):
        read(value)


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_path_that_is_not_there_is_named(read: Any, kind: Any, tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(StochsimError, match="missing"):
        read(kind(missing))
    assert not missing.exists()


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_an_empty_folder_is_refused(read: Any, tmp_path: Path) -> None:
    with pytest.raises(StochsimError, match=str(tmp_path)):
        read(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [str, Path])
def test_programs_and_chips_are_written_and_read_by_text_and_path(
    kind: Any, tmp_path: Path
) -> None:
    program = single_program()
    program.save(kind(tmp_path / "program"))
    assert load_program(kind(tmp_path / "program")).neurons == program.neurons
    chip = preset("digital-45nm")
    chip.write(kind(tmp_path / "chip.toml"))
    assert load_hardware(kind(tmp_path / "chip.toml")) == Hardware.read(tmp_path / "chip.toml")


def test_what_cannot_be_written_is_no_raw_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="'path' = 3: should be a path"):
        preset("digital-45nm").write(3)  # type: ignore[arg-type]
    with pytest.raises(StochsimError, match="cannot be written"):
        preset("digital-45nm").write(tmp_path / "no folder" / "chip.toml")
    assert issubclass(NotWrittenError, StochsimError)


def test_a_folder_for_a_file_and_a_file_for_a_folder_are_named(tmp_path: Path) -> None:
    for read in (stochsim.load_network, Reference.load):
        with pytest.raises(StochsimError, match="a folder, where a file is expected"):
            read(tmp_path)
    file = tmp_path / "file"
    file.write_text("no program")
    with pytest.raises(StochsimError, match="is a file, where the folder of a program is expected"):
        load_program(file)


def test_a_path_object_stays_what_it_is() -> None:
    assert as_path("path", Path("a") / "b") == Path("a/b") == as_path("path", "a/b")


def test_load_hardware_takes_presets_and_files(tmp_path: Path, monkeypatch: Any) -> None:
    assert load_hardware("digital-45nm") == preset("digital-45nm")
    assert load_hardware("digital-45nm", bits=3).precision.output_bits == 3
    three = load_hardware("digital-45nm", bits=3).precision
    assert load_hardware("digital-45nm", bits=three).precision == three
    preset("rram-array").write(tmp_path / "mine.toml")
    monkeypatch.chdir(tmp_path)
    assert load_hardware("mine.toml").array == preset("rram-array").array
    with pytest.raises(SettingError, match="'preset' = 'digital-45': did you mean 'digital-45nm'"):
        load_hardware("digital-45")
    with pytest.raises(SettingError, match="'weight_bits' = 9: should be less than or equal to 8"):
        load_hardware("digital-45nm", bits=9)


def test_settings_by_address() -> None:
    chip = preset("rram-array").with_({"array.rows": 64, "noise.input_dither": "stochastic"})
    assert chip.array is not None
    assert chip.array.rows == 64
    assert chip.noise.input_dither == "stochastic"
    with pytest.raises(SettingError, match=r"unknown key 'array\.rwos'"):
        preset("rram-array").with_({"array.rwos": 64})
    with pytest.raises(SettingError, match=r"'prices\.scaling\.voltage_v' is missing"):
        preset("digital-45nm").with_({"prices.scaling.node_nm": 20.0})
