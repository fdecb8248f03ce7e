"""What arrays, cells, converters, memories and sources refuse: the message names the field, its
value, the rule, the nearest choice.
"""

from pathlib import Path
from typing import Any

import pytest

from stochsim.hardware import (
    Array,
    Cells,
    Converter,
    Hardware,
    Memory,
    Noise,
    RandomSource,
    devices,
    preset,
)
from stochsim.settings import SettingError

DEVICE = "g_us,programming_sigma_us\n0,0.5\n20,1\n"
CHANNEL = "drive,p0,p1\n-1,1,0\n1,0.25,0.75\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"rows": 0}, "'rows' = 0: should be greater than or equal to 1"),
        ({"columns": 0}, "'columns' = 0"),
        ({"rows": 65537}, "'rows' = 65537: should be less than or equal to 65536"),
        ({"rows": 12.0}, "'rows' = 12.0: should be a valid integer"),
        ({"cell_bits": 0}, "'cell_bits' = 0"),
        ({"cell_bits": 5}, "'cell_bits' = 5: should be less than or equal to 4"),
        ({"cycle_bits": 9}, "'cycle_bits' = 9: should be less than or equal to 8"),
        ({"signs": "ofset"}, "'signs' = 'ofset': should be 'offset' or 'differential'"),
        ({"row": 3}, "unknown key 'row': did you mean 'rows'?"),
        (
            {"signs": "differential", "converter": {"bits": 1}},
            "'converter.bits' = 1: differential columns need a sign, so at least 2 bits",
        ),
        (
            {"cycle_bits": 2, "cells": {"read_noise": "explicit", "shot_sigma": 0.1}},
            "'cells.read_noise' = 'explicit': draws shot-like noise for digits of 0 and 1 only; "
            "valid: cycle_bits = 1",
        ),
        (
            {"converter": {"sigma_lsbs": 1.0}},
            "unknown key 'converter.sigma_lsbs': did you mean 'sigma_lsb'?",
        ),
        ({"cells": {"devise": "ideal"}}, "unknown key 'cells.devise': did you mean 'device'?"),
        ({"converter": 3}, "'converter' = 3: should be a table"),
    ],
)
def test_arrays(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Array(**table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"bits": 0}, "'bits' = 0"),
        ({"bits": 13}, "'bits' = 13: should be less than or equal to 12"),
        ({"range": "ful"}, "'range' = 'ful': should be 'full', 'calibrated' or 'fixed'"),
        (
            {"range": "fixed"},
            "'range_max' = None: belongs to range = 'fixed', and only there; 'range' is 'fixed'",
        ),
        (
            {"range_max": 3.0},
            "'range_max' = 3.0: belongs to range = 'fixed', and only there; 'range' is 'full'",
        ),
        (
            {"range": "calibrated", "range_max": 3.0},
            "'range_max' = 3.0: belongs to range = 'fixed', and only there; 'range' is "
            "'calibrated'",
        ),
        ({"range": "fixed", "range_max": 0.0}, "'range_max' = 0.0: should be greater than 0"),
        (
            {"clip_share": 0.01},
            "'clip_share' = 0.01: belongs to range = 'calibrated', and only there; 'range' is "
            "'full'",
        ),
        ({"range": "calibrated", "clip_share": 0.5}, "'clip_share' = 0.5: should be less than 0.5"),
        ({"sigma_lsb": -1.0}, "'sigma_lsb' = -1.0"),
        ({"sigma_lsb": float("nan")}, "'sigma_lsb' = nan: should be a finite number"),
        ({"offset_sigma_lsb": float("inf")}, "'offset_sigma_lsb' = inf"),
        ({"gain_sigma": 0.3}, "'gain_sigma' = 0.3: should be less than or equal to 0.2"),
        ({"reference_columns": 0}, "'reference_columns' = 0"),
        (
            {"bits": 2, "inl_lsb": (0.0, 0.1)},
            "'inl_lsb' = [0.0, 0.1]: 2 values: a converter of 2 bits needs 3",
        ),
        (
            {"bits": 2, "dnl_lsb": (0.0, 0.1, 0.2)},
            "'dnl_lsb' = [0.0, 0.1, 0.2]: 3 values: a converter of 2 bits needs 2",
        ),
        (
            {"bits": 2, "inl_lsb": (0.0, 0.1, 0.2), "dnl_lsb": (0.1, 0.1)},
            "'inl_lsb' and 'dnl_lsb': describe the same edges: give one of them",
        ),
        (
            {"bits": 2, "inl_lsb": (0.5, -0.5, 0.0)},
            "edges must stay in ascending order, so no code may lose its whole width",
        ),
        ({"bits": 2, "dnl_lsb": (-1.0, 0.0)}, "edges must stay in ascending order"),
        ({"bits": 2, "inl_lsb": (0.0, "a", 0.0)}, "'inl_lsb.1' = 'a'"),
    ],
)
def test_converters(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Converter(**table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"device": "rram-wann"}, "'device' = 'rram-wann': did you mean 'rram-wan'?"),
        ({"device": "mesured"}, "'device' = 'mesured': did you mean 'measured'?"),
        (
            {"device": "measured"},
            "'device_csv': belongs to device = 'measured', and only there; 'device' is 'measured'",
        ),
        (
            {"device": "rram-wan", "device_csv": DEVICE},
            "'device_csv': belongs to device = 'measured', and only there; 'device' is 'rram-wan'",
        ),
        (
            {"device": "measured", "device_csv": "g_us,sigma\n0,1\n1,1\n"},
            "device_csv: 'column' = 'sigma': no such column",
        ),
        (
            {"device": "measured", "device_csv": "g_us,programming_sigma_us\n0,1\n1,-1\n"},
            "device_csv:3: 'programming_sigma_us' = -1",
        ),
        (
            {"device": "measured", "device_csv": DEVICE, "age_s": 10.0},
            "'age_s' = 10.0: device_csv has no published law of time",
        ),
        ({"age_s": 10.0}, "'age_s' = 10.0: ideal has no published law of time; leave it out"),
        (
            {"device": "rram-wan", "age_s": 1e6},
            "'age_s' = 1000000.0: rram-wan is published for 1 to 86400 s",
        ),
        ({"device": "pcm-nandakumar", "age_s": 0.0}, "'age_s' = 0.0: should be greater than 0"),
        ({"drift_compensation": True}, "'drift_compensation' = True: 'ideal' does not drift"),
        (
            {"device": "rram-milo", "drift_compensation": True},
            "'drift_compensation' = True: 'rram-milo' does not drift",
        ),
        ({"read_sigma": -0.1}, "'read_sigma' = -0.1"),
        ({"shot_sigma": -0.1}, "'shot_sigma' = -0.1"),
        ({"wire_ohm": -1.0}, "'wire_ohm' = -1.0"),
        ({"read_noise": "lump"}, "'read_noise' = 'lump': should be 'lumped' or 'explicit'"),
        ({"stuck_at_0_rate": 1.5}, "'stuck_at_0_rate' = 1.5: should be less than or equal to 1"),
        (
            {"stuck_at_0_rate": 0.6, "stuck_at_1_rate": 0.6},
            "'stuck_at_0_rate' = 0.6 and 'stuck_at_1_rate' = 0.6: the sum should be at most 1",
        ),
    ],
)
def test_cells(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Cells(**table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("section", "table", "message"),
    [
        (Memory, {"code_errors": 1.1}, "'code_errors' = 1.1"),
        (Memory, {"weight_errors": -0.1}, "'weight_errors' = -0.1"),
        (Memory, {"voltage_over_vmin": 0.0}, "'voltage_over_vmin' = 0.0: should be greater than 0"),
        (
            Memory,
            {"voltage_over_vmin": 0.8, "weight_errors": 0.1},
            "'voltage_over_vmin' = 0.8: sets the error rates of weights: give a voltage or",
        ),
        (
            Memory,
            {"voltage_over_vmin": 0.8, "weight_read_errors": 0.1},
            "give a voltage or rates, not both",
        ),
        (
            Memory,
            {"transient_share": 0.5},
            "'transient_share' = 0.5: belongs to 'voltage_over_vmin', which is not given",
        ),
        (
            Memory,
            {"voltage_decade": 0.1},
            "'voltage_decade' = 0.1: belongs to 'voltage_over_vmin', which is not given",
        ),
        (
            Memory,
            {"weight_error": 0.1},
            "unknown key 'weight_error': did you mean 'weight_errors'?",
        ),
        (
            RandomSource,
            {"threshold_bits": 32},
            "'threshold_bits' = 32: should be less than or equal to 31",
        ),
        (RandomSource, {"threshold_bits": 0}, "'threshold_bits' = 0"),
        (
            RandomSource,
            {"lfsr_bits": 7, "threshold_bits": 4},
            "'lfsr_bits' = 7: should be 0 (none) or at least 8, for 'threshold_bits'",
        ),
        (RandomSource, {"lfsr_bits": 12}, "'lfsr_bits' = 12: should be 0 (none) or at least 31"),
        (RandomSource, {"lfsr_bits": 33}, "'lfsr_bits' = 33: should be less than or equal to 32"),
        (RandomSource, {"neurons_per_source": 0}, "'neurons_per_source' = 0"),
        (
            Noise,
            {"dither": "stochastik"},
            "'dither' = 'stochastik': should be 'none', 'stochastic' or 'triangular'",
        ),
        (
            Noise,
            {"dither": "stochastic", "family": "logistic", "read_sigma": 0.1},
            "'dither' = 'stochastic' and 'family' = 'logistic': not both beside read noise; valid: "
            "family = 'gaussian', or no "
            "read noise",
        ),
        (
            Noise,
            {"measured_csv": CHANNEL, "read_sigma": 0.1},
            "'measured_csv': a measured neuron holds all its noise",
        ),
        (
            Noise,
            {"measured_csv": CHANNEL, "dither": "triangular"},
            "'measured_csv': a measured neuron holds all its noise",
        ),
        (
            Noise,
            {"weight_noise": "explicitly"},
            "'weight_noise' = 'explicitly': should be 'lumped' or 'explicit'",
        ),
    ],
)
def test_memories_sources_and_noise(section: Any, table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        section(**table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("bits", "parts", "message"),
    [
        (
            (2, 4, 4),
            {"array": Array(cell_bits=3)},
            "'array.cell_bits' = 3: more than 2-bit weights have; at most 2",
        ),
        (
            (4, 4, 4),
            {"array": Array(cell_bits=4, signs="differential")},
            "'array.cell_bits' = 4: more than 4-bit weights (a sign and a magnitude) have; at most "
            "3",
        ),
        (
            (1, 4, 4),
            {"array": Array(cell_bits=2, signs="differential")},
            "'array.cell_bits' = 2: more than 1-bit weights have; at most 1",
        ),
        (
            (4, 3, 4),
            {"array": Array(cycle_bits=4)},
            "'array.cycle_bits' = 4: more than the 3 bits of the inputs",
        ),
        (
            (4, 4, 4),
            {"array": Array(), "memory": Memory(weight_read_errors=0.1)},
            "'memory.weight_read_errors'",
        ),
        (
            (4, 4, 4),
            {"array": Array(), "memory": Memory(voltage_over_vmin=0.8, transient_share=0.5)},
            "valid: 'memory.weight_errors'",
        ),
        (
            (4, 4, 4),
            {"array": Array(), "noise": Noise(weight_noise="explicit", weight_sigma=0.1)},
            "'array.cells.read_noise'",
        ),
        ((4, 4, 4), {"accumulator_bits": 1}, "'accumulator_bits' = 1"),
        (
            (4, 4, 4),
            {"accumulator_bits": 65},
            "'accumulator_bits' = 65: should be less than or equal to 64",
        ),
        (
            (4, 4, 4),
            {"accumulator_overflow": "warp"},
            "'accumulator_overflow' = 'warp': should be 'saturate' or 'wrap'",
        ),
    ],
)
def test_parts_that_do_not_go_together(
    bits: tuple[int, int, int], parts: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        preset("digital-45nm").with_precision(*bits).replace(**parts)
    assert message in str(caught.value)


def test_geometry_follows_from_the_widths() -> None:
    array = Array(rows=100, cell_bits=3, cycle_bits=2, signs="differential")
    assert (array.magnitude_bits(8), array.slices(8), array.cycles(5), array.tiles(101)) == (
        7,
        3,
        3,
        2,
    )
    assert (array.magnitude_bits(1), array.magnitude_bits(2)) == (1, 1)
    assert Array(cell_bits=3).slices(8) == 3
    assert Converter(bits=2, dnl_lsb=(0.25, -0.5)).edge_shift_lsb == (0.0, 0.25, -0.25)
    assert Converter(bits=2, inl_lsb=(0.25, -0.5, 0.0)).edge_shift_lsb == (0.25, -0.5, 0.0)
    assert [
        Converter(**{name: 0.1}).spreads
        for name in ("offset_sigma_lsb", "gain_sigma", "reference_sigma_lsb", "sigma_lsb")
    ] == [
        True,
        True,
        True,
        False,
    ]
    assert {name for name in devices() if Cells(device=name).memory_device is None} == {"ideal"}
    assert Cells(wire_ohm=1.0).memory_device is not None


FULL = Array(
    rows=77,
    columns=33,
    cell_bits=2,
    cycle_bits=1,
    signs="differential",
    converter=Converter(
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
            "[array.converter]\nsigma_lbs = 1.0",
            "unknown key 'array.converter.sigma_lbs': did you mean 'sigma_lsb'?",
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
