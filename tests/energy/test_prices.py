"""Prices reproduce the figures of their sources, follow their laws over the whole range, and are
clamped and flagged outside.
"""

import math
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stochsim import energy
from stochsim.energy import ARGUMENTS, CONVERTER_MODELS, LANDAUER_J, PRICES, THERMAL_J, Price, price
from stochsim.settings import SettingError

FEMTO, PICO, ATTO = 1e-15, 1e-12, 1e-18
KBIT = 1024
OUTSIDE = "is outside the model's range"
BOOK = Path(energy.__file__).parent / "book"
FREE = {
    *("cell-none", "cell-floor", "line-none", "line-floor", "program-none", "leakage-none"),
    *("adc-none", "dac-none", "dac-floor", "memory-in-array", "random-none"),
    *("multiply-in-cell", "multiply-floor", "add-bit-line", "add-floor"),
    *("float-multiply-floor", "float-add-floor"),
}

FIGURES = [
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
    ("cell-isaac-32nm", (), 4.1 * FEMTO, 1e-9),
    ("adc-thermal", (4,), 12.7 * ATTO, 3e-3),
    ("adc-thermal", (8,), 3.26 * FEMTO, 2e-3),
    ("adc-thermal", (12,), 834 * FEMTO, 2e-3),
    ("multiply-horowitz-45nm", (8, 8), 0.2 * PICO, 1e-9),
    ("multiply-horowitz-45nm", (4, 2), 0.2 * PICO, 1e-9),  # the narrowest that fits
    ("multiply-horowitz-45nm", (8, 9), 3.1 * PICO, 1e-9),
    ("multiply-horowitz-45nm", (32, 32), 3.1 * PICO, 1e-9),
    ("add-horowitz-45nm", (8,), 0.03 * PICO, 1e-9),
    ("add-horowitz-45nm", (16,), 0.05 * PICO, 1e-9),
    ("add-horowitz-45nm", (32,), 0.1 * PICO, 1e-9),
    ("float-multiply-horowitz-45nm", (16,), 1.1 * PICO, 1e-9),
    ("float-multiply-horowitz-45nm", (32,), 3.7 * PICO, 1e-9),
    ("float-add-horowitz-45nm", (16,), 0.4 * PICO, 1e-9),
    ("float-add-horowitz-45nm", (32,), 0.9 * PICO, 1e-9),
    ("float-multiply-jouppi-7nm", (16,), 0.34 * PICO, 1e-9),
    ("float-multiply-jouppi-7nm", (32,), 1.31 * PICO, 1e-9),
    ("add-jouppi-7nm", (8,), 0.007 * PICO, 1e-9),
    ("add-int32-jouppi-7nm", (32,), 0.03 * PICO, 1e-9),
    ("multiply-jouppi-7nm", (8, 8), 0.07 * PICO, 1e-9),
    ("multiply-jouppi-7nm", (32, 32), 1.48 * PICO, 1e-9),
    ("multiply-aladdin-40nm", (32, 32), 12.68 * PICO, 1e-9),
    ("multiply-array-28nm", (1, 1), 0.284 * FEMTO, 1e-9),
    ("multiply-array-28nm", (4, 2), (8 * 0.284 + 4 * 3.40) * FEMTO, 1e-9),
    ("add-gates-28nm", (1,), 3.40 * FEMTO, 1e-9),
    ("memory-register-28nm", (KBIT,), 1.70 * FEMTO, 1e-9),
    ("memory-sram-horowitz-45nm", (64 * KBIT,), 10 / 64 * PICO, 1e-9),
    ("memory-sram-horowitz-45nm", (256 * KBIT,), 20 / 64 * PICO, 1e-9),
    ("memory-sram-horowitz-45nm", (8192 * KBIT,), 100 / 64 * PICO, 1e-9),
    ("memory-sram-jouppi-7nm", (64 * KBIT,), 7.5 / 64 * PICO, 1e-9),
    ("memory-sram-jouppi-7nm", (256 * KBIT,), 8.5 / 64 * PICO, 1e-9),
    ("memory-sram-jouppi-7nm", (8192 * KBIT,), 14 / 64 * PICO, 1e-9),
    ("memory-dram", (KBIT,), 20.3 * PICO, 1e-9),
    ("memory-gddr6", (KBIT,), 415 / 64 * PICO, 1e-9),
    ("adc-isaac-32nm", (4,), 0.79 * PICO, 1e-9),
    ("adc-isaac-32nm", (5,), 0.99 * PICO, 1e-9),
    ("adc-isaac-32nm", (6,), 1.20 * PICO, 1e-9),
    ("adc-isaac-32nm", (7,), 1.42 * PICO, 1e-9),
    ("adc-isaac-32nm", (8,), 1.67 * PICO, 1e-9),
    ("adc-isaac-32nm", (9,), 1.97 * PICO, 1e-9),
    ("adc-isaac-32nm", (10,), 2.38 * PICO, 1e-9),
    ("dac-isaac-32nm", (1,), 0.417 * PICO, 1e-9),
    ("adc-wan-130nm", (4,), (8 * 0.3 + 1.2 + 0.25 + 0.1) * PICO, 1e-9),
    ("adc-walden", (8,), 1.28 * PICO, 1e-9),
    ("adc-schreier", (8,), 0.5 * 10 ** ((6.0206 * 8 + 1.7609 - 175) / 10), 1e-9),
    ("adc-rekhi", (4,), 0.3 * PICO, 1e-9),
    ("adc-rekhi", (10.5,), 0.3 * PICO, 1e-9),  # where the regimes meet
    ("adc-rekhi", (12,), 10**0.399 * PICO, 1e-9),
    ("random-cmos-rng", (), 350 * ATTO, 1e-9),
    ("random-mtj-pbit", (), 2 * FEMTO, 1e-9),
    ("memory-landauer", (KBIT,), 2.871e-21, 1e-3),
    ("random-landauer", (), 2.871e-21, 1e-3),
]


