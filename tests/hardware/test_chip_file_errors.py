"""Every error in a chip file names the file and the line on which the offending key stands."""

from pathlib import Path

import pytest

from stochsim.hardware import Hardware
from stochsim.hardware.inheritance import PRESETS
from stochsim.settings import SettingError

BASE = """\
name = "base"
inherits = "rram-array"

[array.adc]
bits = 6

[prices]
voltage_v = 0.8
"""

KINDS = {
    "misspelt key": ("[array]\n\nrow = 3", 3, "unknown key 'array.row': did you mean 'rows'?"),
    "misspelt section": ("[aray]\nrows = 3", 1, "unknown key 'aray': did you mean 'array'?"),
    "misspelt dotted key": (
        "array.cells.devise = 'ideal'",
        1,
        "unknown key 'array.cells.devise': did you mean 'device'?",
    ),
    "quoted key": (
        "[\"array\"]\n'columns' = 0",
        2,
        "'array.columns' = 0: should be greater than or equal to 1",
    ),
    "inline table": (
        "[array]\ncells = { age_s = 1.0,  read_sigma = -1.0 }",
        2,
        "'array.cells.read_sigma' = -1.0: should be",
    ),
    "unknown price": (
        "[prices]\nadd = 'add-qkeras-45n'",
        2,
        "'prices.add' = 'add-qkeras-45n': did you mean 'add-qkeras-45nm'?",
    ),
    "price of another kind": (
        "[prices]\nadc = 'add-floor'",
        2,
        "'prices.adc' = 'add-floor': is a price of 'add'",
    ),
    "misspelt parameter": (
        "[prices]\nadc = 'adc-accelergy'\n[prices.parameters.adc]\n\nfrequncy_hz = 1e8",
        5,
        "did you mean 'frequency_hz'?",
    ),
    "negative joules": (
        "array.reads_per_programming = 3\n[prices]\nprogram = "
        "'program-energy'\nparameters.program.joules = -1e-12",
        4,
        "'prices.parameters.program.joules' = -1e-12: should be finite and not negative",
    ),
    "unknown device": (
        "[array.cells]\ndevice = 'rram-wann'",
        2,
        "'array.cells.device' = 'rram-wann': did you mean 'rram-wan'?",
    ),
    "wrong type": (
        "[precision]\n# bits\nweight_bits = 4.0",
        3,
        "'precision.weight_bits' = 4.0: should be a valid integer",
    ),
    "a number for a section": ("precision = 3", 1, "'precision' = 3: should be a table"),
    "value out of range": (
        "[array.adc]\nbits = 13",
        2,
        "'array.adc.bits' = 13: should be less than or equal to 12",
    ),
    "not a number": (
        "[noise]\nread_sigma = nan",
        2,
        "'noise.read_sigma' = nan: should be a finite number",
    ),
    "not one of": (
        "[array]\nsigns = 'ofset'",
        2,
        "'array.signs' = 'ofset': should be 'offset' or 'differential'",
    ),
    "list over several lines": (
        "[array.adc]\nbits = 2\ninl_lsb = [\n  0.0,\n  0.1]\nsigma_lsb = 0",
        3,
        "'array.adc.inl_lsb' = [0.0, 0.1]: 2 values",
    ),
    "rule between fields": (
        "[array.adc]\nrange_max = 3.0",
        2,
        "'array.adc.range_max' = 3.0: belongs to range = 'fixed'",
    ),
    "rule on a field at its default": (
        "[array.adc]\nrange = 'fixed'",
        2,
        "'array.adc.range_max' = None: belongs to",
    ),
    "rule between sections": (
        "\n[array]\ncell_bits = 4",
        3,
        "'array.cell_bits' = 4: more than 4-bit weights (a sign and a magnitude)",
    ),
    "a width that the base's cells exceed": (
        "[array]\ncell_bits = 2\n[precision]\nweight_bits = 2",
        2,
        "'precision.weight_bits' of 3 or more",
    ),
    "missing file": ("\n[noise]\nmeasured_csv = 'none.csv'", 3, "none.csv: cannot be read"),
    "bad sources": ("sources = [3]", 1, "'sources."),
}


