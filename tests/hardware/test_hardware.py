"""A Hardware is frozen, validated and survives TOML."""

from pathlib import Path
from typing import Any

import pytest

from stochsim.energy import Operation, Operations
from stochsim.hardware import (
    TABLE_COLUMNS,
    Cells,
    Hardware,
    Noise,
    Precision,
    Reliability,
    Timing,
    describe,
    hardware_table,
    own_settings,
    preset,
    presets,
)
from stochsim.settings import SettingError

TABLE = preset("digital-45nm").to_table()


def with_value(section: str, key: str, value: Any) -> dict[str, Any]:
    """The table of the digital preset with one value changed or added."""
    return {**TABLE, section: {**TABLE[section], key: value}}


@pytest.mark.parametrize("name", presets())
def test_toml_round_trip(name: str, tmp_path: Path) -> None:
    hardware = preset(name).replace(
        noise=Noise(family="logistic", read_sigma_lsb=0.5, weight_sigma=0.01), accumulator_bits=20
    )
    hardware.write(tmp_path / "chip.toml")
    assert Hardware.read(tmp_path / "chip.toml") == hardware
    assert Hardware.read(tmp_path / "chip.toml") != preset(name)


@pytest.mark.parametrize("field", ["weight_bits", "input_bits", "output_bits"])
@pytest.mark.parametrize("bits", [0, 9, -1, 2.0, True])
def test_bits_outside_1_to_8_are_errors(field: str, bits: Any) -> None:
    with pytest.raises(SettingError, match=f"'precision.{field}' = "):
        Hardware(**with_value("precision", field, bits))
    with pytest.raises(SettingError, match=f"'{field}' = "):
        preset("digital-45nm").with_precision(**{field: bits})


@pytest.mark.parametrize(
    "field", ["read_sigma", "read_sigma_lsb", "weight_sigma", "weight_sigma_lsb"]
)
@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
def test_bad_sigmas_are_errors(field: str, sigma: float) -> None:
    with pytest.raises(SettingError, match=f"'{field}' = "):
        Noise(**{field: sigma})


@pytest.mark.parametrize("field", ["read_sigma", "weight_sigma"])
def test_a_noise_in_both_units_is_an_error(field: str) -> None:
    with pytest.raises(SettingError, match=f"'{field}' = .*'{field}_lsb' = .*only one"):
        Noise(**{field: 0.1, f"{field}_lsb": 0.2})


def test_one_error_names_every_bad_field() -> None:
    table = {
        **with_value("noise", "read_sigma", -1.0),
        "precision": {**TABLE["precision"], "weight_bits": 9},
    }
    table["prices"] = {**TABLE["prices"], "add": "add-qkeras-45n", "adc": "add-floor"}
    with pytest.raises(SettingError) as caught:
        Hardware(**table)
    for part in (
        "weight_bits",
        "read_sigma",
        "did you mean 'add-qkeras-45nm'",
        "'add-floor': is a price of 'add'",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("section", ["precision", "noise", "prices", "reliability", "random"])
def test_unknown_keys_are_errors_that_name_the_nearest(section: str) -> None:
    first = next(iter(TABLE[section]))
    with pytest.raises(
        SettingError, match=f"unknown key '{section}.{first}x': did you mean '{first}'"
    ):
        Hardware(**with_value(section, f"{first}x", 1))


def test_errors_of_a_file_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "chip.toml"
    path.write_text("name = 'chip'\nnose = 1\n")
    with pytest.raises(
        SettingError, match=r"chip.toml:2: unknown key 'nose': did you mean 'noise'"
    ):
        Hardware.read(path)
    with pytest.raises(SettingError, match=r"none.toml: cannot be read"):
        Hardware.read(tmp_path / "none.toml")
    with pytest.raises(SettingError, match="did you mean 'thermal-floor'"):
        preset("thermal-flor")


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("prices", "voltage_v", 0.0),
        ("reliability", "s", 0.0),
        ("random", "random_bits_per_code", -1),
    ],
)
def test_other_bad_numbers_are_errors(section: str, field: str, value: float) -> None:
    with pytest.raises(SettingError, match=f"'{section}.{field}' = "):
        Hardware(**with_value(section, field, value))


def test_frozen_and_hashable() -> None:
    hardware = preset("digital-45nm")
    with pytest.raises(Exception, match="frozen"):
        hardware.name = "other"  # type: ignore[misc]
    assert hash(hardware) == hash(preset("digital-45nm"))


