"""What a study says: its defaults, its chip and the parts of it that may stand in the study."""

from pathlib import Path
from typing import Any

import pytest
from tinystudy import changed, complaint, plan_of, study_of, write_study

from stochsim.hardware import (
    Array,
    Hardware,
    Memory,
    Noise,
    RandomSource,
    Reliability,
    Timing,
    preset,
    presets,
)
from stochsim.settings import write_toml
from stochsim.studies import Study
from stochsim.studies.plan import plan_study

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "first_light.toml"


def test_errors_of_a_study_open_with_its_file(tmp_path: Path) -> None:
    path = write_study(tmp_path, grid__bits=[9])
    assert complaint(path).startswith(f"{path}:22: 'grid.bits.0' = 9: ")
    path.write_text("version = = 1")
    assert complaint(path).startswith(f"{path}:1: not valid TOML (")
    assert (
        complaint(tmp_path / "none.toml")
        == f"{tmp_path}/none.toml: cannot be read (No such file or directory); "
        "did you mean 'study.toml'?"
    )


def test_the_tiny_study_and_the_example_are_valid(tmp_path: Path) -> None:
    """So that the refusals above are due to the change alone."""
    assert complaint(write_study(tmp_path)) == ""
    assert complaint(EXAMPLE) == ""


def test_the_example_is_the_study_of_the_demo() -> None:
    study = Study.read(EXAMPLE)
    assert study.grid.widths() == [(b, b, b) for b in (1, 2, 3, 4, 6, 8)]
    assert study.grid.noise == (0, 0.5, 1, 2, 4)
    assert (study.grid.rho, study.grid.keys) == ((0,), (0,))
    assert (study.model.kind, study.model.neurons, study.train.steps) == ("sparse_coding", 64, 1500)
    assert (study.measure.stimuli, study.measure.reads, study.measure.directions) == (64, 1000, 256)


def test_what_may_be_left_out_has_the_value_of_the_example() -> None:
    study = Study.from_table(changed(train=None, measure=None, grid__noise=None))
    example = Study.read(EXAMPLE)
    assert study.train == example.train
    assert study.measure == example.measure
    assert (study.grid.noise, study.grid.rho, study.grid.keys) == ((1,), (0,), (0,))


def test_a_study_gives_itself_back_from_its_table() -> None:
    for study in (
        Study.read(EXAMPLE),
        study_of(hardware__noise={"read_sigma": 0.1}, train__decoder="own"),
    ):
        assert Study.from_table(study.to_table()) == study


def test_bits_apart_are_all_combinations() -> None:
    study = study_of(
        grid__bits=None, grid__weight_bits=[4, 2], grid__input_bits=[8], grid__output_bits=[1, 3]
    )
    assert study.grid.widths() == [(2, 8, 1), (2, 8, 3), (4, 8, 1), (4, 8, 3)]


def test_a_chip_file_is_found_beside_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chips, elsewhere = tmp_path / "chips", tmp_path / "elsewhere"
    chips.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    chip = preset("thermal-floor").replace(name="mine")
    chip.write(chips / "mine.toml")
    path = write_study(tmp_path, hardware={"file": "chips/mine.toml"})
    assert Study.read(path).hardware.resolve(path.parent) == chip


def test_a_bad_chip_file_is_named(tmp_path: Path) -> None:
    write_toml(tmp_path / "chip.toml", {**preset("thermal-floor").to_table(), "precison": {}})
    said = complaint(write_study(tmp_path, hardware={"file": "chip.toml"}))
    line = (tmp_path / "chip.toml").read_text().splitlines().index("[precison]") + 1
    assert said == f"{tmp_path}/chip.toml:{line}: unknown key 'precison': did you mean 'precision'?"


def test_a_chip_that_prices_rho_is_enough(tmp_path: Path) -> None:
    table = preset("digital-45nm").to_table()
    Hardware.from_table({**table, "reliability": {**table["reliability"], "e0_j": 1e-15}}).write(
        tmp_path / "chip.toml"
    )
    assert complaint(write_study(tmp_path, hardware={"file": "chip.toml"}, grid__rho=[0.5])) == ""


def test_noise_of_the_study_replaces_the_noise_of_the_chip() -> None:
    study = study_of(hardware__noise={"family": "logistic", "read_sigma": 0.25})
    assert study.hardware.resolve(Path()) == preset("digital-45nm").replace(
        noise=Noise(family="logistic", read_sigma=0.25)
    )
    assert study_of().hardware.resolve(Path()).noise == preset("digital-45nm").noise


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("noise", Noise(read_sigma=0.25)),
        ("array", Array(rows=64)),
        ("memory", Memory(code_errors=0.1)),
        ("timing", Timing(clock_hz=2e8, leakage_w=1e-3)),
        ("prices", preset("thermal-floor").prices.with_price("adc", "adc-walden", fom_fj=7.0)),
        ("random", RandomSource(threshold_bits=9)),
        ("reliability", Reliability(s=2.0)),
    ],
)
def test_every_part_of_the_chip_may_stand_in_the_study(
    part: str, value: Any, tmp_path: Path
) -> None:
    """It replaces that part alone, and changes the hashes of the points, so that it cannot be
    mistaken for another run.
    """
    path = write_study(tmp_path, **{f"hardware__{part}": value.to_table()})
    study = Study.read(path)
    hardware = study.hardware.resolve(path.parent)
    assert hardware == preset("digital-45nm").replace(**{part: value})
    own = plan_study(study, hardware)
    plain = plan_of()
    assert {cell.samples for cell in own.cells}.isdisjoint(cell.samples for cell in plain.cells)
    assert {cell.network for cell in own.cells} == {cell.network for cell in plain.cells}


