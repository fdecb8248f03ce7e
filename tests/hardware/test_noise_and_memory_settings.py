"""What memories, random sources and noise refuse, and parts of a chip that do not go together."""

from typing import Any

import pytest

from stochsim.hardware import Array, Memory, Noise, RandomSource, preset
from stochsim.settings import SettingError

CHANNEL = "drive,p0,p1\n-1,1,0\n1,0.25,0.75\n"


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
