"""The settings of timing, of shared ADCs, of programming and of fetching weights: what each
moves, and what is refused, one by one.
"""

from typing import Any

import numpy as np
import pytest
from arraytest import program_of, random_weights

from stochsim.chip import Chip
from stochsim.energy import Operation, Operations
from stochsim.hardware import Adc, Array, Hardware, Memory, Timing, own_settings, preset
from stochsim.settings import SettingError

DIGITAL, ARRAY, IN_MEMORY = preset("digital-45nm"), preset("rram-array"), preset("in-memory-28nm")


def with_array(**changes: Any) -> Hardware:
    """The RRAM preset with keys of its array changed."""
    return ARRAY.replace(array=Array.from_table(ARRAY.array.to_table() | changes))


def with_adc(**changes: Any) -> Hardware:
    return with_array(adc=ARRAY.array.adc.to_table() | changes)


def counted(hardware: Hardware) -> Operations:
    """What two reads of one stimulus take."""
    chip = Chip(program_of(random_weights(4, 6, 5), output_bits=4, sigma=0.5), hardware)
    return chip.operations(np.linspace(-2, 2, 5)[None], 2)


def joules_but_leakage(hardware: Hardware) -> float:
    energy = hardware.energy(counted(hardware), rho=0)
    return energy.all_operations_j - energy.parts.get("leakage", 0.0)


def test_defaults_are_the_engineering_defaults() -> None:
    assert Timing() == Timing(clock_hz=1e9, multipliers=256, leakage_w=0.0)
    assert (Array().columns_per_adc, Adc().cycles, Array().reads_per_programming) == (
        1,
        1,
        None,
    )
    assert Memory().weights_read == "stimulus"
    assert not [key for key in own_settings(preset("sram-array-28nm")) if key.startswith("timing")]