def widths(name: str, *values: int) -> tuple[float, ...]:
    """Arguments of this price at one width."""
    return tuple(values) * len(ARGUMENTS[price(name).kind])


@pytest.mark.parametrize(("name", "args", "published_j", "tolerance"), FIGURES)
def test_published_figures(
    name: str, args: tuple[float, ...], published_j: float, tolerance: float
) -> None:
    assert price(name).energy_j(args) == pytest.approx(published_j, rel=tolerance, abs=0)


@pytest.mark.parametrize(
    ("node_nm", "frequency_hz", "bits", "published_pj"),
    [
        *(
            (32, 1e6, bits, joules)
            for bits, joules in {4: 0.92, 8: 1.71, 10: 3.31, 12: 7.2}.items()
        ),
        *(
            (65, 1e6, bits, joules)
            for bits, joules in {4: 3.50, 6: 4.04, 8: 6.49, 10: 12.5}.items()
        ),
        *(
            (7, 1e6, bits, joules)
            for bits, joules in {4: 0.053, 6: 0.061, 8: 0.098, 10: 0.190}.items()
        ),
        (32, 1e8, 12, 29),
        (32, 1e9, 12, 133),
    ],
)
def test_accelergy_regression(
    node_nm: float, frequency_hz: float, bits: int, published_pj: float
) -> None:
    """Its check values, to the digits that are given: within half of their last place."""
    model = price("adc-accelergy").with_parameters(node_nm=node_nm, frequency_hz=frequency_hz)
    digits = len(f"{published_pj:g}".partition(".")[2])
    assert model.energy_j((bits,)) / PICO == pytest.approx(published_pj, abs=0.51 * 10.0**-digits)


def test_accelergy_at_8_bits_is_near_the_converter_of_isaac() -> None:
    assert price("adc-accelergy").energy_j((8,)) == pytest.approx(
        price("adc-isaac-32nm").energy_j((8,)), rel=0.03
    )


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("adc-rekhi", 1.0),
        ("adc-accelergy", 1.85),
        ("adc-zigzag-28nm", 2.16),
        ("adc-walden", 16),
        ("adc-schreier", 256),
        ("adc-thermal", 256),
        ("multiply-qkeras-45nm", 3.84),
        ("add-qkeras-45nm", 2),
    ],
)
def test_ratio_of_8_to_4_bits_is_the_one_that_names_the_model(name: str, ratio: float) -> None:
    assert price(name).energy_j(widths(name, 8)) / price(name).energy_j(
        widths(name, 4)
    ) == pytest.approx(ratio, rel=4e-3)


