"""Each setting of Hardware that touches energy moves its own part of the bill as predicted, and no
other. One test per setting.

The settings that move the output (noise, the bit widths of the codes) are tested where codes are
drawn.
"""

import math

import pytest

from stochsim.energy import PARTS, Energy, Operation, Operations
from stochsim.hardware import Hardware, Prices, RandomSource, Reliability, preset

INPUTS = 48
OUTPUTS = 64
SIGMA = 0.25


def bill(hardware: Hardware, rho: float = 1) -> Energy:
    """One read of one layer of 48 inputs and 64 outputs, every neuron held at σ = 0.25, counted as
    the hardware is described.
    """
    bits = hardware.precision
    weight_bits = INPUTS * OUTPUTS * bits.weight_bits
    code_bits = INPUTS * bits.input_bits + OUTPUTS * bits.output_bits
    counts = {
        Operation("multiply", (bits.weight_bits, bits.input_bits)): INPUTS * OUTPUTS,
        Operation("add", (hardware.accumulator_width(INPUTS),)): INPUTS * OUTPUTS,
        Operation("adc", (bits.output_bits,)): OUTPUTS,
        Operation("dac", (bits.input_bits,)): INPUTS,
        Operation("weight_memory", (weight_bits,)): weight_bits,
        Operation("code_memory", (code_bits,)): code_bits,
        Operation("random"): OUTPUTS * hardware.random_bits_per_code,
        hardware.reliability.operation(SIGMA): OUTPUTS,
    }
    return hardware.energy(Operations(counts), rho)


def moved(before: Hardware, after: Hardware, rho: float = 1) -> dict[str, float]:
    """Ratio after / before of every part that moved."""
    old, new = bill(before, rho).parts, bill(after, rho).parts
    return {
        part: new[part] / old[part] if old[part] else math.inf
        for part in PARTS
        if old[part] != new[part]
    }


def with_prices(hardware: Hardware, **changes: str | float) -> Hardware:
    return hardware.replace(prices=Prices(**{**hardware.prices.to_table(), **changes}))


DIGITAL, ARRAY, FLOOR = preset("digital-45nm"), preset("in-memory-28nm"), preset("thermal-floor")


def test_precision_weight_bits() -> None:
    ratios = moved(DIGITAL, DIGITAL.with_precision(weight_bits=8))
    code_bits = INPUTS * 4 + OUTPUTS * 4
    assert set(ratios) == {"multiply", "add", "memory"}
    assert ratios["multiply"] == pytest.approx(
        (0.0029948 * 32 + 0.0010417 * 32**0.5) / (0.0029948 * 16 + 0.0010417 * 4)
    )
    assert ratios["add"] == pytest.approx(18 / 14)
    assert ratios["memory"] == pytest.approx(
        (INPUTS * OUTPUTS * 8 + code_bits) / (INPUTS * OUTPUTS * 4 + code_bits)
    )
    assert moved(ARRAY, ARRAY.with_precision(weight_bits=8)) == {"multiply": pytest.approx(2)}


def test_precision_input_bits() -> None:
    ratios = moved(ARRAY, ARRAY.with_precision(input_bits=8))
    assert set(ratios) == {"multiply", "converter", "memory"}
    assert ratios["multiply"] == pytest.approx(2)
    adc, dac = OUTPUTS * (400 + 0.256), INPUTS * 200
    assert ratios["converter"] == pytest.approx((adc + 2 * dac) / (adc + dac))
    assert ratios["memory"] == pytest.approx(
        (INPUTS * 8 + OUTPUTS * 4) / (INPUTS * 4 + OUTPUTS * 4)
    )


def test_precision_output_bits() -> None:
    assert moved(FLOOR, FLOOR.with_precision(output_bits=8))["converter"] == pytest.approx(256)
    assert set(moved(ARRAY, ARRAY.with_precision(output_bits=8))) == {"converter", "memory"}
    assert set(moved(DIGITAL, DIGITAL.with_precision(output_bits=8))) == {"memory"}


def test_accumulator_bits() -> None:
    assert moved(DIGITAL, DIGITAL.replace(accumulator_bits=28)) == {"add": pytest.approx(2)}


def test_prices_multiply() -> None:
    ratio = 16 * 0.284e-15 / 52.0836e-15
    assert moved(DIGITAL, with_prices(DIGITAL, multiply="multiply-gates-28nm")) == {
        "multiply": pytest.approx(ratio, rel=1e-4)
    }


def test_prices_add() -> None:
    assert moved(DIGITAL, with_prices(DIGITAL, add="add-bit-line")) == {"add": 0}


def test_prices_adc() -> None:
    after = bill(with_prices(ARRAY, adc="adc-none"))
    assert after.converter_j == pytest.approx(INPUTS * 162e-15)
    assert set(moved(ARRAY, with_prices(ARRAY, adc="adc-none"))) == {"converter"}


