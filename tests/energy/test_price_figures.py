"""Every price of the book against the figure of its source that is written here, or against its law
over the whole range.
"""

import math
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stochsim import energy
from stochsim.energy import ADC_MODELS, ARGUMENTS, PRICES, THERMAL_J, price

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


def test_accelergy_at_8_bits_is_near_the_adc_of_isaac() -> None:
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


def test_the_five_adc_models_are_named() -> None:
    assert list(ADC_MODELS) == ["zigzag", "accelergy", "walden", "schreier", "rekhi"]
    assert {price(name).kind for name in ADC_MODELS.values()} == {"adc"}


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


def test_every_figure_of_the_book_is_compared_with_one_written_here() -> None:
    """Every price by a law, a figure or nothing; tables at every width that they list."""
    written = {(name, max(args, default=0)) for name, args, *_ in FIGURES}
    tables = {
        (name, int(width))
        for path in BOOK.glob("*.toml")
        for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).get("prices", {}).items()
        for width in entry.get("table", ())
    }
    assert tables - written == set()
    set_by_user = {name for name, entry in PRICES.items() if entry.required}
    assert set(PRICES) - {name for name, _ in written} - set(LAWS) - FREE - set_by_user == set()


def test_the_free_prices_are_these_and_stay_free() -> None:
    """They cost nothing whatever the operation, and a factor finds nothing to multiply."""
    free = {name: entry for name, entry in PRICES.items() if entry.is_free}
    assert set(free) == FREE
    for name, entry in free.items():
        assert entry.energy_j(widths(name, 8)) == 0
        assert entry.times(3, "three").formula == "0"
        assert entry.times(3, "three").is_free