def test_the_five_converter_models_are_named() -> None:
    assert list(CONVERTER_MODELS) == ["zigzag", "accelergy", "walden", "schreier", "rekhi"]
    assert {price(name).kind for name in CONVERTER_MODELS.values()} == {"adc"}


def _accelergy(bits: float) -> float:
    merit = min(213.781 - 2.8719 * math.log(1e6), 128.307 + 3.2205 * math.ceil(bits))
    sndr = 6.0206 * bits + 1.7609
    return (
        0.5
        * 10 ** ((sndr - merit) / 10)
        * math.exp(24.5794 + 1.88 * math.log(32) - 2.8291 * math.log(bits))
        * PICO
    )


def _sram(total: float) -> float:
    x = math.log2(total)
    return (9.0243e-4 * x**3 - 2.68848e-2 * x**2 + 0.2089008 * x) * PICO


BITS = range(1, 17)
LAWS: dict[str, tuple[Callable[[float], float], Sequence[float]]] = {
    "multiply-qkeras-45nm": (lambda b: (0.0029948 * b * b + 0.0010417 * b) * PICO, BITS),
    "multiply-gates-28nm": (lambda b: 0.284 * b * b * FEMTO, BITS),
    "multiply-array-28nm": (lambda b: (0.284 * b * b + 3.40 * (b - 1) * b) * FEMTO, BITS),
    "add-qkeras-45nm": (lambda b: 0.003125 * b * PICO, range(1, 65)),
    "add-gates-28nm": (lambda b: 3.40 * b * FEMTO, range(1, 65)),
    "adc-zigzag-28nm": (lambda b: (100 * b + 0.001 * 4**b) * 0.9**2 * FEMTO, BITS),
    "dac-zigzag-28nm": (lambda b: 50 * b * 0.9**2 * FEMTO if b > 1 else 0.0, BITS),
    "adc-accelergy": (_accelergy, [4 + step / 4 for step in range(49)]),
    "adc-walden": (lambda b: 5 * 2**b * FEMTO, BITS),
    "adc-schreier": (lambda b: 0.5 * 10 ** ((6.0206 * b + 1.7609 - 175) / 10), BITS),
    "adc-rekhi": (lambda b: (0.3 if b <= 10.5 else 10 ** (0.1 * (6.02 * b - 68.25))) * PICO, BITS),
    "adc-thermal": (lambda b: 12 * THERMAL_J * 4**b, BITS),
    "adc-wan-130nm": (lambda b: (0.3 * 2 ** (b - 1) + 1.55) * PICO, BITS),
    "memory-sram-45nm": (_sram, [2.0 ** (16 + step / 4) for step in range(29)]),
    "cell-pcm-25us": (lambda _: 0.2**2 * 25e-6 * 250e-9, [1]),
    "line-gates-28nm": (lambda _: 0.5 * 0.35e-15 * 0.9**2, [1]),
}


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_followed_exactly_over_its_whole_range_without_a_flag(name: str) -> None:
    law, places = LAWS[name]
    for place in places:
        args = widths(name, place)  # type: ignore[arg-type]
        assert price(name).energy_j(args) == pytest.approx(law(place), rel=1e-12, abs=0)
        assert not any(OUTSIDE in flag for flag in price(name).flags(args))


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


def test_every_figure_of_the_book_is_held_to_one_written_here() -> None:
    """Every price by a law, a figure or nothing; tables at every width that they list."""
    held = {(name, max(args, default=0)) for name, args, *_ in FIGURES}
    tables = {
        (name, int(width))
        for path in BOOK.glob("*.toml")
        for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).get("prices", {}).items()
        for width in entry.get("table", ())
    }
    assert tables - held == set()
    set_by_user = {name for name, entry in PRICES.items() if entry.required}
    assert set(PRICES) - {name for name, _ in held} - set(LAWS) - FREE - set_by_user == set()


def test_the_free_prices_are_these_and_stay_free() -> None:
    """They cost nothing whatever the operation, and a factor finds nothing to multiply."""
    free = {name: entry for name, entry in PRICES.items() if entry.is_free}
    assert set(free) == FREE
    for name, entry in free.items():
        assert entry.energy_j(widths(name, 8)) == 0
        assert entry.times(3, "three").formula == "0"
        assert entry.times(3, "three").is_free


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
