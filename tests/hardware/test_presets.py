"""Each preset follows the law of its prices, computed here by hand at 1 to 8 bits, and runs a real
program at every width it takes.
"""

import math

import numpy as np
import pytest
from arraytest import program_of, random_weights

from stochsim.chip import Chip
from stochsim.energy import Operation, Operations
from stochsim.hardware import Cells, Hardware, Memory, chip_files, preset, preset_path, presets
from stochsim.settings import SettingError

BITS = range(1, 9)
INPUTS, OUTPUTS = 48, 64
KT_J = 4.142e-21
SRAM_J = (9.0243e-4 * 16**3 - 2.68848e-2 * 16**2 + 0.2089008 * 16) * 1e-12  # clamped to 64 kbit

DIGITAL_45 = {
    "multiply": lambda b: (0.0029948 * b**2 + 0.0010417 * b) * 1e-12,
    "add": lambda b: 0.003125e-12 * (2 * b + 6),
    "adc": lambda b: 0.0,
    "dac": lambda b: 0.0,
    "weight_memory": lambda b: SRAM_J,
    "code_memory": lambda b: SRAM_J,
    "random": lambda b: 2.55e-15,
}
DIGITAL_28 = DIGITAL_45 | {
    "multiply": lambda b: (0.284 * b**2 + 3.40 * (b - 1) * b) * 1e-15,
    "add": lambda b: 3.40e-15 * (2 * b + 6),
    "code_memory": lambda b: 1.70e-15,
}
IN_MEMORY = {
    "multiply": lambda b: 0.284e-15 * b**2,
    "add": lambda b: 0.0,
    "adc": lambda b: (100 * b + 0.001 * 4**b) * 0.81e-15,
    "dac": lambda b: 0.0 if b == 1 else 50 * b * 0.81e-15,
    "weight_memory": lambda b: 0.0,
    "code_memory": lambda b: SRAM_J,
    "random": lambda b: 0.0,
}
SRAM_ARRAY = IN_MEMORY | {
    "add": DIGITAL_45["add"],
    "cell": lambda b: 0.0,
    "line": lambda b: 0.5 * 0.35e-15 * 0.81,
}
RRAM = SRAM_ARRAY | {"multiply": lambda b: 0.0, "cell": lambda b: 4.1e-15}
PCM = RRAM | {"cell": lambda b: 0.2**2 * 25e-6 * 250e-9}
FLOOR = {
    "multiply": lambda b: 0.0,
    "add": lambda b: 0.0,
    "adc": lambda b: 12 * KT_J * 4**b,
    "dac": lambda b: 0.0,
    "cell": lambda b: 0.0,
    "line": lambda b: 0.0,
    "weight_memory": lambda b: KT_J * math.log(2),
    "code_memory": lambda b: KT_J * math.log(2),
    "random": lambda b: KT_J * math.log(2),
}
LAWS = {
    "digital-28nm": DIGITAL_28,
    "digital-45nm": DIGITAL_45,
    "in-memory-28nm": IN_MEMORY,
    "pbit-cmos": DIGITAL_28 | {"random": lambda b: 350e-18},
    "pbit-tunnel-junction": DIGITAL_28 | {"random": lambda b: 2e-15},
    "pcm-array": PCM,
    "pcm-array-1-month": PCM,
    "pcm-hermes-array": PCM | {"cell": lambda b: 0.2**2 * 20.7e-6 * 512e-9},
    "rram-array": RRAM,
    "rram-array-1-day": RRAM,
    "sram-array-28nm": SRAM_ARRAY,
    "sram-near-threshold": DIGITAL_45 | {"weight_memory": lambda b: 0.84**2 * SRAM_J},
    "thermal-floor": FLOOR,
}


def operation(kind: str, bits: int) -> Operation:
    """One operation of a layer of 48 inputs and 64 outputs, all widths alike."""
    memory = {"weight_memory": INPUTS * OUTPUTS * bits, "code_memory": (INPUTS + OUTPUTS) * bits}
    arguments = {"multiply": (bits, bits), "add": (2 * bits + 6,), "adc": (bits,), "dac": (bits,)}
    return Operation(kind, (memory[kind],) if kind in memory else arguments.get(kind, ()))