def test_prices_dac() -> None:
    after = bill(with_prices(ARRAY, dac="dac-none"))
    assert after.converter_j == pytest.approx(OUTPUTS * 324.2e-15, rel=1e-3)
    assert set(moved(ARRAY, with_prices(ARRAY, dac="dac-none"))) == {"converter"}


def test_prices_weight_memory() -> None:
    changed = with_prices(DIGITAL, weight_memory="memory-in-array")
    assert set(moved(DIGITAL, changed)) == {"memory"}
    assert bill(changed).memory_j == pytest.approx((INPUTS + OUTPUTS) * 4 * 0.15626e-12, rel=1e-3)


def test_prices_code_memory() -> None:
    changed = with_prices(DIGITAL, code_memory="memory-in-array")
    assert set(moved(DIGITAL, changed)) == {"memory"}
    assert bill(changed).memory_j == pytest.approx(INPUTS * OUTPUTS * 4 * 0.15626e-12, rel=1e-3)


def test_prices_random() -> None:
    ratio = 2.871e-21 / 2.55e-15
    assert moved(DIGITAL, with_prices(DIGITAL, random="random-landauer")) == {
        "random": pytest.approx(ratio, rel=1e-3)
    }


def test_prices_voltage() -> None:
    low = with_prices(ARRAY, voltage_v=0.45)
    quarter = pytest.approx(0.25)
    assert moved(ARRAY, low, rho=0) == {"converter": quarter, "reliability": quarter}
    assert moved(ARRAY, low, rho=1) == {"converter": quarter, "reliability": quarter}
    assert moved(ARRAY, low, rho=2) == {"converter": quarter}


@pytest.mark.parametrize("rho", [1, 2])
def test_reliability_s(rho: float) -> None:
    assert moved(DIGITAL, DIGITAL.replace(reliability=Reliability(s=2.0)), rho) == {
        "reliability": pytest.approx(2**rho)
    }


def test_reliability_s_adds_one_bit_per_doubling_at_rho_0() -> None:
    doubled = DIGITAL.replace(reliability=Reliability(s=2.0))
    assert moved(DIGITAL, doubled, rho=0) == {
        "reliability": pytest.approx(3 / 2)
    }  # log2(s/σ): 2 bits become 3


def test_reliability_e_bit() -> None:
    changed = DIGITAL.replace(reliability=Reliability(e_bit_j=8.1e-15))
    assert moved(DIGITAL, changed, rho=0) == {"reliability": pytest.approx(0.1)}
    assert moved(DIGITAL, changed, rho=1) == {}


def test_reliability_e0() -> None:
    changed = DIGITAL.replace(reliability=Reliability(e0_j=1e-15))
    assert bill(changed, rho=1).reliability_j == pytest.approx(OUTPUTS * 4e-15)
    assert bill(changed, rho=0.5).reliability_j == pytest.approx(OUTPUTS * 2e-15)
    assert moved(DIGITAL, changed, rho=0) == {}


def test_rho_chooses_the_law() -> None:
    at = {rho: bill(DIGITAL, rho).reliability_j for rho in (0, 1, 2)}
    assert at[0] == pytest.approx(OUTPUTS * 2 * 81e-15)
    assert at[1] == pytest.approx(OUTPUTS * 4 * 81e-15, rel=1e-3)
    assert at[2] == pytest.approx(OUTPUTS * 16 * 12 * 4.142e-21)


def test_random_bits_per_code() -> None:
    halved = DIGITAL.replace(random=RandomSource(random_bits_per_code=16))
    assert moved(DIGITAL, halved) == {"random": pytest.approx(0.5)}
    assert bill(DIGITAL).random_j == pytest.approx(OUTPUTS * 32 * 2.55e-15)
    assert (DIGITAL.random_bits_per_code, ARRAY.random_bits_per_code) == (32, 0)
    assert bill(ARRAY).random_j == 0


def test_presets_differ_where_their_story_says() -> None:
    digital, array, floor = (bill(hardware) for hardware in (DIGITAL, ARRAY, FLOOR))
    assert digital.converter_j == 0
    assert array.add_j == 0
    assert floor.multiply_j == floor.add_j == 0
    assert floor.converter_j == pytest.approx(OUTPUTS * 12.7e-18, rel=3e-3)
    assert floor.memory_j == pytest.approx(
        (INPUTS * OUTPUTS * 4 + (INPUTS + OUTPUTS) * 4) * 2.871e-21, rel=1e-3
    )
    hardware_parts = ("multiply_j", "add_j", "converter_j", "memory_j", "random_j")
    assert sum(getattr(floor, part) for part in hardware_parts) < 1e-3 * sum(
        getattr(array, part) for part in hardware_parts
    )
    assert sum(getattr(array, part) for part in hardware_parts) < sum(
        getattr(digital, part) for part in hardware_parts
    )
