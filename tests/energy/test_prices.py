"""What a price does: its range and flags, its parameters and voltage, factors and tags."""

import math

import pytest

from stochsim.energy import ARGUMENTS, LANDAUER_J, PRICES, THERMAL_J, Price, price
from stochsim.settings import SettingError

FEMTO, PICO = 1e-15, 1e-12
KBIT = 1024
OUTSIDE = "is outside the model's range"


def widths(name: str, *values: int) -> tuple[float, ...]:
    """Arguments of this price at one width."""
    return tuple(values) * len(ARGUMENTS[price(name).kind])


@pytest.mark.parametrize(
    "name", [name for name, each in PRICES.items() if set(ARGUMENTS[each.kind]) & set(each.valid)]
)
def test_outside_its_range_a_price_is_clamped_to_the_bound_and_flagged(name: str) -> None:
    chosen = price(name)
    argument = ARGUMENTS[price(name).kind][0]
    for bound, outside, side in zip(
        chosen.valid[argument], (0.9, 1.1), ("from", "up to"), strict=True
    ):
        if not math.isfinite(bound):
            continue
        beyond, at = (value * bound for value in (outside, 1.0))
        args = (beyond,) * len(ARGUMENTS[chosen.kind])
        assert chosen.energy_j(args) == chosen.energy_j((at,) * len(args))
        flags = [flag for flag in chosen.flags(args) if OUTSIDE in flag]
        assert len(flags) == len(args)
        assert flags[0].startswith(
            f"{name}: {argument} at {beyond:g} {OUTSIDE} ({side} {at:g}), using the value at {at:g}"
        )
        assert not any(OUTSIDE in flag for flag in chosen.flags((at,) * len(args)))


def test_parameters_move_what_they_should() -> None:
    wan, gddr = price("adc-wan-130nm"), price("memory-gddr6")
    assert wan.with_parameters(n=5).energy_j((4,)) - wan.energy_j((4,)) == pytest.approx(PICO)
    assert gddr.with_parameters(access_pj=350).energy_j((1,)) == pytest.approx(350 / 64 * PICO)
    assert price("adc-walden").with_parameters(fom_fj=1).energy_j((8,)) == pytest.approx(
        256 * FEMTO
    )
    schreier = price("adc-schreier")
    assert schreier.energy_j((8,)) / schreier.with_parameters(fom_db=185).energy_j(
        (8,)
    ) == pytest.approx(10)
    cell = price("cell-ohmic").with_parameters(read_v=0.2, conductance_us=25, time_ns=250)
    assert cell.energy_j(()) == price("cell-pcm-25us").energy_j(()) == pytest.approx(0.25 * PICO)
    assert price("leakage-power").with_parameters(watts=2e-3).energy_j(()) == pytest.approx(2e-3)
    assert price("program-energy").with_parameters(joules=1e-11).energy_j(()) == pytest.approx(
        1e-11
    )


def test_bad_parameters_are_errors() -> None:
    accelergy = price("adc-accelergy")
    with pytest.raises(
        SettingError,
        match=r"unknown key 'frequency': price 'adc-accelergy' .*did you mean 'frequency_hz'",
    ):
        accelergy.with_parameters(frequency=1e6)
    with pytest.raises(
        SettingError, match="unknown key 'fom': price 'adc-thermal' has no parameters"
    ):
        price("adc-thermal").with_parameters(fom=1)
    for value in (-1.0, math.nan, math.inf, True, "1e6"):
        with pytest.raises(
            SettingError,
            match=r"'frequency_hz' = .*finite and not negative.* price 'adc-accelergy'",
        ):
            accelergy.with_parameters(frequency_hz=value)  # type: ignore[arg-type]
    with pytest.raises(
        SettingError,
        match=r"converters.toml:\d+: price 'adc-accelergy': .* gives nan J at .*frequency_hz = 0",
    ):
        accelergy.with_parameters(frequency_hz=0).energy_j((8,))
    with pytest.raises(
        SettingError,
        match=r"cells.toml:\d+: price 'program-energy' has no default",
    ):
        price("program-energy").energy_j(())


def test_mixed_widths_are_symmetric_and_lie_between_the_square_ones() -> None:
    multiply = price("multiply-qkeras-45nm")
    assert (
        multiply.energy_j((2, 8))
        == multiply.energy_j((8, 2))
        == pytest.approx(multiply.energy_j((4, 4)))
    )
    assert multiply.energy_j((4, 4)) < multiply.energy_j((4, 8)) < multiply.energy_j((8, 8))