@pytest.mark.parametrize(
    ("section", "table", "message"),
    [
        (Timing, {"clock_hz": 0.0}, "'clock_hz' = 0.0: should be greater than 0"),
        (Timing, {"clock_hz": float("inf")}, "'clock_hz' = inf: should be a finite number"),
        (Timing, {"multipliers": 0}, "'multipliers' = 0: should be greater than or equal to 1"),
        (Timing, {"multipliers": 8.0}, "'multipliers' = 8.0: should be a valid integer"),
        (
            Timing,
            {"leakage_w": -1e-3},
            "'leakage_w' = -0.001: should be greater than or equal to 0",
        ),
        (Timing, {"clok_hz": 1e9}, "unknown key 'clok_hz': did you mean 'clock_hz'?"),
        (Adc, {"cycles": 0}, "'cycles' = 0: should be greater than or equal to 1"),
        (
            Array,
            {"columns_per_adc": 0},
            "'columns_per_adc' = 0: should be greater than or equal to 1",
        ),
        (
            Array,
            {"columns": 16, "columns_per_adc": 17},
            "'columns_per_adc' = 17: should be at most 16, the array's 'columns'",
        ),
        (
            Array,
            {"reads_per_programming": 0},
            "'reads_per_programming' = 0: should be greater than or equal to 1",
        ),
        (
            Memory,
            {"weights_read": "reads"},
            "'weights_read' = 'reads': should be 'stimulus' or 'read'",
        ),
        (
            Memory,
            {"weights_read": "read", "weight_read_errors": 0.1},
            "are drawn once per stimulus; valid: stimulus",
        ),
        (
            Memory,
            {"weights_read": "read", "voltage_over_vmin": 0.84, "transient_share": 0.5},
            "'transient_share') are drawn once per stimulus",
        ),
    ],
)
def test_refused_values(section: Any, table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        section(**table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("hardware", "parts", "message"),
    [
        (
            ARRAY,
            {"timing": Timing(multipliers=128)},
            "'timing.multipliers' = 128: an array multiplies in its columns; valid: 256",
        ),
        (
            ARRAY,
            {"memory": Memory(weights_read="read")},
            "'memory.weights_read' = 'read': weights stay in the array's cells",
        ),
        (
            IN_MEMORY,
            {"memory": Memory(weights_read="read")},
            "'memory.weights_read' = 'read': weights stay in the array's cells",
        ),
        (
            ARRAY,
            {"array": Array(reads_per_programming=10)},
            "'array.reads_per_programming' = 10: 'prices.program' = 'program-none' costs nothing; "
            "valid: program-energy",
        ),
    ],
)
def test_settings_that_would_move_nothing_are_refused(
    hardware: Hardware, parts: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        hardware.replace(**parts)
    assert message in str(caught.value)


def test_programming_needs_the_reads_that_share_it_and_an_array() -> None:
    with pytest.raises(
        SettingError,
        match=r"'prices.program' = 'program-energy': needs 'array.reads_per_programming'",
    ):
        ARRAY.with_price("program", "program-energy", joules=1e-12)
    with pytest.raises(
        SettingError,
        match=r"'prices.program' = 'program-energy': needs an array, whose cells are programmed",
    ):
        DIGITAL.with_price("program", "program-energy", joules=1e-12)


def test_array_reads_per_programming() -> None:
    prices = ARRAY.prices.with_price("program", "program-energy", joules=1e-12)
    programmed = {
        reads: ARRAY.replace(
            prices=prices,
            array=Array.from_table(ARRAY.array.to_table() | {"reads_per_programming": reads}),
        )
        for reads in (1, 10)
    }
    none = joules_but_leakage(ARRAY)
    extra = {reads: joules_but_leakage(hardware) - none for reads, hardware in programmed.items()}
    cells = 2 * 3 * 6 * 5  # differential pairs of three slices
    assert extra[1] == pytest.approx(2 * cells * 1e-12)
    assert extra[10] == pytest.approx(2 * cells * 1e-12 / 10)


def test_a_shared_or_slow_adc_takes_as_many_joules() -> None:
    """An ADC shared by 8 columns converts 8 times in turn: latency, not joules."""
    alone = counted(ARRAY)
    for changed in (
        with_array(columns_per_adc=8),
        with_adc(cycles=5),
        ARRAY.replace(timing=Timing(clock_hz=1e6)),
    ):
        assert counted(changed) == alone
        assert joules_but_leakage(changed) == joules_but_leakage(ARRAY)


def leakage_j(hardware: Hardware) -> float:
    leaking = hardware.replace(timing=Timing(**{**hardware.timing.to_table(), "leakage_w": 1e-3}))
    return leaking.energy(counted(leaking), rho=0).parts["leakage"]


def test_timing_leakage_w() -> None:
    once = DIGITAL.replace(timing=Timing(leakage_w=1e-3))
    assert once.energy(Operations({Operation("leakage"): 2.0})).all_operations_j == pytest.approx(
        2e-3
    )
    assert leakage_j(DIGITAL) == pytest.approx(
        2 * 1e-3 * 1 / 1e9
    )  # two reads of one cycle: 30 multiply-adds on 256 multipliers


def test_timing_clock_hz() -> None:
    assert leakage_j(DIGITAL.replace(timing=Timing(clock_hz=1e8))) == pytest.approx(
        10 * leakage_j(DIGITAL)
    )


def test_timing_multipliers() -> None:
    assert leakage_j(DIGITAL.replace(timing=Timing(multipliers=4))) == pytest.approx(
        8 * leakage_j(DIGITAL)
    )  # ⌈30/4⌉ cycles


def test_array_columns_per_adc() -> None:
    cycles = {
        shared: leakage_j(with_array(columns_per_adc=shared)) / (2 * 1e-3 / 1e9)
        for shared in (1, 8)
    }
    assert cycles[8] - cycles[1] == pytest.approx(
        4 * 7
    )  # four cycles of the input, seven conversions more in each


def test_array_adc_cycles() -> None:
    cycles = {each: leakage_j(with_adc(cycles=each)) / (2 * 1e-3 / 1e9) for each in (1, 5)}
    assert cycles[5] - cycles[1] == pytest.approx(4 * 4)


def test_memory_weights_read() -> None:
    per_read = DIGITAL.replace(memory=Memory(weights_read="read"))
    assert (
        counted(per_read).count("weight_memory")
        == 2 * counted(DIGITAL).count("weight_memory")
        == 2 * 30 * 4
    )
    assert joules_but_leakage(per_read) > joules_but_leakage(DIGITAL)