def test_every_preset_has_a_law() -> None:
    assert presets() == tuple(LAWS)
    assert len(presets()) >= 10


@pytest.mark.parametrize("name", presets())
def test_energy_follows_the_law_of_its_prices(name: str) -> None:
    for kind, law in LAWS[name].items():
        for bits in BITS:
            joules = preset(name).energy(Operations({operation(kind, bits): 1.0})).all_operations_j
            assert joules == pytest.approx(law(bits), rel=1e-9, abs=0), (kind, bits)


@pytest.mark.parametrize("name", presets())
def test_a_preset_says_what_it_is(name: str) -> None:
    hardware = preset(name)
    assert hardware.name == name
    assert hardware.description.endswith(".")
    assert any(tag in " ".join(hardware.sources) for tag in ("[src]", "[floor]"))
    assert preset_path(name).read_text().startswith("# ")


def test_what_inherits_from_what() -> None:
    heirs = {
        name: chip_files(preset_path(name)).chain[1:]
        for name in presets()
        if len(chip_files(preset_path(name)).chain) > 1
    }
    assert heirs == {
        "digital-28nm": ("digital-45nm",),
        "pbit-cmos": ("digital-28nm", "digital-45nm"),
        "pbit-tunnel-junction": ("digital-28nm", "digital-45nm"),
        "pcm-array-1-month": ("pcm-array",),
        "pcm-hermes-array": ("pcm-array",),
        "rram-array-1-day": ("rram-array",),
        "sram-near-threshold": ("digital-45nm",),
    }


def test_aged_arrays_differ_by_their_age_alone() -> None:
    for name, base, age_s in (
        ("rram-array-1-day", "rram-array", 86400.0),
        ("pcm-array-1-month", "pcm-array", 30 * 86400.0),
    ):
        aged, fresh = preset(name), preset(base)
        cells = Cells.from_table(fresh.array.cells.to_table() | {"age_s": age_s})
        assert aged.array.cells == cells
        assert aged.to_table() | {
            "array": 0,
            "name": 0,
            "description": 0,
            "sources": 0,
        } == fresh.to_table() | {
            "array": 0,
            "name": 0,
            "description": 0,
            "sources": 0,
        }


def test_the_memory_near_threshold_errs_in_one_bit_of_a_hundred_persistently() -> None:
    assert preset("sram-near-threshold").memory == Memory(voltage_over_vmin=0.84)
    assert preset("sram-near-threshold").memory.weight_error_rates == pytest.approx((0.01, 0.0))


def test_an_unverified_price_is_said_to_be_one() -> None:
    for name in presets():
        energy = preset(name).energy(Operations({Operation("random"): 1.0}))
        unverified = any(flag.startswith("unsourced: random-mtj-pbit") for flag in energy.flags)
        assert (
            unverified
            == (name == "pbit-tunnel-junction")
            == ("unverified" in preset(name).description)
        )


def takes(hardware: Hardware, bits: int) -> bool:
    """Whether cells are no wider than what they hold."""
    return hardware.array is None or hardware.array.cell_bits <= hardware.array.magnitude_bits(bits)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", presets())
def test_a_preset_runs_a_program_at_every_width_it_takes(name: str, bits: int) -> None:
    if not takes(preset(name), bits):
        assert name.startswith("pcm-")
        assert bits <= 2  # a sign and one bit leave no room for cells of two
        with pytest.raises(
            SettingError,
            match=r"'array.cell_bits' = 2: .* at most 1, or 'precision.weight_bits' of 3 or more",
        ):
            preset(name).with_precision(bits, bits, bits)
        return
    program = program_of(random_weights(bits, 3, 5), bits, bits, bits, sigma=0.5)
    chip = Chip(program, preset(name).with_precision(bits, bits, bits))
    samples = chip.sample(np.linspace(-2, 2, 10).reshape(2, 5), reads=3, key=1)
    assert samples.codes.shape == (2, 3, 3)
    assert 0 < chip.hardware.energy(samples.operations, rho=0).all_operations_j < 1e-6