def test_voltage_moves_converters_and_lines_as_its_square_and_nothing_else() -> None:
    for name, entry in PRICES.items():
        if entry.required:
            continue
        args = widths(name, 4)
        ratio = 4.0 if entry.has_voltage else 1.0
        assert entry.energy_j(args, 1.2) == pytest.approx(ratio * entry.energy_j(args, 0.6))
    assert {entry.name for entry in PRICES.values() if entry.has_voltage} == {
        "adc-zigzag-28nm",
        "dac-zigzag-28nm",
        "line-gates-28nm",
    }
    assert "V = 0.6" in price("adc-zigzag-28nm").citation(0.6).formula


def test_a_random_bit_costs_attojoules_to_femtojoules_never_microjoules() -> None:
    """Every random price that is not free lies between 1e-21 and 1e-14 J: aJ is not µJ."""
    prices_j = {
        name: entry.energy_j(()) for name, entry in PRICES.items() if entry.kind == "random"
    }
    assert prices_j.pop("random-none") == 0
    assert all(1e-21 < joules < 1e-14 for joules in prices_j.values())
    assert len(prices_j) >= 4


def test_an_unverified_price_says_so_whatever_is_done_to_it() -> None:
    unverified = {name for name, entry in PRICES.items() if entry.tag == "unv"}
    assert unverified == {
        *("adc-walden", "adc-schreier", "adc-rekhi", "random-mtj-pbit"),
        *("add-int32-jouppi-7nm", "multiply-jouppi-7nm", "memory-sram-jouppi-7nm"),
    }
    for name, entry in PRICES.items():
        flagged = f"unsourced: {name} was not checked against a source" in entry.flags(
            widths(name, 8)
        )
        assert flagged == (name in unverified)
    assert (
        price("memory-sram-jouppi-7nm").times(0.5, "half", tag="engineering default").tag == "unv"
    )


def test_a_factor_is_paid_and_shown() -> None:
    own = price("add-qkeras-45nm")
    found = own.times(3, "three", tag="user")
    assert found.energy_j((16,)) == pytest.approx(3 * own.energy_j((16,)), rel=1e-15)
    assert (found.formula, found.tag) == (f"({own.formula}) × three", "user")
    assert own.times(3, "three").tag == own.tag == "src"


def test_floor_prices_are_tagged_and_below_every_other_price_of_their_kind() -> None:
    for kind, args in {"adc": (8,), "memory": (KBIT,), "random": ()}.items():
        entries = [entry for entry in PRICES.values() if entry.kind == kind]
        floor = next(entry for entry in entries if entry.tag == "floor")
        assert all(
            floor.energy_j(args) < entry.energy_j(args)
            for entry in entries
            if entry is not floor and entry.energy_j(args) > 0
        )


def test_unknown_names_and_tags_are_errors() -> None:
    with pytest.raises(SettingError, match="did you mean 'adc-zigzag-28nm'"):
        price("adc-zigzag-28")
    with pytest.raises(SettingError, match="did you mean 'src'"):
        Price("mine", "adc", "0", "J per conversion", "nobody", "scr", lambda bits: 0.0)


def test_landauer_is_kt_ln_2() -> None:
    assert math.exp(LANDAUER_J / THERMAL_J) == pytest.approx(2.0)


def test_cells_and_lines_by_hand() -> None:
    """ISAAC's figure; 0.2² V² × 25 µS × 250 ns = 0.25 pJ; half of 0.35 fF at 0.9 V."""
    assert price("cell-isaac-32nm").energy_j(()) == pytest.approx(4.1e-15, rel=1e-12)
    by_hand_j = 0.3**2 / (2e3 + 20e3) * 1e-9
    assert by_hand_j == pytest.approx(4.1e-15, rel=3e-3)
    assert price("cell-pcm-25us").energy_j(()) == pytest.approx(0.25e-12)
    assert price("line-gates-28nm").energy_j((), 0.9) == pytest.approx(0.5 * 0.35e-15 * 0.81)


@pytest.mark.parametrize("name", ["adc-walden", "memory-sram-45nm", "random-lfsr-28nm"])
def test_a_price_is_a_value(name: str) -> None:
    """It can be a key, and is shown without the function that it calls."""
    assert {price(name): 1}[price(name)] == 1
    assert "joules=" not in repr(price(name))
