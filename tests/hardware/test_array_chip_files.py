"""Chip files of an array: every setting makes the round trip, CSV files are read, errors name file,
line, section and key.
"""

from pathlib import Path

import pytest

from stochsim.hardware import Adc, Array, Cells, Hardware, Memory, Noise, RandomSource, preset
from stochsim.settings import SettingError

DEVICE = "g_us,programming_sigma_us\n0,0.5\n20,1\n"
CHANNEL = "drive,p0,p1\n-1,1,0\n1,0.25,0.75\n"

FULL = Array(
    rows=77,
    columns=33,
    cell_bits=2,
    cycle_bits=1,
    signs="differential",
    adc=Adc(
        bits=3,
        range="fixed",
        range_max=5.5,
        sigma_lsb=0.3,
        offset_sigma_lsb=0.1,
        gain_sigma=0.02,
        dnl_lsb=(0.1,) * 6,
    ),
    cells=Cells(
        device="measured",
        device_csv=DEVICE,
        read_sigma=0.1,
        shot_sigma=0.2,
        read_noise="explicit",
        stuck_at_1_rate=0.01,
        wire_ohm=2.0,
    ),
)


def full() -> Hardware:
    return preset("digital-45nm").replace(
        array=FULL,
        accumulator_bits=20,
        accumulator_overflow="wrap",
        memory=Memory(voltage_over_vmin=0.9, voltage_decade=0.05),
        random=RandomSource(threshold_bits=9, lfsr_bits=15, neurons_per_source=4),
        noise=Noise(measured_csv=CHANNEL),
    )


def test_round_trip_of_everything(tmp_path: Path) -> None:
    """A chip whose every part is set survives its TOML file, without the CSV files it came from."""
    full().write(tmp_path / "chip.toml")
    assert Hardware.read(tmp_path / "chip.toml") == full()
    table = full().to_table()
    assert table["array"]["cells"]["device_csv"] == DEVICE
    assert Hardware(**table) == full()


def test_a_chip_file_reads_the_csv_files_that_it_names(tmp_path: Path) -> None:
    full().write(tmp_path / "chip.toml")
    text = (tmp_path / "chip.toml").read_text()
    for name, content in (("cells.csv", DEVICE), ("neuron.csv", CHANNEL)):
        (tmp_path / name).write_text(content)
        quoted = '"""\n' + content + '"""'
        assert quoted in text or content.replace("\n", "\\n") in text
        text = text.replace(quoted, f'"{name}"').replace(
            '"' + content.replace("\n", "\\n") + '"', f'"{name}"'
        )
    (tmp_path / "named.toml").write_text(text)
    assert 'device_csv = "cells.csv"' in text
    assert Hardware.read(tmp_path / "named.toml") == full()
    (tmp_path / "cells.csv").write_text("g_us,programming_sigma_us\n0,0.5\n20,-1\n")
    with pytest.raises(SettingError, match=r"cells.csv:3: 'programming_sigma_us' = -1"):
        Hardware.read(tmp_path / "named.toml")
    (tmp_path / "cells.csv").unlink()
    with pytest.raises(SettingError, match=r"cells.csv: cannot be read"):
        Hardware.read(tmp_path / "named.toml")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "[array.adc]\nsigma_lbs = 1.0",
            "unknown key 'array.adc.sigma_lbs': did you mean 'sigma_lsb'?",
        ),
        (
            "[array.cells]\nstuck_at_0 = 0.1",
            "unknown key 'array.cells.stuck_at_0': did you mean 'stuck_at_0_rate'?",
        ),
        ("[aray]\nrows = 3", "unknown key 'aray': did you mean 'array'?"),
        ("[array]\nrows = 0", "'array.rows' = 0: should be greater than or equal to 1"),
        (
            "[memory]\ncode_error = 0.1",
            "unknown key 'memory.code_error': did you mean 'code_errors'?",
        ),
        ("[array]\ncell_bits = 4\nsigns = 'differential'", "'array.cell_bits' = 4"),
    ],
)
def test_errors_of_a_chip_file_name_file_line_section_and_key(
    section: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "chip.toml"
    preset("digital-45nm").write(path)
    heading = section.splitlines()[0]
    text = path.read_text()
    start = text.find(heading)  # a section that the file has is replaced
    if start >= 0:
        end = text.find("\n[", start + 1)
        text = text[:start] + (text[end + 1 :] if end >= 0 else "")
    path.write_text(f"{text}\n{section}\n")
    line = path.read_text().splitlines().index(heading) + (1 if "'aray'" in message else 2)
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)