@pytest.mark.parametrize("name", presets())
def test_a_section_of_a_study_keeps_what_it_does_not_name(name: str, tmp_path: Path) -> None:
    """Through the file, the stored table and Python; [hardware.array] rows = 64 made ideal cells of
    rram-wan, offset columns of differential ones, and ADCs without noise.
    """
    chip = preset(name)
    given = {"noise": {"weight_sigma": 0.01}, "timing": {"clock_hz": 2e9}}
    edits = {"noise.weight_sigma": 0.01, "timing.clock_hz": 2e9, "prices.voltage_v": 0.8}
    given["prices"] = {**chip.prices.to_table(), "voltage_v": 0.8}
    if chip.array is not None:
        given["array"] = {"rows": 64, "adc": {"gain_sigma": 0.01}}
        edits |= {"array.rows": 64, "array.adc.gain_sigma": 0.01}
    path = write_study(tmp_path, hardware={"preset": name, **given})
    study = Study.read(path)
    assert study.hardware.resolve(tmp_path) == chip.with_(edits)
    again = Study.from_table(study.to_table())
    assert again.hardware.resolve(tmp_path) == chip.with_(edits)
    copied = study.with_({"measure.reads": 200}).with_({"hardware.timing.multipliers": 256})
    assert copied.hardware.resolve(tmp_path) == chip.with_(edits)


def test_a_section_that_names_nothing_is_refused(tmp_path: Path) -> None:
    said = complaint(write_study(tmp_path, hardware__noise={}))
    assert "'hardware.noise': names no setting, so it would change nothing" in said


def test_an_unknown_preset_is_named_with_its_section(tmp_path: Path) -> None:
    said = complaint(write_study(tmp_path, hardware={"preset": "digital-45mn"}))
    assert "'hardware.preset' = 'digital-45mn': did you mean 'digital-45nm'?" in said


def test_a_part_that_the_chip_has_no_use_for_is_refused(tmp_path: Path) -> None:
    """By the rules of the chip itself: on digital-45nm columns cost nothing, for its inputs take no
    ADCs.
    """
    said = complaint(write_study(tmp_path, hardware__array={"columns": 64}))
    assert "'hardware.array.columns' = 64: matters to wires" in said
    assert "'prices.dac' = 'dac-none'; valid: 128" in said
    said = complaint(write_study(tmp_path, hardware__timing={"clok_hz": 1e9}))
    assert said.endswith("unknown key 'hardware.timing.clok_hz': did you mean 'clock_hz'?")


def test_parts_of_a_chip_on_which_no_network_runs_are_refused(tmp_path: Path) -> None:
    alone = {"grid__bits": None, "grid__float": True}
    for part, table in (
        ("timing", {"clock_hz": 2e9}),
        ("noise", {"read_sigma": 0.1}),
        ("reliability", {"s": 2.0}),
    ):
        path = write_study(tmp_path, **alone, **{f"hardware__{part}": table})
        said = complaint(path).removeprefix(f"{path}:21: ")
        assert (
            said
            == f"'hardware.{part}': belongs to quantised networks on the chip, which the grid does "
            f"not have"
        )
    priced = {"train__nats_per_joule": 1e15, "hardware__reliability": {"s": 2.0}}
    assert complaint(write_study(tmp_path, **alone, **priced)) == ""


def test_a_study_can_price_a_rho_that_has_no_default(tmp_path: Path) -> None:
    study = study_of(hardware__reliability={"e0_j": 1e-15, "s": 2.0}, grid__rho=[0.5])
    hardware = study.hardware.resolve(tmp_path)
    study.check(hardware)
    assert hardware.reliability_law(0.5).energy_j(0.25) == pytest.approx(
        2e-15
    )  # e0 (s / sigma)^rho
    assert hardware.noise == preset("digital-45nm").noise


def test_accumulators_stand_in_the_chip_of_a_study(tmp_path: Path) -> None:
    path = write_study(tmp_path, hardware__accumulator_format="bf16")
    study = Study.read(path)
    hardware = study.hardware.resolve(tmp_path)
    assert hardware.accumulator_format == "bf16"
    assert hardware.accumulator_text == "in bf16, nearest"
    path = write_study(tmp_path, hardware__accumulator_bits=12)
    assert Study.read(path).hardware.resolve(tmp_path).accumulator_text == "of 12 bits, saturate"
    assert study.hardware.to_table()["accumulator_format"] == "bf16"
    path = write_study(tmp_path, hardware__accumulator_group=4)
    assert "'hardware.accumulator_group' = 4: integers are added exactly" in complaint(path)
