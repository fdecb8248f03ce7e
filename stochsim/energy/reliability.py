"""The energy that buys reliability: E(σ) = e0 (s/σ)^ρ for ρ > 0 and max(0, e_bit log2(s/σ)) at ρ =
0, in joules per neuron and read.
"""

import math
from dataclasses import dataclass

from stochsim.energy.entries import THERMAL_J
from stochsim.energy.named_prices import price
from stochsim.energy.pricing import DEFAULT_VOLTAGE_V, Price
from stochsim.settings import (
    SettingError,
    check_float,
    check_kind,
    check_not_negative,
    check_positive,
)


@dataclass(frozen=True)
class ReliabilityLaw:
    """E(σ) of one ρ.

    `scale_j` is e_bit (joules per bit) at ρ = 0 and e0 (joules at σ = s) for ρ > 0; `node_nm` the
    technology of its source, where that has one.
    """

    rho: float
    scale_j: float
    source: str = "set by the user"
    tag: str = "user"
    node_nm: float | None = None

    def __post_init__(self) -> None:
        rho = _not_negative("rho", self.rho)
        object.__setattr__(self, "rho", rho)
        scale_j = _not_negative("e_bit_j" if rho == 0 else "e0_j", self.scale_j)
        object.__setattr__(self, "scale_j", scale_j)

    def energy_j(self, sigma_over_s: float) -> float:
        """Joules to keep one neuron at noise σ = sigma_over_s · s for one read; never negative,
        infinite at σ = 0.
        """
        sigma_over_s = check_not_negative("sigma_over_s", sigma_over_s)
        if sigma_over_s == 0:
            return math.inf
        if self.rho == 0:
            return max(0.0, -self.scale_j * math.log2(sigma_over_s))
        try:
            return self.scale_j * sigma_over_s**-self.rho
        except OverflowError:  # Python's own power of floats raises where others give infinity
            return math.inf

    @property
    def price(self) -> Price:
        """The law as the price of the operation "reliability"."""
        if self.rho == 0:
            name = "reliability-rho-0"
            formula = f"max(0, e_bit log2(s/σ)), e_bit = {self.scale_j:.4g} J"
        else:
            name = f"reliability-rho-{self.rho:g}"
            formula = f"e0 (s/σ)^{self.rho:g}, e0 = {self.scale_j:.4g} J"
        return Price(
            name,
            "reliability",
            formula,
            "J per neuron and read",
            self.source,
            self.tag,
            self.energy_j,
            node_nm=self.node_nm,
        )


def reliability_law(
    rho: float,
    voltage_v: float = DEFAULT_VOLTAGE_V,
    e_bit_j: float | None = None,
    e0_j: float | None = None,
) -> ReliabilityLaw:
    """The law of this ρ: with e_bit_j (ρ = 0) or e0_j (ρ > 0) where given, else the default of ρ =
    0, 1 or 2.

    The formulas of the defaults are sourced; that they price a neuron's noise is this project's
    choice, so they are tagged "engineering default". Raises SettingError for ρ < 0, and for another
    ρ without e0_j.
    """
    rho = _not_negative("rho", rho)
    voltage_v = check_positive("voltage_v", voltage_v)
    given_j = e_bit_j if rho == 0 else e0_j
    if given_j is not None:
        return ReliabilityLaw(rho, given_j)
    if rho not in (0, 1, 2):
        rule = "has no default price: set reliability.e0_j (joules at σ = s), or take rho 0, 1 or 2"
        raise SettingError.of("rho", rho, rule)
    scale_j, source = _default(rho, voltage_v)
    node_nm = price("adc-zigzag-28nm").node_nm if rho in (0, 1) else None
    return ReliabilityLaw(rho, scale_j, source, "engineering default", node_nm)


def _default(rho: float, voltage_v: float) -> tuple[float, str]:
    if rho == 0:
        return (
            100e-15 * voltage_v**2,
            f"linear slope of the ZigZag converter, 100 V² fJ per bit at V = {voltage_v:g}, 28 nm",
        )
    if rho == 1:
        return price("adc-zigzag-28nm").energy_j(
            (1,), voltage_v
        ), f"the ZigZag converter at 1 bit, V = {voltage_v:g}, 28 nm"
    return 12 * THERMAL_J, "12 kT: kT/C noise set equal to quantisation noise, 300 K"


def reliability_price_to_cost(lam_nat_per_j: float, law: ReliabilityLaw) -> float:
    """The training cost c, in nats, of this law: λ e0 ρ for ρ > 0, λ e_bit / ln 2 at ρ = 0.

    With it C_ρ(σ) = c ((s/σ)^ρ − 1)/ρ (−c ln(σ/s) at ρ = 0) has the slope of λ E(σ) in σ; constants
    are dropped. The bill clips E at ρ = 0 where σ > s; training does not.
    """
    lam_nat_per_j = _not_negative("lam_nat_per_j", lam_nat_per_j)
    check_kind("law", law, ReliabilityLaw, "should be a ReliabilityLaw")
    return lam_nat_per_j * law.scale_j * (law.rho if law.rho > 0 else 1 / math.log(2))


def _not_negative(name: str, value: float) -> float:
    """A finite number, 0 or above, in float64; raises SettingError for anything else."""
    found = check_float(name, value)
    if not (math.isfinite(found) and found >= 0):
        raise SettingError.of(name, value, "should be finite and not negative")
    return found
