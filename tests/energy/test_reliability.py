"""The energy that buys reliability, and the training cost that follows from it."""

import math

import pytest

from stochsim.energy import (
    THERMAL_J,
    ReliabilityLaw,
    price,
    reliability_law,
    reliability_price_to_cost,
)
from stochsim.settings import SettingError


@pytest.mark.parametrize("rho", [0.5, 1.0, 2.0])
def test_power_law(rho: float) -> None:
    law = ReliabilityLaw(rho, 3e-15)
    assert law.energy_j(1.0) == pytest.approx(3e-15)
    assert law.energy_j(0.25) == pytest.approx(3e-15 * 4**rho)


def test_rho_0_pays_per_bit_and_is_never_negative() -> None:
    law = ReliabilityLaw(0, 5e-15)
    assert law.energy_j(0.25) == pytest.approx(10e-15)
    assert law.energy_j(1.0) == law.energy_j(8.0) == 0


@pytest.mark.parametrize("rho", [0, 0.5, 1, 2])
def test_no_noise_costs_infinitely_much(rho: float) -> None:
    assert ReliabilityLaw(rho, 1e-15).energy_j(0) == math.inf


def test_overflow_is_infinity() -> None:
    assert ReliabilityLaw(2, 1e-15).energy_j(1e-200) == math.inf


def test_defaults_follow_their_sources_and_are_tagged() -> None:
    adc_1_bit_j = price("adc-zigzag-28nm").energy_j((1,))
    for rho, scale_j in {0: 100e-15 * 0.81, 1: adc_1_bit_j, 2: 12 * THERMAL_J}.items():
        law = reliability_law(rho)
        assert law.scale_j == pytest.approx(scale_j)
        assert law.tag == "engineering default"
    assert reliability_law(0, 0.45).scale_j == pytest.approx(reliability_law(0, 0.9).scale_j / 4)
    assert reliability_law(1, 0.45).scale_j == pytest.approx(reliability_law(1, 0.9).scale_j / 4)
    assert reliability_law(2, 0.45) == reliability_law(2, 0.9)


@pytest.mark.parametrize(
    ("rho", "voltage_v", "source"),
    [
        (0, 0.9, "linear slope of the ZigZag converter, 100 V² fJ per bit at V = 0.9, 28 nm"),
        (0, 0.45, "linear slope of the ZigZag converter, 100 V² fJ per bit at V = 0.45, 28 nm"),
        (1, 0.45, "the ZigZag converter at 1 bit, V = 0.45, 28 nm"),
        (2, 0.45, "12 kT: kT/C noise set equal to quantisation noise, 300 K"),
    ],
)
def test_a_default_says_where_it_is_from(rho: float, voltage_v: float, source: str) -> None:
    assert reliability_law(rho, voltage_v).source == source
    assert reliability_law(rho, voltage_v).price.source == source


@pytest.mark.parametrize(
    ("law", "name", "formula"),
    [
        (
            ReliabilityLaw(0, 8.1e-14),
            "reliability-rho-0",
            "max(0, e_bit log2(s/σ)), e_bit = 8.1e-14 J",
        ),
        (ReliabilityLaw(1, 3.14159e-15), "reliability-rho-1", "e0 (s/σ)^1, e0 = 3.142e-15 J"),
        (ReliabilityLaw(0.5, 2e-15), "reliability-rho-0.5", "e0 (s/σ)^0.5, e0 = 2e-15 J"),
    ],
)
def test_a_law_is_shown_as_it_is_priced(law: ReliabilityLaw, name: str, formula: str) -> None:
    """The formula word for word, and its joules against a law written out from them."""
    found = law.price
    assert (found.name, found.kind, found.formula) == (name, "reliability", formula)
    assert (found.unit, found.source, found.tag) == (
        "J per neuron and read",
        "set by the user",
        "user",
    )
    for sigma_over_s in (0.125, 0.5, 1.0, 4.0):
        written_out = (
            max(0.0, law.scale_j * math.log2(1 / sigma_over_s))
            if "log2" in formula
            else law.scale_j * (1 / sigma_over_s) ** law.rho
        )
        assert found.energy_j((sigma_over_s,)) == pytest.approx(written_out, rel=1e-12)


def test_rho_0_default_is_the_slope_of_the_adc() -> None:
    adc = price("adc-zigzag-28nm")
    assert adc.energy_j((3,)) - adc.energy_j((2,)) == pytest.approx(
        reliability_law(0).scale_j, rel=1e-3
    )


def test_what_the_user_sets_replaces_the_default_of_its_own_rho_only() -> None:
    given = {"e_bit_j": 7e-15, "e0_j": 9e-15}
    assert reliability_law(0, **given) == ReliabilityLaw(0, 7e-15)
    assert reliability_law(1, **given) == ReliabilityLaw(1, 9e-15)
    assert reliability_law(0, e0_j=9e-15) == reliability_law(0)
    assert reliability_law(0.5, e0_j=9e-15).tag == "user"


def test_other_rho_needs_e0() -> None:
    with pytest.raises(SettingError, match=r"'rho' = 0.5: .*reliability.e0_j"):
        reliability_law(0.5)


@pytest.mark.parametrize("rho", [-1.0, math.nan, math.inf])
def test_bad_rho_is_an_error(rho: float) -> None:
    for e0_j in (None, 1e-15):
        with pytest.raises(SettingError, match=f"'rho' = {rho}: should be finite and not negative"):
            reliability_law(rho, e0_j=e0_j)
    with pytest.raises(SettingError, match=f"'rho' = {rho}: should be finite and not negative"):
        ReliabilityLaw(rho, 1e-15)


def test_bad_scale_and_rate_are_errors() -> None:
    for rho, name in ((0, "e_bit_j"), (1, "e0_j")):
        for scale_j in (-1e-15, math.nan, math.inf):
            with pytest.raises(SettingError, match=f"'{name}' = {scale_j}: should be finite and"):
                ReliabilityLaw(rho, scale_j)
    for lam in (-1.0, math.nan, math.inf):
        with pytest.raises(SettingError, match=f"'lam_nat_per_j' = {lam}: should be finite"):
            reliability_price_to_cost(lam, ReliabilityLaw(1, 1e-15))


@pytest.mark.parametrize("rho", [0, 0.5, 1, 2])
def test_cost_has_the_slope_of_the_priced_energy(rho: float) -> None:
    """Training pays C_ρ(σ); its derivative in σ must be λ dE/dσ, by central differences at σ = 0.7
    s.
    """
    lam = 2e13
    law = ReliabilityLaw(rho, 4e-14)
    sigma = 0.7
    step = 1e-5
    c = reliability_price_to_cost(lam, law)

    def training_cost(ratio: float) -> float:
        return -c * math.log(ratio) if rho == 0 else c * (ratio**-rho - 1) / rho

    priced = lam * (law.energy_j(sigma + step) - law.energy_j(sigma - step))
    assert training_cost(sigma + step) - training_cost(sigma - step) == pytest.approx(
        priced, rel=1e-6
    )


def test_bit_serial_machine_is_the_elbo_where_a_bit_costs_ln_2() -> None:
    law = reliability_law(0)
    assert reliability_price_to_cost(math.log(2) / law.scale_j, law) == pytest.approx(1.0)
