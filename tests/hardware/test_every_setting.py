"""Changing any setting of a Hardware moves the bill, the latency or the codes of a small network,
or it is refused: never nothing.

The settings are read from the fields of Hardware, so one that has no entry in settingtable.CHANGES
fails here.
"""

from typing import Any

import pytest
from settingtable import (
    CHANGES,
    changed,
    moves,
    seen,
    setting_paths,
    settings_without_effect,
    with_settings,
)

from stochsim.accounting import latency
from stochsim.hardware import Adc, Cells, Hardware, Noise, preset, presets
from stochsim.settings import SettingError

TOGETHER = {
    "prices.program": {
        "array.reads_per_programming": 10,
        "prices.parameters": {"program": {"joules": 1e-12}},
    },
    "prices.leakage": {"prices.parameters": {"leakage": {"watts": 1e-3}}},
}
"""Settings that are refused alone, and what is changed with them."""


def test_every_setting_is_in_the_table() -> None:
    assert sorted(CHANGES) == sorted(setting_paths())


def test_a_new_setting_would_be_missed() -> None:
    class More(Hardware):
        new_setting: int = 0

    assert set(setting_paths(More)) - set(CHANGES) == {"new_setting"}


@pytest.mark.parametrize("path", sorted(CHANGES))
def test_a_changed_setting_moves_something(path: str) -> None:
    """And the same value again moves nothing, so what is seen is the setting."""
    change = CHANGES[path]
    chip = change.chip
    before = seen(chip, change.float_layers)
    assert seen(with_settings(chip, {}), change.float_layers) == before
    other = (
        with_settings(chip, {path: change.values[0], **TOGETHER[path]})
        if path in TOGETHER
        else changed(chip, path, change.values)
    )
    assert seen(other, change.float_layers) != before


QUICK = ("digital-45nm", "thermal-floor")


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in presets()],
)
def test_on_a_preset_a_setting_moves_something_or_is_refused(name: str) -> None:
    """`voltage_decade` at V/Vmin = 0.84, where its law gives 1 % for every decade, is the one
    exception.
    """
    chip = preset(name)
    assert settings_without_effect(chip) == (
        ["memory.voltage_decade"] if chip.memory.voltage_over_vmin == 0.84 else []
    )


def test_a_setting_made_to_do_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert moves("timing.multipliers")
    monkeypatch.setattr(latency, "layer_cycles", lambda program, hardware: 1)
    assert not moves("timing.multipliers")
    assert moves("noise.weight_sigma")
    monkeypatch.setattr(Noise, "weight_sigma_value", lambda self, step: 0.0)
    assert not moves("noise.weight_sigma")


