"""Prices reproduce the figures of their sources."""

import math

import pytest

from stochsim.energy import LANDAUER_J, PRICES, TAGS, THERMAL_J, Price, price
from stochsim.settings import SettingError

FEMTO, PICO, ATTO = 1e-15, 1e-12, 1e-18
KBIT = 1024


@pytest.mark.parametrize(
    ("name", "args", "published_j", "tolerance"),
    [
        ("adc-zigzag-28nm", (4,), 324 * FEMTO, 2e-3),
        ("adc-zigzag-28nm", (8,), 701 * FEMTO, 2e-3),
        ("adc-zigzag-28nm", (12,), 14.6 * PICO, 5e-3),
        ("dac-zigzag-28nm", (1,), 0.0, 0),
        ("dac-zigzag-28nm", (4,), 162 * FEMTO, 1e-9),
        ("multiply-qkeras-45nm", (8, 8), 0.2 * PICO, 1e-3),
        ("multiply-qkeras-45nm", (32, 32), 3.1 * PICO, 2e-3),
        ("add-qkeras-45nm", (16,), 0.05 * PICO, 1e-9),
        ("add-qkeras-45nm", (32,), 0.1 * PICO, 1e-9),
        ("multiply-gates-28nm", (1, 1), 0.284 * FEMTO, 1e-9),
        ("multiply-gates-28nm", (4, 2), 8 * 0.284 * FEMTO, 1e-9),
        ("memory-sram-45nm", (64 * KBIT,), 0.156 * PICO, 2e-3),
        ("memory-sram-45nm", (256 * KBIT,), 20 / 64 * PICO, 2e-3),  # 32 kB: 20 pJ per 64 bits
        ("memory-sram-45nm", (8192 * KBIT,), 100 / 64 * PICO, 2e-3),  # 1 MB: 100 pJ per 64 bits
        ("random-lfsr-28nm", (), 2.55 * FEMTO, 1e-9),
        ("adc-thermal", (4,), 12.7 * ATTO, 3e-3),
        ("adc-thermal", (8,), 3.26 * FEMTO, 2e-3),
        ("adc-thermal", (12,), 834 * FEMTO, 2e-3),
        ("memory-landauer", (KBIT,), 2.871e-21, 1e-3),
        ("random-landauer", (), 2.871e-21, 1e-3),
    ],
)
def test_published_figures(name: str, args: tuple[float, ...], published_j: float, tolerance: float) -> None:
    assert price(name).energy_j(args) == pytest.approx(published_j, rel=tolerance, abs=0)


def test_ratio_of_8_to_4_bits_is_the_one_that_names_the_model() -> None:
    ratios = {"adc-zigzag-28nm": 2.16, "adc-thermal": 256.0}
    for name, ratio in ratios.items():
        assert price(name).energy_j((8,)) / price(name).energy_j((4,)) == pytest.approx(ratio, rel=3e-3)
    multiply = price("multiply-qkeras-45nm")
    assert multiply.energy_j((8, 8)) / multiply.energy_j((4, 4)) == pytest.approx(3.84, rel=3e-3)


def test_mixed_widths_are_symmetric_and_lie_between_the_square_ones() -> None:
    multiply = price("multiply-qkeras-45nm")
    assert multiply.energy_j((2, 8)) == multiply.energy_j((8, 2)) == pytest.approx(multiply.energy_j((4, 4)))
    assert multiply.energy_j((4, 4)) < multiply.energy_j((4, 8)) < multiply.energy_j((8, 8))


def test_voltage_moves_converters_and_lines_as_its_square_and_nothing_else() -> None:
    for entry in PRICES.values():
        args = {"multiply": (4, 4), "random": (), "cell": (), "line": ()}.get(entry.kind, (4,))
        ratio = 4.0 if entry.has_voltage else 1.0
        assert entry.energy_j(args, 1.2) == pytest.approx(ratio * entry.energy_j(args, 0.6))
    assert {entry.name for entry in PRICES.values() if entry.has_voltage} == {"adc-zigzag-28nm", "dac-zigzag-28nm", "line-gates-28nm"}
    assert "V = 0.6" in price("adc-zigzag-28nm").citation(0.6).formula


@pytest.mark.parametrize(("bits", "side"), [(1, "below"), (64 * KBIT - 1, "below"), (8192 * KBIT + 1, "above")])
def test_sram_outside_its_range_is_held_and_flagged(bits: int, side: str) -> None:
    sram = price("memory-sram-45nm")
    bound = 64 * KBIT if side == "below" else 8192 * KBIT
    assert sram.energy_j((bits,)) == sram.energy_j((bound,))
    assert sram.flag((bits,)).startswith("held")
    assert side in sram.flag((bits,))
    assert sram.flag((bound,)) == ""


def test_every_price_cites_and_none_is_unverified() -> None:
    for name, entry in PRICES.items():
        assert entry.name == name
        assert entry.formula
        assert entry.source
        assert entry.unit.startswith("J per ")
        assert entry.tag in TAGS
        assert entry.tag != "unv"


def test_floor_prices_are_tagged_and_below_every_other_price_of_their_kind() -> None:
    for kind, args in {"adc": (8,), "memory": (KBIT,), "random": ()}.items():
        entries = [entry for entry in PRICES.values() if entry.kind == kind]
        floor = next(entry for entry in entries if entry.tag == "floor")
        assert all(floor.energy_j(args) < entry.energy_j(args) for entry in entries if entry is not floor and entry.energy_j(args) > 0)


def test_unknown_names_and_tags_are_errors() -> None:
    with pytest.raises(SettingError, match="did you mean 'adc-zigzag-28nm'"):
        price("adc-zigzag-28")
    with pytest.raises(SettingError, match="did you mean 'src'"):
        Price("mine", "adc", "0", "J per conversion", "nobody", "scr", lambda bits: 0.0)


def test_landauer_is_kt_ln_2() -> None:
    assert math.exp(LANDAUER_J / THERMAL_J) == pytest.approx(2.0)


def test_cells_and_lines_by_hand() -> None:
    """ISAAC's figure; 0.2² V² × 25 µS × 250 ns = 0.25 pJ; half of 0.35 fF at 0.9 V."""
    assert price("cell-isaac-32nm").energy_j(()) == 4.1e-15
    assert price("cell-pcm-25us").energy_j(()) == pytest.approx(0.25e-12)
    assert price("line-gates-28nm").energy_j((), 0.9) == pytest.approx(0.5 * 0.35e-15 * 0.81)
