"""The parts of a Hardware: how many bits, which noise, which prices. An error names every field that breaks a rule."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from stochsim.energy import DEFAULT_VOLTAGE_V, PRICES, Operation, part_kind
from stochsim.settings import SettingError, Settings, nearest

Bits = Annotated[int, Field(ge=1, le=8)]
NotNegative = Annotated[float, Field(ge=0)]

OPERATION_PRICES = ("multiply", "add", "adc", "dac", "weight_memory", "code_memory", "random")
"""The fields of Prices that name a price, one per kind of operation; "hold" is priced by Reliability."""


class Precision(Settings):
    """Bit widths of weights, inputs and outputs, 1 to 8 each."""

    weight_bits: Bits
    input_bits: Bits
    output_bits: Bits


class Noise(Settings):
    """The noise a chip cannot avoid: it comes on top of the σ that the network buys, and is free and unwanted.

    `read_sigma` (units of the drive) or `read_sigma_lsb` (output steps) is the standard deviation of the read noise, of the given family.
    `weight_sigma` (weight values) or `weight_sigma_lsb` (weight steps) is fresh Gaussian noise on every weight at every read; it is lumped
    at the output as one draw of standard deviation σ‖x‖, which is exact for independent Gaussians, so it is Gaussian whatever the family.
    Raises SettingError where both forms of one noise are given.
    """

    family: Literal["gaussian", "logistic", "uniform"] = "gaussian"
    read_sigma: NotNegative = 0.0
    read_sigma_lsb: NotNegative = 0.0
    weight_sigma: NotNegative = 0.0
    weight_sigma_lsb: NotNegative = 0.0

    @model_validator(mode="after")
    def _one_form_of_each(self) -> Self:
        for name in ("read_sigma", "weight_sigma"):
            value, in_steps = getattr(self, name), getattr(self, f"{name}_lsb")
            if value > 0 and in_steps > 0:
                raise SettingError(f"'{name}' = {value!r} and '{name}_lsb' = {in_steps!r}: only one of the two may be nonzero")
        return self

    def read_sigma_drive(self, output_step: float) -> float:
        """Standard deviation of the read noise in units of the drive, for outputs whose codes are `output_step` apart."""
        return self.read_sigma + self.read_sigma_lsb * output_step

    def weight_sigma_value(self, weight_step: float) -> float:
        """Standard deviation of one weight's read noise in weight values, for weight codes that are `weight_step` apart."""
        return self.weight_sigma + self.weight_sigma_lsb * weight_step


class Prices(Settings):
    """The name of the price of each kind of operation, and the supply voltage that enters the prices whose formula has V."""

    multiply: str
    add: str
    adc: str
    dac: str
    weight_memory: str
    code_memory: str
    random: str
    voltage_v: Annotated[float, Field(gt=0)] = DEFAULT_VOLTAGE_V

    @field_validator(*OPERATION_PRICES)
    @classmethod
    def _known_price_of_this_kind(cls, name: str, info: ValidationInfo) -> str:
        names = [entry.name for entry in PRICES.values() if entry.kind == part_kind(str(info.field_name))]
        if name not in names:
            what = f"is a price of '{PRICES[name].kind}'" if name in PRICES else "is unknown"
            raise SettingError(f"price '{name}' {what}: {nearest(name, names)}")
        return name


class Reliability(Settings):
    """The energy that buys reliability: E(σ) = e0 (s/σ)^ρ for ρ > 0, max(0, e_bit log2(s/σ)) at ρ = 0.

    `s` is the reference noise in values. `e_bit_j` (joules per bit, ρ = 0) and `e0_j` (joules at σ = s, ρ > 0) override the defaults of
    ρ = 0, 1 and 2; every other ρ needs `e0_j`.
    """

    s: Annotated[float, Field(gt=0)] = 1.0
    e_bit_j: NotNegative | None = None
    e0_j: NotNegative | None = None

    def hold(self, sigma: float) -> Operation:
        """The operation "hold one neuron at noise σ for one read"; `sigma` in units of the drive, as `s`."""
        return Operation("hold", (sigma / self.s,))


class RandomSource(Settings):
    """How many random bits a chip draws per output code and read: 32 where noise is computed, 0 where it is physical."""

    random_bits_per_code: Annotated[int, Field(ge=0)] = 32