@pytest.mark.parametrize(
    ("name", "settings_set", "message"),
    [
        (
            "digital-45nm",
            {"prices.cell": "cell-isaac-32nm"},
            "'prices.cell' = 'cell-isaac-32nm': is counted in an array, of which the chip has "
            "none; did you mean 'cell-none'?",
        ),
        (
            "digital-45nm",
            {"prices.cell": "cell-pcm-25us", "prices.parameters": {"cell": {"read_v": 0.1}}},
            "'prices.cell'",
        ),
        (
            "in-memory-28nm",
            {"prices.line": "line-gates-28nm"},
            "'prices.line' = 'line-gates-28nm': is counted in an array",
        ),
        (
            "in-memory-28nm",
            {"random.random_bits_per_code": 16},
            "'random.random_bits_per_code' = 16: 'prices.random' = 'random-none' costs nothing; "
            "valid: 0, or another price",
        ),
        (
            "digital-45nm",
            {"random.random_bits_per_code": 0},
            "'prices.random' = 'random-lfsr-28nm': with 'random.random_bits_per_code' = 0 none are "
            "drawn; did you mean 'random-none'?",
        ),
        (
            "sram-array-28nm",
            {"array.columns": 64, "prices.line": "line-none"},
            "'array.columns' = 64: matters to wires, whose 'array.cells.wire_ohm' is 0, to input "
            "lines, free by 'prices.line' = "
            "'line-none', and to DACs, free at 'array.cycle_bits' = 1 with "
            "'prices.dac' = 'dac-zigzag-28nm'; valid: 128",
        ),
        (
            "digital-45nm",
            {"accumulator_overflow": "wrap"},
            "'accumulator_overflow' = 'wrap': accumulators without 'accumulator_bits'",
        ),
        (
            "thermal-floor",
            {"memory.weights_read": "read", "prices.weight_memory": "memory-in-array"},
            "'memory.weights_read' = 'read': weights stay in the array's cells",
        ),
        (
            "digital-45nm",
            {"prices.voltage_v": 0.8, "reliability.e_bit_j": 1e-15, "reliability.e0_j": 1e-15},
            "'prices.voltage_v' = 0.8: enters none of the chip's prices; valid: 0.9",
        ),
        (
            "thermal-floor",
            {"prices.scaling": {"node_nm": 20.0, "voltage_v": 0.8}},
            "'prices.scaling': none of these prices is of logic or SRAM that scales to 20 nm, 0.8 "
            "V; leave it out",
        ),
    ],
)
def test_a_setting_without_effect_is_refused(
    name: str, settings_set: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        with_settings(preset(name), settings_set)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("section", "table", "message"),
    [
        (
            Noise,
            {"family": "logistic"},
            "'family' = 'logistic': is that of the read noise, of which there is none; valid: "
            "gaussian",
        ),
        (
            Noise,
            {"weight_noise": "explicit"},
            "'weight_noise' = 'explicit': draws 'weight_sigma' or 'weight_sigma_lsb', which are 0",
        ),
        (
            Adc,
            {"reference_columns": 2},
            "'reference_columns' = 2: share the noise 'reference_sigma_lsb', which is 0; valid: 1",
        ),
        (
            Cells,
            {"read_noise": "explicit"},
            "'read_noise' = 'explicit': neither 'read_sigma', 'shot_sigma' nor 'device' has any",
        ),
        (
            Cells,
            {"read_noise": "explicit", "device": "rram-milo"},
            "neither 'read_sigma', 'shot_sigma' nor 'device' has any",
        ),
        (
            Cells,
            {"device": "pcm-nandakumar", "age_s": 20.0, "drift_compensation": True},
            "'drift_compensation' = True: nothing has drifted at 'age_s' = 20; valid: ages above "
            "20 s",
        ),
    ],
)
def test_a_setting_without_effect_of_a_section_is_refused(
    section: Any, table: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        section(**table)
    assert message in str(caught.value)


def test_what_is_near_a_refusal_and_does_something_is_taken() -> None:
    """Free prices, defaults, and settings that one other makes busy."""
    digital, array = preset("digital-45nm"), preset("sram-array-28nm")
    for name in ("cell-none", "cell-floor"):
        assert with_settings(digital, {"prices.cell": name}).array is None
    assert (
        with_settings(digital, {"prices.random": "random-none"}).random.random_bits_per_code == 32
    )
    physical = {
        "random.random_bits_per_code": 0,
        "noise.input_dither": "stochastic",
    }  # its inputs still take random bits
    assert with_settings(digital, physical).prices.random == "random-lfsr-28nm"
    for beside in (
        {"array.cells.wire_ohm": 1.0},
        {"array.columns_per_adc": 256},
        {"prices.dac": "dac-isaac-32nm"},
    ):
        assert (
            with_settings(
                array, {"array.columns": 256, "prices.line": "line-none", **beside}
            ).array.columns
            == 256
        )
    assert with_settings(array, {"array.columns": 256}).array.columns == 256
    assert Cells(read_noise="explicit", device="rram-wan").read_noise == "explicit"
    assert (
        with_settings(
            digital, {"prices.voltage_v": 0.8, "reliability.e0_j": 1e-15}
        ).prices.voltage_v
        == 0.8
    )