@pytest.mark.parametrize(("text", "line", "message"), KINDS.values(), ids=KINDS)
def test_file_and_line(text: str, line: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE)
    path = tmp_path / "my_chip.toml"
    path.write_text(f"name = 'chip'\ninherits = 'base.toml'\n{text}\n")
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    assert str(caught.value).startswith(f"{path}:{line + 2}: ")
    assert message in str(caught.value)
    assert "base.toml" not in str(caught.value)


def test_one_line_in_full(tmp_path: Path) -> None:
    path = tmp_path / "my_chip.toml"
    path.write_text("name = 'chip'\ninherits = 'rram-array'\n\n[array.adc]\nbits = 13\n")
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    assert (
        str(caught.value) == f"{path}:5: 'array.adc.bits' = 13: should be less than or equal to 12"
    )
    assert caught.value.field == ("array", "adc", "bits")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name = 'a'\nx = = 3\n", 2),
        ("name = 'a'\n\nname = 'b'\n", 3),
        ("name = 'a'\n[noise]\n[noise]\n", 3),
        ("name = 'a'\nx = [1,\n\n", 4),
    ],
)
def test_bad_toml(text: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "chip.toml").write_text(text)
    with pytest.raises(SettingError) as caught:
        Hardware.read(tmp_path / "chip.toml")
    said = str(caught.value)
    assert said.startswith(
        (
            f"{tmp_path}/chip.toml:{line}: not valid TOML (",
            f"{tmp_path}/chip.toml: not valid TOML (",
        )
    ), said
    assert f"at line {line}" in said or "at end of document" in said


def test_what_is_missing_is_told_at_its_section(tmp_path: Path) -> None:
    path = tmp_path / "chip.toml"
    path.write_text("name = 'chip'\n\n[precision]\nweight_bits = 4\ninput_bits = 4\n")
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    assert (
        str(caught.value)
        == f"{path}:3: 'precision.output_bits' is missing; {path}:1: 'prices' is missing"
    )


def test_each_of_several_errors_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "chip.toml"
    path.write_text(
        "name = 'chip'\ninherits = 'digital-45nm'\n[noise]\nread_sigma = -1\nfamily = "
        "'gauss'\n[random]\nthreshold_bits = 40\n"
    )
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    assert [part.split(": ")[0] for part in str(caught.value).split("; ")] == [
        f"{path}:{line}" for line in (5, 4, 7)
    ]


def test_an_inherited_fault_is_told_where_it_stands_with_the_chain(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE.replace("bits = 6", "bits = 0"))
    (tmp_path / "chip.toml").write_text(
        "name = 'chip'\ninherits = 'base.toml'\n[array]\nrows = 3\n"
    )
    with pytest.raises(SettingError) as caught:
        Hardware.read(tmp_path / "chip.toml")
    said = (
        f"{tmp_path}/base.toml:5: 'array.adc.bits' = 0: should be greater than or equal "
        f"to 1 (chip.toml -> base.toml -> rram-array)"
    )
    assert str(caught.value) == said


def test_a_clash_of_heir_and_preset_is_the_heirs(tmp_path: Path) -> None:
    path = tmp_path / "chip.toml"
    path.write_text("name = 'chip'\ninherits = 'pcm-array'\n[precision]\nweight_bits = 2\n")
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    assert str(caught.value).startswith(
        f"{path}:4: 'array.cell_bits' = 2: more than 2-bit weights (a sign and a magnitude) have; "
        f"at most 1, "
    )
    path.write_text(
        "name = 'chip'\ninherits = 'pcm-array'\n[array]\nrows = 3\n[memory]\nvoltage_decade = "
        "0.1\n[prices]\nadc = 'add-floor'\n"
    )
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    assert str(PRESETS) not in str(caught.value)


def test_a_fault_in_a_csv_file_is_told_where_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "neuron.csv").write_text("drive,p0,p1\n-1,1,0\n1,0.5,0.75\n")
    path = tmp_path / "chip.toml"
    path.write_text(
        "name = 'chip'\ninherits = 'digital-45nm'\n\nnoise.measured_csv = 'neuron.csv'\n"
    )
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    assert str(caught.value).startswith(
        f"{path}:4: 'noise.measured_csv': {tmp_path}/neuron.csv:3: the probabilities sum to 1.25"
    )