def test_replace_validates_and_leaves_the_original() -> None:
    hardware = preset("digital-45nm")
    changed = hardware.with_precision(weight_bits=2, output_bits=8)
    assert changed.precision == Precision(weight_bits=2, input_bits=4, output_bits=8)
    assert hardware.precision.weight_bits == 4
    with pytest.raises(SettingError, match="did you mean 'noise'"):
        hardware.replace(nois=Noise())


@pytest.mark.parametrize(("inputs", "bits"), [(1, 8), (2, 9), (48, 14), (64, 14), (65, 15)])
def test_accumulator_width_is_the_width_of_the_full_sum(inputs: int, bits: int) -> None:
    assert preset("digital-45nm").accumulator_width(inputs) == bits


@pytest.mark.parametrize("other", ["read_sigma", "read_sigma_lsb"])
def test_noise_as_a_share_of_full_scale_is_the_only_form(other: str) -> None:
    with pytest.raises(SettingError, match=f"'{other}' = 0.1 and 'read_sigma_fs' = 0.2: only one"):
        Noise(**{other: 0.1, "read_sigma_fs": 0.2})
    with pytest.raises(SettingError, match=r"'read_sigma' = 0.1 and 'read_sigma_fs' = 0.2: only"):
        Cells(read_sigma=0.1, read_sigma_fs=0.2)
    with pytest.raises(SettingError, match=r"'read_sigma_fs' = 1.5: should be less than or equal"):
        Noise(read_sigma_fs=1.5)


@pytest.mark.parametrize(("bits", "sigma"), [(1, 0.02), (4, 0.16), (8, 2.56)])
def test_noise_as_a_share_of_full_scale_is_of_all_steps(bits: int, sigma: float) -> None:
    noise = Noise(read_sigma_fs=0.02)
    assert noise.read_sigma_drive(0.5, 2**bits) == pytest.approx(sigma)
    with pytest.raises(SettingError, match="'levels' is missing: 'read_sigma_fs' is a share"):
        noise.read_sigma_drive(0.5)


def test_noise_in_steps_and_in_values_agree() -> None:
    in_steps = Noise(read_sigma_lsb=2.0, weight_sigma_lsb=0.5)
    in_values = Noise(read_sigma=0.5, weight_sigma=0.05)
    assert in_steps.read_sigma_drive(0.25) == in_values.read_sigma_drive(0.25) == 0.5
    assert (
        in_steps.weight_sigma_value(0.1) == in_values.weight_sigma_value(0.1) == pytest.approx(0.05)
    )


def test_hold_without_rho_is_an_error() -> None:
    hardware = preset("digital-45nm")
    with pytest.raises(SettingError, match="'rho' is missing"):
        hardware.energy(Operations({hardware.reliability.operation(0.5): 1}))
    with pytest.raises(SettingError, match=r"reliability.e0_j"):
        hardware.energy(Operations({hardware.reliability.operation(0.5): 1}), rho=0.5)
    assert hardware.energy(Operations({Operation("random"): 1}), rho=0.5).random_j > 0


@pytest.mark.parametrize("name", presets())
def test_table_cites_every_price(name: str) -> None:
    rows = hardware_table(preset(name))
    assert [row["kind"] for row in rows][-3:] == ["reliability"] * 3
    has_device = name.startswith(("pcm-", "rram-"))
    assert len(rows) == 14 + has_device
    assert (rows[0]["kind"] == "cells") == has_device
    for row in rows:
        assert tuple(row) == TABLE_COLUMNS
        assert all(row[column] for column in TABLE_COLUMNS if column != "note")
    assert describe(preset(name)).startswith(f"{name}: 4/4/4 bits")


def test_thermal_floor_is_tagged_floor_throughout() -> None:
    assert {
        row["tag"]
        for row in hardware_table(preset("thermal-floor"))
        if row["kind"] != "reliability"
    } == {"floor"}


def test_own_settings_are_what_an_ideal_chip_has_not() -> None:
    assert own_settings(preset("digital-45nm")) == {}
    changed = preset("digital-45nm").replace(
        timing=Timing(clock_hz=1e8), accumulator_bits=20, reliability=Reliability(s=2.0)
    )
    assert own_settings(changed) == {
        "accumulator_bits": "20",
        "timing.clock_hz": "100000000.0",
        "reliability.s": "2.0",
    }
    assert own_settings(preset("pcm-hermes-array"))["prices.parameters.cell.read_v"] == "0.2"
    shown = own_settings(
        preset("rram-array").replace(noise=Noise(read_sigma=0.5, dither="triangular"))
    )
    assert shown["array.cells.device"] == "rram-wan"
    assert shown["array.adc.bits"] == "8"
    assert shown["noise.read_sigma"] == "0.5"
    assert "array.cells.wire_ohm" not in shown
